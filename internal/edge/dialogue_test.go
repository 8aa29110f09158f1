package edge_test

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// endConversations has HAProxy close every connection to its admin socket.
func (m *machine) endConversations() {
	m.t.Helper()
	ended := 0
	for line := range strings.Lines(m.ask("admin.sock", "show sess")) {
		if pointer, rest, _ := strings.Cut(line, ":"); strings.Contains(rest, "proto=unix_stream") {
			m.ask("admin.sock", "shutdown session "+pointer)
			ended++
		}
	}
	// The one that asked is among them.
	if ended < 2 {
		m.t.Fatalf("%d conversations were ended, want that of the turns to be one", ended)
	}
}

func TestAConversationThatHAProxyEndedIsOpenedAgain(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.turn(m.webConfig(a)))
		before := m.look()
		m.requireLive(m.turn(m.webConfig(b)), before)
		m.endConversations()

		outcome := m.turn(m.webConfig(b, c))

		m.requireLive(outcome, before)
		m.requireServes(8443, "pod-b", "pod-c")
		m.turnsUntil("the file is written", outcome, m.webConfig(b, c), isSaved)
		m.endConversations()
		if glance := m.turn(m.webConfig(b, c)); glance.State != model.Synced || glance.Changed || glance.Fingerprint != outcome.Fingerprint {
			t.Errorf("got %+v", glance)
		}
	})
}

// The old worker lives on with its connections, and with the conversation that was open.
func TestCommandsAreNotTrustedToAWorkerThatWasReplaced(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.turn(m.webConfig(a)))
		guest := m.guestOf(8443, "pod-a")
		first := m.turn(m.webConfig(a, b))
		requireSynced(t, first)
		m.turnsUntil("the file is written", first, m.webConfig(a, b), isSaved)
		m.reloadByHand()
		before := m.look()

		outcome := m.turn(m.webConfig(c))

		requireSynced(t, outcome)
		if after := m.look(); outcome.Update != model.UpdateRuntime || !outcome.Changed || after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("got %+v", outcome)
		}
		m.requireServes(8443, "pod-c")
		m.requireFileOf(m.webConfig(c), outcome.Fingerprint)
		before = m.look()
		m.requireLive(m.turn(m.webConfig(b, c)), before)
		m.requireServes(8443, "pod-b", "pod-c")
		if !guest.isServed() {
			t.Error("the open connection was lost")
		}
	})
}

func TestTurnsGoOverABridgeWhereTheHostForbidsForwarding(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.conn.noForwarding = true
	a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
	noDrain := drainFor(app, 0)
	requireSynced(t, m.turn(m.webConfig(a), noDrain))
	var last model.Outcome
	for _, servers := range [][]haproxy.Server{{a, b}, {b}, {c}} {
		before := m.look()
		last = m.turn(m.webConfig(servers...), noDrain)
		m.requireLive(last, before)
	}
	m.requireServes(8443, "pod-c")
	saved := m.turnsUntil("the file is written", last, m.webConfig(c), isSaved, noDrain)
	m.requireFileOf(m.webConfig(c), saved.Fingerprint)
	m.turnsUntil("all is ended", saved, m.webConfig(c), func(o model.Outcome) bool { return o.FollowUp == 0 }, noDrain)
	m.requireGlance(m.webConfig(c), saved.Fingerprint)
	if servers := m.servers(); len(servers) != 1 {
		t.Errorf("servers are %+v", servers)
	}
}
