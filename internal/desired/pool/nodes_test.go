package pool

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// nodesBehind returns the nodes at the first port of the Service.
func nodesBehind(service *corev1.Service, kind corev1.NodeAddressType, nodes []*corev1.Node, slices ...*discoveryv1.EndpointSlice) Nodes {
	var cache Cache
	port := firstPort(service)
	return cache.Nodes(port, kind, nodes, cache.Endpoints(port, slices).Servers)
}

func condition(kind corev1.NodeConditionType, status corev1.ConditionStatus) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Status.Conditions = []corev1.NodeCondition{{Type: kind, Status: status}} }
}

// away marks a node that no longer answers for its pods.
func away(n *corev1.Node) { condition(corev1.NodeReady, corev1.ConditionFalse)(n) }

func TestNodesThatMayGetTrafficAreServers(t *testing.T) {
	t.Parallel()
	labelled := func(n *corev1.Node) { n.Labels = map[string]string{corev1.LabelNodeExcludeBalancers: ""} }
	denied := func(n *corev1.Node) { n.Labels = map[string]string{corev1.LabelNodeExcludeBalancers: "false"} }
	deleting := func(n *corev1.Node) { n.DeletionTimestamp = new(metav1.Unix(1, 0)) }
	tainted := func(key string) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: key, Effect: corev1.TaintEffectNoSchedule}} }
	}
	alsoTainted := func(key string) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key}) }
	}
	alsoReady := func(n *corev1.Node) {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue})
	}
	cordoned := func(n *corev1.Node) { n.Spec.Unschedulable = true }
	tests := []struct {
		name         string
		a, b         []func(*corev1.Node)
		wantServers  []string
		wantEligible int
	}{
		{"ready nodes", nil, nil, []string{"a", "b"}, 2},
		{"a cordoned node keeps its pods", []func(*corev1.Node){cordoned}, nil, []string{"a", "b"}, 2},
		{"any other taint", []func(*corev1.Node){tainted("node-role.kubernetes.io/control-plane")}, nil, []string{"a", "b"}, 2},
		{"a node that is being deleted", []func(*corev1.Node){deleting}, nil, []string{"b"}, 1},
		{"a node that is excluded", []func(*corev1.Node){labelled}, nil, []string{"b"}, 1},
		{"the label counts, whatever its value", []func(*corev1.Node){denied}, nil, []string{"b"}, 1},
		{"a node that the autoscaler takes away", []func(*corev1.Node){tainted("ToBeDeletedByClusterAutoscaler")}, nil, []string{"b"}, 1},
		{"an unready node beside a ready one", []func(*corev1.Node){away}, nil, []string{"b"}, 2},
		{"a node that was not heard of beside a ready one", nil,
			[]func(*corev1.Node){condition(corev1.NodeReady, corev1.ConditionUnknown)}, []string{"a"}, 2},
		{"a node that says nothing of being ready", nil,
			[]func(*corev1.Node){condition(corev1.NodeMemoryPressure, corev1.ConditionTrue)}, []string{"a"}, 2},
		{"unready nodes stand in when none is ready", []func(*corev1.Node){away}, []func(*corev1.Node){away}, []string{"a", "b"}, 2},
		{"an excluded one does not stand in", []func(*corev1.Node){labelled}, []func(*corev1.Node){away}, []string{"b"}, 1},
		{"the autoscaler's taint is seen behind another", []func(*corev1.Node){tainted("dedicated"), alsoTainted("ToBeDeletedByClusterAutoscaler")}, nil,
			[]string{"b"}, 1},
		{"a node that another condition holds for beside being ready", nil,
			[]func(*corev1.Node){condition(corev1.NodeDiskPressure, corev1.ConditionTrue), alsoReady}, []string{"a", "b"}, 2},
		{"a node that is deleted and unready", []func(*corev1.Node){deleting, away}, []func(*corev1.Node){away}, []string{"b"}, 1},
		{"none is left", []func(*corev1.Node){labelled}, []func(*corev1.Node){deleting}, []string{}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := node("a", append(test.a, external("198.51.100.1"))...)
			b := node("b", append(test.b, external("198.51.100.2"))...)
			for _, nodes := range [][]*corev1.Node{{a, b}, {b, a}} {
				got := nodesBehind(service("app", webPort()), corev1.NodeExternalIP, nodes)
				if names := serverNames(got.Servers); !reflect.DeepEqual(names, test.wantServers) || got.Eligible != test.wantEligible {
					t.Errorf("servers %v of %d, want %v of %d", names, got.Eligible, test.wantServers, test.wantEligible)
				}
			}
		})
	}
}

