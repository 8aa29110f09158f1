package balancing_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// Both backups get connections while no other server is up, and none otherwise; one of them was added at run time.
func TestBackupsServeWhileNoOtherServerIsUp(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		usual, first, added := greeter(t, "usual"), greeter(t, "first"), greeter(t, "added")
		first.Backup, added.Backup = true, true
		b := haproxy.Backend{Name: "be", Balance: haproxy.RoundRobin, Servers: []haproxy.Server{first, usual}}
		e := start(t, program, b)
		e.do(runtime.AddServer(b, added)...)
		met := func() map[string]int {
			names := map[string]int{}
			for range 4 {
				names[e.meets("127.0.0.1")]++
			}
			return names
		}
		if got := met(); got["usual"] != 4 {
			t.Errorf("with the usual server: %v", got)
		}
		e.do(runtime.SetMode("be", "usual", runtime.Maintenance))
		if got := met(); got["first"] != 2 || got["added"] != 2 {
			t.Errorf("without it: %v, want half of the connections at each backup", got)
		}
		e.do(runtime.SetMode("be", "usual", runtime.Ready))
		if got := met(); got["usual"] != 4 {
			t.Errorf("with it again: %v", got)
		}
	})
}

// A server that was added has its slow start as well: its weight in use is less than its own.
func TestAServerThatComesUpStartsSlowly(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		b := haproxy.Backend{
			Name: "be", Balance: haproxy.RoundRobin, SlowStart: time.Hour, Servers: []haproxy.Server{greeter(t, "usual")},
			Check: haproxy.Check{Interval: 200 * time.Millisecond, Rise: 1, Fall: 1},
		}
		e := start(t, program, b)
		e.awaits("be", "usual", "status", "UP")
		late := greeter(t, "late")
		late.Weight = 100
		e.do(runtime.AddServer(b, late)...)
		e.awaits("be", "late", "status", "UP")
		lab.Eventually(t, func() error {
			if weight, err := strconv.Atoi(e.stat("be", "late", "weight")); err != nil || weight >= 50 {
				return fmt.Errorf("its weight in use is %d (%v), want less than half of its own", weight, err)
			}
			return nil
		})
		e.awaits("be", "late", "uweight", "100")
	})
}

// One connection is served, one waits, and the next one is closed without waiting for the hour.
func TestNoMoreConnectionsWaitThanTheLimitSays(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		b := haproxy.Backend{Name: "be", Balance: haproxy.LeastConn, MaxConnections: 1, MaxQueued: 1, Servers: []haproxy.Server{greeter(t, "only")}}
		e := startWith(t, program, allAre(long), b)
		served := dial(t, "127.0.0.1", e.at)
		exchange(e, served)
		waits := dial(t, "127.0.0.1", e.at)
		e.awaits("be", "BACKEND", "qcur", "1")
		closed(t, dial(t, "127.0.0.1", e.at))
		must(t, served.Close())
		exchange(e, waits)
	})
}
