package spec

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// ServingHosts returns the object's hosts that have a backend for a concerned target: those with a listener whose
// connections can go there. A listener with routes brings all of the object's targets to its hosts, so that moving a name to
// another target needs no reload.
func ServingHosts(object *v1alpha1.EdgeLoadBalancer, concerned func(*v1alpha1.Target) bool) []model.HostID {
	r := newReach(object.Spec.Targets, concerned)
	var listeners []*v1alpha1.Listener
	for i := range object.Spec.Listeners {
		if listener := &object.Spec.Listeners[i]; r.brings(listener) {
			listeners = append(listeners, listener)
		}
	}
	var keys []model.HostID
	for i := range object.Spec.Hosts {
		host := &object.Spec.Hosts[i]
		if slices.ContainsFunc(listeners, func(l *v1alpha1.Listener) bool { return ListensOn(l, host.Name) }) {
			keys = append(keys, IDOf(&object.Spec.SSH, host))
		}
	}
	return keys
}

// reach finds the listeners that lead to a concerned target. It asks about each target only once, because this runs at every
// change of an EndpointSlice.
type reach struct {
	targets   map[string]*v1alpha1.Target
	concerned map[string]bool
}

func newReach(targets []v1alpha1.Target, concerned func(*v1alpha1.Target) bool) reach {
	r := reach{targets: make(map[string]*v1alpha1.Target, len(targets)), concerned: map[string]bool{}}
	for i := range targets {
		t := &targets[i]
		if r.targets[t.Name] == nil {
			r.targets[t.Name] = t
		}
		if concerned(t) {
			r.concerned[t.Name] = true
		}
	}
	return r
}

// brings reports whether a listener brings a concerned target to its hosts.
func (r reach) brings(listener *v1alpha1.Listener) bool {
	if listener.Protocol == v1alpha1.ProtocolTLS || listener.Protocol == v1alpha1.ProtocolHTTP {
		return len(r.concerned) > 0
	}
	return r.leadsTo(listener.Target, map[string]bool{})
}

// leadsTo reports whether a target is concerned or leads to one that is. Targets may lead in a circle, so seen targets are
// skipped.
func (r reach) leadsTo(name string, seen map[string]bool) bool {
	t := r.targets[name]
	if t == nil || seen[name] {
		return false
	}
	seen[name] = true
	return r.concerned[name] || slices.ContainsFunc(LeadsTo(t), func(next string) bool { return r.leadsTo(next, seen) })
}

// ListensOn reports whether the listener is on the host of that name.
func ListensOn(listener *v1alpha1.Listener, host string) bool {
	return len(listener.Hosts) == 0 || slices.Contains(listener.Hosts, host)
}

// HasServers reports whether a target has servers of its own.
func HasServers(t *v1alpha1.Target) bool { return len(t.Split) == 0 }

// IsRoute reports whether connections to the target may end in more than one place.
func IsRoute(t *v1alpha1.Target) bool { return !HasServers(t) || t.Fallback != "" }

// LeadsTo returns the targets that a target leads to.
func LeadsTo(t *v1alpha1.Target) []string {
	var names []string
	for _, share := range t.Split {
		names = append(names, share.Target)
	}
	if t.Fallback != "" {
		names = append(names, t.Fallback)
	}
	return names
}
