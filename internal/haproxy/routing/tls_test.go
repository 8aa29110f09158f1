package routing_test

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// longLabel is a label of a DNS name with the maximum length, and longName a name with the maximum length.
var (
	longLabel = strings.Repeat("l", 63)
	longName  = strings.Repeat(strings.Repeat("n", 63)+".", 3) + strings.Repeat("n", 61)
)

// names is a table of routes, by target, and of names to look up.
var names = map[string][]string{
	"app":     {"app.example.com", "localhost", "xn--bcher-kva.example.org"},
	"special": {"special.apps.example.com"},
	"apps":    {"*.apps.example.com"},
	"wild":    {"*.example.com"},
	"long":    {longLabel + ".example.org", longName, "*." + longLabel + ".example.org"},
	"below":   {"**.deep.example.net", "**." + longestBelow},
	"lower":   {"**.b.deep.example.net", "**.net.deep.example", "**.top"},
}

// longestBelow has as many labels as a name for any number of labels may have.
const longestBelow = "h.g.f.e.d.c.b.a"

// nameCase holds which target a name leads to; empty for none.
type nameCase struct{ about, name, want string }

var nameCases = []nameCase{
	{"a name", "app.example.com", "app"},
	{"another name of the same target", "localhost", "app"},
	{"a name in punycode", "xn--bcher-kva.example.org", "app"},
	{"a name in upper case", "APP.EXAMPLE.COM", "app"},
	{"a name in mixed case", "aPp.Example.Com", "app"},
	{"a name goes before a wildcard", "special.apps.example.com", "special"},
	{"a name goes before a wildcard in upper case", "SPECIAL.apps.example.com", "special"},
	{"a wildcard stands for one label", "a.apps.example.com", "apps"},
	{"a wildcard stands for a label in upper case", "A.APPS.example.com", "apps"},
	{"a wildcard stands for digits", "42.apps.example.com", "apps"},
	{"a wildcard stands for an underscore", "_a.apps.example.com", "apps"},
	{"a wildcard stands for 63 characters", longLabel + ".apps.example.com", "apps"},
	{"a wildcard stands for no two labels", "b.a.apps.example.com", ""},
	{"a wildcard does not stand for nothing", "example.com", ""},
	{"a wildcard does not stand for an empty label", ".apps.example.com", ""},
	{"the parent of a wildcard is one label of another", "apps.example.com", "wild"},
	{"what ends like a wildcard is one label of another", "evilapps.example.com", "wild"},
	{"a wildcard that is asked for by itself", "*.apps.example.com", "apps"},
	{"a star in the middle", "a.*.example.com", ""},
	{"an unknown name", "app.example.net", ""},
	{"a name before another", "app.example.com.example.net", ""},
	{"a name behind another", "net.app.example.com", ""},
	{"part of a name", "app.example", ""},
	{"one label", "app", ""},
	{"a label of 63 characters", longLabel + ".example.org", "long"},
	{"a label of 64 characters", longLabel + "l.example.org", ""},
	{"a wildcard below a label of 63 characters", "a." + longLabel + ".example.org", "long"},
	{"a name of 253 characters", longName, "long"},
	{"a name of 253 characters in upper case", strings.ToUpper(longName), "long"},
	{"a name of 252 characters", longName[1:], ""},
	{"a way", "way:00", ""},
	{"two stars stand for one label", "a.deep.example.net", "below"},
	{"two stars stand for many labels", "x.y.z.a.deep.example.net", "below"},
	{"two stars stand for labels in upper case", "X.A.DEEP.example.net", "below"},
	{"two stars stand for more labels than are searched", strings.Repeat("a.", 100) + "deep.example.net", "below"},
	{"two stars stand for labels of 63 characters", longLabel + "." + longLabel + ".deep.example.net", "below"},
	{"the longest with two stars counts", "c.b.deep.example.net", "lower"},
	{"the longest with two stars counts at any depth", "e.d.c.b.deep.example.net", "lower"},
	{"the longest with two stars does not stand for nothing", "b.deep.example.net", "below"},
	{"two stars do not stand for nothing", "deep.example.net", ""},
	{"two stars do not stand for an empty label", ".deep.example.net", ""},
	{"two stars do not stand for an empty label behind another", "a..deep.example.net", ""},
	{"an empty label inside", "a.deep..example.net", ""},
	{"what ends like a name behind two stars", "evildeep.example.net", ""},
	{"what ends like a name behind two stars, with a label", "a.evildeep.example.net", ""},
	{"one label behind two stars", "a.b.top", "lower"},
	{"as many labels as there may be behind two stars", "x." + longestBelow, "below"},
	{"as many labels as there may be, and more before them", "z.y.x." + longestBelow, "below"},
	{"as many labels as there may be, alone", longestBelow, ""},
	{"two stars that are asked for", "**.deep.example.net", "below"},
}

