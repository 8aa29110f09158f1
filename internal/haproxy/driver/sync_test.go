package driver_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

func TestSyncBringsAnIdleHostToItsFirstConfigurationAndProvesIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.webConfig(echo(t, "pod-a"))

	outcome := m.sync(config)

	requireSynced(t, outcome)
	if outcome.Update != model.UpdateReload || !outcome.Changed || len(outcome.Reasons) == 0 {
		t.Errorf("got %+v, want a reload with reasons", outcome)
	}
	if outcome.Fingerprint == "" || !strings.Contains(m.readConfig(), outcome.Fingerprint) {
		t.Errorf("fingerprint %q is not in the file", outcome.Fingerprint)
	}
	if got := outcome.Servers["ns_web_app"]; got != (model.ServerCount{Up: 1, Total: 1}) {
		t.Errorf("servers = %+v, want 1 of 1 up", got)
	}
	if !strings.HasPrefix(outcome.HAProxyVersion, "2.") && !strings.HasPrefix(outcome.HAProxyVersion, "3.") {
		t.Errorf("version = %q", outcome.HAProxyVersion)
	}
	if got := m.greeting(8443); got != "pod-a" {
		t.Errorf("a client reached %q, want pod-a", got)
	}
}

func TestSyncDoesNotChangeAHostThatIsInSync(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.webConfig(echo(t, "pod-a"))
	requireSynced(t, m.sync(config))
	worker := m.workerPID()

	outcome := m.sync(config)

	requireSynced(t, outcome)
	if outcome.Changed || outcome.Update == model.UpdateReload || m.workerPID() != worker {
		t.Errorf("the host was touched: %+v, worker %d, was %d", outcome, m.workerPID(), worker)
	}
}

func TestSyncChangesServersAndKeepsOpenConnections(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.sync(m.webConfig(a)))
	open := m.connect(8443)
	if open == nil || readLine(open) != "pod-a" {
		t.Fatal("no connection through the host")
	}
	defer open.Close()

	outcome := m.sync(m.webConfig(b))

	requireSynced(t, outcome)
	if got := strings.Join(outcome.Reasons, "; "); !strings.Contains(got, "server pod-b added") || !strings.Contains(got, "server pod-a removed") {
		t.Errorf("reasons = %q", got)
	}
	if got := m.greeting(8443); got != "pod-b" {
		t.Errorf("a new connection reached %q, want pod-b", got)
	}
	fmt.Fprintln(open, "still here")
	if got := readLine(open); got != "still here" {
		t.Errorf("the open connection answered %q", got)
	}
}

// A reload forgets which servers were down, unless the new worker gets the server state.
func TestSyncKeepsTheHealthOfServersInAReload(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.webConfig(echo(t, "alive"), haproxy.Server{Name: "dead", Addr: m.address, Port: 1, Weight: 1})
	config.Backends[0].Check = haproxy.Check{Interval: 50e6, Rise: 1, Fall: 1}
	requireSynced(t, m.sync(config))
	m.eventually("the dead server is down", func() bool {
		return m.sync(config).Servers["ns_web_app"] == model.ServerCount{Up: 1, Total: 2}
	})
	config.Backends[0].Check.Interval = 3600e9

	outcome := m.sync(config)

	requireSynced(t, outcome)
	if got := outcome.Servers["ns_web_app"]; outcome.Update != model.UpdateReload || got != (model.ServerCount{Up: 1, Total: 2}) {
		t.Errorf("after the reload %+v are up (update: %s), want 1 of 2", got, outcome.Update)
	}
}

// The server state takes precedence over the configuration; it must only contain that a server is down.
func TestTheServerStateContainsNothingButHealth(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"maintenance": "set server ns_web_app/pod-a state maint",
		"drain":       "set server ns_web_app/pod-a state drain",
		"weight":      "set server ns_web_app/pod-a weight 0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			a := echo(t, "pod-a")
			requireSynced(t, m.sync(m.webConfig(a)))
			m.ask("admin.sock", command)

			outcome := m.sync(m.webConfig(a, haproxy.Server{Name: "pod-b", Addr: m.address, Port: 1, Weight: 1}))

			requireSynced(t, outcome)
			if got := outcome.Servers["ns_web_app"]; got != (model.ServerCount{Up: 2, Total: 2}) {
				t.Errorf("servers = %+v, want both up", got)
			}
			m.eventually("pod-a is chosen again", func() bool { return m.greeting(8443) == "pod-a" })
		})
	}
}

