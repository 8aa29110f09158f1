package desired

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// nodeAt returns a ready node with an internal address.
func nodeAt(name, address string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{
		Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
	}}
}

// byNodes returns a cluster with two nodes whose Service app has the node port 30443, through which the target of its object
// is reached.
func byNodes(addresses v1alpha1.NodeAddressType, edits ...func(*Snapshot, *corev1.Service)) Snapshot {
	s := snapshotOf(edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Targets[0].Via, o.Spec.Targets[0].NodeAddressType = v1alpha1.ViaNodePort, addresses
	}))
	s.Nodes = map[spec.ClusterKey][]*corev1.Node{{}: {nodeAt("node-b", "10.0.0.2"), nodeAt("node-a", "10.0.0.1")}}
	s.Egress = netip.MustParseAddr("203.0.113.5")
	app := s.Services[appKey()]
	app.Spec.Type, app.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, 30443
	for _, edit := range edits {
		edit(&s, app)
	}
	return s
}

func appKey() spec.ServiceKey {
	return spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app"}}
}

func TestATargetIsReachedByNodes(t *testing.T) {
	t.Parallel()
	at := func(name, address, node string) haproxy.Server {
		return haproxy.Server{Name: name, Addr: netip.MustParseAddr(address), Port: 30443, Weight: 1, Node: node}
	}
	internal := []haproxy.Server{at("node-a", "10.0.0.1", "node-a"), at("node-b", "10.0.0.2", "node-b")}
	excludeAll := func(s *Snapshot, _ *corev1.Service) {
		for _, node := range s.Nodes[spec.ClusterKey{}] {
			node.Labels = map[string]string{corev1.LabelNodeExcludeBalancers: "true"}
		}
	}
	local := func(_ *Snapshot, app *corev1.Service) {
		app.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}
	selecting := func(_ *Snapshot, app *corev1.Service) { app.Spec.Selector = map[string]string{"app": "app"} }
	noPods := func(s *Snapshot, _ *corev1.Service) { s.Slices = nil }
	ofCilium := func(s *Snapshot, _ *corev1.Service) {
		s.Slices[appKey()] = []*discoveryv1.EndpointSlice{{
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Port: new(int32(9999))}},
			Endpoints: []discoveryv1.Endpoint{{
				Addresses: []string{"192.192.192.192"}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)},
			}},
		}}
	}
	tests := []struct {
		name       string
		addresses  v1alpha1.NodeAddressType
		edits      []func(*Snapshot, *corev1.Service)
		want       []haproxy.Server
		wantKept   bool
		wantReason string // empty for none
		wantText   string
	}{
		{"at internal addresses", v1alpha1.NodeInternalIP, nil, internal, false, "", ""},
		{"at external addresses, which no node has", v1alpha1.NodeExternalIP, nil, nil, true, v1alpha1.ReasonNoNodes, "InternalIP"},
		{"external ones are the default", "", nil, nil, true, v1alpha1.ReasonNoNodes, "ExternalIP"},
		{"of no node that is known", v1alpha1.NodeInternalIP, []func(*Snapshot, *corev1.Service){func(s *Snapshot, _ *corev1.Service) {
			s.Nodes = nil
		}}, nil, true, v1alpha1.ReasonNoNodes, "no node"},
		{"of nodes that are all excluded", v1alpha1.NodeInternalIP, []func(*Snapshot, *corev1.Service){excludeAll}, nil, false,
			v1alpha1.ReasonNoNodes, corev1.LabelNodeExcludeBalancers},
		{"of a Service without pods", v1alpha1.NodeInternalIP, []func(*Snapshot, *corev1.Service){noPods}, internal, false,
			v1alpha1.ReasonNoEndpoints, "EndpointSlice"},
		{"of a Service without pods whose traffic stays on nodes", v1alpha1.NodeInternalIP,
			[]func(*Snapshot, *corev1.Service){noPods, local}, nil, false, v1alpha1.ReasonNoEndpoints, "EndpointSlice"},
		{"of a Service whose slices are pending", v1alpha1.NodeInternalIP, []func(*Snapshot, *corev1.Service){noPods, selecting}, internal, false,
			"", ""},
		{"of a Service whose slices are pending and whose traffic stays on nodes", v1alpha1.NodeInternalIP,
			[]func(*Snapshot, *corev1.Service){noPods, selecting, local}, nil, true, v1alpha1.ReasonEndpointsPending, "yet"},
		{"of a Gateway of Cilium", v1alpha1.NodeInternalIP, []func(*Snapshot, *corev1.Service){ofCilium}, internal, false, "", ""},
		{"of a Gateway of Cilium, at the operator's own address", v1alpha1.NodeEgress, []func(*Snapshot, *corev1.Service){ofCilium},
			[]haproxy.Server{at("egress", "203.0.113.5", "")}, false, "", ""},
		{"of a Gateway of Cilium whose traffic stays on nodes", v1alpha1.NodeInternalIP, []func(*Snapshot, *corev1.Service){ofCilium, local},
			nil, false, v1alpha1.ReasonNoNodes, "Local"},
		{"of nodes without the Service's pods", v1alpha1.NodeInternalIP, []func(*Snapshot, *corev1.Service){local}, nil, false,
			v1alpha1.ReasonNoNodes, "Local"},
		{"of a Service without a node port", v1alpha1.NodeInternalIP, []func(*Snapshot, *corev1.Service){func(_ *Snapshot, app *corev1.Service) {
			app.Spec.Type, app.Spec.Ports[0].NodePort = corev1.ServiceTypeClusterIP, 0
		}}, nil, true, v1alpha1.ReasonNoNodePort, "set its type"},
		{"of a Service to which none was allocated", v1alpha1.NodeEgress, []func(*Snapshot, *corev1.Service){func(_ *Snapshot, app *corev1.Service) {
			app.Spec.Type, app.Spec.Ports[0].NodePort = corev1.ServiceTypeLoadBalancer, 0
		}}, nil, true, v1alpha1.ReasonNoNodePort, "allocateLoadBalancerNodePorts"},
		{"at the operator's own address", v1alpha1.NodeEgress, nil, []haproxy.Server{at("egress", "203.0.113.5", "")}, false, "", ""},
		{"at that of a cluster whose nodes are unknown", v1alpha1.NodeEgress, []func(*Snapshot, *corev1.Service){func(s *Snapshot, _ *corev1.Service) {
			s.Nodes = nil
		}}, []haproxy.Server{at("egress", "203.0.113.5", "")}, false, "", ""},
		{"at the operator's own address, which is not known yet", v1alpha1.NodeEgress,
			[]func(*Snapshot, *corev1.Service){func(s *Snapshot, _ *corev1.Service) { s.Egress = netip.Addr{} }}, nil, true, "", ""},
		{"at the operator's own address, which the host does not say", v1alpha1.NodeEgress,
			[]func(*Snapshot, *corev1.Service){func(s *Snapshot, _ *corev1.Service) { s.Egress, s.EgressHidden = netip.Addr{}, true }},
			nil, true, v1alpha1.ReasonNoNodes, "SSH_CONNECTION"},
		{"at the operator's own address, for a Service without pods", v1alpha1.NodeEgress, []func(*Snapshot, *corev1.Service){noPods},
			[]haproxy.Server{at("egress", "203.0.113.5", "")}, false, v1alpha1.ReasonNoEndpoints, "EndpointSlice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			host := build(gw1(), byNodes(test.addresses, test.edits...))
			backend := onlyBackend(t, host)
			if !reflect.DeepEqual(backend.Servers, test.want) || backend.KeepServers != test.wantKept {
				t.Errorf("servers %v, kept: %t; want %v, kept: %t", backend.Servers, backend.KeepServers, test.want, test.wantKept)
			}
			var want []about
			if test.wantReason != "" {
				want = []about{{"a", test.wantReason, "app"}}
			}
			if got := aboutAll(host.Problems); !reflect.DeepEqual(got, want) {
				t.Fatalf("problems %v, want %v", got, want)
			}
			if len(want) > 0 && !strings.Contains(host.Problems[0].Message, test.wantText) {
				t.Errorf("it says %q, want %q in it", host.Problems[0].Message, test.wantText)
			}
		})
	}
}

func TestOnlyAHostWithATargetAtTheOperatorsAddressUsesIt(t *testing.T) {
	t.Parallel()
	for addresses, want := range map[v1alpha1.NodeAddressType]bool{
		v1alpha1.NodeEgress: true, v1alpha1.NodeInternalIP: false, "": false,
	} {
		s := byNodes(addresses)
		if host := build(gw1(), s); host.UsesEgress != want || host.Egress != s.Egress {
			t.Errorf("%s: got %t at %s", addresses, host.UsesEgress, host.Egress)
		}
	}
}
