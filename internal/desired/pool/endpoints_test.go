package pool

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestReadinessDecidesWhichEndpointsAreServers(t *testing.T) {
	t.Parallel()
	yes, no := new(true), new(false)
	type conditions struct{ ready, serving, terminating *bool }
	var (
		readyPod    = conditions{yes, yes, no}
		silent      = conditions{nil, nil, nil}
		published   = conditions{yes, no, yes} // publishNotReadyAddresses
		notReady    = conditions{no, no, no}
		notReadyYet = conditions{no, nil, nil}
		servingOnly = conditions{no, yes, no}
		terminating = conditions{no, yes, yes}
		dying       = conditions{no, no, yes}
		dyingSilent = conditions{no, nil, yes}
		leavingOnly = conditions{nil, nil, yes}
		serves      = conditions{no, yes, nil}
		readySilent = conditions{yes, nil, nil}
	)
	tests := []struct {
		name        string
		a, b        conditions
		wantServers []string
	}{
		{"ready endpoints are servers", readyPod, readyPod, []string{"a", "b"}},
		{"no condition means ready", silent, readySilent, []string{"a", "b"}},
		{"ready counts even when terminating", published, notReady, []string{"a"}},
		{"an endpoint that is not ready is no server beside a ready one", readyPod, notReady, []string{"a"}},
		{"a terminating endpoint is no server beside a ready one", readyPod, terminating, []string{"a"}},
		{"terminating endpoints that still serve stand in when none is ready", terminating, terminating, []string{"a", "b"}},
		{"only those that still serve stand in", terminating, dying, []string{"a"}},
		{"an endpoint that is not ready does not stand in", terminating, notReady, []string{"a"}},
		{"serving without terminating does not stand in", servingOnly, terminating, []string{"b"}},
		{"serving is ready's value when it is not said", dyingSilent, terminating, []string{"b"}},
		{"serving alone is not enough", servingOnly, notReadyYet, []string{}},
		{"nothing to serve leaves no server", dying, notReady, []string{}},
		{"an endpoint that does not say that it terminates does not stand in", serves, notReady, []string{}},
		{"terminating without a word about being ready is ready", leavingOnly, terminating, []string{"a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := pod("a", "10.0.0.1"), pod("b", "10.0.0.2")
			a.Conditions = discoveryv1.EndpointConditions{Ready: test.a.ready, Serving: test.a.serving, Terminating: test.a.terminating}
			b.Conditions = discoveryv1.EndpointConditions{Ready: test.b.ready, Serving: test.b.serving, Terminating: test.b.terminating}
			for _, slices := range [][]*discoveryv1.EndpointSlice{{sliceOf(a, b)}, {sliceOf(b), sliceOf(a)}} {
				got := serverNames(serversBehind(service("app", webPort()), slices...))
				if !reflect.DeepEqual(got, test.wantServers) {
					t.Errorf("servers %v, want %v", got, test.wantServers)
				}
			}
		})
	}
}

// serversBehind returns the servers of the first port of the Service.
func serversBehind(service *corev1.Service, slices ...*discoveryv1.EndpointSlice) []haproxy.Server {
	var cache Cache
	return cache.Endpoints(firstPort(service), slices).Servers
}

func serverNames(servers []haproxy.Server) []string {
	names := []string{}
	for _, s := range servers {
		names = append(names, s.Name)
	}
	return names
}

func withoutNodes(servers []haproxy.Server) []haproxy.Server {
	for i := range servers {
		servers[i].Node = ""
	}
	return servers
}

