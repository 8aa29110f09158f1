// Package servers finds the servers of a target that names a Service, or says why it has none and how to fix that. It is pure.
package servers

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Source is what is known of a target's Service and of its cluster.
type Source struct {
	// Cluster and Name identify the Service.
	Cluster, Name types.NamespacedName
	// Service is nil if it does not exist.
	Service *corev1.Service
	Slices  []*discoveryv1.EndpointSlice
	// Nodes are the nodes of the cluster. NoNodes reports whether the operator cannot read them.
	Nodes   []*corev1.Node
	NoNodes bool
	// Egress is the address from which the host sees the operator's connection; the zero Addr if it is not known. EgressHidden
	// reports whether the host was reached but does not report it.
	Egress       netip.Addr
	EgressHidden bool
}

// Failure says why a target has no servers.
type Failure struct {
	// Reason is one of the reasons of package v1alpha1. Sentence says what is wrong and how to fix it.
	Reason, Sentence string
}

// Failuref returns a failure with a formatted sentence.
func Failuref(reason, format string, args ...any) *Failure {
	return &Failure{Reason: reason, Sentence: fmt.Sprintf(format, args...)}
}

// Of returns the servers of a target that names a Service, by name. keep reports whether they are unknown at the moment. The
// failure says why there are none, none are known, or none can serve. The result is shared and must not be changed.
func Of(cache *pool.Cache, target *v1alpha1.Target, from Source) (found []haproxy.Server, keep bool, failure *Failure) {
	servicePort, failure := resolve(from.Name, from.Service, target.Service.Port)
	if failure != nil {
		return nil, true, failure
	}
	port := pool.Port{Cluster: from.Cluster, Service: from.Service, ServicePort: servicePort}
	endpoints := cache.Endpoints(port, from.Slices)
	if target.Via != v1alpha1.ViaNodePort {
		return endpoints.Servers, endpoints.AreUnknown(), whyNone(port, endpoints)
	}
	found, keep, failure = atNodePort(cache, target, port, endpoints, from)
	if !keep && len(endpoints.Servers) == 0 && endpoints.Reason != pool.SlicesPending && endpoints.Reason != pool.OnlyPlaceholder {
		// Without endpoints, no node has anything to send connections to.
		failure = whyNone(port, endpoints)
	}
	return found, keep, failure
}
