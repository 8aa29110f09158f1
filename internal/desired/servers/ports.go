package servers

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
)

// resolve finds the port of a Service that a target asks for. The Service is nil if it does not exist.
func resolve(name types.NamespacedName, service *corev1.Service, want intstr.IntOrString) (corev1.ServicePort, *Failure) {
	if service == nil {
		return corev1.ServicePort{}, Failuref(v1alpha1.ReasonServiceNotFound,
			"Service %s does not exist: create it, or name another one. %s", name, kept)
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		return corev1.ServicePort{}, Failuref(v1alpha1.ReasonServiceInvalid,
			"Service %s is of type ExternalName, which has no endpoints: write %s into the target's addresses instead of the Service, since they "+
				"take DNS names, or name a Service of another type. %s", name, service.Spec.ExternalName, kept)
	}
	port, found := findPort(service.Spec.Ports, want)
	if !found {
		return corev1.ServicePort{}, Failuref(v1alpha1.ReasonPortNotFound, "Service %s has no port %s: %s. %s",
			name, want.String(), otherPorts(service), kept)
	}
	if !pool.IsTCP(port.Protocol) {
		return corev1.ServicePort{}, Failuref(v1alpha1.ReasonPortNotFound,
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
