package desired

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// wish is what a listener asks for on the host, read.
type wish struct {
	part     part
	listener *v1alpha1.Listener
	spec.Listener
	// rest is the backend or way where connections go that no route claims, and redirect says that they are sent to HTTPS. At most
	// one of them is set.
	rest     string
	redirect bool
	// routes are sorted by name, and no name comes twice.
	routes []haproxy.Route
}

func (w *wish) isHTTP() bool { return w.Protocol == haproxy.HTTP }

// claimsRest says that the listener has a place for connections that no route claims.
func (w *wish) claimsRest() bool { return w.redirect || w.rest != "" }

func listensOn(listener *v1alpha1.Listener, host string) bool {
	return len(listener.Hosts) == 0 || slices.Contains(listener.Hosts, host)
}

// wishes are what the part's listeners ask for on the host. One that cannot be read is left out and told: half of what was asked
// for would look like all of it.
func (h *Host) wishes(p part, s Snapshot) []*wish {
	var all []*wish
	names := map[string]bool{}
	listeners := h.listenersWithin(p, s)
	for i := range listeners {
		l := &listeners[i]
		if !listensOn(l, p.host.Name) {
			continue
		}
		read, reason, err := spec.ReadListener(l)
		if err == nil && names[l.Name] {
			reason, err = v1alpha1.ReasonListenerInvalid, errors.New("another listener of that name comes before it. Give it another name")
		}
		if err != nil {
			h.Problems = append(h.Problems, p.problem(reason, "listener %s is left out: %v", l.Name, err))
			continue
		}
		names[l.Name] = true
		if w := (&wish{part: p, listener: l, Listener: read, redirect: l.RedirectToHTTPS}); h.lead(w, s) {
			all = append(all, w)
		}
	}
	return all
}

// lead says where the listener leads to. What leads to a target that cannot be used is left out and told: a route, or where
// connections go that no route claims. It is false if nothing is left of the listener.
func (h *Host) lead(w *wish, s Snapshot) bool {
	if w.listener.Target != "" {
		w.rest = h.entry(w, w.listener.Target)
	}
	if w.Protocol == haproxy.TCP {
		return w.rest != ""
	}
	h.readRoutes(w, s)
	return true
}

// entry is the backend or way of a target of the listener; empty if it cannot be used, which is told once for each listener.
func (h *Host) entry(w *wish, target string) string {
	p := w.part
	if found := p.targets.Fault(target); found != nil {
		h.report(p.targetProblem(target, "what listener %s sends to target %s is left out: %s", w.listener.Name, target, found.Of(target)))
		return ""
	}
	return p.entryName(p.targets.Usable(target), w.isHTTP())
}

// readRoutes takes the routes in. A name goes where the first route with it says.
func (h *Host) readRoutes(w *wish, s Snapshot) {
	to := make([]string, len(w.listener.Routes))
	beyond := h.routesBeyond(w, s)
	for i := range w.listener.Routes {
		if beyond == nil || !beyond[i] {
			to[i] = h.entry(w, w.listener.Routes[i].Target)
		}
	}
	p, l := w.part, w.listener.Name
	read := s.Names.Read(p.backendName(l, w.isHTTP()), w.listener.Routes, to)
	w.routes = read.Routes
	if len(read.Invalid) > 0 {
		h.report(p.problem(v1alpha1.ReasonListenerInvalid, "listener %s: the routes for %s are left out: use DNS names, with or "+
			`without "*." before them`, l, listed(read.Invalid)))
	}
	if len(read.Twice) > 0 {
		h.report(p.problem(v1alpha1.ReasonNameConflict, "listener %s has two routes for %s: the first one counts. Remove the name from "+
			"the other", l, listed(read.Twice)))
	}
}

// listed names some things in a sentence.
func listed(names []string) string {
	const most = 3
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}