func TestAddressesOfBothFamiliesBecomeServers(t *testing.T) {
	t.Parallel()
	dual := func(first, second corev1.IPFamily) *corev1.Service {
		s := service("app", webPort())
		s.Spec.IPFamilies = []corev1.IPFamily{first, second}
		return s
	}
	v4First, v6First := dual(corev1.IPv4Protocol, corev1.IPv6Protocol), dual(corev1.IPv6Protocol, corev1.IPv4Protocol)
	unsaid := service("app", webPort())
	unsaid.Spec.IPFamilies = nil
	anonymous, anonymous4 := pod("", "2001:db8::9"), pod("", "10.0.0.9")
	anonymous.TargetRef, anonymous4.TargetRef = nil, nil
	tests := []struct {
		name        string
		service     *corev1.Service
		slices      []*discoveryv1.EndpointSlice
		wantServers []haproxy.Server
	}{
		{
			"a pod of both families is one server of the first family, IPv4", v4First,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(pod("a", "2001:db8::1"))), sliceOf(pod("a", "10.0.0.1"))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443)},
		},
		{
			"a pod of both families is one server of the first family, IPv6", v6First,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(pod("a", "2001:db8::1"))), sliceOf(pod("a", "10.0.0.1"))},
			[]haproxy.Server{server("a", "2001:db8::1", 8443)},
		},
		{
			"IPv4 is the first family when the Service says nothing", unsaid,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(pod("a", "2001:db8::1"))), sliceOf(pod("a", "10.0.0.1"))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443)},
		},
		{
			"a pod with an address of the second family only is reached there", v4First,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(pod("b", "2001:db8::2"))), sliceOf(pod("a", "10.0.0.1"))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443), server("b", "2001:db8::2", 8443)},
		},
		{
			"a pod that stopped being ready does not jump to its other address while the slices disagree", v4First,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(pod("a", "2001:db8::1"))), sliceOf(unreadyPod("a", "10.0.0.1"), pod("b", "10.0.0.2"))},
			[]haproxy.Server{server("b", "10.0.0.2", 8443)},
		},
		{
			"endpoints without a pod are never taken for one another", v4First,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(anonymous)), sliceOf(pod("a", "10.0.0.1"))},
			[]haproxy.Server{server("2001:db8::9:8443", "2001:db8::9", 8443), server("a", "10.0.0.1", 8443)},
		},
		{
			"endpoints without a pod may have an address of each family", v4First,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(anonymous)), sliceOf(anonymous4)},
			[]haproxy.Server{server("10.0.0.9:8443", "10.0.0.9", 8443), server("2001:db8::9:8443", "2001:db8::9", 8443)},
		},
		{
			"each family may have a number of its own behind the name of the port", v4First,
			[]*discoveryv1.EndpointSlice{onPort(9443, ipv6(sliceOf(pod("b", "2001:db8::2")))), sliceOf(pod("a", "10.0.0.1"))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443), server("b", "2001:db8::2", 9443)},
		},
		{
			"a pod whose slice of the first family does not have the port is reached at the other", v4First,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(pod("a", "2001:db8::1"))), withPorts(sliceOf(pod("a", "10.0.0.1")), "admin")},
			[]haproxy.Server{server("a", "2001:db8::1", 8443)},
		},
		{
			"a pod whose address of the first family cannot be dialled is reached at the other", v4First,
			[]*discoveryv1.EndpointSlice{ipv6(sliceOf(pod("a", "2001:db8::1"))), sliceOf(pod("a", "0.0.0.0"))},
			[]haproxy.Server{server("a", "2001:db8::1", 8443)},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := withoutNodes(serversBehind(test.service, test.slices...))
			if !reflect.DeepEqual(got, test.wantServers) {
				t.Errorf("servers %v, want %v", got, test.wantServers)
			}
		})
	}
}

