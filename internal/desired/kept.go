package desired

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// Keep is the host with what an object had that it was formerly built with: its listeners as far as their binds are free now, and
// its names where a frontend has the bind now that could serve the object as well. What others had beside it is not kept. Its
// backends keep the servers that they had.
func (h Host) Keep(former Host, object types.NamespacedName) Host {
	i := slices.IndexFunc(former.Members, func(m Member) bool { return m.Object == object })
	if i < 0 || former.Config.Owner != h.Config.Owner {
		return h
	}
	k := keptListeners{had: former.Members[i], member: former.Members[i], prefix: object.Namespace + "_" + object.Name + "_", now: slices.Clone(h.Config.Frontends)}
	k.member.Frontends, k.member.Joined, k.member.Redirects = nil, nil, nil
	k.keepAll(former.Config.Frontends)
	h.Config.Frontends = append(k.now, k.kept...)
	h.Config.WeightedRoutes = append(slices.Clone(h.Config.WeightedRoutes), ownOf(former.Config.WeightedRoutes, k.prefix, func(r haproxy.WeightedRoute) string { return r.Name })...)
	h.Config.Backends = append(slices.Clone(h.Config.Backends), ownOf(former.Config.Backends, k.prefix, func(b haproxy.Backend) string { return b.Name })...)
	h.Config = h.Config.Normalize()
	slices.Sort(k.member.Frontends)
	slices.Sort(k.member.Redirects)
	h.Members = append(slices.Clone(h.Members), k.member)
	h.DrainTimeouts = maps.Clone(h.DrainTimeouts)
	for _, backend := range k.member.Backends {
		h.DrainTimeouts[backend] = former.DrainTimeouts[backend]
	}
	return h
}

// keeper keeps what frontends did for an object.
type keptListeners struct {
	// had is the object's part as it was, and member the same, whose frontends are found anew. Prefix is what the names begin with
	// that are its own.
	had, member Member
	prefix      string
	// now are the frontends that the host has without the object, and kept those that it has for the object alone.
	now, kept []haproxy.Frontend
	// shared are the binds that it had and that a frontend has now which can serve it as well.
	shared map[haproxy.Bind]bool
}

// keepAll takes over what those of the frontends did for the object that were its.
func (k *keptListeners) keepAll(former []haproxy.Frontend) {
	own := slices.DeleteFunc(slices.Clone(former), func(f haproxy.Frontend) bool { return !slices.Contains(k.had.Frontends, f.Name) })
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

// keep takes over what a frontend did for the object. The listener is that of the object if the frontend is called after another
// one's.
func (k *keptListeners) keep(former haproxy.Frontend, listener string) {
	alone := k.without(former)
	alone.Binds = nil
	for _, bind := range former.Binds {
		switch i := k.holder(bind); {
		case k.collides(bind):
		case i < 0:
			alone.Binds = append(alone.Binds, bind)
		case servesBoth(k.now[i], former):
			k.join(&k.now[i], alone, listener)
		}
	}
	if len(alone.Binds) == 0 {
		return
	}
	if listener != "" {
		// The name is that of somebody else, who may have it now. With a bind it is no listener's.
		alone.Name = withBind(k.prefix+listener, alone.Binds[0])
	}
	k.member.Frontends = append(k.member.Frontends, alone.Name)
	k.noteRedirect(alone.Name, alone.RedirectToHTTPS)
	k.kept = append(k.kept, alone)
}

// holder is the index of the frontend that has a bind now; negative if none has.
func (k *keptListeners) holder(bind haproxy.Bind) int {
	return slices.IndexFunc(k.now, func(f haproxy.Frontend) bool { return slices.Contains(f.Binds, bind) })
}

// servesBoth says that a frontend can serve what the other one did as well.
func servesBoth(f, other haproxy.Frontend) bool {
	return f.Protocol == other.Protocol && f.Protocol != haproxy.TCP && f.Access.Equal(other.Access)
}

// collides says that the object cannot have a bind beside those that others have now.
func (k *keptListeners) collides(bind haproxy.Bind) bool {
	return slices.ContainsFunc(k.now, func(f haproxy.Frontend) bool {
		return slices.ContainsFunc(f.Binds, func(other haproxy.Bind) bool { return collide(bind, other, k.shared, k.shared[bind]) })
	})
}

// noteRedirect takes in that a frontend redirects, if it does, because the object wants it.
func (k *keptListeners) noteRedirect(frontend string, redirects bool) {
	if redirects && !slices.Contains(k.member.Redirects, frontend) {
		k.member.Redirects = append(k.member.Redirects, frontend)
	}
}

// without is the frontend without what it does for others.
func (k *keptListeners) without(f haproxy.Frontend) haproxy.Frontend {
	if !strings.HasPrefix(f.Backend, k.prefix) {
		f.Backend = ""
	}
	f.RedirectToHTTPS = slices.Contains(k.had.Redirects, f.Name)
	f.Routes = ownOf(f.Routes, k.prefix, func(r haproxy.Route) string { return r.To })
	return f
}

// join adds the routes of the object to a frontend that serves others, and what happens to connections that no route claims, where
// these have not taken the same.
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
			listener = ListenerOf(own.Name)
		}
		k.member.Joined[f.Name] = listener
	}
}

// ownOf are those of the things that are an object's own, by the name that says so.
func ownOf[T any](things []T, prefix string, nameOf func(T) string) []T {
	var own []T
	for _, thing := range things {
		if strings.HasPrefix(nameOf(thing), prefix) {
			own = append(own, thing)
		}
	}
	return own
}
