package routing_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// obliging is a server that gives every connection the same answer, whatever the request is, and records what it read.
type obliging struct {
	at     netip.AddrPort
	answer string
	mutex  sync.Mutex
	read   bytes.Buffer
}

func newObliging(t testing.TB, answer string) *obliging {
	t.Helper()
	o := &obliging{answer: answer}
	o.at = serveConnections(t, o.serve)
	return o
}

// serveConnections serves each connection until the test ends.
func serveConnections(t testing.TB, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	at := netip.AddrPortFrom(loopback4, freePort(t))
	listener, err := listenAt(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return at
}

// serve answers after each complete header.
func (o *obliging) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	reader := bufio.NewReader(conn)
	for {
		line, err := reader.ReadString('\n')
		o.mutex.Lock()
		o.read.WriteString(line)
		o.mutex.Unlock()
		if err != nil {
			return
		}
		if line == "\r\n" {
			if _, err := io.WriteString(conn, o.answer); err != nil {
				return
			}
		}
	}
}

// saw returns everything that was received so far.
func (o *obliging) saw() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.read.String()
}

const (
	answerOK       = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	answerSwitched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	webSocketKey   = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	// smuggled is a request that must not reach a server unchanged.
	smuggled = "GET /smuggled HTTP/1.1\r\nHost: bank.example\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
	// lastRequest ends a connection that is not a tunnel.
	lastRequest = "GET /last HTTP/1.1\r\nHost: bank.example\r\nConnection: close\r\n\r\n"
)

// before starts a HAProxy with a frontend "http" in front of the server.
func before(t testing.TB, program string, o *obliging) edge {
	t.Helper()
	return start(t, program, haproxy.Config{
		Frontends: []haproxy.Frontend{{Name: "http", Protocol: haproxy.HTTP, Backend: "app"}},
		Backends:  []haproxy.Backend{backend("app", &target{kind: httpTarget, at: o.at})},
	})
}

func TestNoRequestMakesATunnel(t *testing.T) {
	t.Parallel()
	const refused = http.StatusMethodNotAllowed
	tests := []struct {
		name, request, answer string
		want                  int
	}{
		{"CONNECT", "CONNECT app.example.com:80 HTTP/1.1\r\nHost: app.example.com:80\r\n\r\n", answerOK, refused},
		{"CONNECT to a port", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", answerOK, refused},
		{"CONNECT of HTTP/1.0", "CONNECT app.example.com:80 HTTP/1.0\r\n\r\n", answerOK, refused},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: app.example.com\r\n\r\n", answerOK, refused},
		{"another method", "connect / HTTP/1.1\r\nHost: app.example.com\r\n\r\n", answerOK, http.StatusOK},
		{"an upgrade to HTTP/2", upgrade("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), answerSwitched, http.StatusBadGateway},
		{"an upgrade to TLS", upgrade("Connection: Upgrade", "Upgrade: TLS/1.0"), answerSwitched, http.StatusBadGateway},
		{"an upgrade to one of two", upgrade("Connection: Upgrade", "Upgrade: websocket, TLS/1.0", webSocketKey), answerSwitched, http.StatusBadGateway},
		{"an upgrade to one of two in two lines", upgrade("Connection: Upgrade", "Upgrade: websocket", "Upgrade: TLS/1.0", webSocketKey), answerSwitched, http.StatusBadGateway},
		{"an upgrade that Connection does not list", upgrade("Connection: keep-alive", "Upgrade: websocket"), answerSwitched, http.StatusBadGateway},
		{"an upgrade to nothing", upgrade("Connection: Upgrade"), answerSwitched, http.StatusBadGateway},
		{"no upgrade at all", upgrade(), answerSwitched, http.StatusBadGateway},
		{"an upgrade that the server does not want", upgrade("Connection: Upgrade", "Upgrade: h2c"), answerOK, http.StatusOK},
	}
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				o := newObliging(t, tc.answer)
				e := before(t, program, o)
				conn := dial(t, e.at(t, "http", loopback4))
				// All at once, like a client that relies on its tunnel.
				if _, err := io.WriteString(conn, tc.request+smuggled); err != nil {
					t.Fatal(err)
				}
				answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || answer.StatusCode != tc.want {
					t.Fatalf("got %+v, %v, want status %d", answer, err, tc.want)
				}
				// The second request is an ordinary one, if the connection stays open for it.
				_, _ = io.WriteString(conn, lastRequest)
				_, _ = io.Copy(io.Discard, conn)
				saw := o.saw()
				if lower := strings.ToLower(saw); strings.Contains(lower, "upgrade") || strings.Contains(saw, "192.0.2.1") ||
					strings.Contains(saw, "CONNECT") || strings.Contains(saw, "TRACE") {
					t.Errorf("the server saw %q", saw)
				}
			})
		}
	})
}

