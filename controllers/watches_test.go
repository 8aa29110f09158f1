package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/index"
)

func TestHostsAreQueuedByWhatAffectsThem(t *testing.T) {
	t.Parallel()
	balancer := func(edit func(*v1alpha1.EdgeLoadBalancer)) client.Object {
		object := twoHosts()
		edit(object)
		return object
	}
	service := func(edit func(*corev1.Service)) client.Object {
		object := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 80}}}}
		edit(object)
		return object
	}
	tests := map[string]struct {
		filter predicate.Predicate
		before client.Object
		after  client.Object
		want   bool
	}{
		"a new spec": {hostsConcerned(), twoHosts(), balancer(func(o *v1alpha1.EdgeLoadBalancer) { o.Generation = 3 }), true},
		"a deletion": {hostsConcerned(), twoHosts(), balancer(func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = deletedAt() }), true},
		"a finalizer": {hostsConcerned(), twoHosts(),
			balancer(func(o *v1alpha1.EdgeLoadBalancer) { o.Finalizers = []string{index.Finalizer} }), true},
		"a host gone from the status": {hostsConcerned(),
			balancer(func(o *v1alpha1.EdgeLoadBalancer) { o.Status.Hosts = []v1alpha1.HostStatus{{Address: "old", Port: 22}} }), twoHosts(), true},
		"a status": {hostsConcerned(), twoHosts(), balancer(func(o *v1alpha1.EdgeLoadBalancer) {
			o.Status.Hosts = []v1alpha1.HostStatus{{Address: "a", Port: 22, State: v1alpha1.HostSynced}}
		}), false},
		"a label": {hostsConcerned(), twoHosts(), balancer(func(o *v1alpha1.EdgeLoadBalancer) { o.Labels = map[string]string{"a": "b"} }), false},
		"a Service's port": {contentChanged(), service(func(*corev1.Service) {}),
			service(func(o *corev1.Service) { o.Spec.Ports[0].Port = 81 }), true},
		"a Service's status": {contentChanged(), service(func(*corev1.Service) {}),
			service(func(o *corev1.Service) {
				o.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
			}), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.filter.Update(event.UpdateEvent{ObjectOld: test.before, ObjectNew: test.after}); got != test.want {
				t.Errorf("passed: %t, want %t", got, test.want)
			}
		})
	}
}

// Each node of the operator's cluster affects every host that reaches a Service by nodes.
func TestNodesThatExistAtTheStartQueueNoHost(t *testing.T) {
	t.Parallel()
	filter := sinceStart()
	for name, test := range map[string]struct{ passed, want bool }{
		"there at the start": {filter.Create(event.CreateEvent{Object: &corev1.Node{}, IsInInitialList: true}), false},
		"new":                {filter.Create(event.CreateEvent{Object: &corev1.Node{}}), true},
		"changed":            {filter.Update(event.UpdateEvent{ObjectOld: &corev1.Node{}, ObjectNew: &corev1.Node{}}), true},
		"gone":               {filter.Delete(event.DeleteEvent{Object: &corev1.Node{}}), true},
	} {
		if test.passed != test.want {
			t.Errorf("a node that is %s passes: %t, want %t", name, test.passed, test.want)
		}
	}
}
