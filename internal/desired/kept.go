package desired

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Keep returns the host with what an object had in the previous build. The object keeps its listeners on binds that are
// still free. It keeps its names where a frontend that could also serve it has the bind now. What other objects had is not
// kept. The object's backends keep the servers that they had.
func (h Host) Keep(previous Host, object types.NamespacedName) Host {
	i := slices.IndexFunc(previous.Members, func(m Member) bool { return m.Object == object })
	if i < 0 || previous.Config.Owner != h.Config.Owner {
		return h
	}
	k := keptListeners{had: previous.Members[i], member: previous.Members[i], prefix: object.Namespace + "_" + object.Name + "_", now: slices.Clone(h.Config.Frontends)}
	k.member.Frontends, k.member.Joined, k.member.Redirects = nil, nil, nil
	k.keepAll(previous.Config.Frontends)
	h.Config.Frontends = append(k.now, k.kept...)
	h.Config.WeightedRoutes = append(slices.Clone(h.Config.WeightedRoutes), ownOf(previous.Config.WeightedRoutes, k.prefix, func(r haproxy.WeightedRoute) string { return r.Name })...)
	h.Config.Backends = append(slices.Clone(h.Config.Backends), ownOf(previous.Config.Backends, k.prefix, func(b haproxy.Backend) string { return b.Name })...)
	h.Config = h.Config.Normalize()
	slices.Sort(k.member.Frontends)
	slices.Sort(k.member.Redirects)
	h.Members = append(slices.Clone(h.Members), k.member)
	h.DrainTimeouts = maps.Clone(h.DrainTimeouts)
	for _, backend := range k.member.Backends {
		h.DrainTimeouts[backend] = previous.DrainTimeouts[backend]
	}
	return h
}

// keptListeners keeps what frontends did for an object.
type keptListeners struct {
	// had is the object's previous membership, and member the new one, with new frontends. prefix is the prefix of the object's
	// own names.
	had, member Member
	prefix      string
	// now are the frontends that the host has without the object. kept are the frontends that it has for the object alone.
	now, kept []haproxy.Frontend
	// shared are the binds that the object had and that a frontend which can also serve it has now.
	shared map[haproxy.Bind]bool
}

// keepAll keeps what the object's previous frontends did for it.
func (k *keptListeners) keepAll(previous []haproxy.Frontend) {
	own := slices.DeleteFunc(slices.Clone(previous), func(f haproxy.Frontend) bool { return !slices.Contains(k.had.Frontends, f.Name) })
	k.shared = map[haproxy.Bind]bool{}
	for _, f := range own {
		for _, bind := range f.Binds {
			i := k.holder(bind)
			k.shared[bind] = i >= 0 && servesBoth(k.now[i], f)
		}
	}
	for _, f := range own {
		k.keep(f, k.had.Joined[f.Name])
	}
}

// keep keeps what a frontend did for the object. listener is the object's listener if the frontend is named after another
// object's listener.
func (k *keptListeners) keep(previous haproxy.Frontend, listener string) {
	alone := k.without(previous)
	alone.Binds = nil
	for _, bind := range previous.Binds {
		switch i := k.holder(bind); {
		case k.collides(bind):
		case i < 0:
			alone.Binds = append(alone.Binds, bind)
		case servesBoth(k.now[i], previous):
			k.join(&k.now[i], alone, listener)
		}
	}
	if len(alone.Binds) == 0 {
		return
	}
	if listener != "" {
		// The name belongs to another object, which may use it now. A name with a bind is no listener's name.
		alone.Name = withBind(k.prefix+listener, alone.Binds[0])
	}
	k.member.Frontends = append(k.member.Frontends, alone.Name)
	k.noteRedirect(alone.Name, alone.RedirectToHTTPS)
	k.kept = append(k.kept, alone)
}

// holder returns the index of the frontend that has a bind now; negative if none has.
func (k *keptListeners) holder(bind haproxy.Bind) int {
	return slices.IndexFunc(k.now, func(f haproxy.Frontend) bool { return slices.Contains(f.Binds, bind) })
}

// servesBoth reports whether a frontend can also serve what the other one did.
func servesBoth(f, other haproxy.Frontend) bool {
	return f.Protocol == other.Protocol && f.Protocol != haproxy.TCP && f.ClientTimeout == other.ClientTimeout && f.Access.Equal(other.Access)
}

// collides reports whether the object cannot have a bind because of the binds of others.
func (k *keptListeners) collides(bind haproxy.Bind) bool {
	return slices.ContainsFunc(k.now, func(f haproxy.Frontend) bool {
		return slices.ContainsFunc(f.Binds, func(other haproxy.Bind) bool { return collide(bind, other, k.shared, k.shared[bind]) })
	})
}

// noteRedirect records that a frontend redirects because the object asks for it.
func (k *keptListeners) noteRedirect(frontend string, redirects bool) {
	if redirects && !slices.Contains(k.member.Redirects, frontend) {
		k.member.Redirects = append(k.member.Redirects, frontend)
	}
}

// without returns the frontend without what it does for others.
func (k *keptListeners) without(f haproxy.Frontend) haproxy.Frontend {
	if !strings.HasPrefix(f.Backend, k.prefix) {
		f.Backend = ""
	}
	f.RedirectToHTTPS = slices.Contains(k.had.Redirects, f.Name)
	f.Routes = ownOf(f.Routes, k.prefix, func(r haproxy.Route) string { return r.To })
	return f
}

// join adds the object's routes to a frontend that serves others. It also adds the object's destination for unmatched
// connections. Names and the destination that others already have stay theirs.
func (k *keptListeners) join(f *haproxy.Frontend, own haproxy.Frontend, listener string) {
	taken := make(map[string]bool, len(f.Routes))
	for _, route := range f.Routes {
		taken[route.Name] = true
	}
	f.Routes = slices.Clone(f.Routes)
	for _, route := range own.Routes {
		if !taken[route.Name] {
			f.Routes = append(f.Routes, route)
		}
	}
	if f.Backend == "" && !f.RedirectToHTTPS {
		f.Backend, f.RedirectToHTTPS = own.Backend, own.RedirectToHTTPS
	}
	k.noteRedirect(f.Name, own.RedirectToHTTPS && f.RedirectToHTTPS)
	if slices.Contains(k.member.Frontends, f.Name) {
		return
	}
	k.member.Frontends = append(k.member.Frontends, f.Name)
	if !strings.HasPrefix(f.Name, k.prefix) {
		if k.member.Joined == nil {
			k.member.Joined = map[string]string{}
		}
		if listener == "" {
			listener = naming.ElementOf(own.Name)
		}
		k.member.Joined[f.Name] = listener
	}
}

// ownOf returns the items that belong to the object, by the prefix of their names.
func ownOf[T any](things []T, prefix string, nameOf func(T) string) []T {
	var own []T
	for _, thing := range things {
		if strings.HasPrefix(nameOf(thing), prefix) {
			own = append(own, thing)
		}
	}
	return own
}
