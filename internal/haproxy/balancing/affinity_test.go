package balancing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// sticky returns a backend that would send each connection to another server without session affinity.
func sticky(t *testing.T, names ...string) haproxy.Backend {
	t.Helper()
	b := haproxy.Backend{
		Name: "be", Balance: haproxy.RoundRobin, Affinity: haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour},
	}
	for _, name := range names {
		b.Servers = append(b.Servers, greeter(t, name))
	}
	return b
}

// client returns the address of the n-th client.
func client(n int) string { return fmt.Sprintf("127.97.0.%d", n) }

// meetings returns the servers that this many clients meet.
func (e edge) meetings(clients int) []string {
	e.t.Helper()
	var met []string
	for n := 1; n <= clients; n++ {
		met = append(met, e.meets(client(n)))
	}
	return met
}

func TestAClientSticksToItsServerWhileOthersComeAndGo(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		b := sticky(t, "pod-a", "pod-b", "pod-c")
		e := start(t, program, b)
		want := e.meetings(6)
		if slices.Compact(slices.Sorted(slices.Values(want)))[0] != "pod-a" || len(slices.Compact(slices.Sorted(slices.Values(want)))) != 3 {
			t.Fatalf("clients meet %v, want all three servers", want)
		}
		e.do(runtime.AddServer(b, greeter(t, "pod-d"))...)
		if got := e.meetings(6); !slices.Equal(got, want) {
			t.Errorf("with another server, clients meet %v, want %v as before", got, want)
		}
		e.do(runtime.SetMode("be", want[0], runtime.Maintenance), runtime.DeleteServer("be", want[0]))
		got := e.meetings(6)
		for i, name := range want {
			if moved := got[i] != name; moved != (name == want[0]) {
				t.Errorf("without %s, client %d meets %s, and met %s", want[0], i+1, got[i], name)
			}
		}
		if again := e.meetings(6); !slices.Equal(again, got) {
			t.Errorf("clients that moved meet %v, and then %v", got, again)
		}
	})
}

// A drained server still gets its clients' connections, and only maintenance keeps them away. Both keep open connections.
func TestAServerThatLeavesLosesItsClientsByMaintenanceOnly(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		b := sticky(t, "pod-a", "pod-b")
		e := start(t, program, b)
		open := dial(t, client(1), e.at)
		had := greeting(t, open)
		e.do(runtime.SetMode("be", had, runtime.Drain))
		if got := e.meets(client(1)); got != had {
			t.Errorf("while %s is drained, its client meets %s", had, got)
		}
		e.do(runtime.SetMode("be", had, runtime.Maintenance))
		if got := e.meets(client(1)); got == had {
			t.Errorf("while %s is in maintenance, its client meets it", had)
		}
		echoes(t, open)
		e.stillConnected("be", had)
		must(t, open.Close())
		e.deletes("be", had)
	})
}

func TestAClientIsForgottenAfterTheTimeout(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		b := sticky(t, "pod-a", "pod-b")
		b.Affinity.Timeout = time.Second
		e := start(t, program, b)
		e.meets(client(1))
		if table := e.ask("show table be"); !strings.Contains(table, "key=::ffff:127.97.0.1 ") {
			t.Fatalf("of a client that was just there HAProxy knows %q", table)
		}
		lab.Eventually(t, func() error {
			if table := e.ask("show table be"); strings.Contains(table, "key=") {
				return fmt.Errorf("HAProxy still knows %q", table)
			}
			return nil
		})
	})
}

func TestAClientWaitsForItsOwnServer(t *testing.T) {
	t.Parallel()
	stuck := sticky(t, "pod-a", "pod-b")
	hashed := haproxy.Backend{Name: "be", Balance: haproxy.Source, Servers: stuck.Servers}
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for _, b := range []haproxy.Backend{stuck, hashed} {
			b.MaxConnections = 1
			e := start(t, program, b)
			first := dial(t, client(1), e.at)
			had := greeting(t, first)
			second := dial(t, client(1), e.at)
			e.awaits("be", had, "qcur", "1")
			requireSilence(t, second)
			must(t, first.Close())
			if got := greeting(t, second); got != had {
				t.Errorf("got %s, want %s", got, had)
			}
		}
	})
}
