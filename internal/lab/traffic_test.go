package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// The hosts of these tests have numbers from 21 on, and the backends those of their hosts.

func TestBackendSeesTheClientThroughAHost(t *testing.T) {
	t.Parallel()
	client := Client{Addresses: ClientAddresses(7)}
	for n, test := range []struct {
		name    string
		proxy   haproxy.ProxyProtocol
		keyword string
		// wantClient says that the backend sees the client's own address.
		wantClient bool
	}{
		{"without a PROXY header", haproxy.ProxyNone, "", false},
		{"by PROXY v1", haproxy.ProxyV1, "send-proxy", true},
		{"by PROXY v2", haproxy.ProxyV2, "send-proxy-v2", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := hostWithBackend(t, 21+n, test.proxy, test.keyword)
			for i, address := range h.Public.All() {
				seen, err := client.Get(t.Context(), netip.AddrPortFrom(address, 443))
				must(t, err)
				if seen.Backend != h.Name || seen.Proxy != int(test.proxy) {
					t.Errorf("%s: seen %+v", address, seen)
				}
				if own := client.Addresses.All()[i]; (seen.Client.Addr() == own) != test.wantClient {
					t.Errorf("client %s is seen as %s", own, seen.Client)
				}
			}
		})
	}
}

func TestBackendClosesConnectionsWithoutTheRightHeader(t *testing.T) {
	t.Parallel()
	v1, v2 := header(t, 1), header(t, 2)
	for n, test := range []struct {
		name     string
		want     haproxy.ProxyProtocol
		sent     string
		answered bool
	}{
		{"v1 for v1", haproxy.ProxyV1, v1, true},
		{"v2 for v2", haproxy.ProxyV2, v2, true},
		{"v2 for v1", haproxy.ProxyV1, v2, false},
		{"v1 for v2", haproxy.ProxyV2, v1, false},
		{"none for v1", haproxy.ProxyV1, "", false},
		{"none for v2", haproxy.ProxyV2, "", false},
		{"v1 for none", haproxy.ProxyNone, v1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at := startBackend(t, BackendOptions{Name: "b", Addresses: PodAddresses(100 + n), Port: 80, Proxy: test.want})
			for _, address := range at {
				answer := exchange(t, address, test.sent+"GET / HTTP/1.1\r\nHost: b\r\n\r\n")
				if got := strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n"); got != test.answered {
					t.Errorf("%s answers %q", address, answer)
				}
			}
		})
	}
}

func TestBackendCountsClientsAndNoHealthChecks(t *testing.T) {
	t.Parallel()
	b, err := StartBackend(t.Context(), BackendOptions{Name: "b", Addresses: PodAddresses(120), Port: 80})
	must(t, err)
	defer b.Close()
	at := netip.AddrPortFrom(PodAddresses(120).IPv6, 80)
	check, err := net.Dial("tcp", at.String())
	must(t, err)
	check.Close()
	_, err = Client{Addresses: ClientAddresses(1)}.Get(t.Context(), at)
	must(t, err)
	if got := b.Served(); got != 1 {
		t.Errorf("served %d, want 1", got)
	}
	for range 2 {
		must(t, b.Close())
	}
}

func TestBackendAnswersTLSClientsOnly(t *testing.T) {
	t.Parallel()
	at := PodAddresses(122)
	backend, err := StartBackend(t.Context(), BackendOptions{Name: "tls", Addresses: at, Port: 8443, TLS: true})
	must(t, err)
	t.Cleanup(func() { _ = backend.Close() })
	for _, address := range at.All() {
		plain := Client{Addresses: ClientAddresses(8)}
		encrypted := Client{Addresses: ClientAddresses(8), TLS: true, Host: "app.example.com"}
		seen, err := encrypted.Get(t.Context(), netip.AddrPortFrom(address, 8443))
		if err != nil || seen.Backend != "tls" {
			t.Errorf("%s: with TLS: %+v, %v", address, seen, err)
		}
		if seen, err := plain.Get(t.Context(), netip.AddrPortFrom(address, 8443)); err == nil {
			t.Errorf("%s: without TLS: %+v", address, seen)
		}
	}
}

