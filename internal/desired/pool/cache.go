package pool

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/bounded"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Cache caches the servers of Services while their EndpointSlices and nodes are the same. A change of one Service then does
// not require reading the endpoints of all others again, and hosts that serve one Service share its servers. It does not
// change any result. Its methods may be called concurrently; the zero Cache is empty.
type Cache struct {
	versions  versions
	endpoints bounded.Cache[endpointsKey, cachedEndpoints]
	nodes     bounded.Cache[nodesKey, cachedNodes]
}

// endpointsKey identifies a port of a Service.
type endpointsKey struct {
	cluster, service types.NamespacedName
	port             string
	number           int32
}

// cachedEndpoints is the result for these versions of the Service and its slices.
type cachedEndpoints struct {
	service, slices version
	result          Endpoints
}

// nodesKey holds everything that the servers of nodes depend on, except the nodes and the endpoints. If traffic does not
// stay on a node, ports of Services with the same node port would share an entry; a cluster has no such ports.
type nodesKey struct {
	cluster     types.NamespacedName
	number      int32
	addresses   corev1.NodeAddressType
	ipv6, local bool
}

type cachedNodes struct {
	nodes     version
	endpoints []haproxy.Server
	result    Nodes
}

// Forget drops everything.
func (c *Cache) Forget() {
	c.endpoints.Clear()
	c.nodes.Clear()
}

// Endpoints returns the endpoints behind a port that can serve as servers. The result is shared and must not be changed.
func (c *Cache) Endpoints(port Port, all []*discoveryv1.EndpointSlice) Endpoints {
	service, slices := versionOf(&c.versions, []*corev1.Service{port.Service}), versionOf(&c.versions, all)
	key := endpointsKey{
		cluster: port.Cluster, service: types.NamespacedName{Namespace: port.Service.Namespace, Name: port.Service.Name},
		port: port.Name, number: port.Port,
	}
	if known, found := c.endpoints.Get(key); found && known.service.is(service) && known.slices.is(slices) {
		return known.result
	}
	result := findEndpoints(port, all)
	c.endpoints.Put(key, cachedEndpoints{service: service, slices: slices, result: result})
	return result
}

// Nodes returns the nodes that are servers at the node port, with an address of the type. The endpoints are those that
// Endpoints returned for the port. The result is shared and must not be changed.
func (c *Cache) Nodes(port Port, addresses corev1.NodeAddressType, nodes []*corev1.Node, endpoints []haproxy.Server) Nodes {
	if !IsLocal(port.Service) {
		// A change of the endpoints does not affect the nodes.
		endpoints = nil
	}
	now := versionOf(&c.versions, nodes)
	key := nodesKey{
		cluster: port.Cluster, number: port.NodePort, addresses: addresses,
		ipv6: prefersIPv6(port.Service), local: IsLocal(port.Service),
	}
	known, found := c.nodes.Get(key)
	if found && known.nodes.is(now) && isShared(known.endpoints, endpoints) {
		return known.result
	}
	result := findNodes(port, addresses, nodes, endpoints)
	c.nodes.Put(key, cachedNodes{nodes: now, endpoints: endpoints, result: result})
	return result
}

// isShared reports whether both are the same result of Endpoints.
func isShared(a, b []haproxy.Server) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
