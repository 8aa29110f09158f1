package valid

import (
	"math"
	"net/netip"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
)

const (
	// maxRoute is the longest DNS name, in bytes, and maxLabel the longest of its parts.
	maxRoute = 253
	maxLabel = 63
)

func checkFrontends(c haproxy.Config, f *faults) {
	checkNames(f, "frontend", c.Frontends, func(e haproxy.Frontend) string { return e.Name })
	modes := modesOf(c)
	taken := make(map[haproxy.Bind]string)
	for _, e := range c.Frontends {
		checkBinds(e, f, taken)
		checkProtocol(e, f)
		checkPage(e, f)
		if e.Backend != "" || e.Protocol == haproxy.TCP && e.Page == (pages.Page{}) {
			checkLeadsTo(e, f, e.Backend, modes)
		}
		checkRoutes(e, f, modes)
		checkAccess(e.Access, f, "frontend "+haproxy.Excerpt(e.Name))
		checkRateTable(e, f, modes)
		f.checkOptional("frontend "+haproxy.Excerpt(e.Name)+": timeout client", e.ClientTimeout)
	}
}

// checkRateTable requires that the backend that counts clients has a unique name.
func checkRateTable(e haproxy.Frontend, f *faults, modes map[string]mode) {
	if _, taken := modes[e.RateTable()]; taken && e.Access.Rate != (haproxy.Rate{}) {
		f.add("frontend %s: its clients are counted in a backend %s; there is another backend or weighted route of that name", haproxy.Excerpt(e.Name), haproxy.Excerpt(e.RateTable()))
	}
}

// checkBinds checks one frontend's binds; taken holds the frontends of known binds.
func checkBinds(e haproxy.Frontend, f *faults, taken map[haproxy.Bind]string) {
	if len(e.Binds) == 0 {
		f.add("frontend %s: it has no bind; give it one, or leave it out", haproxy.Excerpt(e.Name))
	}
	for i, b := range e.Binds {
		if fault := haproxy.AddrFault(b.Addr); fault != "" {
			f.add("frontend %s: bind address %s %s", haproxy.Excerpt(e.Name), b.Addr, fault)
		}
		if b.Port == 0 {
			f.add("frontend %s: bind %s has no port", haproxy.Excerpt(e.Name), b)
		}
		if i > 0 && e.Binds[i-1].Compare(b) > 0 {
			f.add("frontend %s: bind %s is not in order", haproxy.Excerpt(e.Name), b)
		}
		if other, ok := taken[b]; ok {
			f.add("frontend %s: bind %s is taken by frontend %s", haproxy.Excerpt(e.Name), b, haproxy.Excerpt(other))
		}
		taken[b] = e.Name
	}
}

// checkProtocol rejects settings that the protocol does not use.
func checkProtocol(e haproxy.Frontend, f *faults) {
	switch e.Protocol {
	case haproxy.TCP, haproxy.TLS, haproxy.HTTP:
	default:
		f.add("frontend %s: there is no protocol %s", haproxy.Excerpt(e.Name), haproxy.Excerpt(string(e.Protocol)))
	}
	if e.Protocol == haproxy.TCP && len(e.Routes) > 0 {
		f.add("frontend %s: it has routes, and reads no names; use protocol TLS or HTTP", haproxy.Excerpt(e.Name))
	}
	if e.RedirectToHTTPS && e.Protocol != haproxy.HTTP {
		f.add("frontend %s: it must redirect to https; only protocol HTTP can", haproxy.Excerpt(e.Name))
	}
	if e.RedirectToHTTPS && e.Backend != "" {
		f.add("frontend %s: what no route claims goes to backend %s, and must be redirected; choose one", haproxy.Excerpt(e.Name), haproxy.Excerpt(e.Backend))
	}
}

// checkPage rejects a page beside anything that leads to servers.
func checkPage(e haproxy.Frontend, f *faults) {
	if err := e.Page.Validate(); err != nil {
		f.add("frontend %s: %w", haproxy.Excerpt(e.Name), err)
	}
	if e.Page != (pages.Page{}) && (e.Protocol != haproxy.TCP || e.Backend != "" || !e.Access.Equal(haproxy.AccessPolicy{})) {
		f.add("frontend %s: it answers by itself, so that it has protocol TCP, no backend and no access policy", haproxy.Excerpt(e.Name))
	}
}

