package servers

import (
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/pool"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// withoutServers returns a port of a Service, and endpoints that have no servers for a reason.
func withoutServers(reason pool.EmptyReason, edits ...func(*pool.Port, *pool.Endpoints)) (pool.Port, pool.Endpoints) {
	from := known()
	port, endpoints := pool.Port{Service: from.Service, ServicePort: from.Service.Spec.Ports[0]}, pool.Endpoints{Reason: reason}
	for _, edit := range edits {
		edit(&port, &endpoints)
	}
	return port, endpoints
}

// Each sentence says what to do, and what becomes of the servers until then.
func TestEachLackOfEndpointsHasAReasonASentenceAndAConsequence(t *testing.T) {
	t.Parallel()
	selects := func(p *pool.Port, _ *pool.Endpoints) {
		p.Service.Spec.Selector = map[string]string{"tier": "front", "app": "shop", "part": "web"}
	}
	unnamed := func(p *pool.Port, _ *pool.Endpoints) { p.Name = "" }
	saw := func(names ...string) func(*pool.Port, *pool.Endpoints) {
		return func(_ *pool.Port, e *pool.Endpoints) { e.Seen = names }
	}
	to := func(port intstr.IntOrString) func(*pool.Port, *pool.Endpoints) {
		return func(p *pool.Port, _ *pool.Endpoints) { p.TargetPort = port }
	}
	type edits = []func(*pool.Port, *pool.Endpoints)
	const none, unchanged = ". Until then it has no server", ". Servers that a host has of it are kept"
	for name, test := range map[string]struct {
		reason pool.EmptyReason
		edits  edits
		want   Failure
	}{
		"Kubernetes is about to write them": {pool.SlicesPending, edits{selects}, Failure{v1alpha1.ReasonEndpointsPending,
			"the EndpointSlices of Service shop/app do not follow its port web=443 yet: Kubernetes is about to write them; if that takes long, " +
				"check kube-controller-manager" + unchanged}},
		"slices with other ports": {pool.OtherPorts, edits{saw("", "admin")}, Failure{v1alpha1.ReasonNoEndpoints,
			`Service shop/app has no selector, and its EndpointSlices have the ports "", "admin" instead of web=443: give the port there the ` +
				`name that the Service's port has` + unchanged}},
		"nobody wrote slices": {pool.NoSlices, edits{unnamed}, Failure{v1alpha1.ReasonNoEndpoints,
			"Service shop/app has no selector and no EndpointSlice: add a selector, or write an EndpointSlice with its label " +
				"kubernetes.io/service-name and the port 443" + none}},
		"endpoints that are names": {pool.NoAddresses, nil, Failure{v1alpha1.ReasonServiceInvalid,
			"the EndpointSlices of Service shop/app are of type FQDN, and the operator uses addresses only: write the names into the target's " +
				"addresses instead of the Service, since they take DNS names" + none}},
		"pods without the port that the Service names": {pool.NoTargetPort, edits{selects, to(intstr.FromString("https"))},
			Failure{v1alpha1.ReasonNoEndpoints, "the pods of Service shop/app have no port https, which is the targetPort of its port web=443: " +
				"correct the targetPort, or name the port in the pods' containers" + none}},
		"slices without the port, written by hand": {pool.NoTargetPort, edits{to(intstr.FromString("https"))}, Failure{v1alpha1.ReasonNoEndpoints,
			"the EndpointSlices of Service shop/app, which has no selector, do not have its port web=443: add it there" + none}},
		"Cilium's placeholder": {pool.OnlyPlaceholder, nil, Failure{v1alpha1.ReasonNoEndpoints,
			"Service shop/app has no pods, but is served by Cilium's proxy on the nodes: set the target's via to NodePort" + none}},
		"a selector that matches nothing": {pool.NoPods, edits{selects}, Failure{v1alpha1.ReasonNoEndpoints,
			"Service shop/app has no endpoints: no pod matches its selector (app=shop,part=web,tier=front); correct the selector, or start the pods" + none}},
		"pods that are not ready": {pool.NoneReady, edits{selects}, Failure{v1alpha1.ReasonNoEndpoints,
			"Service shop/app has no endpoint that is ready on port web=443: check why its pods are not ready" + none}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, endpoints := withoutServers(test.reason, test.edits...)
			if got := whyNone(port, endpoints); got == nil || *got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			endpoints.Servers = []haproxy.Server{{Name: "app-1"}}
			if got := whyNone(port, endpoints); got != nil {
				t.Errorf("with a server there is a failure nevertheless: %+v", got)
			}
		})
	}
}

