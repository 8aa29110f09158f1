package balancing_test

import (
	"net"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// Weights would send every connection to the first server: it is full after two, and the rest of the backend is used before
// a connection waits.
func TestWhenAllServersAreFullTheNextConnectionWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for _, balance := range []haproxy.Balance{haproxy.LeastConn, haproxy.RoundRobin} {
			inFile, added := greeter(t, "in-file"), greeter(t, "added")
			inFile.Weight = 256
			b := haproxy.Backend{Name: "be", Balance: balance, MaxConnections: 2, Servers: []haproxy.Server{inFile}}
			e := start(t, program, b)
			e.do(runtime.AddServer(b, added)...)
			open := map[string][]net.Conn{}
			for range 4 {
				conn := dial(t, "127.0.0.1", e.at)
				name := greeting(t, conn)
				open[name] = append(open[name], conn)
			}
			if len(open["in-file"]) != 2 || len(open["added"]) != 2 {
				t.Fatalf("%s: got %d connections in-file and %d added, want 2 each", balance, len(open["in-file"]), len(open["added"]))
			}
			for _, freed := range []string{"added", "in-file"} {
				waiting := dial(t, "127.0.0.1", e.at)
				e.awaits("be", "BACKEND", "qcur", "1")
				requireSilence(t, waiting)
				must(t, open[freed][0].Close())
				if got := greeting(t, waiting); got != freed {
					t.Errorf("%s: the connection that waited meets %s, want %s", balance, got, freed)
				}
				for _, conn := range open[freed][1:] {
					echoes(t, conn)
				}
			}
		}
	})
}

// requireSilence fails if there is something to read at once.
func requireSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d byte came for a connection that is to wait", n)
	}
	must(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
}

func TestAConnectionThatWaitedForTooLongIsClosed(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		b := haproxy.Backend{Name: "be", Balance: haproxy.LeastConn, MaxConnections: 1, Servers: []haproxy.Server{greeter(t, "only")}}
		e := start(t, program, b)
		first := dial(t, "127.0.0.1", e.at)
		greeting(t, first)
		second := dial(t, "127.0.0.1", e.at)
		if n, err := second.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d byte came, want the connection closed", n)
		}
		echoes(t, first)
	})
}
