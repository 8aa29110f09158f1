package haproxy

import (
	"cmp"
	"slices"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/lists"
)

// Change is the difference between two Configs that HAProxy can apply at run time.
type Change struct {
	// Backends are the backends of the new Config whose servers have other names, addresses, ports or weights than before.
	Backends []Backend
	// Entries are the entries of the new Config for routes that are new or lead elsewhere, and all entries of each weighted
	// route that is new or differs. Former are the entries of the previous Config for routes that lead elsewhere or are gone,
	// and all entries of each weighted route that differs or is gone. Both are sorted by key.
	Entries, Former []Entry
}

// Empty reports whether there is nothing to change.
func (c Change) Empty() bool {
	return len(c.Backends) == 0 && len(c.Entries) == 0 && len(c.Former) == 0
}

// ChangeFrom compares the Config with the previous one. It returns false if they differ in more than HAProxy can change at
// run time, so that their files have different structures. It ignores Server.Node, which HAProxy does not read; KeepServers
// counts as a difference. It is cheap if the two share most of their slices.
func (c Config) ChangeFrom(before Config) (Change, bool) {
	if !c.sameButLists(before) || c.RouteShape() != before.RouteShape() {
		return Change{}, false
	}
	var change Change
	for i, b := range c.Backends {
		old := before.Backends[i]
		switch {
		case b.withoutServers() != old.withoutServers():
			return Change{}, false
		case lists.Same(b.Servers, old.Servers) || slices.EqualFunc(b.Servers, old.Servers, Server.runsAs):
		case !slices.Equal(b.fixed(), old.fixed()):
			return Change{}, false
		default:
			change.Backends = append(change.Backends, b)
		}
	}
	if c.UsesMap() {
		change.compareRoutes(c.Frontends, before.Frontends)
		change.compareWeightedRoutes(c.WeightedRoutes, before.WeightedRoutes)
	}
	byKey := func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) }
	slices.SortFunc(change.Entries, byKey)
	slices.SortFunc(change.Former, byKey)
	return change, true
}

// sameButLists reports whether the Configs are the same except for their backends' options and for the contents of the map
// file and of backends.
func (c Config) sameButLists(other Config) bool {
	return c.Owner == other.Owner && c.Host == other.Host && c.AdminSocket == other.AdminSocket &&
		c.HealthSocket == other.HealthSocket && slices.Equal(c.VirtualAddresses, other.VirtualAddresses) &&
		c.MaxConnections == other.MaxConnections && c.MaxHeaderBytes == other.MaxHeaderBytes &&
		c.Timeouts == other.Timeouts && c.Logging == other.Logging &&
		slices.EqualFunc(c.Frontends, other.Frontends, sameButRoutes) && len(c.Backends) == len(other.Backends)
}

func sameButRoutes(a, b Frontend) bool {
	return a.Name == b.Name && a.Protocol == b.Protocol && a.Backend == b.Backend && slices.Equal(a.Binds, b.Binds) &&
		a.RedirectToHTTPS == b.RedirectToHTTPS && a.Page == b.Page && a.ClientTimeout == b.ClientTimeout && a.Access.Equal(b.Access)
}

// Equal reports whether both accept the same connections.
func (a AccessPolicy) Equal(other AccessPolicy) bool {
	return slices.Equal(a.AllowedSources, other.AllowedSources) && slices.Equal(a.DeniedSources, other.DeniedSources) &&
		slices.Equal(a.ProxiesFrom, other.ProxiesFrom) && a.ProxiesOnly == other.ProxiesOnly && a.MaxConnections == other.MaxConnections && a.Rate == other.Rate
}

// compareRoutes adds the differences between the entries of frontends that are otherwise the same.
func (c *Change) compareRoutes(after, before []Frontend) {
	for i, f := range after {
		if lists.Same(f.Routes, before[i].Routes) {
			continue
		}
		lists.EachPair(f.Routes, before[i].Routes, func(r Route) string { return r.Name }, func(now, was *Route) {
			if now != nil && was != nil && *now == *was {
				return
			}
			if now != nil {
				c.Entries = append(c.Entries, now.entry(f))
			}
			if was != nil {
				c.Former = append(c.Former, was.entry(f))
			}
		})
	}
}

// compareWeightedRoutes adds the differences between the entries of weighted routes.
func (c *Change) compareWeightedRoutes(after, before []WeightedRoute) {
	if lists.Same(after, before) {
		return
	}
	lists.EachPair(after, before, func(r WeightedRoute) string { return r.Name }, func(now, was *WeightedRoute) {
		if now != nil && was != nil && sameWeightedRoute(*now, *was) {
			return
		}
		if now != nil {
			c.Entries = append(c.Entries, now.entries()...)
		}
		if was != nil {
			c.Former = append(c.Former, was.entries()...)
		}
	})
}