// A Service's target port changes, and the pods keep their names.
func TestSyncMovesAServerThatKeepsItsNameToAnotherPort(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	before, after := echo(t, "before"), echo(t, "after")
	before.Name, after.Name = "pod-a", "pod-a"
	requireSynced(t, m.sync(m.webConfig(before)))

	outcome := m.sync(m.webConfig(after))

	requireSynced(t, outcome)
	if got := m.greeting(8443); got != "after" {
		t.Errorf("a client reached the server %q", got)
	}
}

// A wrong check is switched off: the servers that it took down must come back without a check.
func TestSyncRevivesServersWhoseCheckIsSwitchedOff(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.webConfig(echo(t, "alive"), haproxy.Server{Name: "dead", Addr: m.address, Port: 1, Weight: 1})
	config.Backends[0].Check = haproxy.Check{Interval: 50e6, Rise: 1, Fall: 1}
	requireSynced(t, m.sync(config))
	m.eventually("the dead server is down", func() bool {
		return m.sync(config).Servers["ns_web_app"] == model.ServerCount{Up: 1, Total: 2}
	})
	config.Backends[0].Check = haproxy.Check{}

	outcome := m.sync(config)

	requireSynced(t, outcome)
	if got := outcome.Servers["ns_web_app"]; got != (model.ServerCount{Up: 2, Total: 2}) {
		t.Errorf("servers = %+v, want both up", got)
	}
}

func TestSyncFinishesAChangeOfServersThatOnlyReachedTheFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.sync(m.webConfig(b)))
	after := m.readConfig()
	requireSynced(t, m.sync(m.webConfig(a)))
	m.writeConfig([]byte(after))

	outcome := m.sync(m.webConfig(b))

	requireSynced(t, outcome)
	if outcome.Update != model.UpdateRuntime || m.greeting(8443) != "pod-b" {
		t.Errorf("got %+v, and clients reach %q", outcome, m.greeting(8443))
	}
}

func TestSyncRewritesAFileThatWasEditedOrLost(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*machine){
		"edited": func(m *machine) { m.writeConfig([]byte(m.readConfig() + "# by hand\n")) },
		"lost":   func(m *machine) { _ = os.Remove(m.config()) },
		"empty":  func(m *machine) { m.writeConfig(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			config := m.webConfig(echo(t, "pod-a"))
			requireSynced(t, m.sync(config))
			want, worker := m.readConfig(), m.workerPID()
			spoil(m)

			outcome := m.sync(config)

			requireSynced(t, outcome)
			if !outcome.Changed || outcome.Update == model.UpdateReload || m.workerPID() != worker {
				t.Errorf("got %+v, want a change without a reload", outcome)
			}
			if m.readConfig() != want {
				t.Error("the file is not as it was")
			}
		})
	}
}

func TestSyncKeepsTheServersOfAHostWhileTheyAreUnknown(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	config := m.webConfig()
	config.Backends[0].KeepServers = true
	config.MaxConnections++ // forces a reload

	outcome := m.sync(config)

	requireSynced(t, outcome)
	if got := m.greeting(8443); outcome.Update != model.UpdateReload || got != "pod-a" {
		t.Errorf("a client reached %q (update: %s), want pod-a", got, outcome.Update)
	}
}

func TestSyncDoesNotStartAHAProxyWhoseServersAreUnknown(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	before := m.readConfig()
	m.stop()
	config := m.webConfig()
	config.Backends[0].KeepServers = true

	outcome := m.sync(config)

	requireFailure(t, outcome, model.Rejected, "fix the target")
	if m.readConfig() != before {
		t.Error("the servers are gone from the file")
	}
}

func TestSyncDoesNotChangeAHAProxyThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	m := newBareMachine(t)
	m.writeConfig(idleText(t, m))
	m.start("-W")
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	before := m.readConfig()
	if err := os.Remove(m.path("admin.sock")); err != nil {
		t.Fatal(err)
	}

	outcome := m.sync(m.webConfig(echo(t, "pod-b")))

	requireFailure(t, outcome, model.Rejected, "admin socket does not respond")
	if m.readConfig() != before || m.greeting(8443) != "pod-a" {
		t.Error("the host was touched")
	}
}

// The reload command does its work and then takes too long, or fails: the new worker serves, but unproved.
func TestSyncReloadsThePreviousConfigurationWhenTheNewOneIsNotProved(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	before := m.readConfig()
	script := fmt.Sprintf("#!/bin/sh\nkill -USR2 %d\nuntil grep -q -- -sf /proc/%d/cmdline; do sleep 0.01; done\nsleep 0.3\nexit 7\n", m.haproxy.Process.Pid, m.haproxy.Process.Pid)
	if err := os.WriteFile(m.path("reload"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}

	outcome := m.sync(slower(m.webConfig(echo(t, "pod-b"))), func(r *driver.Request) { r.ReloadCommand = m.path("reload") })

	if outcome.State != model.Rejected || !outcome.ReloadFailed || !strings.Contains(outcome.Message, "exit status 7") {
		t.Errorf("got %+v", outcome)
	}
	if m.readConfig() != before {
		t.Error("the file is not the previous one")
	}
	m.eventually("clients reach the previous server", func() bool { return m.greeting(8443) == "pod-a" })
}

func TestSyncGoesBackToTheFileThatRanLast(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, name := range []string{"pod-1", "pod-2", "pod-3"} {
		requireSynced(t, m.sync(m.webConfig(echo(t, name))))
	}
	want := m.readConfig()
	m.stop()

	outcome := m.sync(m.webConfig(echo(t, "pod-4")))

	requireFailure(t, outcome, model.Rejected, "start it with haproxy -W")
	if m.readConfig() != want {
		t.Errorf("the file is not the one that ran last:\n%s", m.readConfig())
	}
}

func TestSyncTakesTheListenersFromAHAProxyWhoseFileIsGone(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	if err := os.Remove(m.config()); err != nil {
		t.Fatal(err)
	}

	requireSynced(t, m.sync(m.baseConfig()))

	if conn := m.connect(8443); conn != nil {
		t.Error("the host still listens")
	}
}

func TestSyncDoesNotTouchAFileThatSomebodyElseWrote(t *testing.T) {
	t.Parallel()
	m := newBareMachine(t)
	foreign := "global\n stats socket " + m.path("admin.sock") + " level admin\n"
	m.writeConfig([]byte(foreign))
	m.start("-W", "-S", m.path("master.sock"))
	config := m.webConfig(echo(t, "pod-a"))

	outcome := m.sync(config)

	requireFailure(t, outcome, model.Refused, "adopt: true")
	denied := m.sync(config, func(r *driver.Request) { r.NoAdopt = "ask for it" })
	requireFailure(t, denied, model.Refused, "Move what it does elsewhere; ask for it")
	if m.readConfig() != foreign {
		t.Error("the file was changed")
	}

	adopted := m.sync(config, func(r *driver.Request) { r.Adopt = true })

	requireSynced(t, adopted)
	backup, err := os.ReadFile(m.config() + ".before-edgelb")
	if err != nil || string(backup) != foreign {
		t.Errorf("backup = %q, %v", backup, err)
	}
	if got := m.greeting(8443); got != "pod-a" {
		t.Errorf("a client reached %q", got)
	}
}

// A host may go back to its own file several times. What edgelb replaced last, and what the host had first, are both kept.
func TestTheFirstAndTheLastFileOfSomebodyElseAreKept(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.webConfig(echo(t, "pod-a"))
	foreign := func(number int) string {
		return fmt.Sprintf("# file %d\nglobal\n stats socket %s level admin\n", number, m.path("admin.sock"))
	}
	for _, step := range []struct{ adopted, last, first int }{{1, 1, 0}, {1, 1, 0}, {2, 2, 1}, {2, 2, 1}, {3, 3, 1}, {1, 1, 1}} {
		m.writeConfig([]byte(foreign(step.adopted)))
		requireSynced(t, m.sync(config, func(r *driver.Request) { r.Adopt = true }))
		for ending, number := range map[string]int{"": step.last, "-first": step.first} {
			text, err := os.ReadFile(m.config() + ".before-edgelb" + ending)
			if number == 0 && os.IsNotExist(err) {
				continue
			}
			if string(text) != foreign(number) {
				t.Errorf("%+v: %q is kept as %q, %v", step, text, ending, err)
			}
		}
	}
}

func TestSyncDoesNotTouchTheHostOfAnotherOperatorUntilThatLeavesItIdle(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	mine := m.webConfig(echo(t, "pod-a"))
	theirs := m.webConfig(echo(t, "pod-b"))
	theirs.Owner = "other/namespace"
	requireSynced(t, m.sync(theirs))

	requireFailure(t, m.sync(mine), model.Refused, "belongs to another namespace, or to the edgelb of another cluster")

	nothing := m.baseConfig()
	requireSynced(t, m.sync(nothing))
	if got := m.greeting(8443); got != "pod-b" {
		t.Errorf("removing what was never there took %q away", "pod-b")
	}
	nothing.Owner = theirs.Owner
	requireSynced(t, m.sync(nothing))
	if conn := m.connect(8443); conn != nil {
		t.Error("an idle host still listens")
	}
	requireSynced(t, m.sync(mine))
	if got := m.greeting(8443); got != "pod-a" {
		t.Errorf("a client reached %q, want pod-a", got)
	}
}

func TestSyncServesAllButABindThatTheHostCannotTake(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bind func(m *machine) haproxy.Bind
		text string
	}{
		"port in use": {func(m *machine) haproxy.Bind {
			l, err := net.Listen("tcp", netip.AddrPortFrom(m.address, 9443).String())
			if err != nil {
				m.t.Fatal(err)
			}
			m.t.Cleanup(func() { l.Close() })
			return m.bind(9443)
		}, "already listens"},
		"address of another host": {func(*machine) haproxy.Bind {
			return haproxy.Bind{Addr: netip.MustParseAddr("192.0.2.77"), Port: 9443}
		}, "no address 192.0.2.77"},
		"IPv6 address of another host": {func(*machine) haproxy.Bind {
			return haproxy.Bind{Addr: netip.MustParseAddr("2001:db8::77"), Port: 9443}
		}, "no address 2001:db8::77"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			good := m.webConfig(echo(t, "pod-a"))
			requireSynced(t, m.sync(good))
			before, worker, reloads := m.readConfig(), m.workerPID(), m.reloads()
			bad := m.webConfig(echo(t, "pod-b"))
			bad.Frontends[0].Binds = append(bad.Frontends[0].Binds, test.bind(m))

			outcome := m.sync(bad)

			requireSynced(t, outcome)
			if len(outcome.BindFailures) != 1 || !strings.Contains(outcome.BindFailures[0].Why, test.text) || outcome.BindFailures[0].Frontend != "ns_web_https" {
				t.Errorf("bind failures are %+v, want one because of %q", outcome.BindFailures, test.text)
			}
			if outcome.Update != model.UpdateRuntime || m.readConfig() == before || m.workerPID() != worker {
				t.Errorf("got %+v", outcome)
			}
			if after := m.reloads(); after != reloads {
				t.Errorf("HAProxy was reloaded %d times, was %d", after, reloads)
			}
			if got := m.greeting(8443); got != "pod-b" {
				t.Errorf("a client reached %q, want pod-b", got)
			}
		})
	}
}

