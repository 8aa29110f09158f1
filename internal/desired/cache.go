package desired

import (
	"cmp"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// Cache keeps the servers of Services from one Build to the next, for as long as their EndpointSlices are the same: a change
// of one Service does not make its hosts read the endpoints of all others again, and hosts that serve one Service share its
// servers. It changes no result. Its methods may be called at the same time; the zero Cache is empty.
type Cache struct {
	mu    sync.Mutex
	known map[cacheKey]cached
}

// cacheKey is all that servers depend on besides the slices.
type cacheKey struct {
	service, port, target string
	number                int32
	protocol              corev1.Protocol
	ipv6                  bool
}

type cached struct {
	slices  []*discoveryv1.EndpointSlice
	servers []haproxy.Server
}

// mostCached bounds how many Services' ports are kept.
const mostCached = 10_000

// Forget drops everything.
func (c *Cache) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = nil
}

// servers returns what the function of that name does, sorted by name. The result is shared and must not be changed.
func (c *Cache) servers(service *corev1.Service, port corev1.ServicePort, all []*discoveryv1.EndpointSlice) []haproxy.Server {
	if c == nil {
		return servers(service, port, all)
	}
	all = slices.SortedFunc(slices.Values(all), func(a, b *discoveryv1.EndpointSlice) int { return cmp.Compare(a.Name, b.Name) })
	key := cacheKey{
		service: types.NamespacedName{Namespace: service.Namespace, Name: service.Name}.String(),
		port:    port.Name, target: port.TargetPort.String(), number: port.Port, protocol: port.Protocol,
		ipv6: prefersIPv6(service),
	}
	if known, found := c.get(key); found && slices.EqualFunc(known.slices, all, sameVersion) {
		return known.servers
	}
	found := haproxy.SortServers(servers(service, port, all))
	c.put(key, cached{slices: all, servers: found})
	return found
}

// sameVersion says that both are one object that was not changed in between.
func sameVersion(a, b *discoveryv1.EndpointSlice) bool {
	return a == b || (a.ResourceVersion != "" && a.ResourceVersion == b.ResourceVersion && a.UID == b.UID)
}

func (c *Cache) get(key cacheKey) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, found := c.known[key]
	return known, found
}

func (c *Cache) put(key cacheKey, entry cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= mostCached {
		c.known = map[cacheKey]cached{}
	}
	c.known[key] = entry
}
