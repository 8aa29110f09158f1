package routing_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// doorTable starts a HAProxy with a frontend of each protocol, all with the same access policy, which lead to "app". They
// have the names of their backends, which have session affinity.
func doorTable(t testing.TB, program string, access haproxy.AccessPolicy) edge {
	t.Helper()
	var c haproxy.Config
	for name, protocol := range map[string]haproxy.Protocol{"tcp": haproxy.TCP, "tls": haproxy.TLS, "http": haproxy.HTTP} {
		c.Frontends = append(c.Frontends, haproxy.Frontend{Name: name, Protocol: protocol, Backend: name, Access: access})
		header := haproxy.ProxyV2
		b := backend(name, newTarget(t, "app", kinds[name], header))
		b.Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}
		c.Backends = append(c.Backends, b)
	}
	return start(t, program, c)
}

// onConnection says how a connected client learns which target it reached, by the frontend's name.
var onConnection = map[string]func(conn net.Conn) seen{
	"tcp":  readSeen,
	"tls":  func(conn net.Conn) seen { return shakeHands(conn, "app.example.com") },
	"http": func(conn net.Conn) seen { return get(conn, bufio.NewReader(conn), "Host: app.example.com").seen },
}

// onEachFrontend runs a test for each frontend of a doorTable of each HAProxy.
func onEachFrontend(t *testing.T, access haproxy.AccessPolicy, test func(t *testing.T, e edge, frontend string)) {
	t.Helper()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := doorTable(t, program, access)
		for frontend := range onConnection {
			t.Run(frontend, func(t *testing.T) {
				t.Parallel()
				test(t, e, frontend)
			})
		}
	})
}

func prefixes(all ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range all {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// The addresses of clients; all that begin with 127 are this machine's.
var (
	one   = netip.MustParseAddr("127.0.1.1")
	two   = netip.MustParseAddr("127.0.2.1")
	three = netip.MustParseAddr("127.0.3.1")
)

func TestDeniedSourcesAreClosedOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name            string
		allowed, denied []netip.Prefix
		want            map[netip.Addr]bool
	}{
		{"an address and a network", nil, prefixes("127.0.1.1/32", "127.0.3.0/24"), map[netip.Addr]bool{one: false, two: true, three: false, loopback6: true}},
		{"IPv6", nil, prefixes("::1/128"), map[netip.Addr]bool{one: true, loopback6: false}},
		{"all of IPv4", nil, prefixes("0.0.0.0/0"), map[netip.Addr]bool{one: false, loopback4: false, loopback6: true}},
		{"all of IPv6", nil, prefixes("::/0"), map[netip.Addr]bool{one: true, loopback6: false}},
		{"a part of what is allowed", prefixes("127.0.0.0/16", "::1/128"), prefixes("127.0.2.0/24"), map[netip.Addr]bool{one: true, two: false, three: true, loopback6: true}},
		{"more than is allowed", prefixes("127.0.2.0/24"), prefixes("127.0.0.0/8"), map[netip.Addr]bool{one: false, two: false, loopback6: false}},
		{"more than a line of HAProxy's holds", nil, many(100), map[netip.Addr]bool{one: false, two: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requireLetIn(t, haproxy.AccessPolicy{AllowedSources: tc.allowed, DeniedSources: tc.denied}, tc.want)
		})
	}
}

// requireLetIn fails unless these clients are let in by frontends of each protocol, or not.
func requireLetIn(t *testing.T, access haproxy.AccessPolicy, wanted map[netip.Addr]bool) {
	t.Helper()
	onEachFrontend(t, access, func(t *testing.T, e edge, frontend string) {
		for source, want := range wanted {
			got := onConnection[frontend](e.dialFrom(t, source, frontend))
			if (got.Target == "app") != want || want && got.Client.Addr() != source {
				t.Errorf("from %s: got %+v, want it let in: %v", source, got, want)
			}
		}
	})
}

func TestOnlyAllowedSourcesAreLetIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		allowed []netip.Prefix
		want    map[netip.Addr]bool
	}{
		{"everyone", nil, map[netip.Addr]bool{one: true, two: true, loopback4: true, loopback6: true}},
		{"an address and a network", prefixes("127.0.1.1/32", "127.0.3.0/24"), map[netip.Addr]bool{one: true, two: false, three: true, loopback6: false}},
		{"IPv6", prefixes("::1/128"), map[netip.Addr]bool{one: false, loopback6: true}},
		{"IPv6 of others", prefixes("2001:db8::/32"), map[netip.Addr]bool{one: false, loopback6: false}},
		{"both families", prefixes("127.0.2.0/23", "::/0"), map[netip.Addr]bool{one: false, two: true, three: true, loopback6: true}},
		{"all of IPv4", prefixes("0.0.0.0/0"), map[netip.Addr]bool{one: true, loopback6: false}},
		{"all of IPv6", prefixes("::/0"), map[netip.Addr]bool{one: false, loopback4: false, loopback6: true}},
		{"more than a line of HAProxy's holds", many(100), map[netip.Addr]bool{one: true, two: false}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requireLetIn(t, haproxy.AccessPolicy{AllowedSources: tc.allowed}, tc.want)
		})
	}
}

// many returns n networks, of which the last one contains the first client.
func many(n int) []netip.Prefix {
	var all []netip.Prefix
	for i := range n - 1 {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24))
	}
	return append(all, netip.PrefixFrom(one, 32))
}

// dialFrom connects to a frontend over the family of the source.
func (e edge) dialFrom(t testing.TB, source netip.Addr, frontend string) net.Conn {
	t.Helper()
	if source.Is6() {
		return dialFrom(t, source, e.at(t, frontend, loopback6))
	}
	return dialFrom(t, source, e.at(t, frontend, loopback4))
}

// The headers that say that the client is 192.0.2.1 or 2001:db8::1.
const (
	header4      = "PROXY TCP4 192.0.2.1 192.0.2.9 1234 443\r\n"
	header6      = "PROXY TCP6 2001:db8::1 2001:db8::9 1234 443\r\n"
	headerOther  = "PROXY TCP4 198.51.100.1 192.0.2.9 1234 443\r\n"
	headerMapped = "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::9 1234 443\r\n"
	header6to4   = "PROXY TCP6 2002:c000:201::1 2001:db8::9 1234 443\r\n"
	binaryHeader = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x09\x04\xd2\x01\xbb"
)

func TestOnlyProxiesSayWhoTheClientIs(t *testing.T) {
	t.Parallel()
	const client4, client6 = "192.0.2.1", "2001:db8::1"
	access := haproxy.AccessPolicy{
		AllowedSources: prefixes("127.0.2.0/24", "192.0.2.0/24", "::1/128", "2001:db8::/64"),
		ProxiesFrom:    prefixes("127.0.1.0/24"),
	}
	tests := []struct {
		name   string
		source netip.Addr
		header string
		// want is the client's address as the target sees it; empty if the client is refused.
		want string
	}{
		{"a proxy with a client over IPv4", one, header4, client4},
		{"a proxy with a client over IPv6", one, header6, client6},
		{"a proxy with a binary header", one, binaryHeader, client4},
		{"a proxy with a client over IPv4 in the form of IPv6", one, headerMapped, client4},
		{"a proxy with a client whose network has an allowed address in it", one, header6to4, ""},
		{"a proxy with a client who is not allowed", one, headerOther, ""},
		{"a proxy with no header", one, "", ""},
		{"a proxy with two headers", one, header4 + header4, ""},
		{"a client", two, "", two.String()},
		{"a client over IPv6", loopback6, "", "::1"},
		{"a client with a header", two, header4, ""},
		{"a client with a header over IPv6", loopback6, header6, ""},
		{"a client with a binary header", two, binaryHeader, ""},
		{"a client who is not allowed", three, "", ""},
		{"a client who is not allowed, with a header", three, header4, ""},
	}
	onEachFrontend(t, access, func(t *testing.T, e edge, frontend string) {
		for _, tc := range tests {
			conn := e.dialFrom(t, tc.source, frontend)
			if frontend == "tcp" {
				tc.header += "hello" // so that it is not waited for
			}
			_, _ = io.WriteString(conn, tc.header) // who is not let in cannot send either
			got := onConnection[frontend](conn)
			if (got.Target == "app") != (tc.want != "") || tc.want != "" && got.Client.Addr().String() != tc.want {
				t.Errorf("%s: got %+v, want client %q", tc.name, got, tc.want)
			}
		}
	})
}

