// Package naming makes the names that an object's listeners and targets have in HAProxy. It is pure.
package naming

import (
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

// Suffixes of a target's name in HAProxy. No target's own name contains a ":".
const (
	// httpSuffix marks what HTTP frontends lead to: a HAProxy backend serves either them or other frontends.
	httpSuffix = ":http"
	// orSuffix marks the weighted route to a target that has servers and a fallback, as distinct from its backend.
	orSuffix = ":or"
)

// Of returns the name, in HAProxy, of one of the object's listeners or targets. "_" cannot occur in any of the three parts, so two
// objects never share a name.
func Of(object *v1alpha1.EdgeLoadBalancer, element string) string {
	return object.Namespace + "_" + object.Name + "_" + element
}

// ObjectPrefix returns the part of a name in HAProxy that identifies the object.
func ObjectPrefix(name string) string {
	return name[:strings.LastIndexByte(name, '_')+1]
}

// ElementOf returns the listener or the target that a name in HAProxy was made from.
func ElementOf(name string) string {
	element, _, _ := strings.Cut(name[len(ObjectPrefix(name)):], ":")
	return element
}

// HealthEndpoint takes the place of a listener's name. No listener has it, since those are in lower case.
const HealthEndpoint = "healthEndpoint"

// Title is what messages call a listener, or what takes the place of one.
func Title(listener string) string {
	if listener == HealthEndpoint {
		return "haproxy." + HealthEndpoint
	}
	return "listener " + listener
}

// Backend returns the name of the backend of a target.
func Backend(object *v1alpha1.EdgeLoadBalancer, target string, http bool) string {
	if http {
		return Of(object, target) + httpSuffix
	}
	return Of(object, target)
}

// Entry returns the name by which frontends refer to a target without a fault: its backend or its weighted route.
func Entry(object *v1alpha1.EdgeLoadBalancer, t *v1alpha1.Target, http bool) string {
	if spec.HasServers(t) && spec.IsRoute(t) {
		return Backend(object, t.Name+orSuffix, http)
	}
	return Backend(object, t.Name, http)
}
