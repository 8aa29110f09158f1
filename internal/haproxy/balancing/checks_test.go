package balancing_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// oddPath contains everything with a meaning elsewhere in HAProxy: a format, a variable, a percent sign.
const oddPath = "/ready?full=%41&x=$HOME&y=%ci%%"

// health makes servers for checks, on ports of their own.
type health struct {
	t *testing.T
	// header says that connections must begin with a PROXY header.
	header bool
}

// listen opens a new port.
func (h health) listen() net.Listener {
	listener := listen(h.t)
	if !h.header {
		return listener
	}
	return &proxyproto.Listener{Listener: listener, ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		return proxyproto.REQUIRE, nil
	}}
}

// http answers the path with a status, and everything else with 500.
func (h health) http(path string, status int, secure bool) haproxy.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.RequestURI == path && r.Host != "" {
			w.WriteHeader(status)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	h.serve(s, secure)
	return server("", s.Listener)
}

func (h health) serve(s *httptest.Server, secure bool) {
	_ = s.Listener.Close()
	s.Listener = h.listen()
	s.Config.ErrorLog = silent()
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	h.t.Cleanup(s.Close)
}

// tls does a TLS handshake, and then sends nothing.
func (h health) tls() haproxy.Server {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	h.t.Cleanup(s.Close)
	listener := h.listen()
	accept.Each(h.t, listener, func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, tls.Server(conn, s.TLS))
	})
	return server("", listener)
}

// plain sends nothing.
func (h health) plain() haproxy.Server {
	listener := h.listen()
	accept.Each(h.t, listener, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	return server("", listener)
}

// dead returns a port without a listener.
func (h health) dead() haproxy.Server {
	at := unused(h.t)
	return haproxy.Server{Addr: at.Addr(), Port: at.Port(), Weight: 1}
}

// checkCase is a kind of check, with a server that passes it and one that fails, and HAProxy's result for each.
type checkCase struct {
	name               string
	check              haproxy.Check
	good, bad          haproxy.Server
	wantGood, wantFail string
}

// checkCases are all kinds. If checks have a port of their own, the connections' ports are dead.
func checkCases(h health) []checkCase {
	tcp, tls := haproxy.Check{}, haproxy.Check{Kind: haproxy.CheckTLS}
	path := haproxy.Check{Kind: haproxy.CheckHTTP, Path: oddPath}
	overTLS := haproxy.Check{Kind: haproxy.CheckHTTP, TLS: true}
	cases := []checkCase{
		{"tcp", tcp, h.plain(), h.dead(), "L4OK", "L4CON"},
		{"http", path, h.http(oddPath, http.StatusOK, false), h.http("/other", http.StatusOK, false), "L7OK", "L7STS"},
		{"http-dead", path, h.http(oddPath, http.StatusNoContent, false), h.dead(), "L7OK", "L4CON"},
		{"http-status", haproxy.Check{Kind: haproxy.CheckHTTP}, h.http("/", http.StatusMultipleChoices, false), h.http("/", http.StatusNotFound, false), "L7OK", "L7STS"},
		{"http-tls", overTLS, h.http("/", http.StatusOK, true), h.http("/", http.StatusBadGateway, true), "L7OK", "L7STS"},
		{"http-no-tls", overTLS, h.http("/", http.StatusOK, true), h.http("/", http.StatusOK, false), "L7OK", "L6RSP"},
		{"tls", tls, h.tls(), h.http("/", http.StatusOK, false), "L6OK", "L6RSP"},
		{"tls-dead", tls, h.tls(), h.dead(), "L6OK", "L4CON"},
	}
	for _, c := range cases {
		elsewhere := c
		elsewhere.name += "-port"
		elsewhere.check.Port, elsewhere.good, elsewhere.bad = c.good.Port, h.dead(), h.dead()
		elsewhere.good.Addr, elsewhere.bad.Addr = c.good.Addr, c.good.Addr.Next()
		elsewhere.wantFail = "L4CON"
		cases = append(cases, elsewhere)
	}
	return append(cases, expectationCases(h)...)
}

// expectationCases are checks that ask for a name and judge the answer.
func expectationCases(h health) []checkCase {
	const body = `{"status":"UP"} ok`
	asked := haproxy.Check{Kind: haproxy.CheckHTTP, Host: "app.example.com:8080"}
	statuses := haproxy.Check{Kind: haproxy.CheckHTTP, Statuses: "200-299,401"}
	text := haproxy.Check{Kind: haproxy.CheckHTTP, Body: body}
	both := haproxy.Check{Kind: haproxy.CheckHTTP, Body: body, Statuses: "503"}
	name := haproxy.Check{Kind: haproxy.CheckTLS, SNI: "app.example.com"}
	overTLS := haproxy.Check{Kind: haproxy.CheckHTTP, TLS: true, SNI: "app.example.com"}
	patient := haproxy.Check{Kind: haproxy.CheckHTTP, Timeout: time.Minute}
	return []checkCase{
		{"host", asked, h.answers("app.example.com:8080", 200, ""), h.answers("other.example.com", 200, ""), "L7OK", "L7STS"},
		{"statuses", statuses, h.answers("", 401, ""), h.answers("", 302, ""), "L7OK", "L7STS"},
		{"body", text, h.answers("", 200, "<<"+body+">>"), h.answers("", 200, "DOWN"), "L7OK", "L7RSP"},
		{"body-status", text, h.answers("", 399, body), h.answers("", 500, body), "L7OK", "L7STS"},
		{"status-body", both, h.answers("", 503, body), h.answers("", 503, "other"), "L7OK", "L7RSP"},
		{"sni", name, h.named("app.example.com"), h.named("other.example.com"), "L6OK", "L6RSP"},
		{"sni-http", overTLS, h.named("app.example.com"), h.named("other.example.com"), "L7OK", "L6RSP"},
		{"timeout", patient, h.slow(), h.dead(), "L7OK", "L4CON"},
	}
}

// answers answers requests for a Host, or for any, with a status and a body.
func (h health) answers(host string, status int, body string) haproxy.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host != "" && r.Host != host {
			w.WriteHeader(http.StatusMisdirectedRequest)
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	h.serve(s, false)
	return server("", s.Listener)
}

// slow answers after more than the interval of the checks here.
func (h health) slow() haproxy.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(1500 * time.Millisecond):
		case <-r.Context().Done():
		}
	}))
	h.serve(s, false)
	return server("", s.Listener)
}