func TestSyncReportsTheAlertsOfAHAProxyThatRefusesTheFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	before := m.readConfig()
	m.refuseEveryFile("some-keyword")

	outcome := m.sync(slower(m.webConfig(echo(t, "pod-b"))))

	requireFailure(t, outcome, model.Rejected, "unknown keyword 'some-keyword' in 'global' section")
	if m.readConfig() != before || m.greeting(8443) != "pod-a" {
		t.Error("the host was touched")
	}
	requireNoLeftovers(t, m)
}

func TestSyncFindsTooFewFileDescriptorsBeforeAnyReload(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	worker := m.workerPID()
	bad := m.webConfig(echo(t, "pod-b"))
	bad.MaxConnections = 1_000_000

	outcome := m.sync(bad)

	requireFailure(t, outcome, model.Rejected, "spec.haproxy.maxConnections")
	if outcome.ReloadFailed || m.workerPID() != worker || m.greeting(8443) != "pod-a" {
		t.Errorf("the host was touched: %+v", outcome)
	}
}

// `haproxy -c` binds nothing, and does not notice a socket path that is a folder.
func TestSyncGoesBackWhenHAProxyCannotLoadAFileThatItFoundGood(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	before := m.readConfig()
	bad := m.webConfig(echo(t, "pod-b"))
	bad.AdminSocket = m.path("folder")
	if err := os.Mkdir(bad.AdminSocket, 0o755); err != nil {
		t.Fatal(err)
	}

	outcome := m.sync(bad)

	requireFailure(t, outcome, model.Rejected, "The previous configuration stays active")
	if !outcome.ReloadFailed {
		t.Errorf("got %+v, want it to say that the reload failed", outcome)
	}
	if m.readConfig() != before {
		t.Error("the bad file was left in place")
	}
	if got := m.greeting(8443); got != "pod-a" {
		t.Errorf("a client reached %q, want pod-a", got)
	}
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-c"))))
	if got := m.greeting(8443); got != "pod-c" {
		t.Errorf("a client reached %q, want pod-c", got)
	}
}

