package edge_test

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

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

func namesDriftCases() []driftCase {
	tell := func(command string) func(*machine) {
		return func(m *machine) { m.tell(strings.ReplaceAll(command, "NAMES", m.namesFile())) }
	}
	return []driftCase{
		{"the file of names is edited", func(m *machine) { m.writeNames("ns_web_http/app.example.com ns_web_blog:http\n") }, model.UpdateFile, "the file of names was edited"},
		{"the file of names is gone", func(m *machine) { _ = os.Remove(m.namesFile()) }, model.UpdateFile, "the file of names is gone"},
		{"both files are gone", func(m *machine) { _ = errors.Join(os.Remove(m.namesFile()), os.Remove(m.config())) }, model.UpdateFile, "the file is gone"},
		{"a name leads elsewhere", tell("set map NAMES ns_web_http/app.example.com ns_web_blog:http"), model.UpdateRuntime, "name app.example.com goes to ns_web_app:http now"},
		{"a name is taken away", tell("del map NAMES ns_web_http/app.example.com"), model.UpdateRuntime, "name app.example.com added"},
		{"a name is added", tell("add map NAMES ns_web_http/evil.example.com ns_web_app:http"), model.UpdateRuntime, "name evil.example.com removed"},
		{"a name is added twice", tell("add map NAMES ns_web_http/app.example.com ns_web_blog:http"), model.UpdateRuntime, "name app.example.com goes to ns_web_app:http now"},
		{"a share leads elsewhere", tell("set map NAMES ns_web_split:07 ns_web_blog"), model.UpdateRuntime, "way ns_web_split: 50 % to ns_web_app, 50 % to ns_web_blog or else ns_web_app now"},
		{"no name is left", tell("clear map NAMES"), model.UpdateRuntime, "name app.example.com added"},
		{"HAProxy runs an edited file of names", func(m *machine) {
			m.writeNames("ns_web_http/app.example.com ns_web_blog:http\n")
			m.reloadByHand()
		}, model.UpdateRuntime, "name app.example.com goes to ns_web_app:http now"},
	}
}

// writeNames writes the file of names by hand.
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
		fingerprint := m.turn(s.config).Fingerprint
		for _, drift := range namesDriftCases() {
			m.requireGlance(s.config, fingerprint)
			drift.spoil(m)
			m.requireReport(drift, s.config, fingerprint)
			m.requireRepair(drift, s.config, fingerprint)
			m.requireNames(s.config)
			m.requirePages("app.example.com", "app", "evil.example.com", unknownName)
		}
	})
}

// An operator that was restarted remembers nothing but what the object's status says.
func TestNamesThatSomebodyChangedAreFoundByAnOperatorThatWasRestarted(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m).split(50)
	fingerprint := m.turn(s.config).Fingerprint
	for _, drift := range namesDriftCases() {
		drift.spoil(m)
		m.memory = edge.SyncCache{}
		m.requireRepair(drift, s.config, fingerprint)
		m.requireNames(s.config)
	}
}

// Whoever adds a name that edgelb is about to add must not keep it.
func TestANameThatSomebodyHasAddedBeforeLeadsWhereItShould(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		requireSynced(t, m.turn(s.config))
		m.tell("add map " + m.namesFile() + " ns_web_http/blog.example.com ns_web_app:http")
		s = s.names("app.example.com", "ns_web_app:http", "blog.example.com", "ns_web_blog:http")

		outcome := m.turn(s.config)

		requireSynced(t, outcome)
		if outcome.Update != model.UpdateRuntime {
			t.Errorf("got %+v", outcome)
		}
		m.requirePages("blog.example.com", "blog")
		s = s.names("app.example.com", "ns_web_app:http")
		requireSynced(t, m.turn(s.config))
		m.requirePages("blog.example.com", unknownName)
	})
}

// The names of a host change, and its connection breaks at each step of that: the next turn brings it there, and whatever it was
// restarted from until then serves.
func TestNamesRecoverFromAConnectionThatBreaksAtAnyStep(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"same operator": false, "restarted operator": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s := newSite(m)
			requireSynced(t, m.turn(s.config))
			reloads := m.reloads()
			for step := int32(1); ; step++ {
				name := fmt.Sprintf("app-%d.example.com", step)
				s = s.names(name, "ns_web_app:http")
				m.conn.breaksAt = m.conn.steps.Load() + step
				whole := m.turnsUntilBroken(s.config)
				m.conn = &localConn{}
				if restart {
					m.memory = edge.SyncCache{}
				}
				outcome := m.turn(s.config)
				requireSynced(t, outcome)
				m.turnsUntil("all is ended", outcome, s.config, func(o model.Outcome) bool { return o.FollowUp == 0 })
				m.requirePages(name, "app", fmt.Sprintf("app-%d.example.com", step-1), unknownName)
				m.requireNames(s.config)
				if m.reloads() != reloads {
					t.Fatalf("step %d: %d reloads", step, m.reloads()-reloads)
				}
				requireNoLeftovers(t, m)
				if whole {
					break
				}
			}
		})
	}
}