// named does a TLS handshake with those alone that ask for a name, and answers them.
func (h health) named(name string) haproxy.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName != name {
			return nil, errors.New("another name")
		}
		return nil, nil
	}}
	h.serve(s, true)
	return server("", s.Listener)
}

func TestChecksFindOutWhetherAServerIsUpHoweverItCameThere(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		for name, connections := range map[string]haproxy.Backend{
			"no header":              {},
			"version 1":              {ProxyProtocol: haproxy.ProxyV1},
			"version 2":              {ProxyProtocol: haproxy.ProxyV2},
			"version 1, not checked": {ProxyProtocol: haproxy.ProxyV1, Check: haproxy.Check{WithoutProxy: true}},
			"version 2, not checked": {ProxyProtocol: haproxy.ProxyV2, Check: haproxy.Check{WithoutProxy: true}},
		} {
			// One after the other: each makes some hundred checks a second.
			t.Run(name, func(t *testing.T) { checkedHowever(t, program, connections) })
		}
	})
}

// checkedHowever tries every kind of check with servers that the configuration has and with servers that are added, whose connections
// and checks have the PROXY headers of a backend.
func checkedHowever(t *testing.T, program string, connections haproxy.Backend) {
	cases := checkCases(health{t: t, header: connections.ProxyProtocol != haproxy.ProxyNone && !connections.Check.WithoutProxy})
	var backends []haproxy.Backend
	for i, c := range cases {
		c.check.Interval, c.check.Rise, c.check.Fall, c.check.WithoutProxy = time.Second, 1, 1, connections.Check.WithoutProxy
		backends = append(backends, haproxy.Backend{
			Name: c.name, HTTP: i%2 == 1, Balance: haproxy.LeastConn, ProxyProtocol: connections.ProxyProtocol, Check: c.check,
			Servers: named(c, "file-bad", "file-good"),
		})
	}
	e := start(t, program, backends...)
	for i, c := range cases {
		e.do(runtime.AddServers(backends[i], named(c, "added-bad", "added-good"))...)
	}
	for _, c := range cases {
		for _, from := range []string{"file", "added"} {
			e.awaits(c.name, from+"-good", "check_status", c.wantGood)
			e.awaits(c.name, from+"-good", "status", "UP")
			e.awaits(c.name, from+"-bad", "check_status", c.wantFail)
			e.awaits(c.name, from+"-bad", "status", "DOWN")
		}
	}
}

// named returns the servers of a case under these names.
func named(c checkCase, bad, good string) []haproxy.Server {
	c.bad.Name, c.good.Name = bad, good
	return []haproxy.Server{c.bad, c.good}
}

// A running server is found down and up again, including one that was added.
func TestAServerThatWasAddedIsCheckedAgainAndAgain(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		at := unused(t)
		s := haproxy.Server{Name: "s", Addr: at.Addr(), Port: at.Port(), Weight: 1}
		b := haproxy.Backend{
			Name: "be", Balance: haproxy.LeastConn,
			Check: haproxy.Check{Kind: haproxy.CheckTLS, Interval: 500 * time.Millisecond, Rise: 2, Fall: 2},
		}
		e := start(t, program, b)
		e.do(runtime.AddServer(b, s)...)
		e.awaits("be", "s", "status", "DOWN")
		for range 2 {
			up := secureAt(t, at)
			e.awaits("be", "s", "status", "UP")
			e.awaits("be", "s", "check_status", "L6OK")
			up.Close()
			e.awaits("be", "s", "status", "DOWN")
		}
	})
}

func secureAt(t *testing.T, at netip.AddrPort) *httptest.Server {
	t.Helper()
	listener, err := net.Listen("tcp", at.String())
	must(t, err)
	s := httptest.NewUnstartedServer(nil)
	_ = s.Listener.Close()
	s.Listener, s.Config.ErrorLog = listener, silent()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
