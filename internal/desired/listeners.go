package desired

import (
	"errors"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/desired/spec/listeners"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
)

// claim is what a listener asks for on the host, after parsing.
type claim struct {
	member   membership
	listener *v1alpha1.Listener
	listeners.Listener
	// page is what is answered without any target; the zero Page for listeners.
	page pages.Page
	// rest is the backend or weighted route for connections that no route claims. redirect reports whether they are redirected
	// to HTTPS. At most one of them is set.
	rest     string
	redirect bool
	// routes are sorted by name, without duplicate names.
	routes []haproxy.Route
}

func (c claim) isHTTP() bool { return c.Protocol == haproxy.HTTP }

// claimsRest reports whether the listener has a destination for connections that no route claims.
func (c claim) claimsRest() bool { return c.redirect || c.rest != "" }

// claimsOf returns what the member's listeners ask for on the host. A listener that cannot be parsed is left out and reported:
// half of it would look like all of it.
func (b *Builder) claimsOf(m membership, s Snapshot) (claims []*claim, problems []Problem) {
	within, problems := listenersWithin(m, s)
	names := map[string]bool{}
	for i := range within {
		l := &within[i]
		if !spec.ListensOn(l, m.host.Name) {
			continue
		}
		read, reason, err := listeners.Read(l)
		if err == nil && names[l.Name] {
			reason, err = v1alpha1.ReasonListenerInvalid, errors.New("another listener of that name comes before it. Give it another name")
		}
		if err != nil {
			problems = append(problems, m.problem(reason, "listener %s is left out: %v", l.Name, err))
			continue
		}
		names[l.Name] = true
		c, unusable := b.lead(claim{member: m, listener: l, Listener: read, redirect: l.RedirectToHTTPS}, s)
		problems = append(problems, unusable...)
		if c.Protocol != haproxy.TCP || c.rest != "" {
			claims = append(claims, &c)
		}
	}
	return claims, problems
}

// lead returns the claim with the destinations of the listener. A route or a default destination that leads to an unusable
// target is left out and reported.
func (b *Builder) lead(c claim, s Snapshot) (_ claim, problems []Problem) {
	if target := c.listener.Target; target != "" {
		if c.rest = c.entry(target); c.rest == "" {
			problems = append(problems, c.dropped(target))
		}
	}
	if c.Protocol == haproxy.TCP {
		return c, problems
	}
	routes, unusable := b.routesOf(c, s)
	c.routes = routes
	return c, append(problems, unusable...)
}

// entry returns the backend or weighted route of a target of the listener; empty if it is unusable.
func (c claim) entry(target string) string {
	if usable := c.member.targets.Usable(target); usable != nil {
		return naming.Entry(c.member.object, usable, c.isHTTP())
	}
	return ""
}

// dropped reports that the listener leads to an unusable target.
func (c claim) dropped(target string) Problem {
	return c.member.targetProblem(target, "listener %s: traffic to target %s is dropped: %s",
		c.listener.Name, target, c.member.targets.Fault(target).Of(target))
}

// routesOf reads the routes. The first route with a name decides where that name goes. Each unusable target is reported once,
// and not if the listener's default destination is the same.
func (b *Builder) routesOf(c claim, s Snapshot) ([]haproxy.Route, []Problem) {
	m, l := c.member, c.listener
	to := make([]string, len(l.Routes))
	beyond, problems := routesBeyond(m, l, s)
	reported := map[string]bool{l.Target: l.Target != ""}
	for i := range l.Routes {
		if beyond != nil && beyond[i] {
			continue
		}
		target := l.Routes[i].Target
		if to[i] = c.entry(target); to[i] == "" && !reported[target] {
			reported[target] = true
			problems = append(problems, c.dropped(target))
		}
	}
	read := b.names.Read(naming.Backend(m.object, l.Name, c.isHTTP()), l.Routes, to)
	if len(read.Invalid) > 0 {
		problems = append(problems, m.problem(v1alpha1.ReasonListenerInvalid, "listener %s: the routes for %s are left out: use DNS names, "+
			`with or without "*." before them, or with "**." and at most %d labels after it`, l.Name, listed(read.Invalid), haproxy.MaxLabelsBelow))
	}
	if len(read.Twice) > 0 {
		problems = append(problems, m.problem(v1alpha1.ReasonNameConflict, "listener %s has two routes for %s: the first one counts. Remove the "+
			"name from the other", l.Name, listed(read.Twice)))
	}
	return read.Routes, problems
}
