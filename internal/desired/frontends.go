package desired

import (
	"maps"
	"slices"
	"strconv"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

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
		if g.name = naming.Of(first.member.object, first.listener.Name); plain[first] != g {
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

// frontendsOf returns the frontends that serve the groups, each at the index of its group.
func (b *Builder) frontendsOf(key model.HostID, groups []*frontendGroup) (frontends []haproxy.Frontend, problems []Problem) {
	frontends = slices.Grow(frontends, len(groups))
	for _, g := range groups {
		f, lost := g.frontend()
		problems = append(problems, lost...)
		f.Routes, lost = b.mergeRoutes(key, g)
		problems = append(problems, lost...)
		frontends = append(frontends, f)
	}
	// Two listeners may meet in several groups.
	return frontends, distinct(problems)
}

// frontend returns the frontend that serves the group, without its routes. If only one listener can have something, the first
// one that asks for it gets it.
func (g *frontendGroup) frontend() (f haproxy.Frontend, problems []Problem) {
	first := g.claims[0]
	f = haproxy.Frontend{Name: g.name, Binds: g.binds, Protocol: first.Protocol, Access: first.Access, ClientTimeout: first.ClientTimeout, Page: first.page}
	var rest *claim
	for _, c := range g.claims {
		switch {
		case !c.claimsRest():
		case rest == nil:
			rest, f.Backend, f.RedirectToHTTPS = c, c.rest, c.redirect
		case c.rest != f.Backend || c.redirect != f.RedirectToHTTPS:
			problems = append(problems, nameConflict(c, rest, "what no route claims"))
		}
	}
	return f, problems
}

// mergeRoutes returns the routes of all of the listeners. A name belongs to the first listener that claims it.
func (b *Builder) mergeRoutes(key model.HostID, g *frontendGroup) (routes []haproxy.Route, problems []Problem) {
	lists := make([][]haproxy.Route, len(g.claims))
	for i, c := range g.claims {
		lists[i] = c.routes
	}
	merged := b.names.Merge(key.String()+" "+g.name, lists)
	for _, lost := range merged.Lost {
		problems = append(problems, nameConflict(g.claims[lost.By], g.claims[lost.To], listed(lost.Names)))
	}
	return merged.Routes, problems
}

func nameConflict(loser, holder *claim, what string) Problem {
	m, who := loser.member, "listener "+holder.listener.Name
	if holder.member.object != m.object {
		who += " of the older EdgeLoadBalancer " + holder.member.name().String()
	}
	return m.problem(v1alpha1.ReasonNameConflict, "listener %s does not get the connections for %s on host %s: %s, which shares a bind with it, "+
		"has them. Remove that from one of them, or give this one another bind", loser.listener.Name, what, m.host.Name, who)
}
