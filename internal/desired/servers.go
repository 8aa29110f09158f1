package desired

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// serversOf returns the servers of a target that names a Service, by name. keep reports whether they are unknown at the
// moment. The failure says why there are none, none are known, or none can serve.
func (b *Builder) serversOf(m membership, target *v1alpha1.Target, s Snapshot) (servers []haproxy.Server, keep bool, failure *unavailable) {
	key, _ := ServiceOf(m.object, target)
	trouble := (*unavailable)(nil)
	for _, scope := range ScopesOf(m.object, target) {
		state := s.Scopes[scope]
		if !state.Known {
			// A scope that is being read for the first time has no trouble yet.
			return nil, true, state.trouble()
		}
		trouble = cmp.Or(trouble, state.trouble())
	}
	servers, keep, failure = b.serversBehind(key, target, s)
	return servers, keep, cmp.Or(trouble, failure)
}

// trouble says why the scope cannot be read; nil if it can.
func (s ScopeState) trouble() *unavailable {
	if s.Reason == "" {
		return nil
	}
	return &unavailable{reason: s.Reason, sentence: s.Message}
}

// serversBehind returns the servers of a Service's port, from the last read of its cluster.
func (b *Builder) serversBehind(
	key ServiceKey, target *v1alpha1.Target, s Snapshot,
) (servers []haproxy.Server, keep bool, failure *unavailable) {
	service := s.Services[key]
	spec, failure := resolve(key.NamespacedName, service, target.Service.Port)
	if failure != nil {
		return nil, true, failure
	}
	port := pool.Port{Cluster: key.Cluster, Service: service, ServicePort: spec}
	endpoints := b.endpoints.Endpoints(port, s.Slices[key])
	if target.Via != v1alpha1.ViaNodePort {
		return endpoints.Servers, endpoints.AreUnknown(), whyNone(port, endpoints)
	}
	servers, keep, failure = b.atNodePort(target, port, endpoints, s)
	if !keep && len(endpoints.Servers) == 0 && endpoints.Lack != pool.LackPending {
		// Without endpoints, no node has anything to send connections to.
		failure = whyNone(port, endpoints)
	}
	return servers, keep, failure
}

// unavailable says why a target has no servers: a reason of package v1alpha1, and a sentence.
type unavailable struct {
	reason, sentence string
}

func unavailablef(reason, format string, args ...any) *unavailable {
	return &unavailable{reason: reason, sentence: fmt.Sprintf(format, args...)}
}

// kept ends a sentence about a target whose servers are unknown.
const kept = "Servers that a host has of it are kept"

// resolve finds the port of a Service that a target asks for. The Service is nil if it does not exist.
func resolve(name types.NamespacedName, service *corev1.Service, want intstr.IntOrString) (corev1.ServicePort, *unavailable) {
	if service == nil {
		return corev1.ServicePort{}, unavailablef(v1alpha1.ReasonServiceNotFound,
			"Service %s does not exist: create it, or name another one. %s", name, kept)
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		return corev1.ServicePort{}, unavailablef(v1alpha1.ReasonServiceInvalid,
			"Service %s is of type ExternalName, which has no endpoints: write %s into the target's addresses instead of the Service, since they "+
				"take DNS names, or name a Service of another type. %s", name, service.Spec.ExternalName, kept)
	}
	port, found := findPort(service.Spec.Ports, want)
	if !found {
		return corev1.ServicePort{}, unavailablef(v1alpha1.ReasonPortNotFound, "Service %s has no port %s: %s. %s",
			name, want.String(), otherPorts(service), kept)
	}
	if !pool.IsTCP(port.Protocol) {
		return corev1.ServicePort{}, unavailablef(v1alpha1.ReasonPortNotFound,
			"port %s of Service %s is %s, and HAProxy carries TCP only: name a TCP port. %s", want.String(), name, port.Protocol, kept)
	}
	return port, nil
}

// findPort finds a port by its name or by its number, depending on the type: a name may consist of digits only. If a number
// is open for several protocols, findPort returns TCP.
func findPort(ports []corev1.ServicePort, want intstr.IntOrString) (match corev1.ServicePort, found bool) {
	for _, port := range ports {
		if want.Type == intstr.String && port.Name != want.StrVal || want.Type == intstr.Int && port.Port != want.IntVal {
			continue
		}
		if pool.IsTCP(port.Protocol) {
			return port, true
		}
		match, found = port, true
	}
	return match, found
}

// otherPorts says what to name instead of a port that the Service does not have.
func otherPorts(service *corev1.Service) string {
	if len(service.Spec.Ports) == 0 {
		return "it has no ports at all; add the port to its spec.ports"
	}
	return fmt.Sprintf("name one that it has (%s)", listPorts(service))
}

func listPorts(service *corev1.Service) string {
	ports := make([]string, len(service.Spec.Ports))
	for i, port := range service.Spec.Ports {
		ports[i] = describePort(port)
		if !pool.IsTCP(port.Protocol) {
			ports[i] += "/" + string(port.Protocol)
		}
	}
	return strings.Join(ports, ", ")
}

// describePort returns for example "websecure=443", or "443" for a port without a name.
func describePort(port corev1.ServicePort) string {
	number := strconv.Itoa(int(port.Port))
	if port.Name == "" {
		return number
	}
	return port.Name + "=" + number
}