func TestALongLivedConnectionReportsWhenItIsCut(t *testing.T) {
	t.Parallel()
	h := hostWithBackend(t, 31, haproxy.ProxyV2, "send-proxy-v2")
	client := Client{Addresses: ClientAddresses(2)}
	for _, address := range h.Public.All() {
		long, err := client.Open(t.Context(), netip.AddrPortFrom(address, 443))
		must(t, err)
		defer long.Close()
		for range 300 {
			must(t, long.Ping(t.Context()))
		}
		select {
		case <-long.Cut():
			t.Fatal("cut before its time")
		default:
		}
		defer func() {
			select {
			case <-long.Cut():
			case <-time.After(waiting.Long):
				t.Errorf("%s: not cut", address)
			}
			if err := long.Ping(t.Context()); err == nil {
				t.Errorf("%s: a connection that was cut answers", address)
			}
		}()
	}
	h.KillHAProxy()
}

func TestLoadCountsTheResultsOfConnections(t *testing.T) {
	t.Parallel()
	h := hostWithBackend(t, 32, haproxy.ProxyV1, "send-proxy")
	silent := startSilent(t, PodAddresses(121).IPv4)
	client := Client{Addresses: ClientAddresses(3)}
	const rate, seconds = 100, 0.5
	load := func(at netip.AddrPort) LoadResult {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds*float64(time.Second)))
		defer cancel()
		return client.Load(ctx, rate, at)
	}
	enough := func(n int) bool { return n > rate*seconds/2 && n <= rate*seconds }

	if r := load(netip.AddrPortFrom(h.Public.IPv6, 443)); !enough(r.OK) || r.Failed() != 0 || r.Answered[h.Name] != r.OK {
		t.Errorf("of a host that serves: %+v", r)
	}
	if r := load(netip.AddrPortFrom(h.Public.IPv6, 444)); !enough(r.Refused) || r.Failed() != r.Refused || r.OK != 0 || r.LongestGap == 0 {
		t.Errorf("of a closed port: %+v", r)
	}
	if r := load(silent); !enough(r.Cut) || r.Failed() != r.Cut || r.OK != 0 {
		t.Errorf("of a server that hangs up: %+v", r)
	}
}

func TestALoadMeasuresTheLongestTimeWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	after := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	for _, test := range []struct {
		name    string
		answers []int
		want    int
	}{
		{"no answer", nil, 10},
		{"before the first answer", []int{4, 5, 9}, 4},
		{"between answers", []int{1, 2, 7, 9}, 5},
		{"after the last answer", []int{1, 2, 4}, 6},
		{"an answer after the end", []int{1, 5, 14}, 9},
	} {
		s := silentSince(begin)
		for _, answer := range test.answers {
			s.answer(after(answer))
		}
		if got := s.until(after(10)); got != time.Duration(test.want)*time.Second {
			t.Errorf("%s: %s, want %ds", test.name, got, test.want)
		}
	}
}

func TestALoadTellsWhyAConnectionFailed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		took time.Duration
		of   func(LoadResult) int
	}{
		{"refused", syscall.ECONNREFUSED, 0, func(r LoadResult) int { return r.Refused }},
		{"reset", syscall.ECONNRESET, 0, func(r LoadResult) int { return r.Cut }},
		{"no host has the address", syscall.EHOSTUNREACH, 3 * time.Second, func(r LoadResult) int { return r.Unreachable }},
		{"no answer in time", os.ErrDeadlineExceeded, answerTimeout, func(r LoadResult) int { return r.TimedOut }},
	} {
		var r LoadResult
		r.count(Seen{}, &net.OpError{Op: "dial", Err: test.err}, test.took)
		if test.of(r) != 1 || r.Failed() != 1 || len(r.Failures) != 1 {
			t.Errorf("%s: %+v", test.name, r)
		}
	}
}

