package driver_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
)

// whole has the tests break a change at each of its steps; otherwise they leave most out, since each takes a second or more.
var whole = flag.Bool("whole", false, "break a change at each of its steps")

// stride returns the distance of the steps at which a change is broken.
func stride(most int) int {
	if *whole {
		return 1
	}
	return most
}

// Whatever step broke, the next sync repairs the host: with the cache of the same operator, and with the empty cache of a
// restarted one.
func TestFastSyncsRecoverFromAConnectionThatBreaksAtAnyStep(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"same operator": false, "restarted operator": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			noDrain := drainFor(app, 0)
			config := m.webConfig(echo(t, "pod-0"))
			requireSynced(t, m.syncCached(config, noDrain))
			reloads := m.reloads()
			for step := 1; ; step += stride(3) {
				m.cache.Rest()
				m.conn.breakIn(step)
				name := fmt.Sprintf("pod-%d", step)
				config = m.webConfig(echo(t, name))
				held := m.syncUntilBroken(config)
				if m.greeting(8443) == "" {
					t.Fatalf("step %d: clients are refused", step)
				}
				m.conn = &localConn{}
				if restart {
					m.cache = driver.SyncCache{}
				}
				outcome := m.syncCached(config, noDrain)
				requireSynced(t, outcome)
				m.syncUntil("no work is pending", outcome, config, func(o model.Outcome) bool { return o.FollowUp == 0 }, noDrain)
				if got := m.greeting(8443); got != name {
					t.Fatalf("step %d: a client reached %q", step, got)
				}
				if servers := m.servers(); len(servers) != 1 || !strings.Contains(m.readConfig(), outcome.Fingerprint) || m.reloads() != reloads {
					t.Fatalf("step %d: servers are %+v, %d reloads, and the file is\n%s", step, servers, m.reloads()-reloads, m.readConfig())
				}
				requireNoLeftovers(t, m)
				if held {
					t.Logf("the connection held for the first time at step %d", step)
					break
				}
			}
		})
	}
}

// syncUntilBroken changes servers and removes draining ones, has the file written, and verifies the host. It reports whether it
// finished before the connection broke.
func (m *machine) syncUntilBroken(config haproxy.Config) bool {
	m.t.Helper()
	defer m.saves.Wait()
	var updates []model.Update
	for deadline := time.Now().Add(waiting.Long); ; {
		outcome := m.syncCached(config, drainFor(app, 0))
		if outcome.State == model.Unreachable {
			return false
		}
		requireSynced(m.t, outcome)
		updates = append(updates, outcome.Update)
		if outcome.FollowUp == 0 || time.Now().After(deadline) {
			break
		}
		m.awaitFollowUp(outcome)
	}
	m.syncCached(config, drainFor(app, 0))
	if updates[0] != model.UpdateRuntime || !slices.Contains(updates, model.UpdateFile) {
		m.t.Fatalf("got the updates %q", updates)
	}
	return m.isWhole()
}
