package desired

import (
	"errors"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// claim is what a listener asks for on the host, after parsing.
type claim struct {
	member   membership
	listener *v1alpha1.Listener
	spec.Listener
	// rest is the backend or weighted route for connections that no route claims. redirect reports whether they are redirected
	// to HTTPS. At most one of them is set.
	rest     string
	redirect bool
	// routes are sorted by name, without duplicate names.
	routes []haproxy.Route
}

func (c *claim) isHTTP() bool { return c.Protocol == haproxy.HTTP }

// claimsRest reports whether the listener has a destination for connections that no route claims.
func (c *claim) claimsRest() bool { return c.redirect || c.rest != "" }

func listensOn(listener *v1alpha1.Listener, host string) bool {
	return len(listener.Hosts) == 0 || slices.Contains(listener.Hosts, host)
}

// claims returns what the member's listeners ask for on the host. A listener that cannot be parsed is left out and reported:
// half of it would look like all of it.
func (h *Host) claims(m membership, s Snapshot) []*claim {
	var all []*claim
	names := map[string]bool{}
	listeners := h.listenersWithin(m, s)
	for i := range listeners {
		l := &listeners[i]
		if !listensOn(l, m.host.Name) {
			continue
		}
		read, reason, err := spec.ReadListener(l)
		if err == nil && names[l.Name] {
			reason, err = v1alpha1.ReasonListenerInvalid, errors.New("another listener of that name comes before it. Give it another name")
		}
		if err != nil {
			h.Problems = append(h.Problems, m.problem(reason, "listener %s is left out: %v", l.Name, err))
			continue
		}
		names[l.Name] = true
		if c := (&claim{member: m, listener: l, Listener: read, redirect: l.RedirectToHTTPS}); h.lead(c, s) {
			all = append(all, c)
		}
	}
	return all
}

// lead sets the destinations of the listener. A route or a default destination that leads to an unusable target is left out
// and reported. lead returns false if nothing is left of the listener.
func (h *Host) lead(c *claim, s Snapshot) bool {
	if c.listener.Target != "" {
		c.rest = h.entry(c, c.listener.Target)
	}
	if c.Protocol == haproxy.TCP {
		return c.rest != ""
	}
	h.readRoutes(c, s)
	return true
}

// entry returns the backend or weighted route of a target of the listener; empty if it is unusable, which is reported once
// for each listener.
func (h *Host) entry(c *claim, target string) string {
	m := c.member
	if found := m.targets.Fault(target); found != nil {
		h.report(m.targetProblem(target, "listener %s: traffic to target %s is dropped: %s", c.listener.Name, target, found.Of(target)))
		return ""
	}
	return m.entryName(m.targets.Usable(target), c.isHTTP())
}

// readRoutes reads the routes. The first route with a name decides where that name goes.
func (h *Host) readRoutes(c *claim, s Snapshot) {
	to := make([]string, len(c.listener.Routes))
	beyond := h.routesBeyond(c, s)
	for i := range c.listener.Routes {
		if beyond == nil || !beyond[i] {
			to[i] = h.entry(c, c.listener.Routes[i].Target)
		}
	}
	m, l := c.member, c.listener.Name
	read := s.Names.Read(m.backendName(l, c.isHTTP()), c.listener.Routes, to)
	c.routes = read.Routes
	if len(read.Invalid) > 0 {
		h.report(m.problem(v1alpha1.ReasonListenerInvalid, "listener %s: the routes for %s are left out: use DNS names, with or "+
			`without "*." before them`, l, listed(read.Invalid)))
	}
	if len(read.Twice) > 0 {
		h.report(m.problem(v1alpha1.ReasonNameConflict, "listener %s has two routes for %s: the first one counts. Remove the name from "+
			"the other", l, listed(read.Twice)))
	}
}

// listed names up to three items for use in a sentence.
func listed(names []string) string {
	return strings.Join(sanitize.First(names, 3), ", ")
}