func TestWhatCannotBeDialledIsNoServer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		slice *discoveryv1.EndpointSlice
	}{
		{"an address that is none", sliceOf(pod("a", "not-an-address"))},
		{"an address with leading zeros", sliceOf(pod("a", "010.0.0.1"))},
		{"an empty address", sliceOf(pod("a", ""))},
		{"no address", sliceOf(discoveryv1.Endpoint{})},
		{"the unspecified address", sliceOf(pod("a", "0.0.0.0"))},
		{"a multicast address", sliceOf(pod("a", "224.0.0.1"))},
		{"an IPv6 address in a slice of IPv4", sliceOf(pod("a", "2001:db8::1"))},
		{"an IPv4 address in a slice of IPv6", ipv6(sliceOf(pod("a", "10.0.0.1")))},
		{"an IPv4 address written as IPv6", ipv6(sliceOf(pod("a", "::ffff:10.0.0.1")))},
		{"an address with a zone", ipv6(sliceOf(pod("a", "fe80::1%eth0")))},
		{"a slice of names", &discoveryv1.EndpointSlice{
			AddressType: discoveryv1.AddressTypeFQDN,
			Ports:       sliceOf().Ports,
			Endpoints:   []discoveryv1.Endpoint{pod("a", "app.example.com"), pod("b", "10.0.0.1")},
		}},
		{"port 0", onPort(0, sliceOf(pod("a", "10.0.0.1")))},
		{"a negative port", onPort(-1, sliceOf(pod("a", "10.0.0.1")))},
		{"a port above 65535", onPort(65536, sliceOf(pod("a", "10.0.0.1")))},
		{"a port that is 443 in its last two bytes", onPort(65536+443, sliceOf(pod("a", "10.0.0.1")))},
		{"an empty slice", &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := serversBehind(service("app", webPort()), test.slice); len(got) != 0 {
				t.Errorf("servers %v, want none", got)
			}
		})
	}
}

func TestSlicesIdentifyThePortByItsName(t *testing.T) {
	t.Parallel()
	udp, unsaid := corev1.ProtocolUDP, corev1.Protocol("")
	ports := func(ports ...discoveryv1.EndpointPort) *discoveryv1.EndpointSlice {
		s := sliceOf(pod("a", "10.0.0.1"))
		s.Ports = ports
		return s
	}
	named := func(name string, number int32) discoveryv1.EndpointPort {
		return discoveryv1.EndpointPort{Name: &name, Port: &number}
	}
	target := func(p corev1.ServicePort, t intstr.IntOrString) corev1.ServicePort {
		p.TargetPort = t
		return p
	}
	unnamed := corev1.ServicePort{Port: 443}
	tests := []struct {
		name     string
		port     corev1.ServicePort
		slice    *discoveryv1.EndpointSlice
		wantPort uint16 // 0 for no server
	}{
		{"the port of the name is dialled", webPort(), ports(named("admin", 9000), named("web", 8443)), 8443},
		{"a slice without the name has no server", webPort(), ports(named("admin", 9000)), 0},
		{"an unnamed port has no name in the slice", unnamed, ports(discoveryv1.EndpointPort{Port: new(int32(8443))}), 8443},
		{"an unnamed port may have the empty name", unnamed, ports(named("", 8443)), 8443},
		{"an unnamed port is not a named one", unnamed, ports(named("web", 8443)), 0},
		{"a slice's UDP port of the name is another port", webPort(),
			ports(discoveryv1.EndpointPort{Name: new("web"), Port: new(int32(8443)), Protocol: &udp}), 0},
		{"the TCP port of the name counts beside a UDP port of the name", webPort(),
			ports(discoveryv1.EndpointPort{Name: new("web"), Port: new(int32(53)), Protocol: &udp}, named("web", 8443)), 8443},
		{"a port without a protocol is TCP", webPort(),
			ports(discoveryv1.EndpointPort{Name: new("web"), Port: new(int32(8443)), Protocol: &unsaid}), 8443},
		{"the lowest port", webPort(), ports(named("web", 1)), 1},
		{"the highest port", webPort(), ports(named("web", 65535)), 65535},
		{"an open number is the target port", webPort(), ports(discoveryv1.EndpointPort{Name: new("web")}), 8443},
		{"an open number is the Service's own where there is no target port", target(webPort(), intstr.IntOrString{}),
			ports(discoveryv1.EndpointPort{Name: new("web")}), 443},
		{"an open number and a named target port say nothing to dial", target(webPort(), intstr.FromString("https")),
			ports(discoveryv1.EndpointPort{Name: new("web")}), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got uint16
			for _, s := range serversBehind(service("app", test.port), test.slice) {
				got = s.Port
			}
			if got != test.wantPort {
				t.Errorf("port %d, want %d", got, test.wantPort)
			}
		})
	}
}

