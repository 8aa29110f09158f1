package balancing_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// site is a server for requests that counts its connections. It answers with its name, and with the client's address from
// the connection's PROXY header, or else from the connection itself.
type site struct {
	haproxy.Server
	connections *atomic.Int32
}

func newSite(t *testing.T, name string, header bool) site {
	t.Helper()
	s := site{connections: new(atomic.Int32)}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "websocket" {
			tunnel(w, name)
			return
		}
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		_, _ = fmt.Fprintf(w, "%s %s", name, host)
	}))
	web.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	health{t: t, header: header}.serve(web, false)
	s.Server = server(name, web.Listener)
	return s
}

// tunnel sends the server's name and then echoes.
func tunnel(w http.ResponseWriter, name string) {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") // RFC 6455's answer to its own key
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, stream, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = fmt.Fprintln(conn, name)
	_, _ = io.Copy(conn, stream)
}

func sites(protocol haproxy.ProxyProtocol, servers ...site) haproxy.Backend {
	b := haproxy.Backend{Name: "be:http", HTTP: true, Balance: haproxy.RoundRobin, ProxyProtocol: protocol}
	for _, s := range servers {
		b.Servers = append(b.Servers, s.Server)
	}
	return b
}

// browser is a client with one connection that stays open.
type browser struct {
	t      *testing.T
	conn   net.Conn
	stream *bufio.Reader
}

func (e edge) browse(client string) browser {
	e.t.Helper()
	conn := dial(e.t, client, e.at)
	return browser{t: e.t, conn: conn, stream: bufio.NewReader(conn)}
}

// get returns the body of the answer to a request.
func (b browser) get() string {
	b.t.Helper()
	_, err := io.WriteString(b.conn, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	must(b.t, err)
	answer, err := http.ReadResponse(b.stream, nil)
	must(b.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(b.t, err)
	if answer.StatusCode != http.StatusOK || answer.Close {
		b.t.Errorf("got status %d, connection closed: %t", answer.StatusCode, answer.Close)
	}
	return string(body)
}

// Clients alternate, so that HAProxy is tempted to send one's request over the connection of the other.
func TestNoRequestIsSentBehindAnotherClientsPROXYHeader(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for _, protocol := range []haproxy.ProxyProtocol{haproxy.ProxyV1, haproxy.ProxyV2} {
			s := newSite(t, "only", true)
			e := start(t, program, sites(protocol, s))
			one, other := e.browse(client(1)), e.browse(client(2))
			for range 10 {
				if got, want := one.get(), "only "+client(1); got != want {
					t.Errorf("version %d: got %q, want %q", protocol, got, want)
				}
				if got, want := other.get(), "only "+client(2); got != want {
					t.Errorf("version %d: got %q, want %q", protocol, got, want)
				}
			}
			if got := s.connections.Load(); got != 2 {
				t.Errorf("version %d: for 20 requests of two clients the server saw %d connections, want one for each client", protocol, got)
			}
		}
	})
}

func TestConnectionsToServersAreKept(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		s := newSite(t, "only", false)
		e := start(t, program, sites(haproxy.ProxyNone, s))
		for range 3 {
			b := e.browse(client(1))
			for range 5 {
				b.get()
			}
		}
		if got := s.connections.Load(); got > 3 {
			t.Errorf("for 15 requests over 3 connections the server saw %d connections", got)
		}
	})
}

// A client with an open connection moves to another server between two requests, and idle connections do not keep a server.
func TestAServerForRequestsLeavesUnderItsClientsConnections(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for _, protocol := range []haproxy.ProxyProtocol{haproxy.ProxyNone, haproxy.ProxyV2} {
			header := protocol != haproxy.ProxyNone
			goes, stays := newSite(t, "goes", header), newSite(t, "stays", header)
			b := sites(protocol, goes)
			e := start(t, program, b)
			clients := []browser{e.browse(client(1)), e.browse(client(2))}
			for i, c := range clients {
				if got := c.get(); got[:4] != "goes" {
					t.Fatalf("client %d is answered by %q", i, got)
				}
			}
			e.do(runtime.AddServer(b, stays.Server)...)
			e.do(runtime.SetMode("be:http", "goes", runtime.Drain))
			for i, c := range clients {
				for range 3 {
					if got := c.get(); got[:5] != "stays" {
						t.Errorf("while its server is drained, client %d is answered by %q", i, got)
					}
				}
			}
			idle := e.browse(client(3))
			idle.get()
			e.do(runtime.SetMode("be:http", "goes", runtime.Maintenance))
			e.deletes("be:http", "goes")
			for i, c := range append(clients, idle) {
				if got := c.get(); got[:5] != "stays" {
					t.Errorf("after its server was deleted, client %d is answered by %q", i, got)
				}
			}
		}
	})
}

func TestAWebSocketOutlivesTheDrainOfItsServer(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for _, protocol := range []haproxy.ProxyProtocol{haproxy.ProxyNone, haproxy.ProxyV2} {
			s := newSite(t, "only", protocol != haproxy.ProxyNone)
			b := sites(protocol, s)
			e := start(t, program, b)
			browser := e.browse(client(1))
			_, err := io.WriteString(browser.conn, "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
			must(t, err)
			answer, err := http.ReadResponse(browser.stream, nil)
			must(t, err)
			if answer.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("got status %d", answer.StatusCode)
			}
			if name, err := browser.stream.ReadString('\n'); name != "only\n" {
				t.Fatalf("the tunnel says %q, %v", name, err)
			}
			through := struct {
				io.Reader
				io.Writer
			}{browser.stream, browser.conn}
			echoes(t, through)
			for _, mode := range []runtime.Mode{runtime.Drain, runtime.Maintenance} {
				e.do(runtime.SetMode("be:http", "only", mode))
				echoes(t, through)
			}
			e.stillConnected("be:http", "only")
			must(t, browser.conn.Close())
			e.deletes("be:http", "only")
		}
	})
}
