package desired

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

// ServingHosts are the object's hosts on which a target that is concerned has a backend: those with a listener whose connections can
// go there. A listener that looks at names brings all of the object's targets to its hosts, so that moving a name to another target
// is no reload.
func ServingHosts(object *v1alpha1.EdgeLoadBalancer, concerned func(*v1alpha1.Target) bool) []HostKey {
	var listeners []*v1alpha1.Listener
	for i := range object.Spec.Listeners {
		if listener := &object.Spec.Listeners[i]; brings(object, listener, concerned) {
			listeners = append(listeners, listener)
		}
	}
	var keys []HostKey
	for i := range object.Spec.Hosts {
		host := &object.Spec.Hosts[i]
		if slices.ContainsFunc(listeners, func(l *v1alpha1.Listener) bool { return listensOn(l, host.Name) }) {
			keys = append(keys, KeyOf(&object.Spec.SSH, host))
		}
	}
	return keys
}

// brings says whether a listener brings a target that is concerned to its hosts.
func brings(object *v1alpha1.EdgeLoadBalancer, listener *v1alpha1.Listener, concerned func(*v1alpha1.Target) bool) bool {
	if listener.Protocol == v1alpha1.ProtocolTLS || listener.Protocol == v1alpha1.ProtocolHTTP {
		return slices.ContainsFunc(object.Spec.Targets, func(t v1alpha1.Target) bool { return concerned(&t) })
	}
	return leadsTo(object.Spec.Targets, listener.Target, concerned, map[string]bool{})
}

// leadsTo says whether a target is concerned or leads to one that is. Targets may lead in a circle: those seen are not asked again.
func leadsTo(targets []v1alpha1.Target, name string, concerned func(*v1alpha1.Target) bool, seen map[string]bool) bool {
	i := slices.IndexFunc(targets, func(t v1alpha1.Target) bool { return t.Name == name })
	if i < 0 || seen[name] {
		return false
	}
	seen[name] = true
	return concerned(&targets[i]) || slices.ContainsFunc(spec.LeadsTo(&targets[i]), func(next string) bool {
		return leadsTo(targets, next, concerned, seen)
	})
}

// NodesOf is the cluster whose nodes a target of the object is reached by; false if it needs to know no nodes.
func NodesOf(object *v1alpha1.EdgeLoadBalancer, target *v1alpha1.Target) (ClusterKey, bool) {
	key, found := ServiceOf(object, target)
	return key.Cluster, found && target.Via == v1alpha1.ViaNodePort && target.NodeAddressType != v1alpha1.NodeEgress
}