// The port is for load balancers alone: whatever others send, and whatever is allowed.
func TestWhereAHeaderIsRequiredOnlyProxiesAreLetIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		proxies []netip.Prefix
		allowed []netip.Prefix
		// want is, by client and header, the client's address as the target sees it; empty if the client is refused.
		want map[netip.Addr]map[string]string
	}{
		{"IPv4 proxies", prefixes("127.0.1.0/24"), nil, map[netip.Addr]map[string]string{
			one:       {header4: "192.0.2.1", header6: "2001:db8::1", binaryHeader: "192.0.2.1", "": ""},
			two:       {header4: "", binaryHeader: "", "": ""},
			loopback6: {header4: "", header6: "", "": ""},
		}},
		{"IPv6 proxies", prefixes("::1/128"), nil, map[netip.Addr]map[string]string{
			one:       {header4: "", header6: "", "": ""},
			loopback6: {header4: "192.0.2.1", header6: "2001:db8::1", "": ""},
		}},
		{"all of IPv6 as proxies", prefixes("::/0"), nil, map[netip.Addr]map[string]string{
			one:       {header6: "", "": ""},
			loopback6: {header6: "2001:db8::1", "": ""},
		}},
		{"proxies of both families whose clients are few", prefixes("127.0.1.0/24", "::1/128"), prefixes("192.0.2.1/32", "127.0.2.0/24"), map[netip.Addr]map[string]string{
			one:       {header4: "192.0.2.1", headerOther: "", header6: "", "": ""},
			two:       {header4: "", "": ""}, // allowed as a client, and no proxy
			loopback6: {header4: "192.0.2.1", headerOther: "", "": ""},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			access := haproxy.AccessPolicy{ProxiesFrom: tc.proxies, ProxiesOnly: true, AllowedSources: tc.allowed}
			onEachFrontend(t, access, func(t *testing.T, e edge, frontend string) {
				for source, headers := range tc.want {
					for header, want := range headers {
						conn := e.dialFrom(t, source, frontend)
						if frontend == "tcp" {
							header += "hello" // so that it is not waited for
						}
						_, _ = io.WriteString(conn, header) // who is not let in cannot send either
						got := onConnection[frontend](conn)
						if (got.Target == "app") != (want != "") || want != "" && got.Client.Addr().String() != want {
							t.Errorf("from %s with %q: got %+v, want client %q", source, header, got, want)
						}
					}
				}
			})
		})
	}
}

// What a client sends to a TCP frontend may begin like a header without being one; and the client may wait for the server to
// speak.
func TestATCPClientIsKeptWaitingForAMomentAtMost(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := doorTable(t, program, haproxy.AccessPolicy{ProxiesFrom: prefixes("127.0.1.0/24")})
		var waiting sync.WaitGroup
		for _, tc := range []struct {
			sent  string
			waits bool
		}{
			{"", true},
			{"P", true},
			{"PROXY", true},
			{"PING\r\n", false},
			{"PROXIES", false},
			{"SSH-2.0-x\r\n", false},
			{"x", false},
			{"\r\n", true},
			{"\r\n\r\n\x00\r\nQUIT\r\n", false},
		} {
			for _, address := range []netip.Addr{loopback4, loopback6} {
				conn := dial(t, e.at(t, "tcp", address))
				waiting.Go(func() {
					got, took := sendAndTime(conn, tc.sent)
					if got != "app" || !tookAsLong(took, 900*time.Millisecond, tc.waits) {
						t.Errorf("%s, %q: got target %q after %s, want app, and to wait: %v", address, tc.sent, got, took, tc.waits)
					}
				})
			}
		}
		waiting.Wait()
	})
}

