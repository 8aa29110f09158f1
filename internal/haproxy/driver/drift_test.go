package driver_test

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// proved sets the fingerprint that a host was proved to run.
func proved(fingerprint string) func(*driver.Request) {
	return func(r *driver.Request) { r.Proved = fingerprint }
}

func reportOnly(r *driver.Request) { r.ReportDrift = true }

// checkedConfig is a webConfig with health checks at intervals of one hour.
func (m *machine) checkedConfig(servers ...haproxy.Server) haproxy.Config {
	config := m.webConfig(servers...)
	config.Backends[0].Check = haproxy.Check{Interval: 3600e9, Rise: 1, Fall: 1}
	return config
}

// edit changes the file by hand.
func (m *machine) edit(old, new string) {
	m.t.Helper()
	text := m.readConfig()
	if !strings.Contains(text, old) {
		m.t.Fatalf("there is no %q in the file:\n%s", old, text)
	}
	m.writeConfig([]byte(strings.ReplaceAll(text, old, new)))
}

// reloadByHand has HAProxy load its file as it is.
func (m *machine) reloadByHand() {
	m.t.Helper()
	previous := m.workerPID()
	m.ask("master.sock", "reload")
	m.eventually("a new worker serves", func() bool {
		pid := m.workerPID()
		return pid != 0 && pid != previous && strings.Contains(m.ask("master.sock", "show proc"), "\n# workers\n")
	})
}

// driftCase is a change by somebody else, and how it is repaired.
type driftCase struct {
	name   string
	spoil  func(m *machine)
	update model.Update
	text   string
}

func driftCases() []driftCase {
	tell := func(commands ...string) func(*machine) { return func(m *machine) { m.tell(commands...) } }
	return []driftCase{
		{"the file is edited", func(m *machine) { m.edit("maxconn", "maxconn  ") }, model.UpdateFile, "edited"},
		{"the file is gone", func(m *machine) { _ = os.Remove(m.config()) }, model.UpdateFile, "gone"},
		{"the file is one of other servers", func(m *machine) {
			m.writeConfig([]byte(m.sampleFile()))
		}, model.UpdateFile, "differs"},
		{"a server in maintenance", tell("set server ns_web_app/pod-a state maint"), model.UpdateRuntime, "server pod-a was in state maint"},
		{"a server that is drained", tell("set server ns_web_app/pod-a state drain"), model.UpdateRuntime, "server pod-a was in state drain"},
		{"another weight", tell("set server ns_web_app/pod-a weight 9"), model.UpdateRuntime, "weight of server pod-a changed from 9 to 1"},
		{"another address", tell("set server ns_web_app/pod-a addr 127.0.0.9 port 9"), model.UpdateRuntime, "server pod-a moved from 127.0.0.9:9"},
		{"health checks that are off", tell("disable health ns_web_app/pod-a"), model.UpdateRuntime, "health checks of server pod-a were off"},
		{"a server is deleted", tell("set server ns_web_app/pod-a state maint", "del server ns_web_app/pod-a"), model.UpdateRuntime, "server pod-a added"},
		{"HAProxy runs a foreign file", func(m *machine) {
			text := m.readConfig()
			m.writeConfig([]byte(fmt.Sprintf("global\n stats socket %s level admin expose-fd listeners\n", m.path("admin.sock"))))
			m.reloadByHand()
			m.writeConfig([]byte(text))
		}, model.UpdateReload, "not edgelb's"},
		{"HAProxy runs an edited file", func(m *machine) {
			m.edit("maxconn 1000", "maxconn 900")
			m.reloadByHand()
		}, model.UpdateReload, "edited"},
		// This case must be last: the added server is draining afterwards.
		{"a server is added", tell("add server ns_web_app/alien 127.0.0.1:1", "set server ns_web_app/alien state ready"), model.UpdateRuntime, "server alien removed"},
	}
}

// sampleFile returns a file of edgelb's own with other servers, such as a backup.
func (m *machine) sampleFile() string {
	m.t.Helper()
	text, err := os.ReadFile(m.path("sample.cfg"))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

func TestAVerificationReportsDriftAndTheNextRepairsIt(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		requireSynced(t, m.syncCached(m.checkedConfig(b)))
		if err := os.WriteFile(m.path("sample.cfg"), []byte(m.readConfig()), 0o644); err != nil {
			t.Fatal(err)
		}
		config := m.checkedConfig(a, b)
		fingerprint := m.syncUntil("the file is written", m.syncCached(config), config, isSaved).Fingerprint
		for _, drift := range driftCases() {
			want := m.readConfig()
			m.requireVerified(config, fingerprint)
			drift.spoil(m)
			m.requireReport(drift, config, fingerprint)
			m.requireRepair(drift, config, fingerprint)
			if m.readConfig() != want {
				t.Errorf("%s: the file is not as it was", drift.name)
			}
			m.requireServes(8443, "pod-a", "pod-b")
		}
		if got := m.ask("admin.sock", "show info"); !strings.Contains(got, "\nMaxconn: 1000\n") {
			t.Errorf("HAProxy runs with other settings than the file's:\n%s", got)
		}
	})
}

