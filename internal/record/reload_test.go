package record

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

// built is what host a should be for an object with one listener.
func built(edit func(*v1alpha1.EdgeLoadBalancer), address string) desired.Host {
	object := named("shop", "web", uid)
	object.Spec.Listeners = []v1alpha1.Listener{{Name: "https", Bind: []v1alpha1.BindAddress{":443"}, Target: "app"}}
	object.Spec.Targets = []v1alpha1.Target{
		{Name: "app", Service: &v1alpha1.ServicePort{Name: "app", Port: intstr.FromInt32(443)}},
		{Name: "alt", Service: &v1alpha1.ServicePort{Name: "app", Port: intstr.FromInt32(443)}},
	}
	edit(object)
	object.Default()
	name := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app"}}
	return new(desired.Builder).Build(model.NewHostID("a", 22), desired.Snapshot{
		Cluster: "c", Objects: []*v1alpha1.EdgeLoadBalancer{object},
		Services: map[spec.ServiceKey]*corev1.Service{name: {
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "app"},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}},
		}},
		Slices: map[spec.ServiceKey][]*discoveryv1.EndpointSlice{name: {{
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Port: new(int32(8443))}},
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{address}}},
		}}},
	})
}

func TestTheReloadCauseIsTheDifferenceFromTheLastProof(t *testing.T) {
	t.Parallel()
	same := func(*v1alpha1.EdgeLoadBalancer) {}
	for name, test := range map[string]struct {
		edit    func(*v1alpha1.EdgeLoadBalancer)
		address string
		want    string
	}{
		"nothing":        {same, "10.0.0.1", ReloadDrift},
		"an endpoint":    {same, "10.0.0.2", ReloadRuntimeRefused},
		"a bind":         {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Listeners[0].Bind[0] = ":8443" }, "10.0.0.2", ReloadListeners},
		"another target": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Listeners[0].Target = "alt" }, "10.0.0.1", ReloadListeners},
		"a backend's": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Targets[0].Balance = v1alpha1.BalanceRoundRobin }, "10.0.0.1",
			ReloadSettings},
		"a setting": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 100 }, "10.0.0.2", ReloadSettings},
		"the file's path": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.Paths.Config = "/etc/haproxy/own.cfg" }, "10.0.0.1",
			ReloadSettings},
		"the drain timeout": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Targets[0].DrainTimeout = &metav1.Duration{} }, "10.0.0.1",
			ReloadDrift},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var known Host
			wanted := built(test.edit, test.address)
			if got := known.ReloadCause(&wanted); got != ReloadFirst {
				t.Errorf("before any proof: %s", got)
			}
			known.Apply(Attempt{Task: &Task{Host: built(same, "10.0.0.1")}, Outcome: model.Outcome{State: model.Synced}}, noon(), 0)
			known.Apply(Attempt{Task: &Task{Host: wanted}, Outcome: model.Outcome{State: model.Unreachable}}, noon(), 0)
			got := known.ReloadCause(&wanted)
			if got != test.want || !slices.Contains(ReloadCauses(), got) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestAReloadForNamesMeansThatTheRuntimeUpdateWasRefused(t *testing.T) {
	t.Parallel()
	routed := func(names ...v1alpha1.Hostname) desired.Host {
		return built(func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Listeners[0].Protocol = v1alpha1.ProtocolTLS
			o.Spec.Listeners[0].Routes = []v1alpha1.Route{{Hostnames: names, Target: "app"}}
		}, "10.0.0.1")
	}
	var known Host
	known.Apply(Attempt{Task: &Task{Host: routed("app.example.com")}, Outcome: model.Outcome{State: model.Synced}}, noon(), 0)
	wanted := routed("app.example.com", "www.example.com")
	if got := known.ReloadCause(&wanted); got != ReloadRuntimeRefused {
		t.Errorf("got %s, want %s", got, ReloadRuntimeRefused)
	}
}
