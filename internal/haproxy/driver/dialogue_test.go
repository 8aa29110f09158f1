package driver_test

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// endDialogues has HAProxy close every connection to its admin socket.
func (m *machine) endDialogues() {
	m.t.Helper()
	ended := 0
	for line := range strings.Lines(m.ask("admin.sock", "show sess")) {
		if pointer, rest, _ := strings.Cut(line, ":"); strings.Contains(rest, "proto=unix_stream") {
			m.ask("admin.sock", "shutdown session "+pointer)
			ended++
		}
	}
	// The connection of this command is one of them.
	if ended < 2 {
		m.t.Fatalf("%d connections were closed, want that of the syncs to be one of them", ended)
	}
}

func TestADialogueThatHAProxyClosedIsReopened(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.syncCached(m.webConfig(a)))
		before := m.snapshot()
		m.requireLive(m.syncCached(m.webConfig(b)), before)
		m.endDialogues()

		outcome := m.syncCached(m.webConfig(b, c))

		m.requireLive(outcome, before)
		m.requireServes(8443, "pod-b", "pod-c")
		m.syncUntil("the file is written", outcome, m.webConfig(b, c), isSaved)
		m.endDialogues()
		if verified := m.syncCached(m.webConfig(b, c)); verified.State != model.Synced || verified.Changed || verified.Fingerprint != outcome.Fingerprint {
			t.Errorf("got %+v", verified)
		}
	})
}

// The old worker lives on with its connections, and with the open dialogue.
func TestCommandsAreNotSentToAReplacedWorker(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
		requireSynced(t, m.syncCached(m.webConfig(a)))
		guest := m.guestOf(8443, "pod-a")
		first := m.syncCached(m.webConfig(a, b))
		requireSynced(t, first)
		m.syncUntil("the file is written", first, m.webConfig(a, b), isSaved)
		m.reloadByHand()
		before := m.snapshot()

		outcome := m.syncCached(m.webConfig(c))

		requireSynced(t, outcome)
		if after := m.snapshot(); outcome.Update != model.UpdateRuntime || !outcome.Changed || after.worker != before.worker || after.reloads != before.reloads {
			t.Errorf("got %+v", outcome)
		}
		m.requireServes(8443, "pod-c")
		m.requireFileOf(m.webConfig(c), outcome.Fingerprint)
		before = m.snapshot()
		m.requireLive(m.syncCached(m.webConfig(b, c)), before)
		m.requireServes(8443, "pod-b", "pod-c")
		if !guest.isServed() {
			t.Error("the open connection was lost")
		}
	})
}

func TestSyncsUseABridgeIfTheHostForbidsForwarding(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.conn.noForwarding.Store(true)
	a, b, c := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c")
	noDrain := drainFor(app, 0)
	requireSynced(t, m.syncCached(m.webConfig(a), noDrain))
	var last model.Outcome
	for _, servers := range [][]haproxy.Server{{a, b}, {b}, {c}} {
		before := m.snapshot()
		last = m.syncCached(m.webConfig(servers...), noDrain)
		m.requireLive(last, before)
	}
	m.requireServes(8443, "pod-c")
	saved := m.syncUntil("the file is written", last, m.webConfig(c), isSaved, noDrain)
	m.requireFileOf(m.webConfig(c), saved.Fingerprint)
	m.syncUntil("no work is pending", saved, m.webConfig(c), func(o model.Outcome) bool { return o.FollowUp == 0 }, noDrain)
	m.requireVerified(m.webConfig(c), saved.Fingerprint)
	if servers := m.servers(); len(servers) != 1 {
		t.Errorf("servers are %+v", servers)
	}
}
