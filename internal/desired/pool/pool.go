// Package pool finds the servers behind one port of a Service: its endpoints, or the nodes at its node port. It is pure; a Cache
// only spares finding twice what has not changed.
package pool

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Port is one port of a Service, and one of its Spec.Ports.
type Port struct {
	// Cluster is the Service's; the zero name stands for the operator's own.
	Cluster types.NamespacedName
	Service *corev1.Service
	corev1.ServicePort
}

// IsTCP says that a port is one of TCP, which it also is if it does not say.
func IsTCP(protocol corev1.Protocol) bool {
	return protocol == corev1.ProtocolTCP || protocol == ""
}

// prefersIPv6 tells whether IPv6 is the Service's first family.
func prefersIPv6(service *corev1.Service) bool {
	return len(service.Spec.IPFamilies) > 0 && service.Spec.IPFamilies[0] == corev1.IPv6Protocol
}

// IsLocal says that a node sends what comes to a node port of the Service to endpoints on that node only.
func IsLocal(service *corev1.Service) bool {
	return service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}
