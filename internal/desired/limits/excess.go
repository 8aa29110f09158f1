// Package limits finds what the objects of a namespace have beyond its limits, and puts objects in the order in which they count.
// It is pure.
package limits

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
)

// Excess is what the objects of a namespace have beyond its limits. The oldest objects count first, and within an object
// what comes first in its spec. So a new or growing object takes nothing from those before it.
type Excess struct {
	hosts map[model.HostID]bool
	// listeners and routes say how many of an object's listeners and routes are within the limits, in the order of the spec.
	// For an object without an entry, all are.
	listeners, routes map[types.NamespacedName]int
}

// ExcessOf returns the excess of all objects of a namespace, in any order. Objects that are being deleted do not count.
func ExcessOf(objects []*v1alpha1.EdgeLoadBalancer, limits policy.Limits) Excess {
	found := Excess{hosts: map[model.HostID]bool{}, listeners: map[types.NamespacedName]int{}, routes: map[types.NamespacedName]int{}}
	hosts := map[model.HostID]bool{}
	var listeners, hostnames int
	for _, object := range ByAge(objects) {
		if !object.DeletionTimestamp.IsZero() {
			continue
		}
		for i := range object.Spec.Hosts {
			key := spec.IDOf(&object.Spec.SSH, &object.Spec.Hosts[i])
			if len(hosts) >= limits.Hosts.Most && !hosts[key] {
				found.hosts[key] = true
				continue
			}
			hosts[key] = true
		}
		name := spec.NameOf(object)
		if most := max(0, limits.Listeners.Most-listeners); len(object.Spec.Listeners) > most {
			found.listeners[name] = most
		}
		listeners += len(object.Spec.Listeners)
		var within, all int
		if within, all, hostnames = routesWithin(object, limits.Hostnames.Most, hostnames); within < all {
			found.routes[name] = within
		}
	}
	return found
}

// routesWithin counts the object's routes, and those whose names are within the limit. used names count before them.
func routesWithin(object *v1alpha1.EdgeLoadBalancer, most, used int) (within, all, after int) {
	for i := range object.Spec.Listeners {
		for _, route := range object.Spec.Listeners[i].Routes {
			all++
			if used += len(route.Hostnames); used <= most {
				within++
			}
		}
	}
	return within, all, used
}

// Empty reports whether nothing is beyond the limits.
func (e Excess) Empty() bool { return len(e.hosts)+len(e.listeners)+len(e.routes) == 0 }

// HasHost reports whether the host is beyond the limit.
func (e Excess) HasHost(id model.HostID) bool { return e.hosts[id] }

// Listeners returns the object's listeners that are within the limit.
func (e Excess) Listeners(object *v1alpha1.EdgeLoadBalancer) []v1alpha1.Listener {
	all := object.Spec.Listeners
	if most, found := e.listeners[spec.NameOf(object)]; found {
		return all[:most]
	}
	return all
}

// Routes says for each route of a listener whether it is beyond the limit; nil if none is.
func (e Excess) Routes(object *v1alpha1.EdgeLoadBalancer, listener *v1alpha1.Listener) []bool {
	within, found := e.routes[spec.NameOf(object)]
	if !found {
		return nil
	}
	for i := range object.Spec.Listeners {
		l := &object.Spec.Listeners[i]
		if l != listener {
			within -= len(l.Routes)
			continue
		}
		beyond := make([]bool, len(l.Routes))
		for j := range beyond {
			beyond[j] = j >= within
		}
		return beyond
	}
	return nil
}

// ByAge returns the objects with the oldest first.
func ByAge(objects []*v1alpha1.EdgeLoadBalancer) []*v1alpha1.EdgeLoadBalancer {
	return slices.SortedFunc(slices.Values(objects), func(a, b *v1alpha1.EdgeLoadBalancer) int {
		return cmp.Or(
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.UID, b.UID),
			strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name),
		)
	})
}