// A host may lose its power at any moment of a change, and comes up again from what is on its disk.
func TestAHostComesUpFromItsFilesWhereverAChangeEnded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(haproxy.Config) haproxy.Config{
		"of names": func(c haproxy.Config) haproxy.Config { return c },
		"of more":  slower,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s, page := newSite(m), "app"
			requireSynced(t, m.turn(s.config))
			for cut, last := 1, (model.Outcome{}); last.State != model.Synced; cut++ {
				former := page
				page = map[string]string{"app": "blog", "blog": "app"}[former]
				s.config = change(s.names("app.example.com", "ns_web_"+page+":http").config)
				// The shell that does the work dies before its so many'th command that changes the disk.
				m.conn.prefix = m.dyingAt(cut)
				last = m.sync(s.config)
				m.conn.prefix = ""
				m.restart()
				if got := m.browse("app.example.com"); got != page && got != former {
					t.Fatalf("cut off before command %d a client reads %q; %+v", cut, got, last)
				}
				requireSynced(t, m.sync(s.config))
				m.requirePages("app.example.com", page)
			}
		})
	}
}

// dyingAt is put before a command line, and has the shell end before the so many'th mv, cp, ln, rm or sync.
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

// A file of the same structure has its names in the same place: going back brings those of then.
func TestGoingBackBringsTheFormerNamesBack(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(haproxy.Config) haproxy.Config{
		"of the same structure": func(c haproxy.Config) haproxy.Config { return c },
		"of another structure":  slower,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s := newSite(m)
			requireSynced(t, m.turn(s.config))
			file := m.readConfig()
			m.stop()
			bad := change(s.names("app.example.com", "ns_web_blog:http").config)

			outcome := m.turn(bad, func(r *edge.Request) { r.ReloadCommand = "/bin/false" })

			requireFailure(t, outcome, model.Rejected, "/bin/false")
			if m.readConfig() != file {
				t.Errorf("the file is\n%s\nwant\n%s", m.readConfig(), file)
			}
			m.start("-W", "-S", m.path("master.sock"))
			m.requirePages("app.example.com", "app")
			again := m.turn(s.config)
			requireSynced(t, again)
			if again.Update == model.UpdateReload {
				t.Errorf("got %+v", again)
			}
			requireSynced(t, m.turn(bad))
			m.requirePages("app.example.com", "blog")
			requireNoLeftovers(t, m)
		})
	}
}

// `haproxy -c` cannot find out whether a file can be loaded.
func TestAReloadThatFailsLeavesTheFormerNames(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		s := newSite(m)
		fingerprint := m.turn(s.config).Fingerprint
		bad := s.names("app.example.com", "ns_web_blog:http").config
		bad.AdminSocket = m.path("folder")
		if err := os.Mkdir(bad.AdminSocket, 0o755); err != nil {
			t.Fatal(err)
		}

		outcome := m.sync(bad)

		requireFailure(t, outcome, model.Rejected, "goes on serving")
		m.requirePages("app.example.com", "app")
		m.requireFileOf(s.config, fingerprint)
		m.restart()
		m.requirePages("app.example.com", "app")
	})
}

func TestHAProxyThatRefusesAFileLeavesNoNamesBehind(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.turn(s.config))
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
	caches := make([]edge.SyncCache, len(names))
	for range 3 {
		var both sync.WaitGroup
		for i, name := range names {
			both.Go(func() {
				outcome := m.syncWith(&caches[i], named(configs[i], name), wants(names...))
				if outcome.State == model.Rejected && !strings.Contains(outcome.Message, "at the same moment") {
					t.Errorf("%s was told: %s", name, outcome.Message)
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

// Another attempt that ends takes away what nothing on the disk names, as the names of one that has only begun.
func TestNamesThatAnotherAttemptTakesAwayAreNoFaultOfTheFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.turn(s.config))
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

func (c cutConn) Run(ctx context.Context, command string, input []byte, limit edge.Limit) (edge.Result, error) {
	if bytes.Contains(input, []byte(c.script)) {
		input = input[:len(input)-c.short]
	}
	return c.localConn.Run(ctx, command, input, limit)
}

func TestNamesThatArriveInPartAreNotTaken(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := newSite(m)
	requireSynced(t, m.turn(s.config))
	conn := cutConn{m.conn, "# Puts a candidate beside", 10}

	outcome := edge.Sync(t.Context(), conn, &edge.SyncCache{}, edge.Request{
		Config: slower(s.config), Login: "root", ConfigPath: m.config(),
	})

	requireFailure(t, outcome, model.Rejected, "cannot be written")
	m.requireNames(s.config)
	requireNoLeftovers(t, m)
}