func TestSlicesAreMerged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		slices      []*discoveryv1.EndpointSlice
		wantServers []haproxy.Server
	}{
		{
			"servers of several slices are sorted by name",
			[]*discoveryv1.EndpointSlice{sliceOf(pod("c", "10.0.0.3"), pod("a", "10.0.0.1")), sliceOf(pod("b", "10.0.0.2"))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443), server("b", "10.0.0.2", 8443), server("c", "10.0.0.3", 8443)},
		},
		{
			"one port name may stand for a different number in each slice",
			[]*discoveryv1.EndpointSlice{sliceOf(pod("a", "10.0.0.1")), onPort(9443, sliceOf(pod("b", "10.0.0.2")))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443), server("b", "10.0.0.2", 9443)},
		},
		{
			"an endpoint in two slices is one server",
			[]*discoveryv1.EndpointSlice{sliceOf(pod("a", "10.0.0.1")), sliceOf(pod("a", "10.0.0.1"), pod("b", "10.0.0.2"))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443), server("b", "10.0.0.2", 8443)},
		},
		{
			"an endpoint that is ready in one slice and gone in another is ready",
			[]*discoveryv1.EndpointSlice{sliceOf(unreadyPod("a", "10.0.0.1")), sliceOf(pod("a", "10.0.0.1"))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443)},
		},
		{
			"two pods at one address and port are one server",
			[]*discoveryv1.EndpointSlice{sliceOf(pod("a", "10.0.0.1"), pod("b", "10.0.0.1"))},
			[]haproxy.Server{server("b", "10.0.0.1", 8443)},
		},
		{
			"duplicates are one server although another pod has the address as well",
			[]*discoveryv1.EndpointSlice{sliceOf(pod("b", "10.0.0.1"), pod("a", "10.0.0.2")), sliceOf(pod("c", "10.0.0.1"), pod("b", "10.0.0.1"))},
			[]haproxy.Server{server("a", "10.0.0.2", 8443), server("c", "10.0.0.1", 8443)},
		},
		{
			"a pod at two ports is two servers, named after their addresses",
			[]*discoveryv1.EndpointSlice{sliceOf(pod("a", "10.0.0.1")), onPort(9443, sliceOf(pod("a", "10.0.0.1")))},
			[]haproxy.Server{server("10.0.0.1:8443", "10.0.0.1", 8443), server("10.0.0.1:9443", "10.0.0.1", 9443)},
		},
		{
			"an endpoint whose pod is known displaces one at the same address whose pod is not",
			[]*discoveryv1.EndpointSlice{sliceOf(discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}}), sliceOf(pod("a", "10.0.0.1"))},
			[]haproxy.Server{server("a", "10.0.0.1", 8443)},
		},
		{
			"only the first address of an endpoint counts",
			[]*discoveryv1.EndpointSlice{sliceOf(discoveryv1.Endpoint{Addresses: []string{"10.0.0.1", "10.0.0.2"}})},
			[]haproxy.Server{server("10.0.0.1:8443", "10.0.0.1", 8443)},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := withoutNodes(serversBehind(service("app", webPort()), test.slices...))
			if !reflect.DeepEqual(got, test.wantServers) {
				t.Errorf("servers %v, want %v", got, test.wantServers)
			}
		})
	}
}

