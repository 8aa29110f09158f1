package servers

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
)

// via returns a target that reaches the Service of known at its node port.
func via(addresses v1alpha1.NodeAddressType) *v1alpha1.Target {
	return &v1alpha1.Target{
		Via: v1alpha1.ViaNodePort, NodeAddressType: addresses, Service: &v1alpha1.ServicePort{Name: "app", Port: intstr.FromString("web")},
	}
}

// A host can reach one kind of address only: that of another kind must never be taken instead.
func TestNodesAreReachedAtTheAddressesOfOneKind(t *testing.T) {
	t.Parallel()
	inside := corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "10.0.0.7"}
	outside := corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "192.0.2.7"}
	type addresses = []corev1.NodeAddress
	for name, test := range map[string]struct {
		kind v1alpha1.NodeAddressType
		has  []corev1.NodeAddress
		want string // empty if there is none
		help string
	}{
		"external, of both":      {v1alpha1.NodeExternalIP, addresses{inside, outside}, "192.0.2.7", ""},
		"internal, of both":      {v1alpha1.NodeInternalIP, addresses{outside, inside}, "10.0.0.7", ""},
		"external if none named": {"", addresses{inside, outside}, "192.0.2.7", ""},
		"external, and none is": {v1alpha1.NodeExternalIP, addresses{inside}, "",
			"no node that could serve has an address of type ExternalIP: set nodeAddressType to InternalIP if the host reaches those, or to Egress " +
				"if a router in front of the cluster forwards the node port. Servers that a host has of it are kept"},
		"internal, and none is": {v1alpha1.NodeInternalIP, addresses{outside}, "",
			"no node that could serve has an address of type InternalIP: set nodeAddressType to ExternalIP, or to Egress if a router in front of " +
				"the cluster forwards the node port. Servers that a host has of it are kept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := known()
			from.Nodes[0].Status.Addresses = test.has
			found, kept, failure := Of(new(pool.Cache), via(test.kind), from)
			if test.want != "" {
				if len(found) != 1 || found[0].Addr.String() != test.want || found[0].Port != 30443 || kept || failure != nil {
					t.Errorf("servers %+v, kept: %t, %+v; want one at %s", found, kept, failure, test.want)
				}
				return
			}
			if len(found) > 0 || !kept || failure == nil || *failure != (Failure{v1alpha1.ReasonNoNodes, test.help}) {
				t.Errorf("servers %+v, kept: %t, %+v; want %q", found, kept, failure, test.help)
			}
		})
	}
}

// What is not known must not take servers away. What is known to be gone must.
func TestOnlyNodesThatAreKnownNotToServeTakeTheServersAway(t *testing.T) {
	t.Parallel()
	excluded := func(s *Source) { s.Nodes[0].Labels = map[string]string{corev1.LabelNodeExcludeBalancers: ""} }
	const gone = "no node may get traffic for Service shop/app: each is being deleted, has the label " +
		"node.kubernetes.io/exclude-from-external-load-balancers, or has none of the Service's pods, where its externalTrafficPolicy is Local. " +
		"Until then it has no server"
	for name, test := range map[string]struct {
		edit     func(*Source)
		wantKept bool
		want     string
	}{
		"the operator may not read them": {func(s *Source) { s.Nodes, s.NoNodes = nil, true }, true,
			"the operator may not read this cluster's nodes: give it the right to get, list and watch them and restart it, or set the target's " +
				"via to PodIP. Servers that a host has of it are kept"},
		"it may no longer, and remembers one without an address": {func(s *Source) { s.Nodes[0].Status.Addresses, s.NoNodes = nil, true }, true,
			"the operator may not read this cluster's nodes: give it the right to get, list and watch them and restart it, or set the target's " +
				"via to PodIP. Servers that a host has of it are kept"},
		"there is none": {func(s *Source) { s.Nodes = nil }, true,
			"the cluster has no node: check whether kubectl get nodes lists any, or set the target's via to PodIP. Servers that a host has of it are kept"},
		"each is excluded":      {excluded, false, gone},
		"each is being deleted": {func(s *Source) { s.Nodes[0].DeletionTimestamp = new(metav1.Now()) }, false, gone},
		"the pods are elsewhere": {func(s *Source) {
			s.Service.Spec.ExternalTrafficPolicy, s.Slices[0].Endpoints[0].NodeName = corev1.ServiceExternalTrafficPolicyLocal, new("node-2")
		}, false, gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := known()
			test.edit(&from)
			found, kept, failure := Of(new(pool.Cache), via(v1alpha1.NodeInternalIP), from)
			if len(found) > 0 || kept != test.wantKept || failure == nil || *failure != (Failure{v1alpha1.ReasonNoNodes, test.want}) {
				t.Errorf("servers %+v, kept: %t, %+v; want kept: %t, %q", found, kept, failure, test.wantKept, test.want)
			}
		})
	}
}