// slower is a configuration that differs in more than servers.
func slower(config haproxy.Config) haproxy.Config {
	config.Timeouts.Connect += time.Second
	return config
}

func TestSyncReportsAFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	before := m.readConfig()
	// No file may grow: cat ends as it does on a full disk.
	m.conn.putBefore("ulimit -f 0; ")

	outcome := m.sync(slower(m.webConfig(echo(t, "pod-b"))))

	requireFailure(t, outcome, model.Rejected, "cannot be written")
	if m.readConfig() != before || m.greeting(8443) != "pod-a" {
		t.Error("the host was touched")
	}
	requireNoLeftovers(t, m)
}

func TestSyncSaysHowToStartAHAProxyThatNoServiceKnows(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.stop()

	outcome := m.sync(m.webConfig())

	requireFailure(t, outcome, model.Rejected, "start it with haproxy -W")
}

func TestSyncAsksTheMasterWhenTheAdminSocketIsGone(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.webConfig(echo(t, "pod-a"))
	requireSynced(t, m.sync(config))
	if err := os.Remove(m.path("admin.sock")); err != nil {
		t.Fatal(err)
	}

	same, changed := m.sync(config), m.sync(m.webConfig(echo(t, "pod-b")))

	requireSynced(t, same)
	if same.Changed {
		t.Errorf("the host was touched: %+v", same)
	}
	requireSynced(t, changed)
	if got := m.greeting(8443); got != "pod-b" {
		t.Errorf("a client reached %q, want pod-b", got)
	}
}

func TestSyncWaitsForAHAProxyThatIsBusy(t *testing.T) {
	t.Parallel()
	m := newBareMachine(t)
	m.writeConfig(idleText(t, m))
	m.start("-W")
	config := m.webConfig(echo(t, "pod-a"))
	requireSynced(t, m.sync(config))
	worker := m.workerPID()
	hidden := m.path("admin.sock") + "-away"
	if err := os.Rename(m.path("admin.sock"), hidden); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(500*time.Millisecond, func() { _ = os.Rename(hidden, m.path("admin.sock")) })

	outcome := m.sync(config)

	requireSynced(t, outcome)
	if outcome.Changed || m.workerPID() != worker {
		t.Errorf("the host was touched: %+v", outcome)
	}
}

func TestSyncCleansAHostWhoseHAProxyIsStopped(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig()))
	m.stop()

	requireSynced(t, m.sync(m.baseConfig()))

	if strings.Contains(m.readConfig(), "frontend") {
		t.Error("the listeners are still in the file")
	}
}

