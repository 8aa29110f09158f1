package desired

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
)

// usage is what an object has on the host.
type usage struct {
	// frontends are the names of the frontends that serve the object. joined holds the object's listener for each frontend that
	// is named after another object's listener.
	frontends []string
	joined    map[string]string
	// redirects are the frontends that redirect unmatched requests to HTTPS because the object asks for it.
	redirects []string
	// tcp and http report whether all targets are present for this kind of frontend. An object with a route to one target gets
	// all of its targets, so that moving a name to another target needs no reload.
	tcp, http bool
	// leads are the targets that TCP frontends lead to. reached are the targets that these connections may pass or end in.
	leads, reached map[string]bool
}

// usesOf returns what each member has on the host. The frontends are at the indexes of their groups.
func usesOf(members []membership, groups []*frontendGroup, frontends []haproxy.Frontend) map[*v1alpha1.EdgeLoadBalancer]*usage {
	uses := make(map[*v1alpha1.EdgeLoadBalancer]*usage, len(members))
	for _, m := range members {
		uses[m.object] = &usage{leads: map[string]bool{}, reached: map[string]bool{}}
	}
	for i, g := range groups {
		for _, c := range g.claims {
			uses[c.member.object].add(c, &frontends[i])
		}
	}
	for _, u := range uses {
		slices.Sort(u.frontends)
		slices.Sort(u.redirects)
	}
	return uses
}

// add adds a listener that a frontend serves.
func (u *usage) add(c *claim, f *haproxy.Frontend) {
	if !slices.Contains(u.frontends, f.Name) {
		u.frontends = append(u.frontends, f.Name)
		if naming.ObjectPrefix(f.Name) != naming.Of(c.member.object, "") {
			if u.joined == nil {
				u.joined = map[string]string{}
			}
			u.joined[f.Name] = c.listener.Name
		}
	}
	if f.RedirectToHTTPS && c.redirect && !slices.Contains(u.redirects, f.Name) {
		u.redirects = append(u.redirects, f.Name)
	}
	switch {
	case c.page != (pages.Page{}):
	case c.Protocol == haproxy.TLS:
		u.tcp = true
	case c.Protocol == haproxy.HTTP:
		u.http = true
	default:
		u.leads[c.listener.Target] = true
		c.member.targets.Reach(c.listener.Target, u.reached)
	}
}

// has reports whether the host has the target.
func (u *usage) has(target string) bool { return u.tcp || u.http || u.reached[target] }
