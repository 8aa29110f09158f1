package haproxy

import (
	"net/netip"
	"testing"
	"time"
)

// routing is a valid Config with a frontend of each protocol, routes, a way of each kind, and an open door.
func routing(t testing.TB) Config {
	c := idle()
	c.Owner, c.Host = "0b9d6d0c/kube-system/web", "gw1.example.net:22"
	c.Frontends = []Frontend{
		{
			Name: "ns.web.dns", Binds: []Bind{bind(t, "ipv4@:53")}, Backend: "ns.web.canary",
		},
		{
			Name: "ns.web.http", Binds: []Bind{bind(t, "ipv4@:80"), bind(t, "ipv6@:80")}, Protocol: HTTP, RedirectToHTTPS: true,
			Routes: []Route{{Name: "blog.example.com", To: "ns.web.blog:http"}},
		},
		{
			Name: "ns.web.https", Binds: []Bind{bind(t, "ipv4@:443"), bind(t, "ipv6@:443")}, Protocol: TLS, Backend: "ns.web.traefik",
			Routes: []Route{
				{Name: "*.apps.example.com", To: "ns.web.canary"},
				{Name: "app1.example.com", To: "ns.web.blog"},
				{Name: "app2.example.com", To: "ns.web.safe"},
			},
		},
	}
	c.Ways = []Way{
		{Name: "ns.web.canary", Shares: []Share{
			{Percent: 90, Backends: []string{"ns.web.traefik", "ns.web.blog"}}, {Percent: 10, Backends: []string{"ns.web.blog"}},
		}},
		{Name: "ns.web.safe", Shares: []Share{{Percent: 100, Backends: []string{"ns.web.blog", "ns.web.traefik", "ns.web.blog"}}}},
	}
	backend := func(name string, http bool) Backend {
		return Backend{Name: name, HTTP: http, Balance: LeastConn, Servers: servers(1)}
	}
	c.Backends = []Backend{backend("ns.web.blog", false), backend("ns.web.blog:http", true), backend("ns.web.traefik", false)}
	return c
}

// door is one with everything that a door can have.
func door() Door {
	return Door{
		AllowedSources: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		ProxiesFrom:    []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("2001:db8:1::/64")},
		MaxConnections: 20000,
		Rate:           Rate{PerSource: 100, Interval: 10 * time.Second},
	}
}

// reroute returns routing with a change made to it.
func reroute(t testing.TB, edit func(*Config)) Config {
	c := routing(t)
	edit(&c)
	return c
}

// routingShapes are those of the shapes that look at names, choose between backends, or mind their doors.
func routingShapes(t testing.TB) []shape {
	doors := func(edit func(*Door)) Config {
		return reroute(t, func(c *Config) {
			for i := range c.Frontends {
				c.Frontends[i].Door = door()
				edit(&c.Frontends[i].Door)
			}
		})
	}
	return []shape{
		{"routing", routing(t), debian()},
		{"routing-no-ways", reroute(t, func(c *Config) {
			c.Ways, c.Frontends = nil, c.Frontends[1:]
			c.Frontends[1].Routes = c.Frontends[1].Routes[1:2]
		}), debian()},
		{"routing-no-splits", reroute(t, func(c *Config) {
			c.Ways, c.Frontends[0].Backend, c.Frontends[2].Routes = c.Ways[1:], "ns.web.safe", c.Frontends[2].Routes[1:]
		}), debian()},
		{"routing-no-routes", reroute(t, func(c *Config) {
			c.Ways, c.Frontends = nil, c.Frontends[1:]
			c.Frontends[0].Routes, c.Frontends[1].Routes = nil, nil
			c.Frontends[0].RedirectToHTTPS, c.Frontends[1].Backend = false, ""
		}), debian()},
		{"routing-http-target", reroute(t, func(c *Config) {
			c.Frontends[1].RedirectToHTTPS, c.Frontends[1].Backend = false, "ns.web.blog:http"
		}), Platform{StateFile: "/var/lib/haproxy/state", NamesPrefix: "/etc/haproxy/names-"}},
		{"doors", doors(func(*Door) {}), debian()},
		{"doors-no-proxies", doors(func(d *Door) { d.ProxiesFrom = nil }), debian()},
		{"doors-rate", doors(func(d *Door) { *d = Door{Rate: d.Rate} }), debian()},
	}
}
