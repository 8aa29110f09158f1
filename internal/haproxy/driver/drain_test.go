package driver_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

// drainFor sets the drain timeout of the backend.
func drainFor(backend string, timeout time.Duration) func(*driver.Request) {
	return func(r *driver.Request) {
		if r.DrainTimeouts == nil {
			r.DrainTimeouts = map[string]time.Duration{}
		}
		r.DrainTimeouts[backend] = timeout
	}
}

// isGone is a condition for syncUntil.
func (m *machine) isGone(server string) func(model.Outcome) bool {
	return func(model.Outcome) bool {
		_, runs := m.servers()[server]
		return !runs
	}
}

func TestADrainingServerKeepsItsConnectionsUntilTheLastHasEnded(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		anHour := drainFor(app, time.Hour)
		requireSynced(t, m.syncCached(m.webConfig(a, b), anHour))
		guest := m.guestOf(8443, "pod-a")
		before := m.snapshot()
		config := m.webConfig(b)

		outcome := m.syncCached(config, anHour)

		m.requireLive(outcome, before)
		if got := m.servers()[app+"/pod-a"].Admin.Mode(); got != runtime.Drain {
			t.Errorf("pod-a is in state %s", got)
		}
		m.requireServes(8443, "pod-b")
		saved := m.syncUntil("the file is written", outcome, config, isSaved, anHour)
		if strings.Contains(m.readConfig(), "pod-a") {
			t.Errorf("a removed server is in the file:\n%s", m.readConfig())
		}
		m.requireFileOf(config, saved.Fingerprint)
		saves := m.conn.commands.Load()
		tried := m.syncUntil("the removal of pod-a was tried", saved, config, func(model.Outcome) bool {
			return m.servers()[app+"/pod-a"].Admin.Mode() == runtime.Maintenance
		}, anHour)
		if !guest.isServed() {
			t.Error("the open connection was lost")
		}
		_ = guest.conn.Close()
		gone := m.syncUntil("pod-a is gone", tried, config, m.isGone(app+"/pod-a"), anHour)
		if gone.FollowUp != 0 || gone.Changed || gone.Fingerprint != saved.Fingerprint {
			t.Errorf("got %+v", gone)
		}
		if after := m.snapshot(); after.worker != before.worker || after.reloads != before.reloads || after.commands != saves {
			t.Errorf("got %+v, was %+v, and %d commands after the file", after, before, saves)
		}
		m.requireServes(8443, "pod-b")
	})
}

// twoApps is a configuration with two backends, for these servers each.
func (m *machine) twoApps(servers ...haproxy.Server) haproxy.Config {
	config := m.webConfig(servers...)
	config.Frontends = append(config.Frontends, haproxy.Frontend{Name: "ns_web_other", Binds: []haproxy.Bind{m.bind(9443)}, Backend: "ns_web_other"})
	other := config.Backends[0]
	other.Name = "ns_web_other"
	config.Backends = append(config.Backends, other)
	return config
}

// cutAt returns when the guest's connection ends.
func (g guest) cutAt(t *testing.T) <-chan time.Time {
	t.Helper()
	at := make(chan time.Time, 1)
	_ = g.conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, _ = io.Copy(io.Discard, g.conn)
		at <- time.Now()
	}()
	return at
}

func TestADrainingServerIsCutAfterTheDrainTimeout(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		const patience = 400 * time.Millisecond
		timeouts := func(r *driver.Request) {
			drainFor(app, 0)(r)
			drainFor("ns_web_other", patience)(r)
		}
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		requireSynced(t, m.syncCached(m.twoApps(a, b), timeouts))
		stays := m.guestOf(8443, "pod-b")
		atOnce, later := m.guestOf(8443, "pod-a").cutAt(t), m.guestOf(9443, "pod-a").cutAt(t)
		began := time.Now()
		config := m.twoApps(b)

		outcome := m.syncCached(config, timeouts)

		requireSynced(t, outcome)
		if cut := <-atOnce; cut.Sub(began) > 5*time.Second {
			t.Errorf("a server with 0s was cut after %s", cut.Sub(began))
		}
		m.syncUntil("both servers are gone", outcome, config, func(o model.Outcome) bool {
			return o.FollowUp == 0 && m.isGone(app+"/pod-a")(o) && m.isGone("ns_web_other/pod-a")(o)
		}, timeouts)
		if cut := <-later; cut.Sub(began) < patience {
			t.Errorf("a server with %s was cut after %s", patience, cut.Sub(began))
		}
		if !stays.isServed() {
			t.Error("a connection to the other server was cut")
		}
	})
}

// HAProxy keeps giving a drained server the clients that stay with it.
func TestADrainingServerGetsNoClientsDespiteSessionAffinity(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		sticky := func(servers ...haproxy.Server) haproxy.Config {
			config := m.webConfig(servers...)
			config.Backends[0].Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}
			return config
		}
		a, b := echo(t, "pod-a"), echo(t, "pod-b")
		requireSynced(t, m.syncCached(sticky(a)))
		guest := m.guestOf(8443, "pod-a")
		requireSynced(t, m.syncCached(sticky(a, b)))
		for range 10 {
			if got := m.greeting(8443); got != "pod-a" {
				t.Fatalf("a client that stays with pod-a reached %s", got)
			}
		}

		outcome := m.syncCached(sticky(b))

		requireSynced(t, outcome)
		m.requireServes(8443, "pod-b")
		if !guest.isServed() {
			t.Error("the open connection was cut")
		}
		guest.conn.Close()
		m.syncUntil("the server is gone", outcome, sticky(b), m.isGone(app+"/pod-a"))
		m.requireServes(8443, "pod-b")
	})
}

