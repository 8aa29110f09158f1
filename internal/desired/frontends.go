package desired

import (
	"maps"
	"slices"
	"strconv"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// presence is what an object has on the host: found out while its listeners are given their frontends.
type usage struct {
	// frontends are the names of those that serve it, and joined the listener of its own for each that is called after another
	// object's.
	frontends []string
	joined    map[string]string
	// redirects are those that send what no route claims to HTTPS because the object wants it.
	redirects []string
	targetUse targetUse
}

// addFrontends turns the listeners of all parts into frontends. Whoever asks for a bind first gets it: the older object, and
// within an object the listener that comes first. Others that want the same of it are served with it.
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
	for _, t := range frontendGroupsOf(binds.at) {
		h.Config.Frontends = append(h.Config.Frontends, h.frontend(t, s.Names))
	}
}

// tenancy is a frontend to be: the binds that the same listeners have, in order, and these listeners, the oldest first.
type frontendGroup struct {
	name   string
	binds  []haproxy.Bind
	claims []*claim
}

// tenanciesOf puts binds together that the same listeners have, and names them after the first listener. Where that has binds with
// different others, one frontend alone is called like the listener: that with the fewest of them. The others' names have their
// first bind, too, which stays when other listeners come and go.
func frontendGroupsOf(binds map[haproxy.Bind][]*claim) []*frontendGroup {
	var all []*frontendGroup
	known, plain := map[string]*frontendGroup{}, map[*claim]*frontendGroup{}
	numbers := map[*claim]int{}
	for _, bind := range slices.SortedFunc(maps.Keys(binds), haproxy.Bind.Compare) {
		key := keyOf(binds[bind], numbers)
		t := known[key]
		if t == nil {
			t = &frontendGroup{claims: binds[bind]}
			known[key] = t
			all = append(all, t)
		}
		t.binds = append(t.binds, bind)
	}
	for _, t := range all {
		first := t.claims[0]
		if other := plain[first]; other == nil || len(t.claims) < len(other.claims) {
			plain[first] = t
		}
	}
	for _, t := range all {
		first := t.claims[0]
		if t.name = first.member.configName(first.listener.Name); plain[first] != t {
			t.name = withBind(t.name, t.binds[0])
		}
	}
	return all
}

// keyOf stands for a list of listeners, which get numbers as they are met.
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

// withBind is a frontend's name that no listener has.
func withBind(name string, bind haproxy.Bind) string {
	return name + ":" + bind.Addr.String() + ":" + strconv.Itoa(int(bind.Port))
}

// frontend makes the frontend that serves the listeners together, and notes it with their objects. Of what only one can have, the first
// one that wants it has it.
func (h *Host) frontend(t *frontendGroup, names *spec.Names) haproxy.Frontend {
	first := t.claims[0]
	f := haproxy.Frontend{Name: t.name, Binds: t.binds, Protocol: first.Protocol, Access: first.Access}
	var rest *claim
	for _, c := range t.claims {
		c.member.served.note(t.name, c)
		switch {
		case !c.claimsRest():
		case rest == nil:
			rest, f.Backend, f.RedirectToHTTPS = c, c.rest, c.redirect
		case c.rest != f.Backend || c.redirect != f.RedirectToHTTPS:
			h.report(nameConflict(c, rest, "what no route claims"))
		}
	}
	for _, c := range t.claims {
		if s := c.member.served; f.RedirectToHTTPS && c.redirect && !slices.Contains(s.redirects, t.name) {
			s.redirects = append(s.redirects, t.name)
		}
	}
	f.Routes = h.mergeRoutes(t, names)
	return f
}

// mergeRoutes are the routes of all of the listeners. A name is the first one's that claims it.
func (h *Host) mergeRoutes(t *frontendGroup, names *spec.Names) []haproxy.Route {
	lists := make([][]haproxy.Route, len(t.claims))
	for i, c := range t.claims {
		lists[i] = c.routes
	}
	merged := names.Merge(h.Key.String()+" "+t.name, lists)
	for _, lost := range merged.Lost {
		h.report(nameConflict(t.claims[lost.By], t.claims[lost.To], listed(lost.Names)))
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

// note takes in that a frontend serves the listener.
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

// use notes that a TCP frontend leads to a target without a fault.
func (d *targetUse) use(targets *spec.Targets, target string) {
	if d.leads == nil {
		d.leads, d.reached = map[string]bool{}, map[string]bool{}
	}
	d.leads[target] = true
	targets.Reach(target, d.reached)
}