func TestServersAreNamedAfterTheirPods(t *testing.T) {
	t.Parallel()
	kind := func(kind string, e discoveryv1.Endpoint) discoveryv1.Endpoint {
		e.TargetRef.Kind = kind
		return e
	}
	tests := []struct {
		name      string
		endpoints []discoveryv1.Endpoint
		wantNames []string
	}{
		{"by the pod's name", []discoveryv1.Endpoint{pod("app-7d4f.x", "10.0.0.1")}, []string{"app-7d4f.x"}},
		{"by the longest name that a pod can have", []discoveryv1.Endpoint{pod(strings.Repeat("a", 253), "10.0.0.1")},
			[]string{strings.Repeat("a", 253)}},
		{"by the address when the name is longer than any pod's", []discoveryv1.Endpoint{pod(strings.Repeat("a", 254), "10.0.0.1")},
			[]string{"10.0.0.1:8443"}},
		{"by a name of every character that a pod's may have", []discoveryv1.Endpoint{pod("az.09-x", "10.0.0.1")}, []string{"az.09-x"}},
		{"by the address when the name has a character above z", []discoveryv1.Endpoint{pod("a{", "10.0.0.1")}, []string{"10.0.0.1:8443"}},
		{"by the address when the name has a capital letter", []discoveryv1.Endpoint{pod("App", "10.0.0.1")}, []string{"10.0.0.1:8443"}},
		{"by the address when the name has a letter of another alphabet", []discoveryv1.Endpoint{pod("ü", "10.0.0.1")}, []string{"10.0.0.1:8443"}},
		{"by the address when the name is a path", []discoveryv1.Endpoint{pod("a/b", "10.0.0.1")}, []string{"10.0.0.1:8443"}},
		{"by the address when the name is empty", []discoveryv1.Endpoint{pod("", "10.0.0.1")}, []string{"10.0.0.1:8443"}},
		{"by the address when the name has a newline", []discoveryv1.Endpoint{pod("a\n  server evil 10.6.6.6:80", "10.0.0.1")},
			[]string{"10.0.0.1:8443"}},
		{"by the address when the name has a blank", []discoveryv1.Endpoint{pod("a b", "10.0.0.1")}, []string{"10.0.0.1:8443"}},
		{"by the address when the name could be taken for one", []discoveryv1.Endpoint{pod("10.0.0.2:8443", "10.0.0.1"),
			kind("Node", pod("x", "10.0.0.2"))}, []string{"10.0.0.1:8443", "10.0.0.2:8443"}},
		{"by the address when it is no pod", []discoveryv1.Endpoint{kind("Node", pod("a", "10.0.0.1"))}, []string{"10.0.0.1:8443"}},
		{"by the address when two endpoints claim the name", []discoveryv1.Endpoint{pod("a", "10.0.0.2"), pod("a", "10.0.0.1"),
			pod("b", "10.0.0.3")}, []string{"10.0.0.1:8443", "10.0.0.2:8443", "b"}},
		{"by the address when two slices disagree and one is not ready any more", []discoveryv1.Endpoint{pod("a", "10.0.0.2"),
			unreadyPod("a", "10.0.0.1")}, []string{"a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := serverNames(serversBehind(service("app", webPort()), sliceOf(test.endpoints...)))
			if !reflect.DeepEqual(got, test.wantNames) {
				t.Errorf("names %q, want %q", got, test.wantNames)
			}
		})
	}
}

func TestTheNodeIsOnlyNamedWhenItCanBeANode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		node     *string
		wantNode string
	}{
		{"a node's name is kept", new("node-1.example.com"), "node-1.example.com"},
		{"no name is none", nil, ""},
		{"a newline is no part of a name", new("node\nglobal"), ""},
		{"an overlong name is none", new(strings.Repeat("n", 254)), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := pod("a", "10.0.0.1")
			e.NodeName = test.node
			got := serversBehind(service("app", webPort()), sliceOf(e))
			if len(got) != 1 || got[0].Node != test.wantNode {
				t.Errorf("servers %v, want one on node %q", got, test.wantNode)
			}
		})
	}
}
