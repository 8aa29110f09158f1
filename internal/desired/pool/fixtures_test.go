package pool

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// service returns a Service of namespace shop.
func service(name string, ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.ServiceSpec{IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, Ports: ports},
	}
}

// firstPort returns the first port of a Service of the operator's own cluster.
func firstPort(service *corev1.Service) Port {
	return Port{Service: service, ServicePort: service.Spec.Ports[0]}
}

func webPort() corev1.ServicePort {
	return corev1.ServicePort{
		Name: "web", Port: 443, TargetPort: intstr.FromInt32(8443), Protocol: corev1.ProtocolTCP, NodePort: 30443,
	}
}

// sliceOf returns an IPv4 slice with port web at 8443.
func sliceOf(endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("web"), Port: new(int32(8443)), Protocol: new(corev1.ProtocolTCP)}},
		Endpoints:   endpoints,
	}
}

func ipv6(slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	slice.AddressType = discoveryv1.AddressTypeIPv6
	return slice
}

func onPort(number int32, slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	slice.Ports[0].Port = &number
	return slice
}

// pod returns a ready endpoint on a node of its own.
func pod(name, address string) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses:  []string{address},
		Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: name},
		NodeName:   new("node-of-" + name),
	}
}

func unreadyPod(name, address string) discoveryv1.Endpoint {
	e := pod(name, address)
	e.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(false), Terminating: new(false)}
	return e
}

func server(name, address string, port uint16) haproxy.Server {
	return haproxy.Server{Name: name, Addr: netip.MustParseAddr(address), Port: port, Weight: 1}
}

// node returns a ready node, without an address unless it is given one.
func node(name string, edits ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	for _, edit := range edits {
		edit(n)
	}
	return n
}

// external gives a node external addresses.
func external(addresses ...string) func(*corev1.Node) {
	return addressed(corev1.NodeExternalIP, addresses)
}

// internal gives a node internal addresses.
func internal(addresses ...string) func(*corev1.Node) {
	return addressed(corev1.NodeInternalIP, addresses)
}

func addressed(kind corev1.NodeAddressType, addresses []string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		for _, address := range addresses {
			n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: kind, Address: address})
		}
	}
}

// onNode returns a server of Cache.Nodes at the node port of webPort.
func onNode(name, address string) haproxy.Server {
	s := server(name, address, 30443)
	s.Node = name
	return s
}

// versioned gives objects a version, so that a cache can identify them.
func versioned[object metav1.Object](all []object) {
	for _, o := range all {
		o.SetUID(types.UID(fmt.Sprintf("%p", any(o))))
		o.SetResourceVersion("1")
	}
}