// With a drain timeout of 0 the first sync cuts; no other is needed.
func TestAServerThatMayNotDrainIsCutByTheSyncThatRemovesIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a, b)))
	cut := m.guestOf(8443, "pod-a").cutAt(t)

	requireSynced(t, m.syncCached(m.webConfig(b), drainFor(app, 0)))

	select {
	case <-cut:
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
}

func TestAServerThatComesBackWhileItDrainsTakesConnectionsAgain(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		b, previous, moved := echo(t, "pod-b"), echo(t, "former"), echo(t, "moved")
		previous.Name, moved.Name = "pod-a", "pod-a"
		requireSynced(t, m.syncCached(m.webConfig(previous, b)))
		guest := m.guestOf(8443, "former")
		var outcome model.Outcome
		for _, back := range []struct {
			server  haproxy.Server
			reached string
			// left is the mode that the draining server had reached.
			left runtime.Mode
		}{
			{previous, "former", runtime.Drain},
			{moved, "moved", runtime.Drain},
			{previous, "former", runtime.Maintenance},
		} {
			m.syncUntil("pod-a is in state "+string(back.left), m.syncCached(m.webConfig(b)), m.webConfig(b), func(model.Outcome) bool {
				return m.servers()[app+"/pod-a"].Admin.Mode() == back.left
			})
			before := m.snapshot()

			outcome = m.syncCached(m.webConfig(back.server, b))

			requireSynced(t, outcome)
			if after := m.snapshot(); outcome.Update != model.UpdateRuntime || after.worker != before.worker || after.reloads != before.reloads {
				t.Errorf("got %+v", outcome)
			}
			m.requireServes(8443, back.reached, "pod-b")
		}
		saved := m.syncUntil("the file is written", outcome, m.webConfig(previous, b), func(o model.Outcome) bool { return isSaved(o) && o.FollowUp == 0 })
		m.requireFileOf(m.webConfig(previous, b), saved.Fingerprint)
		if saved.FollowUp != 0 || !guest.isServed() {
			t.Errorf("got %+v, or the open connection was lost", saved)
		}
	})
}

func TestARestartedOperatorContinuesRemovals(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
	requireSynced(t, m.syncCached(m.webConfig(a, b)))
	guest := m.guestOf(8443, "pod-a")
	requireSynced(t, m.syncCached(m.webConfig(b)))
	before := m.snapshot()
	m.cache = driver.SyncCache{}

	first := m.syncCached(m.webConfig(b))

	requireSynced(t, first)
	if first.Update != model.UpdateFile || first.FollowUp == 0 {
		t.Errorf("got %+v, want the pending write and the draining server", first)
	}
	before.commands, before.file = m.conn.commands.Load(), m.readConfig()
	m.requireLive(m.syncCached(m.webConfig(b, c)), before)
	if !guest.isServed() {
		t.Error("the open connection was lost")
	}
	_ = guest.conn.Close()
	m.syncUntil("pod-a is gone", first, m.webConfig(b, c), m.isGone(app+"/pod-a"))
	if after := m.snapshot(); after.worker != before.worker || after.reloads != before.reloads {
		t.Errorf("HAProxy was reloaded: %+v, was %+v", after, before)
	}
}

// A host that must not be changed must not be queried again and again, either.
func TestAHostThatIsOnlyWatchedNeedsNoSyncForADrainingServer(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a, b)))
	guest := m.guestOf(8443, "pod-a")
	draining := m.syncCached(m.webConfig(b))
	draining = m.syncUntil("the file is written", draining, m.webConfig(b), isSaved)
	if draining.FollowUp == 0 {
		t.Fatalf("no server is draining: %+v", draining)
	}
	m.tell("set server ns_web_app/pod-b state drain")

	// A sync that tried to remove the draining server verifies the others only in the next one.
	var drifted model.Outcome
	m.eventually("the drift is seen", func() bool {
		drifted = m.syncCached(m.webConfig(b), proved(draining.Fingerprint), reportOnly)
		return drifted.State == model.Drifted
	})
	suspended := m.syncCached(m.webConfig(b), func(r *driver.Request) { r.Suspend = true })

	if drifted.State != model.Drifted || drifted.FollowUp != 0 {
		t.Errorf("got %+v", drifted)
	}
	if suspended.State != model.Suspended || suspended.FollowUp != 0 {
		t.Errorf("got %+v", suspended)
	}
	resumed := m.syncCached(m.webConfig(b))
	if requireSynced(t, resumed); resumed.FollowUp == 0 || !guest.isServed() {
		t.Errorf("got %+v, or the open connection was lost", resumed)
	}
}
