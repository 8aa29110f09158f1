package desired

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// addBackends adds a backend for each target that a frontend sends connections to, and says which are whose.
func (h *Host) addBackends(parts []part, s Snapshot) {
	used, served := make(map[string]bool, len(h.Config.Frontends)), make(map[string]bool, len(h.Config.Frontends))
	for _, frontend := range h.Config.Frontends {
		used[frontend.Backend], served[frontend.Name] = true, true
	}
	h.DrainTimeouts = make(map[string]time.Duration, len(used))
	for _, p := range parts {
		member := Member{Object: p.name(), Generation: p.object.Generation, HostName: p.host.Name, Frontends: p.frontends(served)}
		for i := range p.object.Spec.Targets {
			target := &p.object.Spec.Targets[i]
			if name := p.configName(target.Name); used[name] {
				member.Backends = append(member.Backends, name)
				h.Config.Backends = append(h.Config.Backends, h.backend(p, target, s))
				h.DrainTimeouts[name] = drainTimeout(target)
			}
		}
		slices.Sort(member.Backends)
		h.Members = append(h.Members, member)
	}
}

// backend makes the target's backend. Where the Service does not say who its servers are, the traffic that flowed is to go
// on flowing: the backend keeps those that the host has.
func (h *Host) backend(p part, target *v1alpha1.Target, s Snapshot) haproxy.Backend {
	b := haproxy.Backend{
		Name:          p.configName(target.Name),
		Balance:       balance(target.Balance),
		ProxyProtocol: proxyProtocol(target.ProxyProtocol),
		Check:         check(&target.HealthCheck),
	}
	name := types.NamespacedName{Namespace: p.object.Namespace, Name: target.Service.Name}
	service := s.Services[name]
	port, failure := resolve(name, service, target.Service.Port)
	if failure != nil {
		b.KeepServers = true
	} else if b.Servers = s.Cache.servers(service, port, s.Slices[name]); len(b.Servers) == 0 {
		failure = unavailablef(v1alpha1.ReasonNoEndpoints, "Service %s has no endpoint that is ready on port %s: look at its "+
			"selector and at its pods. Until then the edge closes every connection", name, describePort(port))
	}
	if failure != nil {
		problem := p.problem(failure.reason, "target %s: %s", target.Name, failure.sentence)
		problem.Target = target.Name
		h.Problems = append(h.Problems, problem)
	}
	return b
}

// unavailable is why a target has no servers: a reason of package v1alpha1, and a sentence.
type unavailable struct {
	reason, sentence string
}

func unavailablef(reason, format string, args ...any) *unavailable {
	return &unavailable{reason: reason, sentence: fmt.Sprintf(format, args...)}
}

// resolve finds the port of a Service that a target wants. The Service is nil when there is none of the name.
func resolve(name types.NamespacedName, service *corev1.Service, want intstr.IntOrString) (corev1.ServicePort, *unavailable) {
	const kept = "The servers that the host has are kept"
	if service == nil {
		return corev1.ServicePort{}, unavailablef(v1alpha1.ReasonServiceNotFound,
			"Service %s does not exist: create it, or name another one. %s", name, kept)
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		return corev1.ServicePort{}, unavailablef(v1alpha1.ReasonNoEndpoints,
			"Service %s is of type ExternalName and has no endpoints: name a Service of another type. %s", name, kept)
	}
	port, found := findPort(service.Spec.Ports, want)
	if !found {
		return corev1.ServicePort{}, unavailablef(v1alpha1.ReasonPortNotFound,
			"Service %s has no port %s: name one that it has (%s). %s", name, want.String(), listPorts(service), kept)
	}
	if !isTCP(port.Protocol) {
		return corev1.ServicePort{}, unavailablef(v1alpha1.ReasonPortNotFound,
			"port %s of Service %s is %s, and HAProxy carries TCP only: name a TCP port. %s", want.String(), name, port.Protocol, kept)
	}
	return port, nil
}

// findPort finds a port by its name or number; of a number that is open for several protocols, it finds TCP.
func findPort(ports []corev1.ServicePort, want intstr.IntOrString) (match corev1.ServicePort, found bool) {
	for _, port := range ports {
		if port.Name != want.String() && strconv.Itoa(int(port.Port)) != want.String() {
			continue
		}
		if isTCP(port.Protocol) {
			return port, true
		}
		match, found = port, true
	}
	return match, found
}

func isTCP(protocol corev1.Protocol) bool {
	return protocol == corev1.ProtocolTCP || protocol == ""
}

func listPorts(service *corev1.Service) string {
	ports := make([]string, len(service.Spec.Ports))
	for i, port := range service.Spec.Ports {
		ports[i] = describePort(port)
		if !isTCP(port.Protocol) {
			ports[i] += "/" + string(port.Protocol)
		}
	}
	return strings.Join(ports, ", ")
}

// describePort is such as "websecure=443", or "443" for a port without a name.
func describePort(port corev1.ServicePort) string {
	number := strconv.Itoa(int(port.Port))
	if port.Name == "" {
		return number
	}
	return port.Name + "=" + number
}