func TestAnInvalidAnswerIsAnError(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"", "nonsense\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"} {
		near, far := net.Pipe()
		go func() {
			// Read the request, so that the client does not wait.
			_, _ = far.Read(make([]byte, 512))
			_, _ = io.WriteString(far, answer)
			far.Close()
		}()
		if seen, err := askSeen(near, "lab"); err == nil {
			t.Errorf("%q is taken for %+v", answer, seen)
		}
		near.Close()
	}
}

func TestAddressesAreNumbered(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		got          Addresses
		want4, want6 string
	}{
		{PodAddresses(1), "10.244.0.1", "fd00:10:244::1"},
		{PodAddresses(300), "10.244.1.44", "fd00:10:244::12c"},
		{ClientAddresses(5), "100.64.0.5", "2001:db8:c::5"},
		{PublicAddresses(250), "198.51.100.250", "2001:db8:e::fa"},
	} {
		if test.got.IPv4.String() != test.want4 || test.got.IPv6.String() != test.want6 {
			t.Errorf("addresses %s, want %s and %s", test.got.All(), test.want4, test.want6)
		}
	}
}

// hostWithBackend starts a host that forwards port 443 of both families to a backend with the host's name, over the same family.
func hostWithBackend(t *testing.T, number int, proxy haproxy.ProxyProtocol, keyword string) *EdgeHost {
	t.Helper()
	name := fmt.Sprintf("through%d", number)
	startBackend(t, BackendOptions{Name: name, Addresses: PodAddresses(number), Port: 8443, Proxy: proxy})
	h := startHost(t, EdgeHostOptions{Number: number, Name: name, WithoutHAProxy: true})
	must(t, h.WriteConfig(handMade(h, PodAddresses(number), keyword)))
	must(t, h.StartHAProxy(t.Context()))
	return h
}

// handMade returns a haproxy.cfg that was not made by the code under test.
func handMade(h *EdgeHost, pod Addresses, keyword string) string {
	var config bytes.Buffer
	fmt.Fprintf(&config, "global\n  stats socket %s level admin\n", h.AdminSocket)
	fmt.Fprintf(&config, "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n")
	for i, public := range h.Public.All() {
		fmt.Fprintf(&config, "listen family%d\n  bind %s\n  server pod %s %s\n", i,
			netip.AddrPortFrom(public, 443), netip.AddrPortFrom(pod.All()[i], 8443), keyword)
	}
	return config.String()
}

// startBackend returns where the backend listens.
func startBackend(t *testing.T, options BackendOptions) []netip.AddrPort {
	t.Helper()
	b, err := StartBackend(t.Context(), options)
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	return []netip.AddrPort{
		netip.AddrPortFrom(options.Addresses.IPv4, options.Port),
		netip.AddrPortFrom(options.Addresses.IPv6, options.Port),
	}
}

// startSilent starts a server that reads a request and closes the connection.
func startSilent(t *testing.T, address netip.Addr) netip.AddrPort {
	t.Helper()
	at := netip.AddrPortFrom(address, 80)
	listener, err := listen(t.Context(), at)
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 512))
			conn.Close()
		}
	}()
	return at
}

// exchange sends data and returns the whole answer.
func exchange(t *testing.T, at netip.AddrPort, send string) string {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(waiting.Long)))
	_, err = io.WriteString(conn, send)
	must(t, err)
	answer, err := io.ReadAll(conn)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatal("neither an answer nor an end")
	}
	return string(answer)
}

// header returns a PROXY header of a client.
func header(t *testing.T, version byte) string {
	t.Helper()
	client := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("100.64.0.9:1234"))
	host := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("198.51.100.1:443"))
	formatted, err := proxyproto.HeaderProxyFromAddrs(version, client, host).Format()
	must(t, err)
	return string(formatted)
}
