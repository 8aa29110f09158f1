package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

func namesDriftCases() []driftCase {
	tell := func(command string) func(*machine) {
		return func(m *machine) { m.tell(strings.ReplaceAll(command, "NAMES", m.namesFile())) }
	}
	return []driftCase{
		{"the map file is edited", func(m *machine) { m.writeNames("ns_web_http/app.example.com ns_web_blog:http\n") }, model.UpdateFile, "the map file was edited"},
		{"the map file is gone", func(m *machine) { _ = os.Remove(m.namesFile()) }, model.UpdateFile, "the map file is gone"},
		{"both files are gone", func(m *machine) { _ = errors.Join(os.Remove(m.namesFile()), os.Remove(m.config())) }, model.UpdateFile, "the file is gone"},
		{"a name leads elsewhere", tell("set map NAMES ns_web_http/app.example.com ns_web_blog:http"), model.UpdateRuntime, "name app.example.com goes to ns_web_app:http now"},
		{"a name is taken away", tell("del map NAMES ns_web_http/app.example.com"), model.UpdateRuntime, "name app.example.com added"},
		{"a name is added", tell("add map NAMES ns_web_http/evil.example.com ns_web_app:http"), model.UpdateRuntime, "name evil.example.com removed"},
		{"a name is added twice", tell("add map NAMES ns_web_http/app.example.com ns_web_blog:http"), model.UpdateRuntime, "name app.example.com goes to ns_web_app:http now"},
		{"a share leads elsewhere", tell("set map NAMES ns_web_split:07 ns_web_blog"), model.UpdateRuntime, "weighted route ns_web_split: 50 % to ns_web_app, 50 % to ns_web_blog or else ns_web_app now"},
		{"no name is left", tell("clear map NAMES"), model.UpdateRuntime, "name app.example.com added"},
		{"HAProxy runs an edited map file", func(m *machine) {
			m.writeNames("ns_web_http/app.example.com ns_web_blog:http\n")
			m.reloadByHand()
		}, model.UpdateRuntime, "name app.example.com goes to ns_web_app:http now"},
	}
}

// writeNames writes the map file by hand.
func (m *machine) writeNames(text string) {
	m.t.Helper()
	if err := os.WriteFile(m.namesFile(), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func TestNamesThatSomebodyChangesAreReportedAndRepaired(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m).split(50)
		fingerprint := m.syncCached(s.config).Fingerprint
		for _, drift := range namesDriftCases() {
			m.requireVerified(s.config, fingerprint)
			drift.spoil(m)
			m.requireReport(drift, s.config, fingerprint)
			m.requireRepair(drift, s.config, fingerprint)
			m.requireNames(s.config)
			m.requirePages("app.example.com", "app", "evil.example.com", unknownName)
		}
	})
}

// A restarted operator knows nothing but what the object's status contains.
func TestNamesThatSomebodyChangedAreFoundByARestartedOperator(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m).split(50)
	fingerprint := m.syncCached(s.config).Fingerprint
	for _, drift := range namesDriftCases() {
		drift.spoil(m)
		m.cache = driver.SyncCache{}
		m.requireRepair(drift, s.config, fingerprint)
		m.requireNames(s.config)
	}
}

// If somebody has added a name before edgelb does, edgelb's value must win.
func TestANameThatSomebodyHasAddedBeforeIsCorrected(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		requireSynced(t, m.syncCached(s.config))
		m.tell("add map " + m.namesFile() + " ns_web_http/blog.example.com ns_web_app:http")
		s = s.names("app.example.com", "ns_web_app:http", "blog.example.com", "ns_web_blog:http")

		outcome := m.syncCached(s.config)

		requireSynced(t, outcome)
		if outcome.Update != model.UpdateRuntime {
			t.Errorf("got %+v", outcome)
		}
		m.requirePages("blog.example.com", "blog")
		s = s.names("app.example.com", "ns_web_app:http")
		requireSynced(t, m.syncCached(s.config))
		m.requirePages("blog.example.com", unknownName)
	})
}

