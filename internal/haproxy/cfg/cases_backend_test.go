package cfg

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// backendShapes are configurations whose backends use rarely used settings.
func backendShapes(t testing.TB) []shape {
	one := func(name string, edit func(*haproxy.Backend)) shape {
		return shape{name, sample.WebWith(t, func(c *haproxy.Config) { edit(&c.Backends[0]) }), debian()}
	}
	check := haproxy.Check{Interval: time.Second, Rise: 1, Fall: 2}
	return []shape{
		one("check-port", func(b *haproxy.Backend) { b.Check.Port = 9000 }),
		one("check-http", func(b *haproxy.Backend) { b.Check.Kind = haproxy.CheckHTTP }),
		one("check-http-tls", func(b *haproxy.Backend) {
			b.Check = check
			b.Check.Kind, b.Check.Path, b.Check.TLS, b.Check.Port = haproxy.CheckHTTP, "/ready?full=%41&x=$HOME&y=%ci%%", true, 9443
		}),
		one("check-tls", func(b *haproxy.Backend) { b.Check.Kind, b.ProxyProtocol = haproxy.CheckTLS, haproxy.ProxyNone }),
		one("check-http-expect", func(b *haproxy.Backend) {
			b.Check = check
			b.Check.Kind, b.Check.Timeout, b.Check.Host, b.Check.Statuses, b.Check.Body = haproxy.CheckHTTP, 500*time.Millisecond, "app.example.com:8443", "200-399,401", `{"status":"UP"} [a:b]; !`
		}),
		one("check-http-body", func(b *haproxy.Backend) {
			b.Check = check
			b.Check.Kind, b.Check.TLS, b.Check.SNI, b.Check.Body = haproxy.CheckHTTP, true, "app.example.com", "ok"
		}),
		one("check-tls-sni", func(b *haproxy.Backend) { b.Check.Kind, b.Check.SNI = haproxy.CheckTLS, "app.example.com" }),
		one("check-without-proxy-sni", func(b *haproxy.Backend) {
			b.Check.WithoutProxy, b.Check.Kind, b.Check.TLS, b.Check.SNI, b.Check.Statuses = true, haproxy.CheckHTTP, true, "app.example.com", "204"
		}),
		one("check-without-proxy", func(b *haproxy.Backend) { b.Check.WithoutProxy = true }),
		one("check-without-proxy-port", func(b *haproxy.Backend) { b.Check.WithoutProxy, b.Check.Port = true, 9000 }),
		one("check-without-proxy-tls", func(b *haproxy.Backend) { b.Check.WithoutProxy, b.Check.Kind = true, haproxy.CheckTLS }),
		one("check-without-proxy-http-tls", func(b *haproxy.Backend) {
			b.Check.WithoutProxy, b.Check.Kind, b.Check.TLS = true, haproxy.CheckHTTP, true
		}),
		one("max-queued", func(b *haproxy.Backend) { b.MaxConnections, b.MaxQueued = 100, 10 }),
		one("slow-start", func(b *haproxy.Backend) { b.SlowStart = 30 * time.Second }),
		{"http2", sample.RoutingWith(t, func(c *haproxy.Config) { c.Backends[1].HTTP2 = true }), debian()},
		{"http2-check-port", sample.RoutingWith(t, func(c *haproxy.Config) {
			b := &c.Backends[1]
			b.HTTP2, b.ProxyProtocol, b.Check = true, haproxy.ProxyV2, haproxy.Check{Kind: haproxy.CheckHTTP, Interval: time.Second, Rise: 1, Fall: 1, Port: 9000}
		}), debian()},
		one("backup", func(b *haproxy.Backend) { b.Servers[1].Backup, b.Servers[1].Weight = true, 7 }),
		{"max-queued-http", sample.RoutingWith(t, func(c *haproxy.Config) { c.Backends[1].MaxConnections, c.Backends[1].MaxQueued = 1, 1 }), debian()},
		one("timeouts", func(b *haproxy.Backend) {
			b.Timeouts = haproxy.BackendTimeouts{Connect: 1500 * time.Millisecond, Server: 8 * time.Hour, Queue: time.Minute, Tunnel: 240 * time.Hour}
		}),
		one("max-connections", func(b *haproxy.Backend) { b.MaxConnections = 100 }),
		one("affinity-source", func(b *haproxy.Backend) {
			b.Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: 30 * time.Minute}
		}),
		one("affinity-tls", func(b *haproxy.Backend) {
			b.Affinity = haproxy.Affinity{By: haproxy.ByTLSSessionID, Timeout: time.Hour}
		}),
		{"dns", dns(t), debian()},
		{"dns-no-resolv-conf", dns(t), Platform{StateFile: "/var/lib/haproxy/edgelb-state"}},
		{"http", http(t), debian()},
	}
}

// dns returns a Config with servers that the host must resolve, next to one that has an address.
func dns(t testing.TB) haproxy.Config {
	return sample.WebWith(t, func(c *haproxy.Config) {
		b := &c.Backends[0]
		b.Servers = append(b.Servers[:1:1],
			haproxy.Server{Name: "z1", DNSName: "db.example.net", Port: 5432, Weight: 1},
			haproxy.Server{Name: "z2", DNSName: "db-2._x.EXAMPLE.net", Port: 5433, Weight: 7})
	})
}

// http returns a Config with backends for requests, with and without the PROXY protocol.
func http(t testing.TB) haproxy.Config {
	return sample.WebWith(t, func(c *haproxy.Config) {
		c.Frontends[0].Protocol = haproxy.HTTP
		web := c.Backends[0]
		web.HTTP, web.MaxConnections, web.Affinity = true, 10, haproxy.Affinity{By: haproxy.BySource, Timeout: time.Minute}
		plain := web
		plain.Name, plain.ProxyProtocol, plain.Affinity, plain.Check.Kind = "kube-system.web.plain:http", haproxy.ProxyNone, haproxy.Affinity{}, haproxy.CheckHTTP
		c.Backends = []haproxy.Backend{plain, web}
	})
}
