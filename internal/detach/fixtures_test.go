package detach

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

const uid = types.UID("1234")

// noon is the time of the tests, and ago a time before it.
func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func ago(d time.Duration) time.Time { return noon().Add(-d) }

// hostA is the first host of web.
func hostA() model.HostID { return model.NewHostID("a", 22) }

// web returns an object of namespace shop and generation 2 with the hosts a and b.
func web(edits ...func(*v1alpha1.EdgeLoadBalancer)) *v1alpha1.EdgeLoadBalancer {
	object := &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: uid, Generation: 2},
		Spec: v1alpha1.EdgeLoadBalancerSpec{
			SSH:   v1alpha1.SSH{User: "root", Port: 22, SecretRef: v1alpha1.SecretReference{Name: "edge-ssh"}},
			Hosts: []v1alpha1.Host{{Name: "gw1", Address: "a"}, {Name: "gw2", Address: "b"}},
		},
	}
	for _, edit := range edits {
		edit(object)
	}
	object.Default()
	return object
}

func suspended(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend = true }

func deleted(at time.Time) func(*v1alpha1.EdgeLoadBalancer) {
	return func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = new(metav1.NewTime(at)) }
}

// named makes it another object, and bound gives it a listener.
func named(namespace, name string) func(*v1alpha1.EdgeLoadBalancer) {
	return func(o *v1alpha1.EdgeLoadBalancer) { o.Namespace, o.Name, o.UID = namespace, name, types.UID(name) }
}

func bound(bind v1alpha1.BindAddress) func(*v1alpha1.EdgeLoadBalancer) {
	return func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Listeners = []v1alpha1.Listener{{Name: "https", Bind: []v1alpha1.BindAddress{bind}, Target: "app"}}
		o.Spec.Targets = []v1alpha1.Target{{Name: "app", Service: &v1alpha1.ServicePort{Name: "app"}}}
	}
}

// usedBy returns a host that belongs to an object of the namespace.
func usedBy(namespace string) desired.Host {
	return desired.Host{Members: []desired.Member{{Object: types.NamespacedName{Namespace: namespace, Name: "other"}}}}
}

func never(types.UID) bool { return false }

func always(types.UID) bool { return true }