// The connection breaks at each step of a change of names: the next sync repairs the host, and a restart in between serves
// either state.
func TestNamesRecoverFromAConnectionThatBreaksAtAnyStep(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"same operator": false, "restarted operator": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s := newSite(m)
			requireSynced(t, m.syncCached(s.config))
			reloads := m.reloads()
			for step, previous := 1, "app-0.example.com"; ; step += stride(5) {
				name := fmt.Sprintf("app-%d.example.com", step)
				s = s.names(name, "ns_web_app:http")
				m.conn.breakIn(step)
				held := m.syncUntilBroken(s.config)
				m.conn = &localConn{}
				if restart {
					m.cache = driver.SyncCache{}
				}
				outcome := m.syncCached(s.config)
				requireSynced(t, outcome)
				m.syncUntil("no work is pending", outcome, s.config, func(o model.Outcome) bool { return o.FollowUp == 0 })
				m.requirePages(name, "app", previous, unknownName)
				m.requireNames(s.config)
				if m.reloads() != reloads {
					t.Fatalf("step %d: %d reloads", step, m.reloads()-reloads)
				}
				requireNoLeftovers(t, m)
				if held {
					break
				}
				previous = name
			}
		})
	}
}

// A host may lose its power at any moment of a change, and starts again from what is on its disk.
func TestAHostStartsFromItsFilesWhereverAChangeEnded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(haproxy.Config) haproxy.Config{
		"of names": func(c haproxy.Config) haproxy.Config { return c },
		"of more":  slower,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s, page := newSite(m), "app"
			requireSynced(t, m.syncCached(s.config))
			for cut, last := 1, (model.Outcome{}); last.State != model.Synced; cut += stride(3) {
				previous := page
				page = map[string]string{"app": "blog", "blog": "app"}[previous]
				s.config = change(s.names("app.example.com", "ns_web_"+page+":http").config)
				// The shell dies before command number cut of those that change the disk.
				m.conn.putBefore(m.dyingAt(cut))
				last = m.sync(s.config)
				m.conn.putBefore("")
				m.restart()
				if got := m.browse("app.example.com"); got != page && got != previous {
					t.Fatalf("cut off before command %d a client reads %q; %+v", cut, got, last)
				}
				requireSynced(t, m.sync(s.config))
				m.requirePages("app.example.com", page)
			}
		})
	}
}

// dyingAt returns a prefix for a command line that ends the shell before command number count of mv, cp, ln, rm and sync.
func (m *machine) dyingAt(count int) string {
	m.t.Helper()
	bin := m.path("dying")
	_ = os.Remove(m.path("count"))
	if err := os.MkdirAll(bin, 0o755); err != nil {
		m.t.Fatal(err)
	}
	for _, tool := range []string{"mv", "cp", "ln", "rm", "sync"} {
		script := fmt.Sprintf("#!/bin/sh\necho . >>%[1]s\n[ $(wc -l <%[1]s) -lt %[2]d ] || { kill -9 $PPID; exit 1; }\nexec /bin/%[3]s \"$@\"\n", m.path("count"), count, tool)
		if err := os.WriteFile(filepath.Join(bin, tool), []byte(script), 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
	return "export PATH=" + bin + ":$PATH; "
}

// A file of the same structure has its map file at the same path: a rollback restores the previous content.
func TestARollbackRestoresThePreviousNames(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(haproxy.Config) haproxy.Config{
		"of the same structure": func(c haproxy.Config) haproxy.Config { return c },
		"of another structure":  slower,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s := newSite(m)
			requireSynced(t, m.syncCached(s.config))
			file := m.readConfig()
			m.stop()
			bad := change(s.names("app.example.com", "ns_web_blog:http").config)

			outcome := m.syncCached(bad, func(r *driver.Request) { r.ReloadCommand = "/bin/false" })

			requireFailure(t, outcome, model.Rejected, "/bin/false")
			if m.readConfig() != file {
				t.Errorf("the file is\n%s\nwant\n%s", m.readConfig(), file)
			}
			m.start("-W", "-S", m.path("master.sock"))
			m.requirePages("app.example.com", "app")
			again := m.syncCached(s.config)
			requireSynced(t, again)
			if again.Update == model.UpdateReload {
				t.Errorf("got %+v", again)
			}
			requireSynced(t, m.syncCached(bad))
			m.requirePages("app.example.com", "blog")
			requireNoLeftovers(t, m)
		})
	}
}

