package desired

import (
	"maps"
	"slices"
	"strconv"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// usage is what an object has on the host. It is filled in while its listeners get their frontends.
type usage struct {
	// frontends are the names of the frontends that serve the object. joined holds the object's listener for each frontend that
	// is named after another object's listener.
	frontends []string
	joined    map[string]string
	// redirects are the frontends that redirect unmatched requests to HTTPS because the object asks for it.
	redirects []string
	targetUse targetUse
}

// addFrontends turns the listeners of all members into frontends. The first claim to a bind gets it: that of the older
// object, and within an object that of the listener that comes first. Listeners that ask for the same kind of bind share it.
func (h *Host) addFrontends(members []membership, s Snapshot) {
	binds := bindTable{at: map[haproxy.Bind][]*claim{}, addresses: map[haproxy.Bind][]haproxy.Bind{}}
	for _, m := range members {
		claims := h.claims(m, s)
		asked := map[haproxy.Bind]bool{}
		for _, c := range claims {
			for _, bind := range c.Binds {
				asked[bind] = true
			}
		}
		for _, c := range claims {
			h.claim(binds, c, asked)
		}
	}
	for _, g := range frontendGroupsOf(binds.at) {
		h.Config.Frontends = append(h.Config.Frontends, h.frontend(g, s.Names))
	}
}

// frontendGroup is a future frontend: binds that the same listeners have, in order, and these listeners, oldest first.
type frontendGroup struct {
	name   string
	binds  []haproxy.Bind
	claims []*claim
}

// frontendGroupsOf groups the binds that the same listeners have, and names each group after the first listener. If that
// listener shares its binds with different sets of others, only the group with the fewest listeners gets the plain name. The
// names of the other groups also contain their first bind, which stays the same when other listeners come and go.
func frontendGroupsOf(binds map[haproxy.Bind][]*claim) []*frontendGroup {
	var all []*frontendGroup
	known, plain := map[string]*frontendGroup{}, map[*claim]*frontendGroup{}
	numbers := map[*claim]int{}
	for _, bind := range slices.SortedFunc(maps.Keys(binds), haproxy.Bind.Compare) {
		key := keyOf(binds[bind], numbers)
		g := known[key]
		if g == nil {
			g = &frontendGroup{claims: binds[bind]}
			known[key] = g
			all = append(all, g)
		}
		g.binds = append(g.binds, bind)
	}
	for _, g := range all {
		first := g.claims[0]
		if other := plain[first]; other == nil || len(g.claims) < len(other.claims) {
			plain[first] = g
		}
	}
	for _, g := range all {
		first := g.claims[0]
		if g.name = first.member.configName(first.listener.Name); plain[first] != g {
			g.name = withBind(g.name, g.binds[0])
		}
	}
	return all
}

// keyOf returns a key for a list of listeners. Listeners are numbered in the order in which they are first seen.
func keyOf(claims []*claim, numbers map[*claim]int) string {
	var key []byte
	for _, c := range claims {
		number, found := numbers[c]
		if !found {
			number = len(numbers)
			numbers[c] = number
		}
		key = append(strconv.AppendInt(key, int64(number), 10), ' ')
	}
	return string(key)
}

// withBind returns a frontend name that no listener has.
func withBind(name string, bind haproxy.Bind) string {
	return name + ":" + bind.Addr.String() + ":" + strconv.Itoa(int(bind.Port))
}

// frontend makes the frontend that serves a group of listeners, and notes it with their objects. If only one listener can
// have something, the first one that asks for it gets it.
func (h *Host) frontend(g *frontendGroup, names *spec.Names) haproxy.Frontend {
	first := g.claims[0]
	f := haproxy.Frontend{Name: g.name, Binds: g.binds, Protocol: first.Protocol, Access: first.Access}
	var rest *claim
	for _, c := range g.claims {
		c.member.served.note(g.name, c)
		switch {
		case !c.claimsRest():
		case rest == nil:
			rest, f.Backend, f.RedirectToHTTPS = c, c.rest, c.redirect
		case c.rest != f.Backend || c.redirect != f.RedirectToHTTPS:
			h.report(nameConflict(c, rest, "what no route claims"))
		}
	}
	for _, c := range g.claims {
		if s := c.member.served; f.RedirectToHTTPS && c.redirect && !slices.Contains(s.redirects, g.name) {
			s.redirects = append(s.redirects, g.name)
		}
	}
	f.Routes = h.mergeRoutes(g, names)
	return f
}

// mergeRoutes returns the routes of all of the listeners. A name belongs to the first listener that claims it.
func (h *Host) mergeRoutes(g *frontendGroup, names *spec.Names) []haproxy.Route {
	lists := make([][]haproxy.Route, len(g.claims))
	for i, c := range g.claims {
		lists[i] = c.routes
	}
	merged := names.Merge(h.Key.String()+" "+g.name, lists)
	for _, lost := range merged.Lost {
		h.report(nameConflict(g.claims[lost.By], g.claims[lost.To], listed(lost.Names)))
	}
	return merged.Routes
}

func nameConflict(loser, holder *claim, what string) Problem {
	m, who := loser.member, "listener "+holder.listener.Name
	if holder.member.object != m.object {
		who += " of the older EdgeLoadBalancer " + holder.member.name().String()
	}
	return m.problem(v1alpha1.ReasonNameConflict, "listener %s does not get the connections for %s on host %s: %s, which shares a bind with it, "+
		"has them. Remove that from one of them, or give this one another bind", loser.listener.Name, what, m.host.Name, who)
}

// note records that a frontend serves the listener.
func (s *usage) note(frontend string, c *claim) {
	if !slices.Contains(s.frontends, frontend) {
		s.frontends = append(s.frontends, frontend)
		if own := c.member.configName(c.listener.Name); ownerOf(frontend) != ownerOf(own) {
			if s.joined == nil {
				s.joined = map[string]string{}
			}
			s.joined[frontend] = c.listener.Name
		}
	}
	switch c.Protocol {
	case haproxy.TLS:
		s.targetUse.tcp = true
	case haproxy.HTTP:
		s.targetUse.http = true
	default:
		s.targetUse.use(c.member.targets, c.listener.Target)
	}
}

// use records that a TCP frontend leads to a target without a fault.
func (d *targetUse) use(targets *spec.Targets, target string) {
	if d.leads == nil {
		d.leads, d.reached = map[string]bool{}, map[string]bool{}
	}
	d.leads[target] = true
	targets.Reach(target, d.reached)
}
