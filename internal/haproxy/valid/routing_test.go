package valid_test

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestValidateNamesTheInvalidRouteWeightedRouteOrAccessPolicy(t *testing.T) {
	t.Parallel()
	const dns, web, https = `frontend "ns.web.dns": `, `frontend "ns.web.http": `, `frontend "ns.web.https": `
	const canary, safe = `weighted route "ns.web.canary": `, `weighted route "ns.web.safe": `
	route := func(name string) func(*haproxy.Config) {
		return func(c *haproxy.Config) { c.Frontends[2].Routes = []haproxy.Route{{Name: name, To: "ns.web.blog"}} }
	}
	share := func(edit func(*haproxy.Share)) func(*haproxy.Config) {
		return func(c *haproxy.Config) { edit(&c.WeightedRoutes[0].Shares[0]) }
	}
	access := func(edit func(*haproxy.AccessPolicy)) func(*haproxy.Config) {
		return func(c *haproxy.Config) { c.Frontends[0].Access = sample.Access(); edit(&c.Frontends[0].Access) }
	}
	network := func(text string) netip.Prefix { return netip.MustParsePrefix(text) }
	for _, tc := range []struct {
		name string
		edit func(*haproxy.Config)
		want string
	}{
		{"protocol", func(c *haproxy.Config) { c.Frontends[0].Protocol = "udp" }, dns + `there is no protocol "udp"`},
		{"routes without names", func(c *haproxy.Config) { c.Frontends[0].Routes = c.Frontends[2].Routes }, dns + "it has routes, and reads no names"},
		{"TCP that leads nowhere", func(c *haproxy.Config) { c.Frontends[0].Backend = "" }, dns + `there is no backend ""`},
		{"redirect without HTTP", func(c *haproxy.Config) { c.Frontends[2].RedirectToHTTPS = true }, https + "it must redirect to https; only protocol HTTP can"},
		{"redirect and backend", func(c *haproxy.Config) { c.Frontends[1].Backend = "ns.web.blog:http" },
			web + `what no route claims goes to backend "ns.web.blog:http", and must be redirected`},
		{"TLS to HTTP", func(c *haproxy.Config) { c.Frontends[2].Backend = "ns.web.blog:http" }, https + `backend "ns.web.blog:http" is for HTTP, it is not`},
		{"TCP to HTTP", func(c *haproxy.Config) { c.Frontends[0].Backend = "ns.web.blog:http" }, dns + `backend "ns.web.blog:http" is for HTTP`},
		{"HTTP to TCP", func(c *haproxy.Config) { c.Frontends[1].Routes[0].To = "ns.web.blog" }, web + `backend "ns.web.blog" is for TCP, it is not`},
		{"HTTP to a weighted route of TCP", func(c *haproxy.Config) { c.Frontends[1].Routes[0].To = "ns.web.safe" }, web + `backend "ns.web.safe" is for TCP, it is not`},
		{"a route to nowhere", func(c *haproxy.Config) { c.Frontends[2].Routes[0].To = "nope" }, https + `there is no backend "nope"`},
		{"two routes of one name", func(c *haproxy.Config) { c.Frontends[2].Routes[1].Name = "*.apps.example.com" }, https + `route "*.apps.example.com": there are two of that name`},
		{"routes not in order", func(c *haproxy.Config) { slices.Reverse(c.Frontends[2].Routes) }, https + `route "app1.example.com" is not in order`},
		{"no name", route(""), https + `route "" is no DNS name in lower case`},
		{"a name in upper case", route("App.example.com"), `route "App.example.com" is no DNS name`},
		{"a name with a blank", route("app example.com"), "is no DNS name"},
		{"a name with a line's end", route("app\nx"), `route "app\nx" is no DNS name`},
		{"a name with a quote", route(`app"`), "is no DNS name"},
		{"a name with a slash", route("a/b"), "is no DNS name"},
		{"a name with a comma", route("a,b"), "is no DNS name"},
		{"a name with a comment", route("#app"), "is no DNS name"},
		{"a name with a star inside", route("a.*.example.com"), "is no DNS name"},
		{"a name with two stars", route("*.*.example.com"), "is no DNS name"},
		{"two stars inside", route("a.**.example.com"), "is no DNS name"},
		{"two stars before a wildcard", route("**.*.example.com"), "is no DNS name"},
		{"two stars before two stars", route("**.**.example.com"), "is no DNS name"},
		{"three stars", route("***.example.com"), "is no DNS name"},
		{"two stars alone", route("**"), "is no DNS name"},
		{"two stars and a dot", route("**."), "is no DNS name"},
		{"two stars before too many labels", route("**.a.b.c.d.e.f.g.h.i"), "is no DNS name"},
		{"nothing but a star", route("*"), "is no DNS name"},
		{"a star and a dot", route("*."), "is no DNS name"},
		{"a name with a dot at its end", route("example.com."), "is no DNS name"},
		{"a name with an empty label", route("a..b"), "is no DNS name"},
		{"a label that begins with a dash", route("-a.b"), "is no DNS name"},
		{"a label that ends with a dash", route("a-.b"), "is no DNS name"},
		{"a label of 64 characters", route(strings.Repeat("a", 64)), "is no DNS name"},
		{"a name of 254 characters", route(strings.Repeat("a.", 126) + "aa"), "is no DNS name"},
		{"a name of 64 KiB", route(strings.Repeat("a.", 32<<10) + "a"), "is no DNS name"},
		{"weighted route name", func(c *haproxy.Config) { c.WeightedRoutes[0].Name = "a/b" }, `weighted route "a/b": use a name`},
		{"two weighted routes of one name", func(c *haproxy.Config) { c.WeightedRoutes[1].Name = c.WeightedRoutes[0].Name }, `weighted route "ns.web.canary": there are two of that name`},
		{"weighted routes not in order", func(c *haproxy.Config) { slices.Reverse(c.WeightedRoutes) }, `weighted route "ns.web.canary": it is not in order`},
		{"weighted route and backend of one name", func(c *haproxy.Config) { c.WeightedRoutes[0].Name = "ns.web.blog" }, `weighted route "ns.web.blog": there is a backend of that name`},
		{"a backend like a hundredth", func(c *haproxy.Config) { c.Backends[2].Name = "ns.web.canary:42" }, `backend "ns.web.canary:42": that is the name of a hundredth of weighted route "ns.web.canary"`},
		{"a weighted route like a hundredth", func(c *haproxy.Config) { c.WeightedRoutes[1].Name = "ns.web.canary:00" }, `weighted route "ns.web.canary:00": that is the name of a hundredth`},
		{"no shares", func(c *haproxy.Config) { c.WeightedRoutes[0].Shares = nil }, canary + "its shares add up to 0 percent, not to 100"},
		{"too few percent", share(func(s *haproxy.Share) { s.Percent = 80 }), canary + "its shares add up to 90 percent"},
		{"too many percent", share(func(s *haproxy.Share) { s.Percent = 91 }), canary + "its shares add up to 101 percent"},
		{"negative percent", share(func(s *haproxy.Share) { s.Percent = -1 }), canary + "-1 is no percentage"},
		{"more percent than there are", share(func(s *haproxy.Share) { s.Percent = math.MaxInt }), "is no percentage"},
		{"one share without all", func(c *haproxy.Config) { c.WeightedRoutes[1].Shares[0].Percent = 50 }, safe + "its shares add up to 50 percent"},
		{"a share without backends", share(func(s *haproxy.Share) { s.Backends = nil }), canary + "a share has no backend"},
		{"a share of nothing", share(func(s *haproxy.Share) { s.Backends = []string{""} }), canary + `there is no backend ""`},
		{"a share to nowhere", share(func(s *haproxy.Share) { s.Backends = append(s.Backends, "nope") }), canary + `there is no backend "nope"`},
		{"a weighted route to a weighted route", share(func(s *haproxy.Share) { s.Backends = []string{"ns.web.safe"} }), canary + `there is no backend "ns.web.safe"`},
		{"a weighted route of two modes", share(func(s *haproxy.Share) { s.Backends = append(s.Backends, "ns.web.blog:http") }), canary + `backend "ns.web.blog:http" is for HTTP, one before it is not`},
		{"shares of two modes", func(c *haproxy.Config) { c.WeightedRoutes[0].Shares[1].Backends = []string{"ns.web.blog:http"} }, canary + `backend "ns.web.blog:http" is for HTTP`},
		{"a list that is too long", share(func(s *haproxy.Share) { s.Backends = slices.Repeat([]string{"ns.web.blog"}, 400) }), "bytes long, more than 4096"},
		{"proxies alone where there are none", access(func(a *haproxy.AccessPolicy) { a.ProxiesFrom, a.ProxiesOnly = nil, true }), dns + "only proxies may connect, and there are none"},
		{"a page beside a backend", func(c *haproxy.Config) { c.Frontends[0].Page.Path = "/healthz" }, dns + "it answers by itself"},
		{"a page without a path", func(c *haproxy.Config) { c.Frontends[0].Page.Unavailable = true }, dns + `path "" is no path`},
		{"a log target of no kind", func(c *haproxy.Config) { c.Logging.Target.Kind = "file" }, "there is no such kind"},
		{"allowed source", access(func(a *haproxy.AccessPolicy) { a.AllowedSources = []netip.Prefix{{}} }), dns + "allowed source invalid Prefix is not a CIDR"},
		{"allowed source that is not masked", access(func(a *haproxy.AccessPolicy) { a.AllowedSources = []netip.Prefix{network("10.0.0.1/8")} }), dns + "allowed source 10.0.0.1/8 is larger than its address says; write 10.0.0.0/8"},
		{"allowed source in IPv6 form", access(func(a *haproxy.AccessPolicy) { a.AllowedSources = []netip.Prefix{network("::ffff:10.0.0.0/104")} }), "is not a CIDR"},
		{"allowed source twice", access(func(a *haproxy.AccessPolicy) { a.AllowedSources = slices.Repeat(a.AllowedSources[:1], 2) }), dns + "allowed source 203.0.113.0/24: there are two of it"},
		{"allowed sources not in order", access(func(a *haproxy.AccessPolicy) { slices.Reverse(a.AllowedSources) }), dns + "allowed source 203.0.113.0/24 is not in order"},
		{"denied source that is not masked", access(func(a *haproxy.AccessPolicy) { a.DeniedSources = []netip.Prefix{network("10.0.0.1/8")} }), dns + "denied source 10.0.0.1/8 is larger than its address says; write 10.0.0.0/8"},
		{"denied sources not in order", access(func(a *haproxy.AccessPolicy) { slices.Reverse(a.DeniedSources) }), dns + "denied source 203.0.113.66/32 is not in order"},
		{"proxies not in order", access(func(a *haproxy.AccessPolicy) { slices.Reverse(a.ProxiesFrom) }), dns + "proxy 192.0.2.10/32 is not in order"},
		{"a negative bound", access(func(a *haproxy.AccessPolicy) { a.MaxConnections = -1 }), dns + "maximum of connections: -1 is not between"},
		{"too large a bound", access(func(a *haproxy.AccessPolicy) { a.MaxConnections = math.MaxInt32 + 1 }), "maximum of connections"},
		{"a rate without an interval", access(func(a *haproxy.AccessPolicy) { a.Rate.Interval = 0 }), dns + "connection rate: interval: 0s is not between"},
		{"a rate without a bound", access(func(a *haproxy.AccessPolicy) { a.Rate.PerSource = 0 }), dns + "connection rate: 0 per source is not between"},
		{"a negative rate", access(func(a *haproxy.AccessPolicy) { a.Rate.PerSource = -1 }), "connection rate: -1 per source"},
		{"a backend like a table of rates", func(c *haproxy.Config) {
			c.Frontends[0].Access, c.Backends[0].Name = sample.Access(), "ns.web.dns:rate"
		}, dns + `its clients are counted in a backend "ns.web.dns:rate"; there is another`},
		{"a weighted route like a table of rates", func(c *haproxy.Config) {
			c.Frontends[0].Access, c.Frontends[0].Backend, c.WeightedRoutes[0].Name = sample.Access(), "ns.web.dns:rate", "ns.web.dns:rate"
		}, dns + `its clients are counted in a backend "ns.web.dns:rate"; there is another`},
		{"too long an interval", access(func(a *haproxy.AccessPolicy) { a.Rate.Interval = 600 * time.Hour }), "connection rate: interval: 600h0m0s is not between"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := valid.Config(sample.RoutingWith(t, tc.edit))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestValidRouteTakesDNSNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("a", 61)
	for _, name := range []string{
		"a", "localhost", "app.example.com", "*.example.com", "*.com", "**.example.com", "**.com", "**.a.b.c.d.e.f.g.h", "xn--bcher-kva.example", "1.2.3", "a--b.c-d",
		strings.Repeat("a", 63) + ".example.com", long, "*." + long[2:],
	} {
		if !valid.Route(name) {
			t.Errorf("%q is refused", name)
		}
	}
	if len(long) != 253 {
		t.Errorf("the longest name is %d bytes long, want 253", len(long))
	}
}