// `haproxy -c` cannot find out whether a file can be loaded.
func TestAReloadThatFailsKeepsThePreviousNames(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		fingerprint := m.syncCached(s.config).Fingerprint
		bad := s.names("app.example.com", "ns_web_blog:http").config
		bad.AdminSocket = m.path("folder")
		if err := os.Mkdir(bad.AdminSocket, 0o755); err != nil {
			t.Fatal(err)
		}

		outcome := m.sync(bad)

		requireFailure(t, outcome, model.Rejected, "The previous configuration stays active")
		m.requirePages("app.example.com", "app")
		m.requireFileOf(s.config, fingerprint)
		m.restart()
		m.requirePages("app.example.com", "app")
	})
}

func TestAFileThatHAProxyRefusesLeavesNoMapFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.syncCached(s.config))
	m.refuseEveryFile("some-keyword")

	outcome := m.sync(slower(s.names("app.example.com", "ns_web_blog:http").config))

	requireFailure(t, outcome, model.Rejected, "unknown keyword 'some-keyword' in 'global' section")
	m.requireNames(s.config)
	requireNoLeftovers(t, m)
}

func TestAMachineWithNamesThatIsFoundUnderTwoNamesAtOnceGetsOneOfThem(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	configs := []haproxy.Config{newSite(m).config, newSite(m).names("app.example.com", "ns_web_blog:http").config}
	names := []string{"gw1:22", "192.0.2.1:22"}
	caches := make([]driver.SyncCache, len(names))
	for range 3 {
		var both sync.WaitGroup
		for i, name := range names {
			both.Go(func() {
				outcome := m.syncWith(&caches[i], named(configs[i], name), wants(names...))
				if outcome.State == model.Rejected && !isCollision(outcome.Message) {
					t.Errorf("%s reported: %s", name, outcome.Message)
				}
			})
		}
		both.Wait()
	}
	states := map[model.State]int{}
	for i, name := range names {
		outcome := m.syncWith(&caches[i], named(configs[i], name), wants(names...))
		if states[outcome.State]++; outcome.State == model.Synced {
			m.requireMap(m.namesFile(), configs[i].Entries())
		}
	}
	if states[model.Synced] != 1 || states[model.Refused] != 1 {
		t.Errorf("states are %v", states)
	}
	requireNoLeftovers(t, m)
}

// Another attempt that ends removes map files that no configuration on the disk names, such as that of an attempt that has only begun.
func TestAMapFileThatAnotherAttemptRemovesIsNoFaultOfTheFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.syncCached(s.config))
	fresh := slower(s.config)
	check := fmt.Sprintf("#!/bin/sh\nrm -f $(ls -t %s.edgelb-names-* | head -n 1)\nexec %s \"$@\"\n", m.config(), m.program)
	if err := errors.Join(os.Remove(m.path("haproxy")), os.WriteFile(m.path("haproxy"), []byte(check), 0o755)); err != nil {
		t.Fatal(err)
	}

	outcome := m.sync(fresh)

	requireFailure(t, outcome, model.Rejected, "at the same moment")
	m.install(m.program)
	requireSynced(t, m.sync(fresh))
	m.requirePages("app.example.com", "app")
	requireNoLeftovers(t, m)
}

// cutConn is a connection whose input to one script ends early, as when it breaks while a file is sent.
type cutConn struct {
	*localConn
	script string
	short  int
}

func (c cutConn) Run(ctx context.Context, command string, input []byte, limit driver.Limit) (driver.Result, error) {
	if bytes.Contains(input, []byte(c.script)) {
		input = input[:len(input)-c.short]
	}
	return c.localConn.Run(ctx, command, input, limit)
}

func TestAnIncompleteMapFileIsNotWritten(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.syncCached(s.config))
	conn := cutConn{m.conn, "# Puts a candidate beside", 10}

	outcome := driver.Sync(t.Context(), conn, &driver.SyncCache{}, driver.Request{
		Config: slower(s.config), Login: "root", ConfigPath: m.config(),
	})

	requireFailure(t, outcome, model.Rejected, "cannot be written")
	m.requireNames(s.config)
	requireNoLeftovers(t, m)
}
