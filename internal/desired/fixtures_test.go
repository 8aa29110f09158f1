package desired

import (
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// build builds a host with nothing kept from earlier builds.
func build(key model.HostID, s Snapshot) Host { return new(Builder).Build(key, s) }

// gw1 is the host of every object that edgeLB makes.
func gw1() model.HostID { return model.NewHostID("192.0.2.1", 22) }

// edgeLB returns an object of namespace shop that sends :443 of host gw1 to port web of Service app. It has none of the CRD's
// defaults.
func edgeLB(name string, edits ...func(*v1alpha1.EdgeLoadBalancer)) *v1alpha1.EdgeLoadBalancer {
	object := &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), CreationTimestamp: at(0), Generation: 1},
		Spec: v1alpha1.EdgeLoadBalancerSpec{
			SSH:       v1alpha1.SSH{SecretRef: v1alpha1.SecretReference{Name: "edge-ssh"}},
			Hosts:     []v1alpha1.Host{{Name: "gw1", Address: "192.0.2.1"}},
			Listeners: []v1alpha1.Listener{{Name: "https", Bind: []v1alpha1.BindAddress{":443"}, Target: "app"}},
			Targets:   []v1alpha1.Target{target("app", "app", intstr.FromString("web"))},
		},
	}
	for _, edit := range edits {
		edit(object)
	}
	object.Default()
	return object
}

func at(minute int) metav1.Time {
	return metav1.NewTime(time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC))
}

func created(minute int) func(*v1alpha1.EdgeLoadBalancer) {
	return func(object *v1alpha1.EdgeLoadBalancer) { object.CreationTimestamp = at(minute) }
}

func bound(binds ...v1alpha1.BindAddress) func(*v1alpha1.EdgeLoadBalancer) {
	return func(object *v1alpha1.EdgeLoadBalancer) { object.Spec.Listeners[0].Bind = binds }
}

func target(name, service string, port intstr.IntOrString) v1alpha1.Target {
	return v1alpha1.Target{Name: name, Service: &v1alpha1.ServicePort{Name: service, Port: port}}
}

// service returns a Service of namespace shop.
func service(name string, ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.ServiceSpec{IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, Ports: ports},
	}
}

func webPort() corev1.ServicePort {
	return corev1.ServicePort{Name: "web", Port: 443, TargetPort: intstr.FromInt32(8443), Protocol: corev1.ProtocolTCP}
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

// pod returns a ready endpoint.
func pod(name, address string) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses:  []string{address},
		Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: name},
		NodeName:   new("node-of-" + name),
	}
}

// snapshotOf returns a cluster with the objects and with Service app, whose two pods are ready.
func snapshotOf(objects ...*v1alpha1.EdgeLoadBalancer) Snapshot {
	name := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app"}}
	return Snapshot{
		Cluster:  "prod",
		Objects:  objects,
		Services: map[spec.ServiceKey]*corev1.Service{name: service("app", webPort())},
		Slices: map[spec.ServiceKey][]*discoveryv1.EndpointSlice{
			name: {sliceOf(pod("app-1", "10.0.0.1"), pod("app-2", "10.0.0.2"))},
		},
	}
}

// bindsOf lists the binds of a configuration by frontend.
func bindsOf(c haproxy.Config) map[string][]string {
	binds := map[string][]string{}
	for _, f := range c.Frontends {
		for _, b := range f.Binds {
			binds[f.Name] = append(binds[f.Name], netip.AddrPortFrom(b.Addr, b.Port).String())
		}
	}
	return binds
}

// about identifies a problem; its message is for people, and the golden files check it.
type about struct {
	object, reason, target string
}

func aboutAll(problems []Problem) []about {
	var all []about
	for _, p := range problems {
		all = append(all, about{p.Object.Name, p.Reason, p.Target})
	}
	return all
}

// onlyBackend fails the test unless the host has exactly one backend.
func onlyBackend(t *testing.T, host Host) haproxy.Backend {
	t.Helper()
	if len(host.Config.Backends) != 1 {
		t.Fatalf("got %d backends, want one", len(host.Config.Backends))
	}
	return host.Config.Backends[0]
}
