package routing_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// http2Server knows HTTP/2 without TLS and nothing else, as servers of gRPC do. It answers with what it has read, and with a trailer.
type http2Server struct {
	at     netip.AddrPort
	checks atomic.Int32
}

func newHTTP2Server(t *testing.T, header haproxy.ProxyProtocol) *http2Server {
	t.Helper()
	s := &http2Server{at: netip.AddrPortFrom(loopback4, freePort(t))}
	listener, err := listenAt(t.Context(), s.at)
	if err != nil {
		t.Fatal(err)
	}
	if header != haproxy.ProxyNone {
		listener = &proxyproto.Listener{Listener: listener, ReadHeaderTimeout: patience}
	}
	server := &http.Server{Handler: s, Protocols: only(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }), ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

func only(set func(*http.Protocols)) *http.Protocols {
	p := new(http.Protocols)
	set(p)
	return p
}

func (s *http2Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/check" {
		s.checks.Add(1)
		return
	}
	w.Header().Set("Trailer", "Grpc-Status")
	body, _ := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%s %s %s", r.Proto, r.Header.Get("X-Forwarded-For"), body)
	w.Header().Set("Grpc-Status", "7")
}

// send sends a request over a new connection, and returns what was answered, and the trailer.
func send(t *testing.T, at netip.AddrPort, protocols *http.Protocols) (answer, trailer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at.String()+"/", strings.NewReader("ping"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("TE", "trailers")
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the status is %d, and the body %q: %v", response.StatusCode, body, err)
	}
	return string(body), response.Trailer.Get("Grpc-Status")
}

// A server of HTTP/2 is reached by clients of both versions, also if it was added at run time, and checked. A client of gRPC speaks HTTP/2
// without an upgrade, and reads the trailer.
func TestServersOfHTTP2AreServedAndChecked(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for name, test := range map[string]struct {
			header haproxy.ProxyProtocol
			check  haproxy.CheckKind
		}{
			"checks by HTTP":                     {haproxy.ProxyNone, haproxy.CheckHTTP},
			"checks by TCP":                      {haproxy.ProxyNone, haproxy.CheckTCP},
			"checks by HTTP, and a PROXY header": {haproxy.ProxyV2, haproxy.CheckHTTP},
			"checks by TCP, and a PROXY header":  {haproxy.ProxyV1, haproxy.CheckTCP},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				first, added := newHTTP2Server(t, test.header), newHTTP2Server(t, test.header)
				b := haproxy.Backend{
					Name: "be", HTTP: true, HTTP2: true, Balance: haproxy.RoundRobin, ProxyProtocol: test.header,
					Check:   haproxy.Check{Kind: test.check, Interval: time.Second, Rise: 1, Fall: 3},
					Servers: []haproxy.Server{{Name: "first", Addr: first.at.Addr(), Port: first.at.Port(), Weight: 1}},
				}
				if test.check == haproxy.CheckHTTP {
					b.Check.Path = "/check"
				}
				e := start(t, program, haproxy.Config{Frontends: []haproxy.Frontend{{Name: "http", Protocol: haproxy.HTTP, Backend: "be"}}, Backends: []haproxy.Backend{b}})
				requireServesHTTP2(t, e)
				words := cfg.ServerWords(b, []haproxy.Server{{Name: "added", Addr: added.at.Addr(), Port: added.at.Port(), Weight: 1}})
				for _, command := range []string{"add server be/added " + words[0], "enable health be/added", "enable server be/added"} {
					if answer := e.ask(t, command); strings.Contains(answer, "rror") || strings.Contains(answer, "nknown") {
						t.Fatalf("%s: %s", command, answer)
					}
				}
				e.ask(t, "set server be/first state maint")
				eventually(t, "the server that was added is up", func() bool { return e.isUp(t, "added") })
				requireServesHTTP2(t, e)
				if test.check == haproxy.CheckHTTP {
					eventually(t, "both servers see checks", func() bool { return first.checks.Load() > 0 && added.checks.Load() > 0 })
				}
			})
		}
	})
}

// requireServesHTTP2 checks that clients of both versions of HTTP are served by HTTP/2 over both families.
func requireServesHTTP2(t *testing.T, e edge) {
	t.Helper()
	for _, address := range []netip.Addr{loopback4, loopback6} {
		want := "HTTP/2.0 " + address.String() + " ping"
		if answer, trailer := send(t, e.at(t, "http", address), only(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })); answer != want || trailer != "7" {
			t.Errorf("a client of HTTP/2 reads %q and the trailer %q, want %q", answer, trailer, want)
		}
		if answer, _ := send(t, e.at(t, "http", address), only(func(p *http.Protocols) { p.SetHTTP1(true) })); answer != want {
			t.Errorf("a client of HTTP/1.1 reads %q, want %q", answer, want)
		}
	}
}

// isUp reports whether a server of the backend be is up.
func (e edge) isUp(t *testing.T, server string) bool {
	t.Helper()
	for line := range strings.Lines(e.ask(t, "show stat be 4 -1")) {
		if fields := strings.Split(line, ","); len(fields) > 17 && fields[1] == server {
			return strings.HasPrefix(fields[17], "UP")
		}
	}
	return false
}
