package desired

import (
	"github.com/edgelb/edgelb/api/v1alpha1"
)

// ServedTargets are the names of the object's targets that have a backend on the host of that name: those that connections of
// its listeners can go to. A listener that looks at names makes that all of the object's, so that moving a name to another
// target is no reload.
func ServedTargets(object *v1alpha1.EdgeLoadBalancer, host string) map[string]bool {
	targets := make(map[string]*v1alpha1.Target, len(object.Spec.Targets))
	for i := range object.Spec.Targets {
		targets[object.Spec.Targets[i].Name] = &object.Spec.Targets[i]
	}
	served := make(map[string]bool, len(targets))
	for i := range object.Spec.Listeners {
		listener := &object.Spec.Listeners[i]
		if !listensOn(listener, host) {
			continue
		}
		if listener.Protocol == v1alpha1.ProtocolTLS || listener.Protocol == v1alpha1.ProtocolHTTP {
			for name := range targets {
				served[name] = true
			}
			return served
		}
		reach(targets, listener.Target, served)
	}
	return served
}

// reach adds a target and all that it leads to. Targets may lead in a circle.
func reach(targets map[string]*v1alpha1.Target, name string, reached map[string]bool) {
	target := targets[name]
	if target == nil || reached[name] {
		return
	}
	reached[name] = true
	for _, part := range target.Split {
		reach(targets, part.Target, reached)
	}
	reach(targets, target.Fallback, reached)
}

// NodesOf is the cluster whose nodes a target of the object is reached by; false if it needs to know no nodes.
func NodesOf(object *v1alpha1.EdgeLoadBalancer, target *v1alpha1.Target) (ClusterKey, bool) {
	key, found := ServiceOf(object, target)
	return key.Cluster, found && target.Via == v1alpha1.ViaNodePort && target.NodeAddressType != v1alpha1.NodeEgress
}
