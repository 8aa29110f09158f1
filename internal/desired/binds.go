package desired

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// bindTable is what listeners have of the host.
type bindTable struct {
	// at holds the listeners of each bind, in the order in which they asked for it. Listeners that share a bind have the same
	// protocol, TLS or HTTP, and can be served by one frontend.
	at map[haproxy.Bind][]*claim
	// addresses holds the binds in at to a single address, by the wildcard of their family and port.
	addresses map[haproxy.Bind][]haproxy.Bind
}

// claimBinds returns the binds of the host with the listeners of all members that have them. The first claim to a bind gets it:
// that of the older object, and within an object that of the listener that comes first. Listeners that ask for the same kind of
// bind share it.
func (b *Builder) claimBinds(members []membership, s Snapshot) (bindTable, []Problem) {
	binds := bindTable{at: map[haproxy.Bind][]*claim{}, addresses: map[haproxy.Bind][]haproxy.Bind{}}
	var problems []Problem
	for i, m := range members {
		claims, left := b.claimsOf(m, s)
		problems = append(problems, left...)
		if i == 0 {
			claims, left = addHealthEndpoint(claims, members)
			problems = append(problems, left...)
		}
		asked := map[haproxy.Bind]bool{}
		for _, c := range claims {
			for _, bind := range c.Binds {
				asked[bind] = true
			}
		}
		for _, c := range claims {
			problems = append(problems, binds.claim(c, asked)...)
		}
	}
	return binds, problems
}

// claim gives the listener those of its binds that are free or that it can share. asked holds all binds that the object asks
// for.
func (b bindTable) claim(c *claim, asked map[haproxy.Bind]bool) (conflicts []Problem) {
	for _, bind := range c.Binds {
		if holder, has := b.conflict(c, bind, asked); holder != nil {
			conflicts = append(conflicts, bindConflict(c, bind, holder, has))
			continue
		}
		if wildcard := wildcardOf(bind); bind != wildcard && len(b.at[bind]) == 0 {
			b.addresses[wildcard] = append(b.addresses[wildcard], bind)
		}
		b.at[bind] = append(b.at[bind], c)
	}
	return conflicts
}

// conflict finds who has the bind, or another bind that conflicts with it; nil if there is no conflict.
func (b bindTable) conflict(c *claim, bind haproxy.Bind, asked map[haproxy.Bind]bool) (*claim, haproxy.Bind) {
	holders := b.at[bind]
	if len(holders) > 0 && !holders[0].shares(c) {
		return holders[0], bind
	}
	wildcard := wildcardOf(bind)
	for _, other := range append(slices.Clone(b.addresses[wildcard]), wildcard) {
		i := slices.IndexFunc(b.at[other], func(holder *claim) bool { return holder.member.object != c.member.object })
		if i >= 0 && collide(bind, other, asked, len(holders) > 0) {
			return b.at[other][i], other
		}
	}
	return nil, haproxy.Bind{}
}

// collide reports whether an object cannot have a bind because another object has the other one. The kernel gives a
// connection to the listener of its exact address. An object with the wildcard bind would not know of the connections that
// it does not get, unless it asked for that address as well. If both binds are already in use, sharing the bind to the
// address takes nothing from any object.
func collide(bind, other haproxy.Bind, asked map[haproxy.Bind]bool, shared bool) bool {
	switch wildcard := wildcardOf(bind); {
	case bind == other || wildcard != wildcardOf(other):
		return false
	case bind == wildcard:
		return !asked[other]
	default:
		return other == wildcard && !shared
	}
}

// wildcardOf returns the bind to all addresses of the family at the port.
func wildcardOf(bind haproxy.Bind) haproxy.Bind {
	if bind.Addr.Is4() {
		return haproxy.Bind{Addr: netip.IPv4Unspecified(), Port: bind.Port}
	}
	return haproxy.Bind{Addr: netip.IPv6Unspecified(), Port: bind.Port}
}

// shares reports whether one frontend can serve both.
func (c *claim) shares(other *claim) bool {
	return c.Protocol != haproxy.TCP && c.ServedAs(other.Listener)
}

// bindConflict reports that a listener does not get a bind: the holder has it, or another bind for the same connections.
func bindConflict(loser *claim, bind haproxy.Bind, holder *claim, has haproxy.Bind) Problem {
	m, who, advice := loser.member, naming.Title(holder.listener.Name), "Give them different binds, or different hosts"
	if holder.member.object != m.object {
		who += " of the older EdgeLoadBalancer " + holder.member.name().String()
		advice = "Give this one another bind, or another host"
	}
	what, more := "it"+difference(holder, loser), remedy(holder, loser)
	if has != bind {
		what, more = has.String()+", which is for the same connections", instead(holder, loser, has)
	}
	return m.problem(v1alpha1.ReasonBindConflict, "%s does not get bind %s on host %s: %s has %s. %s%s",
		naming.Title(loser.listener.Name), bind, m.host.Name, who, what, advice, more)
}

// difference says why the listener cannot share the frontend of the holder; empty if it never could.
func difference(holder, loser *claim) string {
	switch {
	case holder.Protocol == haproxy.TCP || loser.Protocol == haproxy.TCP:
		return ""
	case holder.Protocol != loser.Protocol:
		return fmt.Sprintf(", which is of protocol %s and not %s", holder.listener.Protocol, loser.listener.Protocol)
	}
	return ", which differs in " + holder.Difference(loser.Listener)
}

// remedy says which change lets the listeners share a frontend.
func remedy(holder, loser *claim) string {
	if holder.Protocol == loser.Protocol && holder.Protocol != haproxy.TCP {
		return fmt.Sprintf(". With the same %s, both are served", holder.Difference(loser.Listener))
	}
	return ""
}

// instead says which bind lets the listeners share a frontend, if there is one.
func instead(holder, loser *claim, has haproxy.Bind) string {
	switch {
	case !holder.shares(loser):
		return ""
	case has == wildcardOf(has):
		return fmt.Sprintf(". With %s instead of it, both are served", has)
	default:
		return fmt.Sprintf(". With %s beside it, both are served", has)
	}
}
