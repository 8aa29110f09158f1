package cfg

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// What HAProxy can change at run time is not part of the structure hash; everything is part of the full hash.
func TestNamesAreNotPartOfTheStructure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		edit func(*haproxy.Config, *Platform)
		// wantSame says that the structure, and with it the path of the map file, stays the same.
		wantSame bool
	}{
		{"a name leads elsewhere", func(c *haproxy.Config, _ *Platform) { c.Frontends[2].Routes[1].To = "ns.web.canary" }, true},
		{"a name is added", func(c *haproxy.Config, _ *Platform) {
			c.Frontends[2].Routes = append(c.Frontends[2].Routes, haproxy.Route{Name: "z.example.com", To: "ns.web.blog"})
		}, true},
		{"all names go", func(c *haproxy.Config, _ *Platform) { c.Frontends[1].Routes, c.Frontends[2].Routes = nil, nil }, true},
		{"percentages", func(c *haproxy.Config, _ *Platform) {
			c.WeightedRoutes[0].Shares[0].Percent, c.WeightedRoutes[0].Shares[1].Percent = 0, 100
		}, true},
		{"the order of preference", func(c *haproxy.Config, _ *Platform) { c.WeightedRoutes[1].Shares[0].Backends[0] = "ns.web.traefik" }, true},
		{"another weighted route like an existing one", func(c *haproxy.Config, _ *Platform) {
			c.WeightedRoutes = append(c.WeightedRoutes, haproxy.WeightedRoute{Name: "z", Shares: c.WeightedRoutes[1].Shares})
		}, true},
		{"a longer list", func(c *haproxy.Config, _ *Platform) {
			c.WeightedRoutes[1].Shares[0].Backends = append(c.WeightedRoutes[1].Shares[0].Backends, "ns.web.blog")
		}, false},
		{"no split any more", func(c *haproxy.Config, _ *Platform) {
			c.WeightedRoutes[0].Shares = []haproxy.Share{{Percent: 100, Backends: []string{"ns.web.blog"}}}
		}, false},
		{"where what no route claims goes", func(c *haproxy.Config, _ *Platform) { c.Frontends[2].Backend = "ns.web.blog" }, false},
		{"no redirect", func(c *haproxy.Config, _ *Platform) { c.Frontends[1].RedirectToHTTPS = false }, false},
		{"protocol", func(c *haproxy.Config, _ *Platform) { c.Frontends[0].Protocol = haproxy.TLS }, false},
		{"allowed sources", func(c *haproxy.Config, _ *Platform) {
			c.Frontends[0].Access.AllowedSources = sample.Access().AllowedSources
		}, false},
		{"denied sources", func(c *haproxy.Config, _ *Platform) {
			c.Frontends[0].Access.DeniedSources = sample.Access().DeniedSources
		}, false},
		{"proxies", func(c *haproxy.Config, _ *Platform) { c.Frontends[0].Access.ProxiesFrom = sample.Access().ProxiesFrom }, false},
		{"maximum of connections", func(c *haproxy.Config, _ *Platform) { c.Frontends[0].Access.MaxConnections = 1 }, false},
		{"rate", func(c *haproxy.Config, _ *Platform) {
			c.Frontends[0].Access.Rate = haproxy.Rate{PerSource: 1, Interval: time.Second}
		}, false},
		{"path of the map file", func(_ *haproxy.Config, p *Platform) { p.NamesPrefix = "/other" }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before := render(t, sample.Routing(t), debian())
			c, p := sample.Routing(t), debian()
			tc.edit(&c, &p)
			after := render(t, c, p)
			if same := before.Structure == after.Structure && before.NamesPath == after.NamesPath; same != tc.wantSame {
				t.Errorf("got structures %s and %s, want them to be the same: %v", before.Structure, after.Structure, tc.wantSame)
			}
			if before.Whole == after.Whole {
				t.Errorf("got the full hash %s for both", after.Whole)
			}
		})
	}
}
