package pool

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// taintToBeDeleted is the taint that the cluster autoscaler sets on a node that it is about to remove.
const taintToBeDeleted = "ToBeDeletedByClusterAutoscaler"

// Nodes are the nodes of a Service as servers.
type Nodes struct {
	// Servers are sorted by name; each is named after its node.
	Servers []haproxy.Server
	// Eligible is how many nodes could be servers if each had an address.
	Eligible int
}

// candidate is a node that could be a server.
type candidate struct {
	name  string
	addr  netip.Addr
	ready bool
}

// findNodes returns the servers at a node port: the nodes that may get traffic from outside, at their addresses of the type.
// If at least one is ready, the others are left out. If the Service's traffic stays on the node, only nodes with endpoints
// are servers.
func findNodes(port Port, addresses corev1.NodeAddressType, nodes []*corev1.Node, endpoints []haproxy.Server) Nodes {
	holders := nodesOf(endpoints)
	var result Nodes
	var found []candidate
	for _, node := range nodes {
		if !isEligible(node) || IsLocal(port.Service) && !holders[node.Name] {
			continue
		}
		result.Eligible++
		if addr, ok := addressOf(node, addresses, prefersIPv6(port.Service)); ok {
			found = append(found, candidate{node.Name, addr, isReady(node)})
		}
	}
	for _, node := range readyIfAny(found) {
		result.Servers = append(result.Servers, haproxy.Server{
			Name: node.name, Addr: node.addr, Port: validPort(port.NodePort), Weight: 1, Node: node.name,
		})
	}
	result.Servers = haproxy.SortServers(result.Servers)
	return result
}

// nodesOf returns the nodes of the endpoints.
func nodesOf(endpoints []haproxy.Server) map[string]bool {
	names := make(map[string]bool, len(endpoints))
	for _, e := range endpoints {
		names[e.Node] = true
	}
	return names
}

// isEligible reports whether a node may get traffic from outside the cluster, by the rules of cloud providers' load
// balancers.
func isEligible(node *corev1.Node) bool {
	_, excluded := node.Labels[corev1.LabelNodeExcludeBalancers]
	return node.DeletionTimestamp.IsZero() && !excluded && !slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool {
		return taint.Key == taintToBeDeleted
	})
}

func isReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// addressOf returns the node's first address of the type in the preferred family, else in the other.
func addressOf(node *corev1.Node, kind corev1.NodeAddressType, preferIPv6 bool) (other netip.Addr, found bool) {
	for _, address := range node.Status.Addresses {
		addr, ok := unicast(address.Address)
		if address.Type != kind || !ok {
			continue
		}
		if addr.Is6() == preferIPv6 {
			return addr, true
		}
		if !found {
			other, found = addr, true
		}
	}
	return other, found
}

// readyIfAny keeps the nodes that are ready, or all of them if none is. A cluster whose nodes all stopped reporting may
// still serve, and health checks find out.
func readyIfAny(found []candidate) []candidate {
	if !slices.ContainsFunc(found, func(c candidate) bool { return c.ready }) {
		return found
	}
	return slices.DeleteFunc(found, func(c candidate) bool { return !c.ready })
}