func TestNodesAreReachedAtAnAddressOfTheType(t *testing.T) {
	t.Parallel()
	of := func(families ...corev1.IPFamily) *corev1.Service {
		s := service("app", webPort())
		s.Spec.IPFamilies = families
		return s
	}
	v4, v6 := of(corev1.IPv4Protocol, corev1.IPv6Protocol), of(corev1.IPv6Protocol)
	tests := []struct {
		name    string
		service *corev1.Service
		kind    corev1.NodeAddressType
		node    *corev1.Node
		want    []haproxy.Server
	}{
		{"the external one", v4, corev1.NodeExternalIP, node("a", internal("10.0.0.1"), external("198.51.100.1")),
			[]haproxy.Server{onNode("a", "198.51.100.1")}},
		{"the internal one", v4, corev1.NodeInternalIP, node("a", internal("10.0.0.1"), external("198.51.100.1")),
			[]haproxy.Server{onNode("a", "10.0.0.1")}},
		{"that of the first family, IPv4", v4, corev1.NodeInternalIP, node("a", internal("2001:db8::1", "10.0.0.1")),
			[]haproxy.Server{onNode("a", "10.0.0.1")}},
		{"that of the first family, IPv6", v6, corev1.NodeInternalIP, node("a", internal("10.0.0.1", "2001:db8::1")),
			[]haproxy.Server{onNode("a", "2001:db8::1")}},
		{"IPv4 when the Service says nothing", of(), corev1.NodeInternalIP, node("a", internal("2001:db8::1", "10.0.0.1")),
			[]haproxy.Server{onNode("a", "10.0.0.1")}},
		{"that of the other family if there is no other", v6, corev1.NodeInternalIP, node("a", internal("10.0.0.1")),
			[]haproxy.Server{onNode("a", "10.0.0.1")}},
		{"the first of several", v4, corev1.NodeInternalIP, node("a", internal("10.0.0.1", "10.0.0.2")),
			[]haproxy.Server{onNode("a", "10.0.0.1")}},
		{"the first that can be dialled", v4, corev1.NodeInternalIP, node("a", internal("0.0.0.0", "", "fe80::1%eth0", "node.example.com", "10.0.0.2")),
			[]haproxy.Server{onNode("a", "10.0.0.2")}},
		{"the first of the other family", v6, corev1.NodeInternalIP, node("a", internal("10.0.0.1", "10.0.0.2")),
			[]haproxy.Server{onNode("a", "10.0.0.1")}},
		{"that of the first family behind several of the other", v6, corev1.NodeInternalIP, node("a", internal("10.0.0.1", "10.0.0.2", "2001:db8::1")),
			[]haproxy.Server{onNode("a", "2001:db8::1")}},
		{"the one of the type although the other type has the first family", v6, corev1.NodeInternalIP,
			node("a", external("2001:db8::9"), internal("10.0.0.1")), []haproxy.Server{onNode("a", "10.0.0.1")}},
		{"a name is no address", v4, corev1.NodeHostName, node("a", addressed(corev1.NodeHostName, []string{"a.example.com"})), []haproxy.Server{}},
		{"no external one", v4, corev1.NodeExternalIP, node("a", internal("10.0.0.1")), []haproxy.Server{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := nodesBehind(test.service, test.kind, []*corev1.Node{test.node})
			if got.Eligible != 1 || len(got.Servers) != len(test.want) || len(test.want) > 0 && !reflect.DeepEqual(got.Servers, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// A ready node without an address of the type must not displace those that could be reached.
func TestANodeWithoutAnAddressIsIgnored(t *testing.T) {
	t.Parallel()
	nodes := []*corev1.Node{node("a", away, external("198.51.100.1")), node("b", internal("10.0.0.2"))}
	got := nodesBehind(service("app", webPort()), corev1.NodeExternalIP, nodes)
	if want := (Nodes{Servers: []haproxy.Server{onNode("a", "198.51.100.1")}, Eligible: 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTrafficThatStaysOnANodeGoesWhereEndpointsAre(t *testing.T) {
	t.Parallel()
	on := func(node string, e discoveryv1.Endpoint) discoveryv1.Endpoint { e.NodeName = &node; return e }
	terminating := func(e discoveryv1.Endpoint) discoveryv1.Endpoint {
		e.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
		return e
	}
	nowhere := pod("y", "10.0.0.9")
	nowhere.NodeName = nil
	tests := []struct {
		name        string
		endpoints   []discoveryv1.Endpoint
		unreadyA    bool
		wantServers []string
	}{
		{"where one is ready", []discoveryv1.Endpoint{on("a", pod("x", "10.0.0.1"))}, false, []string{"a"}},
		{"where two are", []discoveryv1.Endpoint{on("a", pod("x", "10.0.0.1")), on("a", pod("z", "10.0.0.3")), on("b", pod("y", "10.0.0.2"))}, false,
			[]string{"a", "b"}},
		{"not where one is unready", []discoveryv1.Endpoint{on("a", unreadyPod("x", "10.0.0.1")), on("b", pod("y", "10.0.0.2"))}, false, []string{"b"}},
		{"not where one terminates, while another is ready",
			[]discoveryv1.Endpoint{on("a", terminating(pod("x", "10.0.0.1"))), on("b", pod("y", "10.0.0.2"))}, false, []string{"b"}},
		{"where one terminates and still serves, when none is ready",
			[]discoveryv1.Endpoint{on("a", terminating(pod("x", "10.0.0.1"))), on("b", unreadyPod("y", "10.0.0.2"))}, false, []string{"a"}},
		{"to an unready node, if no other has one", []discoveryv1.Endpoint{on("a", pod("x", "10.0.0.1"))}, true, []string{"a"}},
		{"nowhere if no node is named", []discoveryv1.Endpoint{nowhere}, false, []string{}},
		{"nowhere if there is none", nil, false, []string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := service("app", webPort())
			s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
			a := node("a", external("198.51.100.1"))
			if test.unreadyA {
				away(a)
			}
			nodes := []*corev1.Node{a, node("b", external("198.51.100.2"))}
			got := serverNames(nodesBehind(s, corev1.NodeExternalIP, nodes, sliceOf(test.endpoints...)).Servers)
			if !reflect.DeepEqual(got, test.wantServers) {
				t.Errorf("servers %v, want %v", got, test.wantServers)
			}
		})
	}
}
