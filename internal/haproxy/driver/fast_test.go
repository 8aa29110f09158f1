package driver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

const app = "ns_web_app"

func TestAChangeOfServersIsLiveWithoutAReloadAndLosesNoConnection(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		a, b, c, d, other := echo(t, "pod-a"), echo(t, "pod-b"), echo(t, "pod-c"), echo(t, "pod-d"), echo(t, "other")
		movedB, heavyB := other, other
		movedB.Name, heavyB.Name, heavyB.Weight = "pod-b", "pod-b", 7
		requireSynced(t, m.syncCached(m.webConfig(a)))
		guests, crowd := m.guests(8443, 20), m.crowd(8443)
		var last model.Outcome
		var config haproxy.Config
		for _, step := range []struct {
			servers []haproxy.Server
			reason  string
			serve   []string
		}{
			{[]haproxy.Server{a, b}, "server pod-b added", []string{"pod-a", "pod-b"}},
			{[]haproxy.Server{b}, "server pod-a removed", []string{"pod-b"}},
			{[]haproxy.Server{movedB}, "server pod-b moved", []string{"other"}},
			{[]haproxy.Server{heavyB}, "weight of server pod-b changed from 1 to 7", []string{"other"}},
			{[]haproxy.Server{c, d}, "server pod-c added", []string{"pod-c", "pod-d"}},
		} {
			config = m.webConfig(step.servers...)
			before := m.snapshot()

			last = m.syncCached(config)

			// The file of the first change may be due already.
			if last.Update == model.UpdateRuntime && m.snapshot().commands > before.commands {
				before.commands, before.file = m.conn.commands.Load(), m.readConfig()
			}
			m.requireLive(last, before)
			if !strings.Contains(strings.Join(last.Reasons, "; "), step.reason) {
				t.Errorf("reasons are %q, want %q", last.Reasons, step.reason)
			}
			if got, want := last.Servers[app], (model.ServerCount{Up: len(step.servers), Total: len(step.servers)}); got != want {
				t.Errorf("%s: servers = %+v, want %+v", step.reason, got, want)
			}
			m.requireServes(8443, step.serve...)
			guests = append(guests, m.guests(8443, 1)...)
		}
		saved := m.syncUntil("the file is written", last, config, isSaved)
		m.requireFileOf(config, saved.Fingerprint)
		crowd.requireServed(t)
		requireGuestsServed(t, guests)

		m.stop()
		m.start("-W", "-S", m.path("master.sock"))
		m.requireServes(8443, "pod-c", "pod-d")
	})
}

func TestAQuietChangeIsSavedAMomentLater(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	before := m.snapshot()

	changed := m.syncCached(m.webConfig(a, b))

	m.requireLive(changed, before)
	if changed.FollowUp <= 0 || changed.FollowUp > 200*time.Millisecond {
		t.Errorf("the next sync is due in %s, want within 200 ms", changed.FollowUp)
	}
	saved := m.syncUntil("the file is written", changed, m.webConfig(a, b), isSaved)
	if !saved.Changed || saved.FollowUp != 0 || saved.Fingerprint != changed.Fingerprint {
		t.Errorf("got %+v after %+v", saved, changed)
	}
	m.requireFileOf(m.webConfig(a, b), saved.Fingerprint)
	if after := m.snapshot(); after.worker != before.worker || after.reloads != before.reloads {
		t.Errorf("got %+v, was %+v", after, before)
	}
}

// Each change is followed by another before the file is due, and the last one by its write in time.
func TestABurstOfChangesLeavesTheFileStaleForASecondAtMost(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a := echo(t, "pod-a")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	var stale time.Time
	for saves := 0; saves < 2; {
		a.Weight = a.Weight%255 + 2 // 1 is not written
		began := time.Now()
		outcome := m.syncCached(m.webConfig(a))
		requireSynced(t, outcome)
		if outcome.Update != model.UpdateRuntime {
			t.Fatalf("got %+v", outcome)
		}
		if stale.IsZero() {
			// The file is stale since a moment of the first of these syncs.
			stale = time.Now()
		}
		// A follow-up that is due in less than a millisecond is reported as one.
		if latest := time.Now().Add(outcome.FollowUp); latest.Sub(stale) > time.Second+time.Millisecond+time.Since(began) {
			t.Fatalf("the file is stale since %s, and the next sync is due in %s", time.Since(stale), outcome.FollowUp)
		}
		if outcome.FollowUp > time.Millisecond {
			continue
		}
		m.syncUntil("the file is written", outcome, m.webConfig(a), func(o model.Outcome) bool { return o.Update == model.UpdateFile })
		if !strings.Contains(m.readConfig(), fmt.Sprintf(" weight %d\n", a.Weight)) {
			t.Fatalf("the file that was written is not that of the weight %d", a.Weight)
		}
		saves, stale = saves+1, time.Time{}
	}
}

// Changes that leave no sync for the file must not keep it from being written for good.
func TestChangesWithoutEndDoNotKeepTheFileFromBeingWritten(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a := echo(t, "pod-a")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	before := m.readConfig()
	m.eventually("the file is written", func() bool {
		a.Weight = a.Weight%255 + 2 // 1 is not written
		requireSynced(t, m.syncCached(m.webConfig(a)))
		return m.readConfig() != before
	})
}

func TestHundredsOfServersChangeInOneSync(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		first, last := echo(t, "pod-000"), echo(t, "pod-999")
		var many []haproxy.Server
		for n := 1; n < 400; n++ {
			many = append(many, haproxy.Server{Name: fmt.Sprintf("pod-%03d", n), Addr: m.address, Port: uint16(n), Weight: 0})
		}
		noDrain := drainFor(app, 0)
		requireSynced(t, m.syncCached(m.checkedConfig(first), noDrain))
		before := m.snapshot()
		for _, step := range []struct {
			servers []haproxy.Server
			reached string
		}{
			{append([]haproxy.Server{first}, many...), "pod-000"},
			{[]haproxy.Server{last}, "pod-999"},
		} {
			outcome := m.syncCached(m.checkedConfig(step.servers...), noDrain)
			requireSynced(t, outcome)
			after := m.snapshot()
			if outcome.Update != model.UpdateRuntime || outcome.Servers[app].Total != len(step.servers) || after.worker != before.worker || after.reloads != before.reloads {
				t.Errorf("got an update by %q of %+v, %q", outcome.Update, outcome.Servers, outcome.Message)
			}
			m.requireServes(8443, step.reached)
		}
		m.eventually("all others are gone", func() bool {
			requireSynced(t, m.syncCached(m.checkedConfig(last), noDrain))
			return len(m.servers()) == 1
		})
	})
}

// The Service of a target may be missing for a while.
func TestASyncKeepsUnknownServers(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b := echo(t, "pod-a"), echo(t, "pod-b")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	saved := m.syncUntil("the file is written", m.syncCached(m.webConfig(a, b)), m.webConfig(a, b), isSaved)
	unknown := m.webConfig()
	unknown.Backends[0].KeepServers = true

	m.requireVerified(unknown, saved.Fingerprint)

	m.requireServes(8443, "pod-a", "pod-b")
	before := m.snapshot()
	m.requireLive(m.syncCached(m.webConfig(b)), before)
	m.requireServes(8443, "pod-b")
}
