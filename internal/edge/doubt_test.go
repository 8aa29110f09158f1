package edge_test

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// What a turn has left half done, nobody else is to be blamed for: wherever the connection broke, and although what is wanted is
// again what it was before.
func TestAChangeWhoseEndIsNotKnownIsNoDrift(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(m *machine, wanted haproxy.Config, step int32) model.Outcome{
		"of servers and names": func(m *machine, wanted haproxy.Config, step int32) model.Outcome {
			m.conn.breaksAt = m.conn.steps.Load() + step
			return m.turn(wanted)
		},
		"of the file": func(m *machine, wanted haproxy.Config, step int32) model.Outcome {
			changed := m.turn(wanted)
			requireSynced(m.t, changed)
			<-time.After(changed.FollowUp)
			m.conn.breaksAt = m.conn.steps.Load() + step
			_ = m.turn(wanted)
			return changed
		},
		"of everything": func(m *machine, wanted haproxy.Config, step int32) model.Outcome {
			m.conn.breaksAt = m.conn.steps.Load() + step
			wanted.MaxConnections++
			return m.turn(wanted)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s := newSite(m)
			former, other := s.config, s.names("new.example.com", "ns_web_app:http").servers(app, echo(t, "pod-a"), echo(t, "pod-c")).config
			fingerprint := m.turn(former).Fingerprint
			stride := int32(1)
			if name == "of everything" {
				stride = 5 // there are many steps, and each costs a reload
			}
			for step := stride; ; step += stride {
				last := begin(m, other, step)
				whole := m.conn.steps.Load() < m.conn.breaksAt
				m.conn = &localConn{}
				known := fingerprint
				if last.State == model.Synced {
					known = last.Fingerprint
				}

				back := m.turn(former, proved(known), reportOnly)

				if back.State != model.Synced || back.Fingerprint != fingerprint || back.Drift != nil {
					t.Fatalf("step %d: got %+v after %+v", step, back, last)
				}
				m.requireServes(8443, "pod-a")
				m.requirePages("app.example.com", "app", "new.example.com", unknownName)
				noDrain := drainFor(app, 0)
				m.turnsUntil("all is ended", m.turn(former, noDrain), former, func(o model.Outcome) bool { return o.FollowUp == 0 }, noDrain)
				if whole {
					break
				}
			}
		})
	}
}

// A slow disk may let the time pass for the answer, although the connection holds.
func TestAFileThatWasWrittenWithoutAnAnswerIsNoDrift(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a := echo(t, "pod-a")
	requireSynced(t, m.turn(m.webConfig(a)))
	for step := int32(1); ; step++ {
		a.Weight++
		changed := m.turn(m.webConfig(a))
		requireSynced(t, changed)
		<-time.After(changed.FollowUp)
		m.conn.breaksAt = m.conn.steps.Load() + step
		_ = m.turn(m.webConfig(a))
		whole := m.conn.steps.Load() < m.conn.breaksAt
		m.conn.breaksAt = 0
		a.Weight++

		changed = m.turn(m.webConfig(a), proved(changed.Fingerprint), reportOnly)
		requireSynced(t, changed)
		ended := m.turnsUntil("all is ended", changed, m.webConfig(a), func(o model.Outcome) bool { return o.FollowUp == 0 },
			proved(changed.Fingerprint), reportOnly)

		if changed.Drift != nil || ended.Drift != nil {
			t.Fatalf("step %d: got %+v and %+v", step, changed, ended)
		}
		m.requireFileOf(m.webConfig(a), changed.Fingerprint)
		if whole {
			break
		}
	}
}