func TestSyncSaysThatHAProxyLoadsAnotherFileAsWell(t *testing.T) {
	t.Parallel()
	m := newBareMachine(t)
	m.writeConfig(idleText(t, m))
	other := m.path("other.cfg")
	if err := os.WriteFile(other, []byte("defaults\n  timeout client 1s\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.start("-W", "-S", m.path("master.sock"), "-f", other)

	requireFailure(t, m.sync(m.webConfig()), model.Rejected, "loads "+other+" as well")
}

func TestSyncSaysWhatItWouldDoToASuspendedHost(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	before := m.readConfig()

	outcome := m.sync(m.webConfig(echo(t, "pod-a")), func(r *driver.Request) { r.Suspend = true })

	if outcome.State != model.Suspended || !strings.Contains(outcome.Message, "bind") {
		t.Errorf("got %+v", outcome)
	}
	if m.readConfig() != before || outcome.Fingerprint != "" {
		t.Error("the host was touched")
	}
}

func TestSyncReachesTheSocketsOfAHostThatForbidsForwarding(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.conn.noForwarding.Store(true)

	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))

	if got := m.greeting(8443); got != "pod-a" {
		t.Errorf("a client reached %q", got)
	}
}

func TestSyncReloadsAMasterWithoutASocketBySignal(t *testing.T) {
	t.Parallel()
	m := newBareMachine(t)
	m.writeConfig(idleText(t, m))
	m.start("-W")

	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))

	if got := m.greeting(8443); got != "pod-a" {
		t.Errorf("a client reached %q", got)
	}
}

func TestSyncUsesTheReloadCommandOfTheSpec(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	command := fmt.Sprintf("kill -USR2 %d", m.haproxy.Process.Pid)

	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a")), func(r *driver.Request) { r.ReloadCommand = command }))

	outcome := m.sync(slower(m.webConfig(echo(t, "pod-b"))), func(r *driver.Request) { r.ReloadCommand = "/bin/false" })
	requireFailure(t, outcome, model.Rejected, "/bin/false")
	if got := m.greeting(8443); got != "pod-a" {
		t.Errorf("a client reached %q, want pod-a", got)
	}
}

// At whatever step the operator dies, the next one brings the host to the wanted configuration.
func TestSyncRecoversFromAConnectionThatBreaksAtAnyStep(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-0"))))
	for step := 1; ; step += stride(2) {
		name := fmt.Sprintf("pod-%d", step)
		config := m.webConfig(echo(t, name))
		m.conn = &localConn{broken: int32(step)}
		first := m.sync(config)
		if first.State == model.Synced {
			break
		}
		if first.State != model.Unreachable {
			t.Fatalf("step %d: got %+v", step, first)
		}
		if got := m.greeting(8443); got == "" {
			t.Fatalf("step %d: clients are refused", step)
		}
		m.conn = &localConn{}
		requireSynced(t, m.sync(config))
		if got := m.greeting(8443); got != name {
			t.Fatalf("step %d: a client reached %q, want %q", step, got, name)
		}
	}
}

func requireSynced(t *testing.T, outcome model.Outcome) {
	t.Helper()
	if outcome.State != model.Synced || outcome.Message != "" {
		t.Fatalf("got %s: %s (reasons: %q)", outcome.State, outcome.Message, outcome.Reasons)
	}
}

func requireFailure(t *testing.T, outcome model.Outcome, state model.State, text string) {
	t.Helper()
	if outcome.State != state || !strings.Contains(outcome.Message, text) {
		t.Fatalf("got %s: %q; want %s with %q", outcome.State, outcome.Message, state, text)
	}
	if outcome.Fingerprint != "" || outcome.Changed {
		t.Errorf("a failure claims a fingerprint: %+v", outcome)
	}
}

// requireNoLeftovers fails if there is more beside the file than edgelb keeps there.
func requireNoLeftovers(t *testing.T, m *machine) {
	t.Helper()
	for _, pattern := range []string{".edgelb-new*", ".edgelb-copy*"} {
		if found, err := filepath.Glob(m.config() + pattern); err != nil || len(found) > 0 {
			t.Errorf("left behind are %q, %v", found, err)
		}
	}
}
