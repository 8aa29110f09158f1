package driver_test

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
)

// eachHAProxy runs a test on a machine with the HAProxy in the PATH, and on one with the newer HAProxy that the Makefile installs if it is
// run by root.
func eachHAProxy(t *testing.T, test func(t *testing.T, m *machine)) {
	t.Helper()
	t.Run("PATH", func(t *testing.T) {
		t.Parallel()
		test(t, newMachine(t))
	})
	t.Run("3.0", func(t *testing.T) {
		t.Parallel()
		repository, err := programs.Root()
		if err != nil {
			t.Fatal(err)
		}
		root := filepath.Join(repository, "bin", "debian-13")
		loaders, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu/ld-linux*.so.*"))
		if err != nil || len(loaders) == 0 {
			programs.NeedRoot(t, "installing a Debian 13, from which HAProxy 3.0 comes,")
			t.Fatalf("there is no HAProxy 3.0 in %s (%v): run `make debian-roots`", root, err)
		}
		m := newBareMachine(t)
		m.installFrom(root, loaders[0])
		m.writeConfig(idleText(t, m))
		m.start("-W", "-S", m.path("master.sock"))
		test(t, m)
	})
}

// installFrom installs the HAProxy of another distribution's root folder on the machine. It runs with the libraries from there,
// and looks like any HAProxy: its process has that name, and its first argument is a program to check files with.
func (m *machine) installFrom(root, loader string) {
	m.t.Helper()
	root, err := filepath.Abs(root)
	if err != nil {
		m.t.Fatal(err)
	}
	if loader, err = filepath.Abs(loader); err != nil {
		m.t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/bash\nexec -a %[1]s %[2]s --argv0 %[1]s --library-path %[3]s %[4]s/usr/sbin/haproxy \"$@\"\n",
		m.path("haproxy"), m.path("loader/haproxy"), filepath.Dir(loader), root)
	err = os.Mkdir(m.path("loader"), 0o755)
	if err == nil {
		err = os.Symlink(loader, m.path("loader/haproxy"))
	}
	if err == nil {
		err = os.WriteFile(m.path("haproxy-3.0"), []byte(script), 0o755)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.install(m.path("haproxy-3.0"))
}

// reloads is how often HAProxy was reloaded.
func (m *machine) reloads() int {
	m.t.Helper()
	var processes runtime.Processes
	m.eventually("the master answers", func() bool {
		var err error
		processes, err = runtime.ParseProcesses([]byte(m.ask("master.sock", runtime.ShowProcesses)))
		return err == nil
	})
	return processes.Reloads
}

// servers returns HAProxy's servers, by "backend/name".
func (m *machine) servers() map[string]runtime.Server {
	m.t.Helper()
	list, err := runtime.ParseServersState([]byte(m.ask("admin.sock", runtime.ShowServersState)))
	if err != nil {
		m.t.Fatal(err)
	}
	byName := map[string]runtime.Server{}
	for _, s := range list {
		byName[s.Backend+"/"+s.Name] = s
	}
	return byName
}

// sortedServers returns the servers, sorted by backend and name.
func (m *machine) sortedServers() []runtime.Server {
	m.t.Helper()
	servers := slices.Collect(maps.Values(m.servers()))
	slices.SortFunc(servers, func(a, b runtime.Server) int {
		return cmp.Or(strings.Compare(a.Backend, b.Backend), strings.Compare(a.Name, b.Name))
	})
	return servers
}

// tell sends commands to the admin socket that have no answer, and fails the test if there is one.
func (m *machine) tell(commands ...string) {
	m.t.Helper()
	for _, command := range commands {
		answer := strings.TrimSpace(m.ask("admin.sock", command))
		if answer != "" && answer != "New server registered." && answer != "Server deleted." && !strings.Contains(answer, "changed from") {
			m.t.Fatalf("HAProxy answers %q to %q", answer, command)
		}
	}
}

// snapshot is what a sync that has nothing to do, or only servers to change, does not change.
type snapshot struct {
	worker, reloads int
	commands        int32
	file            string
}

func (m *machine) snapshot() snapshot {
	m.t.Helper()
	text, _ := os.ReadFile(m.config())
	return snapshot{worker: m.workerPID(), reloads: m.reloads(), commands: m.conn.commands.Load(), file: string(text)}
}

// requireLive fails unless a change of servers was made at run time and proved, through HAProxy's socket only.
func (m *machine) requireLive(outcome model.Outcome, before snapshot) {
	m.t.Helper()
	requireSynced(m.t, outcome)
	if outcome.Update != model.UpdateRuntime || !outcome.Changed || len(outcome.Reasons) == 0 || outcome.Fingerprint == "" {
		m.t.Errorf("got %+v, want a proved change at run time", outcome)
	}
	m.requireAsBefore(before)
}

func (m *machine) requireAsBefore(before snapshot) {
	m.t.Helper()
	if after := m.snapshot(); after != before {
		m.t.Errorf("the host was touched: worker %d (was %d), %d reloads (%d), %d commands (%d), same file: %t", after.worker, before.worker,
			after.reloads, before.reloads, after.commands, before.commands, after.file == before.file)
	}
}

// requireServes fails unless new connections reach all of these servers and no other.
func (m *machine) requireServes(port uint16, names ...string) {
	m.t.Helper()
	seen := map[string]bool{}
	m.eventually(fmt.Sprintf("clients reach %q", names), func() bool {
		name := m.greeting(port)
		if !slices.Contains(names, name) {
			m.t.Fatalf("a client reached %q, want one of %q", name, names)
		}
		seen[name] = true
		return len(seen) == len(names)
	})
}

// syncUntil syncs whenever a sync is due, until done reports true.
func (m *machine) syncUntil(what string, last model.Outcome, config haproxy.Config, done func(model.Outcome) bool, change ...func(*driver.Request)) model.Outcome {
	m.t.Helper()
	for deadline := time.Now().Add(waiting.Long); !done(last); {
		if last.FollowUp == 0 {
			m.t.Fatalf("no sync is due before %s: %+v", what, last)
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("waited %s: %s; the last outcome was %+v", waiting.Long, what, last)
		}
		m.awaitFollowUp(last)
		last = m.syncCached(config, change...)
		requireSynced(m.t, last)
	}
	return last
}

// syncToEnd syncs whenever a sync is due, until no work is pending or a sync fails. It returns the last outcome.
func (m *machine) syncToEnd(config haproxy.Config, change ...func(*driver.Request)) model.Outcome {
	m.t.Helper()
	for deadline := time.Now().Add(waiting.Long); ; {
		last := m.syncCached(config, change...)
		if last.State != model.Synced || last.FollowUp == 0 {
			return last
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("waited %s; the last outcome was %+v", waiting.Long, last)
		}
		m.awaitFollowUp(last)
	}
}

// isSaved reports whether a sync wrote the stale file.
func isSaved(outcome model.Outcome) bool { return outcome.Update == model.UpdateFile }

// requireFileOf fails unless the file is the one that an operator with an empty sync cache writes.
func (m *machine) requireFileOf(config haproxy.Config, fingerprint string) {
	m.t.Helper()
	before := m.snapshot()
	fresh := m.sync(config)
	requireSynced(m.t, fresh)
	if fresh.Changed || fresh.Update != "" || fresh.Fingerprint != fingerprint {
		m.t.Errorf("a restarted operator finds %+v, want the fingerprint %s and nothing to do", fresh, fingerprint)
	}
	before.commands = m.conn.commands.Load()
	m.requireAsBefore(before)
	if !strings.Contains(before.file, fingerprint) {
		m.t.Errorf("the fingerprint %s is not in the file:\n%s", fingerprint, before.file)
	}
}

// guest is a client that keeps its connection.
type guest struct {
	conn net.Conn
	// server is the name of the server that it is connected to.
	server string
}

// guests returns n clients that keep their connections.
func (m *machine) guests(port uint16, n int) []guest {
	m.t.Helper()
	all := make([]guest, n)
	for i := range all {
		conn := m.connect(port)
		if conn == nil {
			m.t.Fatal("no connection through the machine")
		}
		m.t.Cleanup(func() { conn.Close() })
		all[i] = guest{conn, readLine(conn)}
	}
	return all
}

// guestOf returns a client that keeps its connection to that server.
func (m *machine) guestOf(port uint16, server string) guest {
	m.t.Helper()
	var found guest
	m.eventually("a client reaches "+server, func() bool {
		found = m.guests(port, 1)[0]
		if found.server != server {
			found.conn.Close()
		}
		return found.server == server
	})
	return found
}

// isServed reports whether the guest still has its connection.
func (g guest) isServed() bool {
	_ = g.conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintln(g.conn, "still here")
	return readLine(g.conn) == "still here"
}

func requireGuestsServed(t *testing.T, guests []guest) {
	t.Helper()
	for i, g := range guests {
		if !g.isServed() {
			t.Errorf("the open connection %d, to %s, was lost", i, g.server)
		}
	}
}

// crowd is two parallel series of clients of a port, each with one connection after the other.
type crowd struct {
	end    chan struct{}
	series sync.WaitGroup
	mu     sync.Mutex
	// served counts the clients, refused those of them that reached no server.
	served, refused int
}

func (m *machine) crowd(port uint16) *crowd {
	c := &crowd{end: make(chan struct{})}
	for range 2 {
		c.series.Go(func() {
			for {
				select {
				case <-c.end:
					return
				case <-time.After(time.Millisecond):
					c.count(m.visit(port))
				}
			}
		})
	}
	return c
}

// visit reports whether a client got a greeting and then an echo.
func (m *machine) visit(port uint16) bool {
	conn := m.connect(port)
	if conn == nil {
		return false
	}
	defer conn.Close()
	replies := bufio.NewReader(conn)
	if name, err := replies.ReadString('\n'); err != nil || name == "" {
		return false
	}
	fmt.Fprintln(conn, "hello")
	answer, err := replies.ReadString('\n')
	return err == nil && answer == "hello\n"
}

func (c *crowd) count(ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served++
	if !ok {
		c.refused++
	}
}

// requireServed ends the crowd, and fails the test if a client was not served.
func (c *crowd) requireServed(t *testing.T) {
	t.Helper()
	close(c.end)
	c.series.Wait()
	if c.refused > 0 || c.served == 0 {
		t.Errorf("%d of %d clients were not served", c.refused, c.served)
	}
}
