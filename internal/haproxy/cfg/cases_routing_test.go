package cfg

import (
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// routingShapes are the shapes with routes, weighted routes or access policies.
func routingShapes(t testing.TB) []shape {
	withAccess := func(edit func(*haproxy.AccessPolicy)) haproxy.Config {
		return sample.RoutingWith(t, func(c *haproxy.Config) {
			for i := range c.Frontends {
				c.Frontends[i].Access = sample.Access()
				edit(&c.Frontends[i].Access)
			}
		})
	}
	return []shape{
		{"routing", sample.Routing(t), debian()},
		{"routing-below", sample.RoutingWith(t, func(c *haproxy.Config) {
			for i, to := range map[int]string{1: "ns.web.blog:http", 2: "ns.web.canary"} {
				below := []haproxy.Route{{Name: "**.dev.example.com", To: to}, {Name: "**.example.com", To: to}, {Name: "**.zone.example", To: to}}
				c.Frontends[i].Routes = append(below, c.Frontends[i].Routes...)
			}
		}), debian()},
		{"routing-no-ways", sample.RoutingWith(t, func(c *haproxy.Config) {
			c.WeightedRoutes, c.Frontends = nil, c.Frontends[1:]
			c.Frontends[1].Routes = c.Frontends[1].Routes[1:2]
		}), debian()},
		{"routing-no-splits", sample.RoutingWith(t, func(c *haproxy.Config) {
			c.WeightedRoutes, c.Frontends[0].Backend, c.Frontends[2].Routes = c.WeightedRoutes[1:], "ns.web.safe", c.Frontends[2].Routes[1:]
		}), debian()},
		{"routing-no-routes", sample.RoutingWith(t, func(c *haproxy.Config) {
			c.WeightedRoutes, c.Frontends = nil, c.Frontends[1:]
			c.Frontends[0].Routes, c.Frontends[1].Routes = nil, nil
			c.Frontends[0].RedirectToHTTPS, c.Frontends[1].Backend = false, ""
		}), debian()},
		{"routing-http-target", sample.RoutingWith(t, func(c *haproxy.Config) {
			c.Frontends[1].RedirectToHTTPS, c.Frontends[1].Backend = false, "ns.web.blog:http"
		}), Platform{StateFile: "/var/lib/haproxy/state", NamesPrefix: "/etc/haproxy/names-"}},
		{"routing-timeouts", sample.RoutingWith(t, func(c *haproxy.Config) {
			for i := range c.Frontends {
				c.Frontends[i].ClientTimeout = time.Duration(i+1) * time.Minute
			}
		}), debian()},
		{"access", withAccess(func(*haproxy.AccessPolicy) {}), debian()},
		{"access-proxies-only", withAccess(func(a *haproxy.AccessPolicy) { a.ProxiesOnly = true }), debian()},
		{"access-proxies-only-ipv4", withAccess(func(a *haproxy.AccessPolicy) {
			*a = haproxy.AccessPolicy{ProxiesFrom: a.ProxiesFrom[:1], ProxiesOnly: true}
		}), debian()},
		{"access-no-proxies", withAccess(func(a *haproxy.AccessPolicy) { a.ProxiesFrom = nil }), debian()},
		{"access-rate", withAccess(func(a *haproxy.AccessPolicy) { *a = haproxy.AccessPolicy{Rate: a.Rate} }), debian()},
		{"access-rate-affinity", bothTables(t), debian()},
	}
}

// bothTables returns a Config in which a frontend of each protocol has the name of the backend that it leads to, one of them
// with the longest possible name; each frontend counts its clients, and each backend has session affinity.
func bothTables(t testing.TB) haproxy.Config {
	return sample.RoutingWith(t, func(c *haproxy.Config) {
		c.WeightedRoutes = nil
		for i := range c.Frontends {
			name := strings.Repeat(string(rune('a'+i)), 300)
			f, b := &c.Frontends[i], &c.Backends[i]
			f.Name, f.Backend, f.Routes, f.RedirectToHTTPS, f.Access = name, name, nil, false, haproxy.AccessPolicy{Rate: sample.Access().Rate}
			b.Name, b.HTTP, b.Affinity = name, f.Protocol == haproxy.HTTP, haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}
		}
	})
}