func TestALocalServiceIsServedByTheNodesOfItsPods(t *testing.T) {
	t.Parallel()
	from := known()
	from.Service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	from.Slices[0].Endpoints[0].NodeName = new("node-2")
	second := from.Nodes[0].DeepCopy()
	second.Name, second.Status.Addresses[0].Address = "node-2", "192.0.2.8"
	from.Nodes = append(from.Nodes, second)
	if found, kept, failure := Of(new(pool.Cache), via(v1alpha1.NodeInternalIP), from); len(found) != 1 || found[0].Name != "node-2" || kept || failure != nil {
		t.Errorf("servers %+v, kept: %t, %+v", found, kept, failure)
	}
	from.Service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	if found, _, _ := Of(new(pool.Cache), via(v1alpha1.NodeInternalIP), from); len(found) != 2 {
		t.Errorf("with policy Cluster: servers %+v", found)
	}
}

// A Service without a node port has none whatever the way to it, and the advice fits its type.
func TestAServiceWithoutANodePortSaysHowToGetOne(t *testing.T) {
	t.Parallel()
	for kind, advice := range map[corev1.ServiceType]string{
		corev1.ServiceTypeClusterIP:    "set its type to NodePort or LoadBalancer, or the target's via to PodIP",
		corev1.ServiceTypeLoadBalancer: "set its spec.allocateLoadBalancerNodePorts to true, or the target's via to PodIP",
	} {
		for _, addresses := range []v1alpha1.NodeAddressType{v1alpha1.NodeInternalIP, v1alpha1.NodeExternalIP, v1alpha1.NodeEgress} {
			from := known()
			from.Service.Spec.Type, from.Service.Spec.Ports[0].NodePort = kind, 0
			found, kept, failure := Of(new(pool.Cache), via(addresses), from)
			want := Failure{v1alpha1.ReasonNoNodePort, "port web=443 of Service shop/app has no node port: " + advice + ". Servers that a host has of it are kept"}
			if len(found) > 0 || !kept || failure == nil || *failure != want {
				t.Errorf("%s, %s: servers %+v, kept: %t, %+v", kind, addresses, found, kept, failure)
			}
		}
	}
}

// The router needs no node, and its address is the only server.
func TestARouterIsReachedWhereTheHostSeesTheOperator(t *testing.T) {
	t.Parallel()
	from := known()
	from.Nodes, from.NoNodes, from.Egress = nil, true, netip.MustParseAddr("2001:db8::5")
	found, kept, failure := Of(new(pool.Cache), via(v1alpha1.NodeEgress), from)
	if len(found) != 1 || kept || failure != nil {
		t.Fatalf("servers %+v, kept: %t, %+v", found, kept, failure)
	}
	if got := found[0]; got.Name != "egress" || got.Addr != from.Egress || got.Port != 30443 || got.Weight != 1 {
		t.Errorf("server %+v", got)
	}
	from.EgressHidden = true
	if again, _, failure := Of(new(pool.Cache), via(v1alpha1.NodeEgress), from); len(again) != 1 || failure != nil {
		t.Errorf("a host that hides the address now: servers %+v, %+v; want the address that is known", again, failure)
	}
	from.Egress = netip.Addr{}
	const hidden = "the host's sshd does not say from which address it is reached (SSH_CONNECTION): set nodeAddressType to ExternalIP or InternalIP. " +
		"Servers that a host has of it are kept"
	if found, kept, failure := Of(new(pool.Cache), via(v1alpha1.NodeEgress), from); len(found) > 0 || !kept || failure == nil || *failure != (Failure{v1alpha1.ReasonNoNodes, hidden}) {
		t.Errorf("a host that hides the address: servers %+v, kept: %t, %+v", found, kept, failure)
	}
}

// Hosts share what is found, and each cluster and each kind of address has its own.
func TestServersAreSharedByTargetsThatAskTheSame(t *testing.T) {
	t.Parallel()
	var cache pool.Cache
	from := known()
	from.Service.UID, from.Service.ResourceVersion = "1", "1"
	from.Slices[0].UID, from.Slices[0].ResourceVersion = "2", "1"
	from.Nodes[0].UID, from.Nodes[0].ResourceVersion = "3", "1"
	from.Nodes[0].Status.Addresses = append(from.Nodes[0].Status.Addresses, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "198.51.100.7"})
	first, _, _ := Of(&cache, via(v1alpha1.NodeInternalIP), from)
	again, _, _ := Of(&cache, via(v1alpha1.NodeInternalIP), from)
	external, _, _ := Of(&cache, via(v1alpha1.NodeExternalIP), from)
	if len(first) != 1 || len(again) != 1 || len(external) != 1 || &first[0] != &again[0] || external[0].Addr.String() != "198.51.100.7" {
		t.Fatalf("servers %+v, %+v and %+v", first, again, external)
	}
	from.Cluster.Name, from.Nodes[0] = "other", from.Nodes[0].DeepCopy()
	from.Nodes[0].Name = "node-of-another-cluster"
	if found, _, _ := Of(&cache, via(v1alpha1.NodeInternalIP), from); len(found) != 1 || found[0].Name != "node-of-another-cluster" {
		t.Errorf("another cluster with the same versions: servers %+v", found)
	}
}
