package sample

import (
	"net/netip"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// Routing returns a valid Config with a frontend of each protocol, routes, a weighted route of each kind, and an access policy that
// allows all.
func Routing(t testing.TB) haproxy.Config {
	c := Idle()
	c.Owner, c.Host = "0b9d6d0c/kube-system/web", "gw1.example.net:22"
	c.Frontends = []haproxy.Frontend{
		{
			Name: "ns.web.dns", Binds: []haproxy.Bind{Bind(t, "ipv4@:53")}, Backend: "ns.web.canary",
		},
		{
			Name: "ns.web.http", Binds: []haproxy.Bind{Bind(t, "ipv4@:80"), Bind(t, "ipv6@:80")}, Protocol: haproxy.HTTP, RedirectToHTTPS: true,
			Routes: []haproxy.Route{{Name: "blog.example.com", To: "ns.web.blog:http"}},
		},
		{
			Name: "ns.web.https", Binds: []haproxy.Bind{Bind(t, "ipv4@:443"), Bind(t, "ipv6@:443")}, Protocol: haproxy.TLS, Backend: "ns.web.traefik",
			Routes: []haproxy.Route{
				{Name: "*.apps.example.com", To: "ns.web.canary"},
				{Name: "app1.example.com", To: "ns.web.blog"},
				{Name: "app2.example.com", To: "ns.web.safe"},
			},
		},
	}
	c.WeightedRoutes = []haproxy.WeightedRoute{
		{Name: "ns.web.canary", Shares: []haproxy.Share{
			{Percent: 90, Backends: []string{"ns.web.traefik", "ns.web.blog"}}, {Percent: 10, Backends: []string{"ns.web.blog"}},
		}},
		{Name: "ns.web.safe", Shares: []haproxy.Share{{Percent: 100, Backends: []string{"ns.web.blog", "ns.web.traefik", "ns.web.blog"}}}},
	}
	backend := func(name string, http bool) haproxy.Backend {
		return haproxy.Backend{Name: name, HTTP: http, Balance: haproxy.LeastConn, Servers: Servers(1)}
	}
	c.Backends = []haproxy.Backend{backend("ns.web.blog", false), backend("ns.web.blog:http", true), backend("ns.web.traefik", false)}
	return c
}

// Access returns an access policy with every setting.
func Access() haproxy.AccessPolicy {
	return haproxy.AccessPolicy{
		AllowedSources: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		DeniedSources:  []netip.Prefix{netip.MustParsePrefix("203.0.113.66/32"), netip.MustParsePrefix("2001:db8:bad::/48")},
		ProxiesFrom:    []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("2001:db8:1::/64")},
		MaxConnections: 20000,
		Rate:           haproxy.Rate{PerSource: 100, Interval: 10 * time.Second},
	}
}

// RoutingWith returns Routing with a change.
func RoutingWith(t testing.TB, edit func(*haproxy.Config)) haproxy.Config {
	c := Routing(t)
	edit(&c)
	return c
}