// sameWeightedRoute reports whether both lead to the same backends. A share of 0 percent may lead anywhere.
func sameWeightedRoute(a, b WeightedRoute) bool {
	return a.Name == b.Name && (slices.EqualFunc(a.Shares, b.Shares, sameShare) || slices.Equal(a.entries(), b.entries()))
}

func sameShare(a, b Share) bool {
	return a.Percent == b.Percent && slices.Equal(a.Backends, b.Backends)
}

// backendOnly is a backend without its servers.
type backendOnly struct {
	name           string
	http, http2    bool
	balance        Balance
	protocol       ProxyProtocol
	check          Check
	affinity       Affinity
	maxConnections int
	maxQueued      int
	slowStart      time.Duration
	timeouts       BackendTimeouts
	keep           bool
}

func (b Backend) withoutServers() backendOnly {
	return backendOnly{
		name: b.Name, http: b.HTTP, http2: b.HTTP2, balance: b.Balance, protocol: b.ProxyProtocol, check: b.Check, affinity: b.Affinity,
		maxConnections: b.MaxConnections, maxQueued: b.MaxQueued, slowStart: b.SlowStart, timeouts: b.Timeouts, keep: b.KeepServers,
	}
}

// Fixed reports whether the server is part of the structure, except its weight.
func (s Server) Fixed() bool { return s.DNSName != "" || s.Backup }

// fixed returns the fixed servers, without their weights: HAProxy can change the weights at run time, and the rest is part of the
// structure.
func (b Backend) fixed() []Server {
	var servers []Server
	for _, s := range b.Servers {
		if s.Fixed() {
			s.Node, s.Weight = "", 0
			servers = append(servers, s)
		}
	}
	return servers
}

// runsAs reports whether HAProxy would do the same with both.
func (s Server) runsAs(other Server) bool {
	s.Node, other.Node = "", ""
	return s == other
}

// WithRuntimeOf returns a copy that has everything that HAProxy can change at run time from the other Config, as far as the
// structure stays the same: the servers of each backend that otherwise equals the other's, if the other knows them; the
// shares of each weighted route whose backends all exist; and the routes with an existing destination.
func (c Config) WithRuntimeOf(other Config) Config {
	c.Backends = withServersOf(c.Backends, other.Backends)
	there := make(map[string]bool, len(c.Backends)+len(c.WeightedRoutes))
	for _, b := range c.Backends {
		there[b.Name] = true
	}
	c.WeightedRoutes = withSharesOf(c.WeightedRoutes, other.WeightedRoutes, there)
	for _, r := range c.WeightedRoutes {
		there[r.Name] = true
	}
	c.Frontends = withRoutesOf(c.Frontends, other.Frontends, there)
	return c
}

func withServersOf(backends, others []Backend) []Backend {
	backends = slices.Clone(backends)
	lists.EachPair(backends, others, func(b Backend) string { return b.Name }, func(b, other *Backend) {
		if b != nil && other != nil && !other.KeepServers && other.withoutServers() == b.withoutServers() &&
			slices.Equal(other.fixed(), b.fixed()) {
			b.Servers = other.Servers
		}
	})
	return backends
}

// withSharesOf gives each weighted route the shares of the other's if they lead to existing backends and do not change the
// lines of frontends.
func withSharesOf(routes, others []WeightedRoute, there map[string]bool) []WeightedRoute {
	routes = slices.Clone(routes)
	missing := func(s Share) bool {
		return slices.ContainsFunc(s.Backends, func(name string) bool { return !there[name] })
	}
	lists.EachPair(routes, others, func(r WeightedRoute) string { return r.Name }, func(route, other *WeightedRoute) {
		if route != nil && other != nil && route.shape() == other.shape() && !slices.ContainsFunc(other.Shares, missing) {
			route.Shares = other.Shares
		}
	})
	return routes
}

// withRoutesOf gives each frontend the routes of the other's; a name whose new destination does not exist keeps its
// destination.
func withRoutesOf(frontends, others []Frontend, there map[string]bool) []Frontend {
	frontends = slices.Clone(frontends)
	lists.EachPair(frontends, others, func(f Frontend) string { return f.Name }, func(f, other *Frontend) {
		if f == nil || other == nil || f.Protocol != other.Protocol || lists.Same(f.Routes, other.Routes) {
			return
		}
		var routes []Route
		lists.EachPair(other.Routes, f.Routes, func(r Route) string { return r.Name }, func(now, was *Route) {
			switch {
			case now != nil && there[now.To]:
				routes = append(routes, *now)
			case now != nil && was != nil:
				routes = append(routes, *was)
			}
		})
		f.Routes = routes
	})
	return frontends
}
