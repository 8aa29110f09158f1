package servers

import (
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
)

// known returns a Service with node port 30443, one pod and one node.
func known() Source {
	return Source{
		Name: types.NamespacedName{Namespace: "shop", Name: "app"},
		Service: &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "app"}, Spec: corev1.ServiceSpec{
			IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol},
			Ports:      []corev1.ServicePort{{Name: "web", Port: 443, NodePort: 30443, Protocol: corev1.ProtocolTCP}},
		}},
		Slices: []*discoveryv1.EndpointSlice{{
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Name: new("web"), Port: new(int32(8443)), Protocol: new(corev1.ProtocolTCP)}},
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}},
		}},
		Nodes: []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}, Status: corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.7"}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		}}},
		Egress: netip.MustParseAddr("203.0.113.5"),
	}
}

func pods(*v1alpha1.Target) {}
func nodes(t *v1alpha1.Target) {
	t.Via, t.NodeAddressType = v1alpha1.ViaNodePort, v1alpha1.NodeInternalIP
}
func egress(t *v1alpha1.Target) { t.Via, t.NodeAddressType = v1alpha1.ViaNodePort, v1alpha1.NodeEgress }

func TestATargetHasServersOrAReasonWhyItHasNone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		via        func(*v1alpha1.Target)
		edit       func(*Source)
		want       string // the server; empty for none
		wantKept   bool
		wantReason string // empty for none
		wantText   string
	}{
		"a pod":         {pods, func(*Source) {}, "10.0.0.1:8443", false, "", ""},
		"a node":        {nodes, func(*Source) {}, "192.0.2.7:30443", false, "", ""},
		"a router":      {egress, func(*Source) {}, "203.0.113.5:30443", false, "", ""},
		"no Service":    {pods, func(s *Source) { s.Service = nil }, "", true, v1alpha1.ReasonServiceNotFound, "create it"},
		"no such port":  {pods, func(s *Source) { s.Service.Spec.Ports[0].Name = "admin" }, "", true, v1alpha1.ReasonPortNotFound, "admin=443"},
		"no ports":      {pods, func(s *Source) { s.Service.Spec.Ports = nil }, "", true, v1alpha1.ReasonPortNotFound, "no ports at all"},
		"no TCP":        {pods, func(s *Source) { s.Service.Spec.Ports[0].Protocol = corev1.ProtocolUDP }, "", true, v1alpha1.ReasonPortNotFound, "name a TCP port"},
		"a name":        {pods, func(s *Source) { s.Service.Spec.Type = corev1.ServiceTypeExternalName }, "", true, v1alpha1.ReasonServiceInvalid, "ExternalName"},
		"no pods":       {pods, func(s *Source) { s.Slices = nil }, "", false, v1alpha1.ReasonNoEndpoints, "add a selector"},
		"nodes alone":   {nodes, func(s *Source) { s.Slices = nil }, "192.0.2.7:30443", false, v1alpha1.ReasonNoEndpoints, "add a selector"},
		"no right":      {nodes, func(s *Source) { s.Nodes, s.NoNodes = nil, true }, "", true, v1alpha1.ReasonNoNodes, "may not read"},
		"no nodes":      {nodes, func(s *Source) { s.Nodes = nil }, "", true, v1alpha1.ReasonNoNodes, "has no node"},
		"no node port":  {nodes, func(s *Source) { s.Service.Spec.Ports[0].NodePort = 0 }, "", true, v1alpha1.ReasonNoNodePort, "set its type"},
		"not asked yet": {egress, func(s *Source) { s.Egress = netip.Addr{} }, "", true, "", ""},
		"not told":      {egress, func(s *Source) { s.Egress, s.EgressHidden = netip.Addr{}, true }, "", true, v1alpha1.ReasonNoNodes, "SSH_CONNECTION"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, target := known(), &v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app", Port: intstr.FromString("web")}}
			test.edit(&from)
			test.via(target)
			found, kept, failure := Of(&pool.Cache{}, target, from)
			var got []string
			for _, server := range found {
				got = append(got, netip.AddrPortFrom(server.Addr, server.Port).String())
			}
			if strings.Join(got, " ") != test.want || kept != test.wantKept {
				t.Errorf("servers %q, kept: %t; want %q, kept: %t", got, kept, test.want, test.wantKept)
			}
			if failure == nil {
				failure = &Failure{}
			}
			if failure.Reason != test.wantReason || !strings.Contains(failure.Sentence, test.wantText) {
				t.Errorf("got %+v, want %s with %q", failure, test.wantReason, test.wantText)
			}
		})
	}
}
