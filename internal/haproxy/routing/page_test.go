package routing_test

import (
	"bufio"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/logs"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

func TestTheHealthEndpointIsAboutHAProxyAlone(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		server := syslogServer(t)
		// Its only server is down.
		down := haproxy.Backend{Name: "down", Balance: haproxy.RoundRobin, Servers: []haproxy.Server{{Name: "a", Addr: loopback4, Port: freePort(t), Weight: 1}}}
		e := start(t, program, haproxy.Config{
			Logging: logs.Settings{Target: udpTo(server), All: true, JSON: true}, Backends: []haproxy.Backend{down},
			Frontends: []haproxy.Frontend{
				{Name: "health", Page: pages.Page{Path: "/healthz"}},
				{Name: "maintenance", Page: pages.Page{Path: "/healthz", Unavailable: true}},
				{Name: "raw", Backend: "down"},
			},
		})
		onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
			for _, tc := range []struct {
				frontend, line string
				want           int
			}{
				{"health", "GET /healthz HTTP/1.1", 200}, {"health", "GET /healthz?a=b HTTP/1.1", 200}, {"health", "GET /healthz HTTP/1.0", 200},
				{"health", "POST /healthz HTTP/1.1", 200}, {"health", "GET http://x/healthz HTTP/1.1", 200},
				{"health", "GET / HTTP/1.1", 404}, {"health", "GET /healthz/ HTTP/1.1", 404}, {"health", "GET /HEALTHZ HTTP/1.1", 404}, {"health", "CONNECT x:80 HTTP/1.1", 404},
				{"health", "GET /\x01 HTTP/1.1", 400}, {"maintenance", "GET /healthz HTTP/1.1", 503}, {"maintenance", "GET / HTTP/1.1", 404},
			} {
				conn := dial(t, e.at(t, tc.frontend, address))
				_ = conn.SetReadDeadline(time.Now().Add(patience))
				reader := bufio.NewReader(conn)
				if got := request(conn, reader, tc.line+"\r\nHost: x\r\n\r\n"); got.status != tc.want {
					t.Errorf("%s of %s: got %d, want %d", tc.line, tc.frontend, got.status, tc.want)
				}
				// The next question must go to the worker that serves then.
				if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
					t.Errorf("%s of %s: the connection stays open, or has %q: %v", tc.line, tc.frontend, rest, err)
				}
			}
		})
		t.Run("is not logged", func(t *testing.T) {
			exchange(t, e.at(t, "health", loopback4), []byte("GET /healthz HTTP/1.0\r\n\r\n"))
			exchange(t, e.at(t, "raw", loopback4), []byte("x"))
			for line := nextJSON(t, server); line.Listener != "raw"; line = nextJSON(t, server) {
				if !strings.HasPrefix(line.Termination, "P") {
					t.Errorf("%s is logged", asJSON(line))
				}
			}
		})
	})
}