func TestAVerificationRepairsDrift(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	config := m.checkedConfig(echo(t, "pod-a"), echo(t, "pod-b"))
	fingerprint := m.syncCached(config).Fingerprint
	for _, drift := range driftCases() {
		if drift.name == "the file is edited" || drift.name == "a server that is drained" || drift.name == "HAProxy runs an edited file" {
			m.requireVerified(config, fingerprint)
			drift.spoil(m)
			m.requireRepair(drift, config, fingerprint)
			m.requireServes(8443, "pod-a", "pod-b")
		}
	}
}

// requireVerified fails unless a sync finds the host unchanged, with one script.
func (m *machine) requireVerified(config haproxy.Config, fingerprint string) {
	m.t.Helper()
	before, servers := m.snapshot(), m.servers()
	outcome := m.syncCached(config, proved(fingerprint))
	requireSynced(m.t, outcome)
	if outcome.Changed || outcome.Update != "" || outcome.Drift != nil || outcome.Fingerprint != fingerprint || outcome.FollowUp != 0 {
		m.t.Errorf("got %+v", outcome)
	}
	before.commands++
	m.requireAsBefore(before)
	if !maps.Equal(servers, m.servers()) {
		m.t.Errorf("servers are %+v, were %+v", m.servers(), servers)
	}
}

func (m *machine) requireRepair(drift driftCase, config haproxy.Config, fingerprint string) {
	m.t.Helper()
	worker := m.workerPID()
	outcome := m.syncCached(config, proved(fingerprint))
	requireSynced(m.t, outcome)
	text := strings.Join(outcome.Drift, "; ")
	if !outcome.Changed || outcome.Update != drift.update || outcome.Fingerprint != fingerprint || !strings.Contains(text, drift.text) {
		m.t.Errorf("%s: got %+v, want it to be repaired by %s because of %q", drift.name, outcome, drift.update, drift.text)
	}
	if m.workerPID() != worker && drift.update != model.UpdateReload {
		m.t.Errorf("%s: HAProxy was reloaded", drift.name)
	}
}

func (m *machine) requireReport(drift driftCase, config haproxy.Config, fingerprint string) {
	m.t.Helper()
	before, servers := m.snapshot(), m.servers()
	outcome := m.syncCached(config, proved(fingerprint), reportOnly)
	if text := strings.Join(outcome.Drift, "; "); outcome.State != model.Drifted || !strings.Contains(text, drift.text) {
		m.t.Errorf("%s: got %+v, want a report of %q", drift.name, outcome, drift.text)
	}
	if outcome.Changed || outcome.Update != "" || outcome.Fingerprint != "" {
		m.t.Errorf("%s: a report claims a change or a fingerprint: %+v", drift.name, outcome)
	}
	before.commands = m.conn.commands.Load()
	m.requireAsBefore(before)
	if !maps.Equal(servers, m.servers()) {
		m.t.Errorf("%s: servers are %+v, were %+v", drift.name, m.servers(), servers)
	}
}

func TestAHAProxyThatWasRestartedIsNoDrift(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		fingerprint := m.syncCached(m.webConfig(a)).Fingerprint
		m.stop()
		m.start("-W", "-S", m.path("master.sock"))
		before := m.snapshot()

		outcome := m.syncCached(m.webConfig(a), proved(fingerprint), reportOnly)

		requireSynced(t, outcome)
		if outcome.Changed || outcome.Drift != nil || outcome.Fingerprint != fingerprint {
			t.Errorf("got %+v", outcome)
		}
		before.commands = m.conn.commands.Load()
		m.requireAsBefore(before)
		m.requireLive(m.syncCached(m.webConfig(a, b)), before)
		m.requireServes(8443, "pod-a", "pod-b")
	})
}

// A host may be restarted from a stale file.
func TestAHAProxyThatWasRestartedFromAStaleFileIsNoDrift(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	changed := m.syncCached(m.webConfig(a, b))
	fingerprint := changed.Fingerprint
	m.stop()
	m.start("-W", "-S", m.path("master.sock"))
	m.requireServes(8443, "pod-a")
	<-time.After(changed.FollowUp)

	outcome := m.syncCached(m.webConfig(a, b), proved(fingerprint), reportOnly)

	requireSynced(t, outcome)
	if outcome.Update != model.UpdateRuntime || outcome.Drift != nil || outcome.Fingerprint != fingerprint {
		t.Errorf("got %+v", outcome)
	}
	m.requireServes(8443, "pod-a", "pod-b")
	m.requireFileOf(m.webConfig(a, b), fingerprint)
}

