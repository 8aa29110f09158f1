package servers

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// egressServer is the name of the only server of a target that is reached at the operator's own address.
const egressServer = "egress"

// atNodePort returns the servers at a Service's node port: nodes, or the address from which the host sees the operator.
func atNodePort(
	cache *pool.Cache, target *v1alpha1.Target, port pool.Port, endpoints pool.Endpoints, from Source,
) (servers []haproxy.Server, keep bool, failure *Failure) {
	if port.NodePort == 0 {
		return nil, true, noNodePort(port)
	}
	if target.NodeAddressType == v1alpha1.NodeEgress {
		return atEgress(port, from)
	}
	kind := corev1.NodeExternalIP
	if target.NodeAddressType == v1alpha1.NodeInternalIP {
		kind = corev1.NodeInternalIP
	}
	if pool.IsLocal(port.Service) && endpoints.AreUnknown() {
		return nil, true, whyNone(port, endpoints)
	}
	nodes := cache.Nodes(port, kind, from.Nodes, endpoints.Servers)
	switch {
	case len(nodes.Servers) > 0:
		return nodes.Servers, false, nil
	case from.NoNodes:
		return nil, true, Failuref(v1alpha1.ReasonNoNodes, "the operator may not read this cluster's nodes: give it the right to get, list "+
			"and watch them and restart it, or set the target's via to PodIP. %s", kept)
	case len(from.Nodes) == 0:
		return nil, true, Failuref(v1alpha1.ReasonNoNodes, "the cluster has no node: check whether kubectl get nodes lists any, or set the "+
			"target's via to PodIP. %s", kept)
	case nodes.Eligible > 0:
		return nil, true, Failuref(v1alpha1.ReasonNoNodes, "no node that could serve has an address of type %s: %s. %s",
			kind, otherAddresses(kind), kept)
	default:
		return nil, false, Failuref(v1alpha1.ReasonNoNodes, "no node may get traffic for Service %s/%s: each is being deleted, has "+
			"the label %s, or has none of the Service's pods, where its externalTrafficPolicy is Local. Until then it has no server",
			port.Service.Namespace, port.Service.Name, corev1.LabelNodeExcludeBalancers)
	}
}

// atEgress returns the only server, at the address from which the host sees the operator. Until the host is reached, the
// address is unknown, which is not a problem.
func atEgress(port pool.Port, from Source) (servers []haproxy.Server, keep bool, failure *Failure) {
	switch {
	case from.Egress.IsValid():
		return []haproxy.Server{{Name: egressServer, Addr: from.Egress, Port: uint16(port.NodePort), Weight: 1}}, false, nil
	case from.EgressHidden:
		return nil, true, Failuref(v1alpha1.ReasonNoNodes, "the host's sshd does not say from which address it is reached "+
			"(SSH_CONNECTION): set nodeAddressType to ExternalIP or InternalIP. %s", kept)
	default:
		return nil, true, nil
	}
}

func noNodePort(port pool.Port) *Failure {
	advice := "set its type to NodePort or LoadBalancer, or the target's via to PodIP"
	if port.Service.Spec.Type == corev1.ServiceTypeLoadBalancer {
		advice = "set its spec.allocateLoadBalancerNodePorts to true, or the target's via to PodIP"
	}
	return Failuref(v1alpha1.ReasonNoNodePort, "port %s of Service %s/%s has no node port: %s. %s",
		describePort(port.ServicePort), port.Service.Namespace, port.Service.Name, advice, kept)
}

// otherAddresses says how to fix that no node has an address of a type.
func otherAddresses(kind corev1.NodeAddressType) string {
	if kind == corev1.NodeExternalIP {
		return "set nodeAddressType to InternalIP if the host reaches those, or to Egress if a router in front of the cluster forwards the node port"
	}
	return "set nodeAddressType to ExternalIP, or to Egress if a router in front of the cluster forwards the node port"
}