// routes returns the routes of a frontend, in order; prefix precedes the names of backends.
func routes(prefix string) []haproxy.Route {
	var all []haproxy.Route
	for target, list := range names {
		for _, name := range list {
			all = append(all, haproxy.Route{Name: name, To: prefix + target})
		}
	}
	return all
}

// tlsTable starts a HAProxy with the table of names twice: the frontend "tls" has a target for what no route claims, and
// "strict" none.
func tlsTable(t testing.TB, program string) edge {
	t.Helper()
	c := haproxy.Config{Frontends: []haproxy.Frontend{
		{Name: "tls", Protocol: haproxy.TLS, Routes: routes(""), Backend: "default"},
		{Name: "strict", Protocol: haproxy.TLS, Routes: routes("")},
	}}
	for _, g := range newTargets(t, tlsTarget, "app", "special", "apps", "wild", "long", "below", "lower", "default") {
		c.Backends = append(c.Backends, backend(g.name, g))
	}
	return start(t, program, c)
}

// tlsClient does a TLS handshake with a server at an address, with a name, or without one if it is empty, and returns what
// the target sees.
type tlsClient func(t *testing.T, at netip.AddrPort, name string) seen

// tlsClients are clients of two TLS stacks, by name.
var tlsClients = map[string]tlsClient{
	"Go":      func(t *testing.T, at netip.AddrPort, name string) seen { return shakeHands(dial(t, at), name) },
	"OpenSSL": openssl,
}

func TestTLSGoesWhereItsNameLeads(t *testing.T) {
	t.Parallel()
	tlsCases := append(nameCases[:len(nameCases):len(nameCases)],
		nameCase{"no name", "", ""},
		nameCase{"a key of the map file", "tls/localhost", ""},
		nameCase{"a key of the map file for two stars", "a.deep.example.net**tls", ""},
		nameCase{"what HAProxy calls the client's address", "%[src].apps.example.com", "apps"},
		nameCase{"quotes and blanks", "a'b\" c\\d$e.apps.example.com", "apps"},
		nameCase{"a comma", "app.example.com,app.example.com", ""},
	)
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		e := tlsTable(t, program)
		for stack, client := range tlsClients {
			onBothFamilies(t, stack, func(t *testing.T, address netip.Addr) {
				for _, tc := range tlsCases {
					want := map[string]string{"strict": tc.want, "tls": cmp.Or(tc.want, "default")}
					if stack == "OpenSSL" {
						delete(want, "tls") // a program that is started anew each time is slow
					}
					for frontend, want := range want {
						if got := client(t, e.at(t, frontend, address), tc.name).Target; got != want {
							t.Errorf("%s: %s, %.100q: got target %q, want %q", frontend, tc.about, tc.name, got, want)
						}
					}
				}
			})
		}
	})
}

// dial connects; the connection is closed with the test.
func dial(t testing.TB, at netip.AddrPort) net.Conn {
	t.Helper()
	return dialFrom(t, netip.Addr{}, at)
}

// dialFrom connects from an address of this machine; from any if it is the zero Addr. A refused client may learn that when
// it connects, or only later; dialFrom returns a closed connection in the first case.
func dialFrom(t testing.TB, source netip.Addr, at netip.AddrPort) net.Conn {
	t.Helper()
	dialer := net.Dialer{Timeout: patience}
	if source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	conn, err := dialer.DialContext(t.Context(), "tcp", at.String())
	if errors.Is(err, syscall.ECONNRESET) {
		closed, other := net.Pipe()
		_ = other.Close()
		return closed
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// shakeHands does a TLS handshake with a name, or without one if it is empty, and returns what the target sees.
func shakeHands(conn net.Conn, name string, protocols ...string) seen {
	encrypted := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: protocols})
	defer encrypted.Close()
	if encrypted.Handshake() != nil {
		return seen{}
	}
	return readSeen(encrypted)
}

// openssl is the tlsClient of OpenSSL.
func openssl(t *testing.T, at netip.AddrPort, name string) seen {
	t.Helper()
	asks := "-noservername"
	args := []string{"s_client", "-quiet", "-connect", at.String()}
	if name != "" {
		asks = "-servername"
		args = append(args, asks, name)
	} else {
		args = append(args, asks)
	}
	return runOpenSSL(t, args...)
}

func runOpenSSL(t *testing.T, args ...string) seen {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatalf("install the package openssl: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	stdin, err := cmd.StdinPipe() // open for as long as it runs: it ends with its stdin
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var saw seen
	if json.Unmarshal(out, &saw) != nil && err == nil {
		t.Errorf("openssl %q says %q, %s", args, out, stderr.String())
	}
	return saw
}