// checkLeadsTo requires an existing backend or weighted route of the frontend's mode; modes come from modesOf.
func checkLeadsTo(e haproxy.Frontend, f *faults, name string, modes map[string]mode) {
	m, ok := modes[name]
	switch {
	case !ok:
		f.add("frontend %s: there is no backend %s", haproxy.Excerpt(e.Name), haproxy.Excerpt(name))
	case m != modeOf(e.Protocol == haproxy.HTTP):
		f.add("frontend %s: backend %s is for %s, it is not", haproxy.Excerpt(e.Name), haproxy.Excerpt(name), m)
	}
}

func checkRoutes(e haproxy.Frontend, f *faults, modes map[string]mode) {
	for i, r := range e.Routes {
		if !Route(r.Name) {
			f.add(`frontend %s: route %s is no DNS name in lower case, with or without "*." or "**." before it`, haproxy.Excerpt(e.Name), haproxy.Excerpt(r.Name))
		}
		checkLeadsTo(e, f, r.To, modes)
		if i == 0 {
			continue
		}
		switch before := e.Routes[i-1].Name; {
		case before == r.Name:
			f.add("frontend %s: route %s: there are two of that name", haproxy.Excerpt(e.Name), haproxy.Excerpt(r.Name))
		case before > r.Name:
			f.add("frontend %s: route %s is not in order", haproxy.Excerpt(e.Name), haproxy.Excerpt(r.Name))
		}
	}
}

// Route reports whether a name is valid for a Route: a DNS name in lower case, optionally with "*." before it, or with "**." if it
// has no more labels than that allows.
func Route(name string) bool {
	if len(name) > maxRoute {
		return false
	}
	name, isBelow := strings.CutPrefix(name, "**.")
	if isBelow && strings.Count(name, ".") >= haproxy.MaxLabelsBelow {
		return false
	}
	if !isBelow {
		name = strings.TrimPrefix(name, "*.")
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

// validLabel reports whether a string is a valid part of a DNS name: letters, digits and dashes, and no dash at either end.
func validLabel(label string) bool {
	for i := range len(label) {
		c := label[i]
		if ('a' > c || c > 'z') && ('0' > c || c > '9') && c != '-' {
			return false
		}
	}
	return label != "" && len(label) <= maxLabel && label[0] != '-' && label[len(label)-1] != '-'
}

func checkAccess(a haproxy.AccessPolicy, f *faults, where string) {
	checkPrefixes(f, where+": allowed source", a.AllowedSources)
	checkPrefixes(f, where+": denied source", a.DeniedSources)
	checkPrefixes(f, where+": proxy", a.ProxiesFrom)
	if a.ProxiesOnly && len(a.ProxiesFrom) == 0 {
		f.add("%s: only proxies may connect, and there are none", where)
	}
	if a.MaxConnections < 0 || a.MaxConnections > math.MaxInt32 {
		f.add("%s: maximum of connections: %d is not between 0 and %d", where, a.MaxConnections, math.MaxInt32)
	}
	if a.Rate == (haproxy.Rate{}) {
		return
	}
	if a.Rate.PerSource < 1 || a.Rate.PerSource > math.MaxInt32 {
		f.add("%s: connection rate: %d per source is not between 1 and %d", where, a.Rate.PerSource, math.MaxInt32)
	}
	f.checkDuration(where+": connection rate: interval", a.Rate.Interval)
}

// checkPrefixes requires networks in their shortest form, in order and unique.
func checkPrefixes(f *faults, what string, prefixes []netip.Prefix) {
	for i, p := range prefixes {
		switch {
		case !p.IsValid() || haproxy.AddrFault(p.Addr()) != "":
			f.add("%s %s is not a CIDR", what, p)
		case p != p.Masked():
			f.add("%s %s is larger than its address says; write %s", what, p, p.Masked())
		case i > 0 && prefixes[i-1].Compare(p) == 0:
			f.add("%s %s: there are two of it", what, p)
		case i > 0 && prefixes[i-1].Compare(p) > 0:
			f.add("%s %s is not in order", what, p)
		}
	}
}
