package pool

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// readiness ranks endpoints: only those of the best rank in a Service are its servers.
type readiness int

const (
	unready readiness = iota
	// draining endpoints still serve while they terminate; they are used when none is ready, as in kube-proxy.
	draining
	ready
)

// endpoint is a possible server.
type endpoint struct {
	readiness readiness
	addr      netip.AddrPort
	// pod and node are empty if they are unknown.
	pod, node string
}

// Endpoints are the servers behind a Service's port.
type Endpoints struct {
	// Servers are sorted by name; each name is unique.
	Servers []haproxy.Server
	// Reason says why there are none; empty if there are some.
	Reason EmptyReason
	// Seen are the names of the TCP ports that the slices have instead of the Service's, sorted; only with OtherPorts.
	Seen []string
}

// findEndpoints returns the endpoints behind a port that can serve.
func findEndpoints(port Port, all []*discoveryv1.EndpointSlice) Endpoints {
	slices := sortOut(port, all)
	if slices.arePending() {
		return Endpoints{Reason: SlicesPending}
	}
	servers := haproxy.SortServers(serversIn(slices.all(), port))
	if len(servers) > 0 {
		return Endpoints{Servers: servers}
	}
	if slices.havePlaceholder() {
		return Endpoints{Reason: OnlyPlaceholder}
	}
	return slices.without()
}

// serversIn returns the servers behind a port, by address; each name is unique.
func serversIn(all []*discoveryv1.EndpointSlice, port Port) []haproxy.Server {
	var found []endpoint
	for _, slice := range all {
		found = appendEndpoints(found, slice, port.ServicePort)
	}
	found = oneFamilyPerPod(found, prefersIPv6(port.Service))
	found = mostReady(found)
	found = distinct(found)
	return named(found)
}

// appendEndpoints adds the endpoints of one slice that can be dialled at the Service's port. A slice identifies the port by
// its name. The number is that of the pods, and may differ in the next slice.
func appendEndpoints(found []endpoint, slice *discoveryv1.EndpointSlice, port corev1.ServicePort) []endpoint {
	number := targetPort(slice, port)
	if number == 0 {
		return found
	}
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		if addr, ok := dialable(e, slice.AddressType); ok {
			found = append(found, endpoint{
				readiness: rankOf(e.Conditions),
				addr:      netip.AddrPortFrom(addr, number),
				pod:       podName(e),
				node:      nodeName(e),
			})
		}
	}
	return found
}

// targetPort returns the number of the Service's port in a slice, or 0 if the slice does not have it.
func targetPort(slice *discoveryv1.EndpointSlice, port corev1.ServicePort) uint16 {
	p, found := portIn(slice, port.Name)
	if !found {
		return 0
	}
	return validPort(deref(p.Port, unrestricted(port)))
}

// portIn returns the TCP port of that name in a slice.
func portIn(slice *discoveryv1.EndpointSlice, name string) (port discoveryv1.EndpointPort, found bool) {
	for _, p := range slice.Ports {
		if deref(p.Name, "") == name && IsTCP(deref(p.Protocol, corev1.ProtocolTCP)) {
			return p, true
		}
	}
	return discoveryv1.EndpointPort{}, false
}

// unrestricted returns the port to dial if a slice leaves it open: the one in the Service.
func unrestricted(port corev1.ServicePort) int32 {
	if port.TargetPort.Type == intstr.String {
		return 0
	}
	return cmp.Or(port.TargetPort.IntVal, port.Port)
}

func validPort(number int32) uint16 {
	if number < 1 || number > 65535 {
		return 0
	}
	return uint16(number)
}

func rankOf(c discoveryv1.EndpointConditions) readiness {
	isReady := deref(c.Ready, true)
	switch {
	case isReady:
		return ready
	case deref(c.Serving, isReady) && deref(c.Terminating, false):
		return draining
	default:
		return unready
	}
}

// dialable returns the address of an endpoint. Only the first address has a meaning. An address of another family than that
// of the slice cannot be dialled.
func dialable(e *discoveryv1.Endpoint, family discoveryv1.AddressType) (netip.Addr, bool) {
	if len(e.Addresses) == 0 {
		return netip.Addr{}, false
	}
	addr, ok := unicast(e.Addresses[0])
	return addr, ok && (addr.Is4() && family == discoveryv1.AddressTypeIPv4 || addr.Is6() && family == discoveryv1.AddressTypeIPv6)
}

// unicast parses an address that a server can have.
func unicast(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.Addr{}, false
	}
	return addr, true
}

// podName returns the name of the endpoint's pod, or an empty string if it is no pod. In handwritten EndpointSlices the name
// may be any text; podName ignores a text that is no valid pod name.
func podName(e *discoveryv1.Endpoint) string {
	if e.TargetRef == nil || e.TargetRef.Kind != "Pod" || !isObjectName(e.TargetRef.Name) {
		return ""
	}
	return e.TargetRef.Name
}

func nodeName(e *discoveryv1.Endpoint) string {
	if name := deref(e.NodeName, ""); isObjectName(name) {
		return name
	}
	return ""
}

// isObjectName reports whether the name is valid for a pod or a node.
func isObjectName(name string) bool {
	const maxLength = 253
	return name != "" && len(name) <= maxLength && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
	})
}

// mostReady keeps only the endpoints of the best rank that occurs, and never unready ones.
func mostReady(found []endpoint) []endpoint {
	best := draining
	for _, e := range found {
		best = max(best, e.readiness)
	}
	return slices.DeleteFunc(found, func(e endpoint) bool { return e.readiness < best })
}

// oneFamilyPerPod keeps one endpoint of a pod that has addresses of both families: that of the preferred family. It also
// considers unready ones. Otherwise a pod would switch to its other address when the slice of one family is updated before
// the other.
func oneFamilyPerPod(found []endpoint, preferIPv6 bool) []endpoint {
	preferred := func(e endpoint) bool { return e.addr.Addr().Is6() == preferIPv6 }
	reached := make(map[string]bool, len(found))
	for _, e := range found {
		if e.pod != "" && preferred(e) {
			reached[e.pod] = true
		}
	}
	return slices.DeleteFunc(found, func(e endpoint) bool { return !preferred(e) && reached[e.pod] })
}

// distinct keeps one of the endpoints with the same address and port: slices overlap while endpoints move between them.
func distinct(found []endpoint) []endpoint {
	slices.SortFunc(found, func(a, b endpoint) int {
		// Descending, so that an endpoint with a known pod comes before one without.
		return cmp.Or(a.addr.Compare(b.addr), strings.Compare(b.pod, a.pod), strings.Compare(b.node, a.node))
	})
	return slices.CompactFunc(found, func(a, b endpoint) bool { return a.addr == b.addr })
}

// named turns endpoints into servers, named after their pods. Endpoints without a pod, and those that would share a name,
// are named after their address, whose ":" cannot occur in the name of a pod.
func named(found []endpoint) []haproxy.Server {
	namesakes := make(map[string]int, len(found))
	for _, e := range found {
		namesakes[e.pod]++
	}
	result := make([]haproxy.Server, 0, len(found))
	for _, e := range found {
		name := e.pod
		if name == "" || namesakes[name] > 1 {
			name = e.addr.Addr().String() + ":" + strconv.Itoa(int(e.addr.Port()))
		}
		result = append(result, haproxy.Server{Name: name, Addr: e.addr.Addr(), Port: e.addr.Port(), Weight: 1, Node: e.node})
	}
	return result
}

// deref returns what p points to, or unset if p is nil.
func deref[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}