// Both ways to reach a Service must agree on why it has no endpoints, and whether what a host has is kept.
func TestPodsAndNodesLackEndpointsForTheSameReason(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Source){
		"not ready": func(s *Source) { s.Slices[0].Endpoints[0].Conditions.Ready = new(false) },
		"no slices": func(s *Source) { s.Slices = nil },
		"no pods": func(s *Source) {
			s.Slices[0].Endpoints, s.Service.Spec.Selector = nil, map[string]string{"app": "shop"}
			s.Slices[0].Labels = map[string]string{discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io"}
		},
		"other ports":     func(s *Source) { s.Slices[0].Ports[0].Name = new("other") },
		"names":           func(s *Source) { s.Slices[0].AddressType = discoveryv1.AddressTypeFQDN },
		"another's slice": func(s *Source) { s.Slices[0].Ports = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failures []Failure
			for _, via := range []func(*v1alpha1.Target){pods, nodes, egress} {
				from, target := known(), &v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app", Port: intstr.FromString("web")}}
				edit(&from)
				via(target)
				_, _, failure := Of(new(pool.Cache), target, from)
				if failure == nil {
					t.Fatalf("via %q %q: no failure", target.Via, target.NodeAddressType)
				}
				failures = append(failures, *failure)
			}
			if failures[0] != failures[1] || failures[1] != failures[2] {
				t.Errorf("pods, nodes and a router have different reasons: %+v", failures)
			}
		})
	}
}

func TestLabelsAreListedInOneOrder(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"b": "2", "a": "3", "c": "1", "empty": ""}
	for range 20 {
		if got := joinLabels(maps.Clone(labels)); got != "a=3,b=2,c=1,empty=" {
			t.Fatalf("got %s", got)
		}
	}
}

// A Service whose slices Kubernetes has not written yet says so only to targets that need the endpoints: any node takes the traffic.
func TestNodesServeWhileEndpointsArePending(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		via        func(*v1alpha1.Target)
		policy     corev1.ServiceExternalTrafficPolicy
		want       int
		wantKept   bool
		wantReason string
	}{
		"pods":                          {pods, corev1.ServiceExternalTrafficPolicyCluster, 0, true, v1alpha1.ReasonEndpointsPending},
		"all nodes":                     {nodes, corev1.ServiceExternalTrafficPolicyCluster, 1, false, ""},
		"nodes with a pod on them":      {nodes, corev1.ServiceExternalTrafficPolicyLocal, 0, true, v1alpha1.ReasonEndpointsPending},
		"a router in front of all":      {egress, corev1.ServiceExternalTrafficPolicyCluster, 1, false, ""},
		"a router, which knows no pods": {egress, corev1.ServiceExternalTrafficPolicyLocal, 1, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, target := known(), &v1alpha1.Target{Service: &v1alpha1.ServicePort{Name: "app", Port: intstr.FromString("web")}}
			from.Slices, from.Service.Spec.Selector = nil, map[string]string{"app": "shop"}
			from.Service.Spec.ExternalTrafficPolicy = test.policy
			test.via(target)
			found, kept, failure := Of(new(pool.Cache), target, from)
			if len(found) != test.want || kept != test.wantKept {
				t.Errorf("%d servers, kept: %t; want %d, %t", len(found), kept, test.want, test.wantKept)
			}
			if failure == nil {
				failure = &Failure{}
			}
			if failure.Reason != test.wantReason {
				t.Errorf("got %+v, want %q", failure, test.wantReason)
			}
		})
	}
}
