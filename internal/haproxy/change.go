package haproxy

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/edgelb/edgelb/internal/haproxy/lists"
)

// Idle reports whether there are no listeners. The file of an idle Config has no owner, and anybody may take the host.
func (c Config) Idle() bool { return len(c.Frontends) == 0 }

// Enabled reports whether servers are checked at all.
func (c Check) Enabled() bool { return c != Check{} }

// Normalize returns a copy in which everything is in the order that Validate requires.
func (c Config) Normalize() Config {
	c.VirtualAddresses = slices.SortedFunc(slices.Values(c.VirtualAddresses), netip.Addr.Compare)
	c.Frontends = slices.Clone(c.Frontends)
	for i, f := range c.Frontends {
		c.Frontends[i].Binds = slices.SortedFunc(slices.Values(f.Binds), Bind.Compare)
		c.Frontends[i].Routes = SortRoutes(f.Routes)
		c.Frontends[i].Access.AllowedSources = slices.SortedFunc(slices.Values(f.Access.AllowedSources), netip.Prefix.Compare)
		c.Frontends[i].Access.DeniedSources = slices.SortedFunc(slices.Values(f.Access.DeniedSources), netip.Prefix.Compare)
		c.Frontends[i].Access.ProxiesFrom = slices.SortedFunc(slices.Values(f.Access.ProxiesFrom), netip.Prefix.Compare)
	}
	slices.SortFunc(c.Frontends, func(a, b Frontend) int { return cmp.Compare(a.Name, b.Name) })
	c.WeightedRoutes = slices.SortedFunc(slices.Values(c.WeightedRoutes), func(a, b WeightedRoute) int { return cmp.Compare(a.Name, b.Name) })
	c.Backends = slices.Clone(c.Backends)
	for i, b := range c.Backends {
		c.Backends[i].Servers = SortServers(b.Servers)
	}
	slices.SortFunc(c.Backends, func(a, b Backend) int { return cmp.Compare(a.Name, b.Name) })
	return c
}

// SortServers returns the servers in the order that Validate requires; the same slice if they are already sorted.
func SortServers(servers []Server) []Server {
	return lists.Sorted(servers, func(a, b Server) int { return cmp.Compare(a.Name, b.Name) })
}

// SortRoutes returns the routes in the order that Validate requires; the same slice if they are already sorted.
func SortRoutes(routes []Route) []Route {
	return lists.Sorted(routes, func(a, b Route) int { return cmp.Compare(a.Name, b.Name) })
}

// KeepsServers reports whether a backend must keep the host's servers.
func (c Config) KeepsServers() bool {
	return slices.ContainsFunc(c.Backends, func(b Backend) bool { return b.KeepServers })
}

// ServerCount returns the number of servers in all backends.
func (c Config) ServerCount() int {
	count := 0
	for _, b := range c.Backends {
		count += len(b.Servers)
	}
	return count
}

// Resolves reports whether the host must resolve a server by its DNS name.
func (c Config) Resolves() bool {
	return slices.ContainsFunc(c.Backends, func(b Backend) bool {
		return slices.ContainsFunc(b.Servers, func(s Server) bool { return s.DNSName != "" })
	})
}

// WithServers returns a copy in which every backend that must keep the host's servers has the servers that the host runs, by
// name of the backend. A backend that the host does not run stays empty. No other backend changes.
func (c Config) WithServers(running map[string][]Server) Config {
	c.Backends = slices.Clone(c.Backends)
	for i, b := range c.Backends {
		if b.KeepServers {
			c.Backends[i].Servers = SortServers(running[b.Name])
			c.Backends[i].KeepServers = false
		}
	}
	return c
}

// WithoutBinds returns a copy without the dropped binds, and without the frontends that have no other. Backends stay.
func (c Config) WithoutBinds(drop func(frontend string, b Bind) bool) Config {
	var kept []Frontend
	for _, f := range c.Frontends {
		var binds []Bind
		for _, b := range f.Binds {
			if !drop(f.Name, b) {
				binds = append(binds, b)
			}
		}
		if f.Binds = binds; len(binds) > 0 {
			kept = append(kept, f)
		}
	}
	c.Frontends = kept
	return c
}

// WithoutIPv6 returns a copy for a host with IPv6 switched off: without IPv6 binds, and without the frontends that have no
// other. It also returns the dropped binds, in the order of the Config. Backends stay, because IPv6 servers are merely down
// there.
func (c Config) WithoutIPv6() (Config, []Bind) {
	var left []Bind
	without := c.WithoutBinds(func(_ string, b Bind) bool {
		if b.Addr.Is6() {
			left = append(left, b)
		}
		return b.Addr.Is6()
	})
	return without, left
}
