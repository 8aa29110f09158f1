package desired

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

// configName returns the name, in HAProxy, of one of the object's listeners or targets. "_" cannot occur in any of the three
// parts, so two objects never share a name.
func (m membership) configName(element string) string {
	return m.object.Namespace + "_" + m.object.Name + "_" + element
}

// objectPrefix returns the part of a name in HAProxy that identifies the object.
func objectPrefix(name string) string {
	return name[:strings.LastIndexByte(name, '_')+1]
}

// listenerOf returns the listener that a frontend of Host.Config is named after.
func listenerOf(frontend string) string { return elementOf(frontend) }

// elementOf returns the listener or the target that a name in HAProxy was made from.
func elementOf(name string) string {
	element, _, _ := strings.Cut(name[len(objectPrefix(name)):], ":")
	return element
}

// backendName returns the name of the backend of a target.
func (m membership) backendName(target string, http bool) string {
	if http {
		return m.configName(target) + httpSuffix
	}
	return m.configName(target)
}

// entryName returns the name by which frontends refer to a target without a fault: its backend or its weighted route.
func (m membership) entryName(t *v1alpha1.Target, http bool) string {
	if spec.HasServers(t) && spec.IsRoute(t) {
		return m.backendName(t.Name+orSuffix, http)
	}
	return m.backendName(t.Name, http)
}

// TargetOf returns the target that a backend of Host.Config stands for.
func TargetOf(backend string) string { return elementOf(backend) }
