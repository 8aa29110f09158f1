// Package pool finds the servers behind one port of a Service: its endpoints, or the nodes at its node port. It is pure; a
// Cache only avoids repeated work.
package pool

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Port is a port of a Service, one of its Spec.Ports.
type Port struct {
	// Cluster is the cluster of the Service; the zero name is the operator's own cluster.
	Cluster types.NamespacedName
	Service *corev1.Service
	corev1.ServicePort
}

// IsTCP reports whether a protocol is TCP, which is the default.
func IsTCP(protocol corev1.Protocol) bool {
	return protocol == corev1.ProtocolTCP || protocol == ""
}

// prefersIPv6 reports whether IPv6 is the Service's first family.
func prefersIPv6(service *corev1.Service) bool {
	return len(service.Spec.IPFamilies) > 0 && service.Spec.IPFamilies[0] == corev1.IPv6Protocol
}

// IsLocal reports whether a node sends traffic for a node port of the Service only to endpoints on that node.
func IsLocal(service *corev1.Service) bool {
	return service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}
