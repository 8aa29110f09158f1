package edge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// called is the same server under another name: another pod at its address.
func called(name string, s haproxy.Server) haproxy.Server {
	s.Name = name
	return s
}

// An endpoint that is valid all the time keeps its connections, whoever it is that answers there.
func TestAPodThatTakesOverAnAddressTakesOverItsConnections(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		atOnce := drainFor(app, 0)
		former, other := echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.turn(m.webConfig(former, other), atOnce))
		guest := m.guestOf(8443, "pod-b")
		config := m.webConfig(called("pod-a", former), other)

		outcome := m.turn(config, atOnce)

		requireSynced(t, outcome)
		if outcome.Changed {
			t.Errorf("something was changed: %+v", outcome)
		}
		before := m.look()
		added := echo(t, "pod-d")
		config = m.webConfig(called("pod-a", former), other, added)
		m.requireLive(m.turn(config, atOnce), before)
		// A look at the whole host, as after a restart of the operator, finds the same.
		m.memory = edge.SyncCache{}
		again := m.turn(config, atOnce)
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
		if after := m.look(); after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("got %+v, was %+v", after, before)
		}
	})
}

// The former pod's endpoint goes before the latter's comes: a server that is on its way out is taken back.
func TestAPodThatComesWhereAnotherHasLeftTakesOverItsConnections(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		anHour := drainFor(app, time.Hour)
		former, other := echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.turn(m.webConfig(former, other), anHour))
		guest := m.guestOf(8443, "pod-b")
		requireSynced(t, m.turn(m.webConfig(other), anHour))
		if got := m.servers()[app+"/pod-b"].Admin.Mode(); got != runtime.Drain {
			t.Fatalf("pod-b is in state %s", got)
		}

		outcome := m.turn(m.webConfig(called("pod-a", former), other), anHour)

		requireSynced(t, outcome)
		if servers := m.servers(); servers[app+"/pod-b"].Admin.Mode() != runtime.Ready || len(servers) != 2 {
			t.Errorf("the servers are %+v", servers)
		}
		m.turnsUntil("the file is written", outcome, m.webConfig(called("pod-a", former), other), isSaved, drainFor(app, 0))
		if !guest.isServed() {
			t.Error("the open connection was lost")
		}
	})
}
