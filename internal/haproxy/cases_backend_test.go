package haproxy

import (
	"testing"
	"time"
)

// backendShapes are configurations whose backends use what only some do.
func backendShapes(t testing.TB) []shape {
	one := func(name string, edit func(*Backend)) shape {
		return shape{name, change(t, func(c *Config) { edit(&c.Backends[0]) }), debian()}
	}
	check := Check{Interval: time.Second, Rise: 1, Fall: 2}
	return []shape{
		one("check-port", func(b *Backend) { b.Check.Port = 9000 }),
		one("check-http", func(b *Backend) { b.Check.Kind = CheckHTTP }),
		one("check-http-tls", func(b *Backend) {
			b.Check = check
			b.Check.Kind, b.Check.Path, b.Check.TLS, b.Check.Port = CheckHTTP, "/ready?full=%41&x=$HOME&y=%ci%%", true, 9443
		}),
		one("check-tls", func(b *Backend) { b.Check.Kind, b.ProxyProtocol = CheckTLS, ProxyNone }),
		one("max-connections", func(b *Backend) { b.MaxConnections = 100 }),
		one("affinity-source", func(b *Backend) { b.Affinity = Affinity{By: BySource, Timeout: 30 * time.Minute} }),
		one("affinity-tls", func(b *Backend) { b.Affinity = Affinity{By: ByTLSSessionID, Timeout: time.Hour} }),
		{"dns", dns(t), debian()},
		{"http", http(t), debian()},
	}
}

// dns is a Config with servers that the host is to find, next to one that has an address.
func dns(t testing.TB) Config {
	return change(t, func(c *Config) {
		b := &c.Backends[0]
		b.Servers = append(b.Servers[:1:1],
			Server{Name: "z1", DNSName: "db.example.net", Port: 5432, Weight: 1},
			Server{Name: "z2", DNSName: "_db._tcp.EXAMPLE.net", Port: 5433, Weight: 7})
	})
}

// http is a Config with backends for requests, with and without the PROXY protocol.
func http(t testing.TB) Config {
	return change(t, func(c *Config) {
		c.Frontends[0].Protocol = HTTP
		web := c.Backends[0]
		web.HTTP, web.MaxConnections, web.Affinity = true, 10, Affinity{By: BySource, Timeout: time.Minute}
		plain := web
		plain.Name, plain.ProxyProtocol, plain.Affinity, plain.Check.Kind = "kube-system.web.plain:http", ProxyNone, Affinity{}, CheckHTTP
		c.Backends = []Backend{plain, web}
	})
}
