package valid

import (
	"cmp"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// maxList limits the length of a share's list of backends in the map file, in bytes, so that several entries fit into one
// command for the runtime API.
const maxList = 4096

// mode is the mode of a backend or weighted route.
type mode string

const (
	tcpMode  mode = "TCP"
	httpMode mode = "HTTP"
)

func modeOf(http bool) mode {
	if http {
		return httpMode
	}
	return tcpMode
}

// modesOf returns the modes of all backends, and of all weighted routes whose first backend exists: it has the same mode.
func modesOf(c haproxy.Config) map[string]mode {
	modes := make(map[string]mode, len(c.Backends)+len(c.WeightedRoutes))
	for _, b := range c.Backends {
		modes[b.Name] = modeOf(b.HTTP)
	}
	for _, r := range c.WeightedRoutes {
		if len(r.Shares) == 0 || len(r.Shares[0].Backends) == 0 {
			continue
		}
		if m, ok := modes[r.Shares[0].Backends[0]]; ok {
			modes[r.Name] = m
		}
	}
	return modes
}

func checkWeightedRoutes(c haproxy.Config, f *faults) {
	checkNames(f, "weighted route", c.WeightedRoutes, func(r haproxy.WeightedRoute) string { return r.Name })
	backends := make(map[string]mode, len(c.Backends))
	for _, b := range c.Backends {
		backends[b.Name] = modeOf(b.HTTP)
	}
	routes := make(map[string]bool, len(c.WeightedRoutes))
	for _, r := range c.WeightedRoutes {
		routes[r.Name] = true
		if _, ok := backends[r.Name]; ok {
			f.add("weighted route %s: there is a backend of that name", haproxy.Excerpt(r.Name))
		}
		checkWeightedRoute(r, f, backends)
	}
	for _, r := range c.WeightedRoutes {
		checkNoHundredth(f, "weighted route", r.Name, routes)
	}
	for _, b := range c.Backends {
		checkNoHundredth(f, "backend", b.Name, routes)
	}
}

// checkNoHundredth keeps the names of backends and weighted routes apart from the keys of a weighted route's hundredths,
// which are ROUTE:00 … :99.
func checkNoHundredth(f *faults, what, name string, routes map[string]bool) {
	colon := max(strings.LastIndexByte(name, ':'), 0)
	route, digits := name[:colon], strings.TrimPrefix(name[colon:], ":")
	if len(digits) == 2 && strings.Trim(digits, "0123456789") == "" && routes[route] {
		f.add("%s %s: that is the name of a hundredth of weighted route %s", what, haproxy.Excerpt(name), haproxy.Excerpt(route))
	}
}

// checkWeightedRoute checks the shares; backends are those of the Config.
func checkWeightedRoute(r haproxy.WeightedRoute, f *faults, backends map[string]mode) {
	where := "weighted route " + haproxy.Excerpt(r.Name)
	percent, first := 0, mode("")
	for _, s := range r.Shares {
		percent += min(max(s.Percent, -1), 101)
		if s.Percent < 0 || s.Percent > 100 {
			f.add("%s: %d is no percentage", where, s.Percent)
		}
		checkShare(s, f, where, backends)
		for _, name := range s.Backends {
			if first = cmp.Or(first, backends[name]); backends[name] != "" && backends[name] != first {
				f.add("%s: backend %s is for %s, one before it is not", where, haproxy.Excerpt(name), backends[name])
			}
		}
	}
	if percent != 100 {
		f.add("%s: its shares add up to %d percent, not to 100", where, percent)
	}
}

// checkShare checks the backends of a share.
func checkShare(s haproxy.Share, f *faults, where string, backends map[string]mode) {
	if len(s.Backends) == 0 {
		f.add("%s: a share has no backend", where)
	}
	for _, name := range s.Backends {
		if _, ok := backends[name]; !ok {
			f.add("%s: there is no backend %s", where, haproxy.Excerpt(name))
		}
	}
	if size := len(strings.Join(s.Backends, ",")); size > maxList {
		f.add("%s: the names of a share's backends are %d bytes long, more than %d", where, size, maxList)
	}
}
