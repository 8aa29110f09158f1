package desired

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// claims says which listener holds a bind of the host.
type claims map[haproxy.Bind]claim

type claim struct {
	part     part
	listener string
}

// addFrontends turns the listeners of all parts into frontends. Whoever asks for a bind first gets it: the older object,
// and within an object the listener that comes first.
func (h *Host) addFrontends(parts []part) {
	held := make(claims)
	for _, p := range parts {
		for i := range p.object.Spec.Listeners {
			listener := &p.object.Spec.Listeners[i]
			if !listensOn(listener, p.host.Name) {
				continue
			}
			if binds := h.claimBinds(held, p, listener); len(binds) > 0 {
				h.Config.Frontends = append(h.Config.Frontends, haproxy.Frontend{
					Name:    p.configName(listener.Name),
					Binds:   binds,
					Backend: p.configName(listener.Target),
				})
			}
		}
	}
}

func listensOn(listener *v1alpha1.Listener, host string) bool {
	return len(listener.Hosts) == 0 || slices.Contains(listener.Hosts, host)
}

// claimBinds returns the listener's binds that are still free, and holds them for it. A listener with a bind that
// cannot be read gets none: half of what was asked for would look like all of it.
func (h *Host) claimBinds(held claims, p part, listener *v1alpha1.Listener) []haproxy.Bind {
	wanted := make([]haproxy.Bind, len(listener.Bind))
	for i, text := range listener.Bind {
		bind, err := haproxy.ParseBind(string(text))
		if err != nil {
			h.Problems = append(h.Problems, p.problem(v1alpha1.ReasonBindInvalid,
				"listener %s is left out: %v", listener.Name, err))
			return nil
		}
		wanted[i] = bind
	}
	var got []haproxy.Bind
	for i, bind := range wanted {
		holder, taken := held[bind]
		switch {
		case !taken:
			held[bind] = claim{part: p, listener: listener.Name}
			got = append(got, bind)
		case holder.part != p || holder.listener != listener.Name:
			h.Problems = append(h.Problems, bindConflict(p, listener, listener.Bind[i], holder))
		}
	}
	return got
}

func bindConflict(p part, loser *v1alpha1.Listener, bind v1alpha1.BindAddress, holder claim) Problem {
	if holder.part == p {
		return p.problem(v1alpha1.ReasonBindConflict,
			"listener %s does not get bind %q on host %s: listener %s has it. Give them different binds, or different hosts",
			loser.Name, bind, p.host.Name, holder.listener)
	}
	return p.problem(v1alpha1.ReasonBindConflict,
		"listener %s does not get bind %q on host %s: listener %s of the older EdgeLoadBalancer %s has it. "+
			"Give this one another bind, or another host",
		loser.Name, bind, p.host.Name, holder.listener, holder.part.name())
}