func TestWhoOpensTooManyConnectionsIsRefused(t *testing.T) {
	t.Parallel()
	const most = 5
	access := haproxy.AccessPolicy{Rate: haproxy.Rate{PerSource: most, Interval: time.Hour}}
	onEachFrontend(t, access, func(t *testing.T, e edge, frontend string) {
		for _, source := range []netip.Addr{one, two, loopback6} {
			for i := range 2 * most {
				got := onConnection[frontend](e.dialFrom(t, source, frontend)).Target
				if want := i < most; (got == "app") != want {
					t.Errorf("connection %d from %s: got target %q, want it let in: %v", i, source, got, want)
				}
			}
		}
	})
}

// The clients behind a proxy are counted separately, and those of an IPv6 network of 64 bits together.
func TestClientsAreCountedByTheirOwnAddresses(t *testing.T) {
	t.Parallel()
	const most = 3
	access := haproxy.AccessPolicy{ProxiesFrom: prefixes("127.0.1.0/24"), Rate: haproxy.Rate{PerSource: most, Interval: time.Hour}}
	clients := func(i int) map[string]bool {
		return map[string]bool{
			"192.0.2.1":                              i < most,
			"192.0.2.2":                              i < most,
			fmt.Sprintf("192.0.2.%d", 100+i):         true,
			"2001:db8::1":                            i < most,
			"::ffff:192.0.2.3":                       i < most,
			fmt.Sprintf("::ffff:192.0.2.%d", 50+i):   true,
			fmt.Sprintf("2001:db8:1::%d:1", i):       i < most,
			fmt.Sprintf("2001:db8:0:%d::1", 0x100+i): true,
		}
	}
	onEachFrontend(t, access, func(t *testing.T, e edge, frontend string) {
		for i := range 2 * most {
			for client, want := range clients(i) {
				conn := e.dialFrom(t, one, frontend)
				family := "TCP4"
				if netip.MustParseAddr(client).Is6() {
					family = "TCP6"
				}
				_, _ = fmt.Fprintf(conn, "PROXY %s %s %s 1 2\r\n", family, client, client) // who is not let in cannot send either
				if frontend == "tcp" {
					_, _ = io.WriteString(conn, "hello")
				}
				if got := onConnection[frontend](conn); (got.Target == "app") != want {
					t.Errorf("connection %d of %s: got %+v, want it let in: %v", i, client, got, want)
				}
			}
		}
	})
}

func TestConnectionsBeyondTheMaximumWait(t *testing.T) {
	t.Parallel()
	const most = 3
	onEachFrontend(t, haproxy.AccessPolicy{MaxConnections: most}, func(t *testing.T, e edge, frontend string) {
		var open []net.Conn
		for range most {
			conn := e.dialFrom(t, one, frontend)
			open = append(open, conn)
			if frontend == "tcp" {
				if got := readSeen(conn).Target; got != "app" {
					t.Fatalf("got target %q, want app", got)
				}
			}
		}
		late := e.dialFrom(t, two, frontend)
		answered := make(chan seen, 1)
		go func() { answered <- onConnection[frontend](late) }()
		select {
		case got := <-answered:
			t.Errorf("beyond the maximum: got %+v, want no answer", got)
		case <-time.After(500 * time.Millisecond):
		}
		if err := open[0].Close(); err != nil {
			t.Fatal(err)
		}
		if got := <-answered; got.Target != "app" {
			t.Errorf("when there is room: got %+v, want app", got)
		}
	})
}
