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
type presence struct {
	// frontends are the names of those that serve it, and joined the listener of its own for each that is called after another
	// object's.
	frontends []string
	joined    map[string]string
	// redirects are those that send what no route claims to HTTPS because the object wants it.
	redirects []string
	demand    demand
}

// addFrontends turns the listeners of all parts into frontends. Whoever asks for a bind first gets it: the older object, and
// within an object the listener that comes first. Others that want the same of it are served with it.
func (h *Host) addFrontends(parts []part, s Snapshot) {
	binds := held{at: map[haproxy.Bind][]*wish{}, addresses: map[haproxy.Bind][]haproxy.Bind{}}
	for _, p := range parts {
		wishes := h.wishes(p, s)
		asked := map[haproxy.Bind]bool{}
		for _, w := range wishes {
			for _, bind := range w.Binds {
				asked[bind] = true
			}
		}
		for _, w := range wishes {
			h.claim(binds, w, asked)
		}
	}
	for _, t := range tenanciesOf(binds.at) {
		h.Config.Frontends = append(h.Config.Frontends, h.frontend(t, s.Names))
	}
}

// tenancy is a frontend to be: the binds that the same listeners have, in order, and these listeners, the oldest first.
type tenancy struct {
	name    string
	binds   []haproxy.Bind
	tenants []*wish
}

// tenanciesOf puts binds together that the same listeners have, and names them after the first listener. Where that has binds with
// different others, one frontend alone is called like the listener: that with the fewest of them. The others' names have their
// first bind, too, which stays when other listeners come and go.
func tenanciesOf(binds map[haproxy.Bind][]*wish) []*tenancy {
	var all []*tenancy
	known, plain := map[string]*tenancy{}, map[*wish]*tenancy{}
	numbers := map[*wish]int{}
	for _, bind := range slices.SortedFunc(maps.Keys(binds), haproxy.Bind.Compare) {
		key := keyOf(binds[bind], numbers)
		t := known[key]
		if t == nil {
			t = &tenancy{tenants: binds[bind]}
			known[key] = t
			all = append(all, t)
		}
		t.binds = append(t.binds, bind)
	}
	for _, t := range all {
		first := t.tenants[0]
		if other := plain[first]; other == nil || len(t.tenants) < len(other.tenants) {
			plain[first] = t
		}
	}
	for _, t := range all {
		first := t.tenants[0]
		if t.name = first.part.configName(first.listener.Name); plain[first] != t {
			t.name = withBind(t.name, t.binds[0])
		}
	}
	return all
}

// keyOf stands for a list of listeners, which get numbers as they are met.
func keyOf(tenants []*wish, numbers map[*wish]int) string {
	var key []byte
	for _, w := range tenants {
		number, found := numbers[w]
		if !found {
			number = len(numbers)
			numbers[w] = number
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
func (h *Host) frontend(t *tenancy, names *spec.Names) haproxy.Frontend {
	first := t.tenants[0]
	f := haproxy.Frontend{Name: t.name, Binds: t.binds, Protocol: first.Protocol, Door: first.Door}
	var rest *wish
	for _, w := range t.tenants {
		w.part.served.note(t.name, w)
		switch {
		case !w.claimsRest():
		case rest == nil:
			rest, f.Backend, f.RedirectToHTTPS = w, w.rest, w.redirect
		case w.rest != f.Backend || w.redirect != f.RedirectToHTTPS:
			h.report(nameConflict(w, rest, "what no route claims"))
		}
	}
	for _, w := range t.tenants {
		if s := w.part.served; f.RedirectToHTTPS && w.redirect && !slices.Contains(s.redirects, t.name) {
			s.redirects = append(s.redirects, t.name)
		}
	}
	f.Routes = h.mergeRoutes(t, names)
	return f
}

// mergeRoutes are the routes of all of the listeners. A name is the first one's that claims it.
func (h *Host) mergeRoutes(t *tenancy, names *spec.Names) []haproxy.Route {
	lists := make([][]haproxy.Route, len(t.tenants))
	for i, w := range t.tenants {
		lists[i] = w.routes
	}
	merged := names.Merge(h.Key.String()+" "+t.name, lists)
	for _, lost := range merged.Lost {
		h.report(nameConflict(t.tenants[lost.By], t.tenants[lost.To], listed(lost.Names)))
	}
	return merged.Routes
}

func nameConflict(loser, holder *wish, what string) Problem {
	p, who := loser.part, "listener "+holder.listener.Name
	if holder.part.object != p.object {
		who += " of the older EdgeLoadBalancer " + holder.part.name().String()
	}
	return p.problem(v1alpha1.ReasonNameConflict, "listener %s does not get the connections for %s on host %s: %s, which shares a bind with it, "+
		"has them. Remove that from one of them, or give this one another bind", loser.listener.Name, what, p.host.Name, who)
}

// note takes in that a frontend serves the listener.
func (s *presence) note(frontend string, w *wish) {
	if !slices.Contains(s.frontends, frontend) {
		s.frontends = append(s.frontends, frontend)
		if own := w.part.configName(w.listener.Name); ownerOf(frontend) != ownerOf(own) {
			if s.joined == nil {
				s.joined = map[string]string{}
			}
			s.joined[frontend] = w.listener.Name
		}
	}
	switch w.Protocol {
	case haproxy.TLS:
		s.demand.tcp = true
	case haproxy.HTTP:
		s.demand.http = true
	default:
		s.demand.use(w.part.targets, w.listener.Target)
	}
}

// use notes that a TCP frontend leads to a target without a fault.
func (d *demand) use(targets *spec.Targets, target string) {
	if d.leads == nil {
		d.leads, d.reached = map[string]bool{}, map[string]bool{}
	}
	d.leads[target] = true
	targets.Reach(target, d.reached)
}
