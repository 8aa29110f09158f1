package driver_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// called returns the same server under another name: another pod at its address.
func called(name string, s haproxy.Server) haproxy.Server {
	s.Name = name
	return s
}

// An endpoint that is valid all the time keeps its connections, whichever pod answers there.
func TestAPodThatTakesOverAnAddressTakesOverItsConnections(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		atOnce := drainFor(app, 0)
		previous, other := echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.syncCached(m.webConfig(previous, other), atOnce))
		guest := m.guestOf(8443, "pod-b")
		config := m.webConfig(called("pod-a", previous), other)

		outcome := m.syncCached(config, atOnce)

		requireSynced(t, outcome)
		if outcome.Changed {
			t.Errorf("something was changed: %+v", outcome)
		}
		before := m.snapshot()
		added := echo(t, "pod-d")
		config = m.webConfig(called("pod-a", previous), other, added)
		m.requireLive(m.syncCached(config, atOnce), before)
		// A full sync, as after a restart of the operator, finds the same.
		m.cache = driver.SyncCache{}
		again := m.syncCached(config, atOnce)
		requireSynced(t, again)
		servers := m.servers()
		if _, runs := servers[app+"/pod-a"]; runs || servers[app+"/pod-b"].Admin.Mode() != runtime.Ready || len(servers) != 3 {
			t.Errorf("the servers are %+v", servers)
		}
		if config := m.readConfig(); !strings.Contains(config, "server pod-b ") || strings.Contains(config, "server pod-a ") {
			t.Errorf("the file does not have the server under its name:\n%s", config)
		}
		if !guest.isServed() {
			t.Error("the open connection was lost")
		}
		if after := m.snapshot(); after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("got %+v, was %+v", after, before)
		}
	})
}

// The previous pod's endpoint goes before the new one comes: a draining server is reused.
func TestAPodAtTheAddressOfADrainingServerTakesOverItsConnections(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		anHour := drainFor(app, time.Hour)
		previous, other := echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.syncCached(m.webConfig(previous, other), anHour))
		guest := m.guestOf(8443, "pod-b")
		requireSynced(t, m.syncCached(m.webConfig(other), anHour))
		if got := m.servers()[app+"/pod-b"].Admin.Mode(); got != runtime.Drain {
			t.Fatalf("pod-b is in state %s", got)
		}

		outcome := m.syncCached(m.webConfig(called("pod-a", previous), other), anHour)

		requireSynced(t, outcome)
		if servers := m.servers(); servers[app+"/pod-b"].Admin.Mode() != runtime.Ready || len(servers) != 2 {
			t.Errorf("the servers are %+v", servers)
		}
		m.syncUntil("the file is written", outcome, m.webConfig(called("pod-a", previous), other), isSaved, drainFor(app, 0))
		if !guest.isServed() {
			t.Error("the open connection was lost")
		}
	})
}