// upgrade returns a request with these header lines.
func upgrade(lines ...string) string {
	return "GET / HTTP/1.1\r\nHost: app.example.com\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
}

func TestAWebSocketIsATunnelToItsTarget(t *testing.T) {
	t.Parallel()
	const key = "Sec-WebSocket-Version: 13\r\n" + webSocketKey + "\r\n\r\n"
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		onBothFamilies(t, "", func(t *testing.T, address netip.Addr) {
			for _, asks := range []string{
				"Connection: Upgrade\r\nUpgrade: websocket\r\n",
				"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n",
				"upgrade: websocket\r\nconnection: X-Forwarded-For, upgrade\r\n",
			} {
				conn := dial(t, e.at(t, "http", address))
				if _, err := io.WriteString(conn, "GET /chat HTTP/1.1\r\nHost: app.example.com\r\n"+asks+key); err != nil {
					t.Fatal(err)
				}
				reader := bufio.NewReader(conn)
				answer, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("X-Target") != "app" {
					t.Fatalf("%q: got %s with %v, want 101 from app", asks, answer.Status, answer.Header)
				}
				for _, frame := range []string{"\x81\x85\x00\x00\x00\x00hello", "\x00\xff\r\n\r\n", strings.Repeat("x", 100_000)} {
					go func() { _, _ = io.WriteString(conn, frame) }()
					got := make([]byte, len(frame))
					if _, err := io.ReadFull(reader, got); err != nil || string(got) != frame {
						t.Fatalf("got %.50q, %v, want %.50q", got, err, frame)
					}
				}
			}
		})
	})
}

// Over HTTP/2 a WebSocket begins with CONNECT as well, according to RFC 8441.
func TestOverHTTP2OnlyAWebSocketMakesATunnel(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := httpTable(t, program)
		for _, tc := range []struct {
			name   string
			fields []string
			want   string
		}{
			{"a WebSocket", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat", ":authority", "app.example.com", "sec-websocket-version", "13"}, "200"},
			{"another protocol", []string{":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "http", ":path", "/chat", ":authority", "app.example.com"}, "none"},
			{"CONNECT", []string{":method", "CONNECT", ":authority", "app.example.com:80"}, "405"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				conn := dial(t, e.at(t, "http", loopback4))
				status, echo := connectStream(t, conn, tc.fields, "\x81\x85\x00\x00\x00\x00hello")
				if tc.want == "none" {
					// HAProxy turns it into a GET, which the server answers; but nothing that follows reaches the server.
					if strings.Contains(echo, "hello") {
						t.Errorf("got status %s and %q, want no tunnel", status, echo)
					}
					return
				}
				if status != tc.want || (tc.want == "200") != strings.Contains(echo, "hello") {
					t.Errorf("got status %s and %q, want status %s", status, echo, tc.want)
				}
			})
		}
	})
}

// connectStream opens a stream with these fields, sends data after the answer, and returns the status and what comes back.
func connectStream(t *testing.T, conn net.Conn, fields []string, data string) (status, echo string) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err := io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for pair := range slices.Chunk(fields, 2) {
		_ = encoder.WriteField(hpack.HeaderField{Name: pair[0], Value: pair[1]}) // a buffer takes every write
	}
	for _, step := range []func() error{
		func() error { return err },
		func() error { return framer.WriteSettings() },
		func() error {
			return framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return status, echo
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			status = f.PseudoValue("status")
			_ = framer.WriteData(1, false, []byte(data)) // a stream that is refused may be closed already
			if f.StreamEnded() {
				return status, echo
			}
		case *http2.DataFrame:
			if echo += string(f.Data()); f.StreamEnded() || strings.Contains(echo, "hello") {
				return status, echo
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return status, echo
		}
	}
}
