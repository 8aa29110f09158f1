package valid_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestValidateNamesWhatIsWrongWithABackend(t *testing.T) {
	t.Parallel()
	const be = `backend "kube-system.web.traefik": `
	for _, tc := range []struct {
		name string
		edit func(*haproxy.Backend)
		want string
	}{
		{"unknown check", func(b *haproxy.Backend) { b.Check.Kind = "udp" }, be + `there is no check "udp"`},
		{"relative path", func(b *haproxy.Backend) { b.Check.Kind, b.Check.Path = haproxy.CheckHTTP, "ready" }, be + `check: "ready" is no path`},
		{"path with a blank", func(b *haproxy.Backend) { b.Check.Kind, b.Check.Path = haproxy.CheckHTTP, "/a b" }, `check: "/a b" is no path`},
		{"path with a quote", func(b *haproxy.Backend) { b.Check.Kind, b.Check.Path = haproxy.CheckHTTP, "/a'b" }, `check: "/a'b" is no path`},
		{"path with a line's end", func(b *haproxy.Backend) { b.Check.Kind, b.Check.Path = haproxy.CheckHTTP, "/a\n" }, `check: "/a\n" is no path`},
		{"path with a fragment", func(b *haproxy.Backend) { b.Check.Kind, b.Check.Path = haproxy.CheckHTTP, "/a#b" }, `check: "/a#b" is no path`},
		{"path too long", func(b *haproxy.Backend) {
			b.Check.Kind, b.Check.Path = haproxy.CheckHTTP, "/"+strings.Repeat("a", 1024)
		}, "is no path of at most 1024 characters"},
		{"path of a TCP check", func(b *haproxy.Backend) { b.Check.Path = "/" }, be + "check: only an HTTP check has a path"},
		{"TLS of a TLS check", func(b *haproxy.Backend) { b.Check.Kind, b.Check.TLS = haproxy.CheckTLS, true }, be + "check: only an HTTP check has a path"},
		{"no header to leave out", func(b *haproxy.Backend) { b.ProxyProtocol, b.Check.WithoutProxy = haproxy.ProxyNone, true }, be + "check: it must leave out a PROXY header"},
		{"kind without the rest", func(b *haproxy.Backend) { b.Check = haproxy.Check{Kind: haproxy.CheckTLS} }, be + "check interval: 0s"},
		{"negative maximum", func(b *haproxy.Backend) { b.MaxConnections = -1 }, be + "maximum of connections: -1"},
		{"maximum too large", func(b *haproxy.Backend) { b.MaxConnections = math.MaxInt32 + 1 }, be + "maximum of connections: 2147483648"},
		{"unknown affinity", func(b *haproxy.Backend) { b.Affinity = haproxy.Affinity{By: "cookie", Timeout: time.Minute} }, be + `affinity: clients cannot be known by "cookie"`},
		{"affinity without a timeout", func(b *haproxy.Backend) { b.Affinity = haproxy.Affinity{By: haproxy.BySource} }, be + "affinity timeout: 0s"},
		{"affinity without a key", func(b *haproxy.Backend) { b.Affinity = haproxy.Affinity{Timeout: time.Minute} }, be + "affinity: there is a timeout"},
		{"TLS sessions in HTTP", func(b *haproxy.Backend) {
			b.HTTP, b.Affinity = true, haproxy.Affinity{By: haproxy.ByTLSSessionID, Timeout: time.Minute}
		}, be + "affinity: there is no TLS session"},
		{"HTTP/2 without requests", func(b *haproxy.Backend) { b.HTTP2 = true }, be + "it cannot speak HTTP/2 to servers"},
		{"address and DNS name", func(b *haproxy.Backend) { b.Servers[0].DNSName = "a.example" }, `server "traefik-7c9f-4xk2p": it has an address and a DNS name`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := valid.Config(sample.WebWith(t, func(c *haproxy.Config) { tc.edit(&c.Backends[0]) }))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestOnlyADNSNameIsResolved(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	for name, want := range map[string]bool{
		"localhost": true, "a.example.net": true, "a_b._c.Example.NET": true, "_db._tcp.example.net": false, "_a": false, "1.2.3.4a": true, "xn--bcher-kva.example": true,
		label + ".net": true, strings.Join([]string{label, label, label, label[2:]}, "."): true,
		"a.example.net.": false, ".": false, "a..b": false, "-a.net": false, "a-.net": false, "192.0.2.1": false, "1": false,
		"a b.net": false, "a:80": false, "a/b": false, "é.net": false, "a\n": false, "$HOME": false, "a#b": false,
		label + "a.net": false, strings.Join([]string{label, label, label, label[1:]}, "."): false,
	} {
		backend := haproxy.Backend{Name: "b", Balance: haproxy.LeastConn, Servers: []haproxy.Server{{Name: "s", DNSName: name, Port: 80}}}
		if err := valid.Backend(backend); (err == nil) != want {
			t.Errorf("%q: got %v, want it accepted: %t", name, err, want)
		}
	}
}
