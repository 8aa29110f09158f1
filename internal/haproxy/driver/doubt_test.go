package driver_test

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
)

// An unfinished change of edgelb must not count as drift by somebody else: wherever the connection broke, and although the
// wanted configuration is again what it was before.
func TestAChangeWithUnknownResultIsNoDrift(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(m *machine, wanted haproxy.Config, step int) model.Outcome{
		"of servers and names": func(m *machine, wanted haproxy.Config, step int) model.Outcome {
			m.conn.breakIn(step)
			return m.syncCached(wanted)
		},
		"of the file": func(m *machine, wanted haproxy.Config, step int) model.Outcome {
			changed := m.syncCached(wanted)
			requireSynced(m.t, changed)
			<-time.After(changed.FollowUp)
			m.conn.breakIn(step)
			_ = m.syncCached(wanted)
			return changed
		},
		"of everything": func(m *machine, wanted haproxy.Config, step int) model.Outcome {
			m.conn.breakIn(step)
			wanted.MaxConnections++
			return m.syncCached(wanted)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			s := newSite(m)
			previous, other := s.config, s.names("new.example.com", "ns_web_app:http").servers(app, echo(t, "pod-a"), echo(t, "pod-c")).config
			fingerprint := m.syncCached(previous).Fingerprint
			distance := stride(3)
			if name == "of everything" {
				distance = stride(8) // there are many steps, and each costs a reload
			}
			for step := 1; ; step += distance {
				last := begin(m, other, step)
				held := m.isWhole()
				m.conn = &localConn{}
				known := fingerprint
				if last.State == model.Synced {
					known = last.Fingerprint
				}

				back := m.syncCached(previous, proved(known), reportOnly)

				if back.State != model.Synced || back.Fingerprint != fingerprint || back.Drift != nil {
					t.Fatalf("step %d: got %+v after %+v", step, back, last)
				}
				m.requireServes(8443, "pod-a")
				m.requirePages("app.example.com", "app", "new.example.com", unknownName)
				noDrain := drainFor(app, 0)
				m.syncUntil("no work is pending", m.syncCached(previous, noDrain), previous, func(o model.Outcome) bool { return o.FollowUp == 0 }, noDrain)
				if held {
					break
				}
			}
		})
	}
}

// With a slow disk the answer may time out, although the connection holds.
func TestAFileThatWasWrittenWithoutAnAnswerIsNoDrift(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a := echo(t, "pod-a")
	requireSynced(t, m.syncCached(m.webConfig(a)))
	for step := 1; ; step += stride(2) {
		m.cache.Rest()
		a.Weight++
		changed := m.syncCached(m.webConfig(a))
		requireSynced(t, changed)
		<-time.After(changed.FollowUp)
		m.conn.breakIn(step)
		_ = m.syncCached(m.webConfig(a))
		held := m.isWhole()
		m.conn.breaksAt.Store(0)
		a.Weight++

		// A sync reports that the write failed, the next one repeats it.
		known, ended := changed.Fingerprint, model.Outcome{FollowUp: time.Millisecond}
		for deadline := time.Now().Add(waiting.Long); ended.State != model.Synced || ended.FollowUp != 0; m.awaitFollowUp(ended) {
			ended = m.syncCached(m.webConfig(a), proved(known), reportOnly)
			if ended.Drift != nil || time.Now().After(deadline) {
				t.Fatalf("step %d: got %+v", step, ended)
			}
			if ended.State == model.Synced {
				known = ended.Fingerprint
			}
		}
		m.requireFileOf(m.webConfig(a), known)
		if held {
			break
		}
	}
}
