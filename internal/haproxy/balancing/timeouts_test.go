package balancing_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// short is a timeout that passes soon, and long one that no test waits for.
const (
	short = 200 * time.Millisecond
	long  = time.Hour
)

// allAre gives the process timeouts that are all the same.
func allAre(d time.Duration) func(*haproxy.Config) {
	return func(c *haproxy.Config) { c.Timeouts = haproxy.Timeouts{Connect: d, Client: d, Server: d, Queue: d} }
}

// closed fails unless HAProxy closes the connection.
func closed(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want the connection closed", err)
	}
}

// Each timeout ends what it is about, although that of the process is far longer.
func TestTheTimeoutsOfAListenerAndATargetHoldInPlaceOfTheProcesss(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for name, test := range map[string]struct {
			edit func(*haproxy.Frontend, *haproxy.Backend)
			// meet is what happens before the connection is closed.
			meet func(e edge, conn net.Conn)
		}{
			"client": {func(f *haproxy.Frontend, _ *haproxy.Backend) { f.ClientTimeout = short }, exchange},
			"server": {func(_ *haproxy.Frontend, b *haproxy.Backend) { b.Timeouts.Server = short }, exchange},
			"tunnel": {func(_ *haproxy.Frontend, b *haproxy.Backend) { b.Timeouts.Tunnel = short }, exchange},
			"queue": {func(_ *haproxy.Frontend, b *haproxy.Backend) { b.MaxConnections, b.Timeouts.Queue = 1, short }, func(e edge, _ net.Conn) {
				e.awaits("be", "BACKEND", "qcur", "0")
			}},
			"connect": {func(_ *haproxy.Frontend, b *haproxy.Backend) {
				b.Timeouts.Connect, b.Servers = short, []haproxy.Server{full(t)}
			}, func(edge, net.Conn) {}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := haproxy.Backend{Name: "be", Balance: haproxy.LeastConn, Servers: []haproxy.Server{greeter(t, "only")}}
				var f haproxy.Frontend
				test.edit(&f, &b)
				e := startWith(t, program, func(c *haproxy.Config) {
					allAre(long)(c)
					c.Frontends[0].ClientTimeout = f.ClientTimeout
				}, b)
				if b.MaxConnections > 0 {
					exchange(e, dial(t, "127.0.0.1", e.at))
				}
				conn := dial(t, "127.0.0.1", e.at)
				test.meet(e, conn)
				closed(t, conn)
			})
		}
	})
}

// exchange reads the server's greeting, and lets it answer.
func exchange(e edge, conn net.Conn) {
	e.t.Helper()
	greeting(e.t, conn)
	echoes(e.t, conn)
}

// SSH may be silent for hours beside HTTP: a connection with a tunnel of its own outlives one that has none.
func TestAConnectionMayBeSilentForAsLongAsItsTargetSays(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for name, edit := range map[string]func(*haproxy.Frontend, *haproxy.Backend){
			"tunnel":            func(_ *haproxy.Frontend, b *haproxy.Backend) { b.Timeouts.Tunnel = long },
			"client and server": func(f *haproxy.Frontend, b *haproxy.Backend) { f.ClientTimeout, b.Timeouts.Server = long, long },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				patient := haproxy.Backend{Name: "be", Balance: haproxy.LeastConn, Servers: []haproxy.Server{greeter(t, "patient")}}
				hasty := haproxy.Backend{Name: "hasty", Balance: haproxy.LeastConn, Servers: []haproxy.Server{greeter(t, "hasty")}}
				var f haproxy.Frontend
				edit(&f, &patient)
				other := unused(t)
				e := startWith(t, program, func(c *haproxy.Config) {
					allAre(short)(c)
					c.Timeouts.Connect = long
					c.Frontends[0].ClientTimeout = f.ClientTimeout
					c.Frontends = append(c.Frontends, haproxy.Frontend{Name: "hasty", Backend: "hasty", Binds: []haproxy.Bind{{Addr: other.Addr(), Port: other.Port()}}})
				}, patient, hasty)
				stays, ends := dial(t, "127.0.0.1", e.at), dial(t, "127.0.0.1", other)
				exchange(e, stays)
				exchange(e, ends)
				closed(t, ends)
				echoes(t, stays)
			})
		}
	})
}

// full returns a server that answers no connection attempt: its queue is full, and it takes nothing from it.
func full(t *testing.T) haproxy.Server {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(t, err)
	socket := os.NewFile(uintptr(fd), "full")
	t.Cleanup(func() { _ = socket.Close() })
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(t, err)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))
	for range 2 {
		conn, err := net.DialTimeout("tcp", at.String(), short)
		if err != nil {
			break
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	return haproxy.Server{Name: "full", Addr: at.Addr(), Port: at.Port(), Weight: 1}
}