func TestAHAProxyThatWasStoppedIsStartedAgain(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a := echo(t, "pod-a")
	fingerprint := m.syncCached(m.webConfig(a)).Fingerprint
	m.stop()

	start := func(r *driver.Request) { r.ReloadCommand = m.startCommand() }
	report := m.syncCached(m.webConfig(a), proved(fingerprint), reportOnly, start)

	if report.State != model.Drifted || strings.Join(report.Drift, "; ") != "HAProxy does not run" {
		t.Errorf("got %+v", report)
	}
	repaired := m.syncCached(m.webConfig(a), proved(fingerprint), start)
	requireSynced(t, repaired)
	if repaired.Update != model.UpdateReload || strings.Join(repaired.Drift, "; ") != "HAProxy does not run" || repaired.Fingerprint != fingerprint {
		t.Errorf("got %+v", repaired)
	}
	m.requireServes(8443, "pod-a")
}

// startCommand returns a command that starts HAProxy as a daemon, which ends with the test.
func (m *machine) startCommand() string {
	m.t.Helper()
	m.t.Cleanup(func() {
		if text, err := os.ReadFile(m.path("pid")); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
	})
	script := fmt.Sprintf("#!/bin/sh\nexec %s -W -D -p %s -S %s -f %s >%s 2>&1\n",
		m.path("haproxy"), m.path("pid"), m.path("master.sock"), m.config(), m.path("log"))
	if err := os.WriteFile(m.path("start"), []byte(script), 0o755); err != nil {
		m.t.Fatal(err)
	}
	return m.path("start")
}

// A sync that writes the file must not overwrite what somebody wrote since the last verification.
func TestAFileThatSomebodyWroteIsNotOverwritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(m *machine)
		check func(t *testing.T, m *machine, outcome model.Outcome)
	}{
		"somebody else's file": {
			func(m *machine) { m.writeConfig([]byte("global\n # mine\n")) },
			func(t *testing.T, m *machine, outcome model.Outcome) {
				requireFailure(t, outcome, model.Refused, "adopt: true")
				if got := m.readConfig(); got != "global\n # mine\n" {
					t.Errorf("the file was overwritten:\n%s", got)
				}
			},
		},
		"an edited file": {
			func(m *machine) { m.edit("maxconn 1000", "maxconn 900") },
			func(t *testing.T, m *machine, outcome model.Outcome) {
				requireSynced(t, outcome)
				if previous, err := os.ReadFile(m.config() + ".edgelb-former"); err != nil || strings.Contains(string(previous), "maxconn 900") != outcome.Changed {
					t.Errorf("got %+v, and the previous file is %v\n%s", outcome, err, previous)
				}
				if strings.Contains(m.readConfig(), "maxconn 900") {
					t.Error("the edited file is still there")
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			a, b := echo(t, "pod-a"), echo(t, "pod-b")
			requireSynced(t, m.syncCached(m.webConfig(a)))
			changed := m.syncCached(m.webConfig(a, b))
			requireSynced(t, changed)
			test.spoil(m)
			<-time.After(changed.FollowUp)
			before := m.conn.commands.Load()

			outcome := m.syncToEnd(m.webConfig(a, b), proved(changed.Fingerprint))

			test.check(t, m, outcome)
			const save = 1
			if m.conn.commands.Load() <= before+save {
				t.Error("no full sync was done")
			}
			requireNoLeftovers(t, m)
			m.requireServes(8443, "pod-a", "pod-b")
		})
	}
}

// The Service of a target may be missing while somebody drains one of its servers.
func TestAServerThatSomebodyDrainedIsKeptWhereServersMustBeKept(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	fingerprint := m.syncCached(m.webConfig(a, b)).Fingerprint
	unknown := m.webConfig()
	unknown.Backends[0].KeepServers = true
	m.tell("set server ns_web_app/pod-a state drain")
	for range 2 {
		report := m.syncCached(unknown, proved(fingerprint), reportOnly)
		if report.State != model.Drifted || !strings.Contains(strings.Join(report.Drift, "; "), "pod-a was in state drain") {
			t.Errorf("got %+v", report)
		}
	}

	repaired := m.syncCached(unknown, proved(fingerprint))

	requireSynced(t, repaired)
	if repaired.Fingerprint != fingerprint || len(repaired.Drift) != 1 {
		t.Errorf("got %+v", repaired)
	}
	m.requireServes(8443, "pod-a", "pod-b")
	m.requireFileOf(m.webConfig(a, b), fingerprint)
}
