package pool

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// selecting returns a Service with a selector, for whose ports Kubernetes writes slices.
func selecting(ports ...corev1.ServicePort) *corev1.Service {
	s := service("app", ports...)
	s.UID = "now"
	s.Spec.Selector = map[string]string{"app": "app"}
	return s
}

// written returns a slice as Kubernetes writes it for the Service with that UID.
func written(uid string, slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	slice.Labels = map[string]string{discoveryv1.LabelManagedBy: sliceController}
	slice.OwnerReferences = []metav1.OwnerReference{{Kind: "Service", Name: "app", UID: types.UID(uid)}}
	return slice
}

// withPorts returns the slice with ports of these names instead, at 8443.
func withPorts(slice *discoveryv1.EndpointSlice, names ...string) *discoveryv1.EndpointSlice {
	slice.Ports = nil
	for _, name := range names {
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: new(name), Port: new(int32(8443))})
	}
	return slice
}

// ownedBy returns the slice with an owner of that kind and name, whose UID is not the Service's.
func ownedBy(kind, name string, slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	slice.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, UID: "another"}}
	return slice
}

func overUDP(slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	for i := range slice.Ports {
		slice.Ports[i].Protocol = new(corev1.ProtocolUDP)
	}
	return slice
}

// fqdn returns a slice of DNS names.
func fqdn() *discoveryv1.EndpointSlice {
	slice := sliceOf(pod("a", "app.example.com"))
	slice.AddressType = discoveryv1.AddressTypeFQDN
	return slice
}

func namedTarget(name, target string) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: 443, TargetPort: intstr.FromString(target)}
}

// Slices that Kubernetes has yet to write are recognized without a clock, by what it always writes.
func TestTheStateBetweenTwoWritesIsPending(t *testing.T) {
	t.Parallel()
	web, admin := webPort(), corev1.ServicePort{Name: "admin", Port: 9000, TargetPort: intstr.FromInt32(9000)}
	dual := selecting(web)
	dual.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
	byHand, onlyIPv6, noFamily := selecting(web), selecting(web), selecting(web)
	byHand.Spec.Selector, onlyIPv6.Spec.IPFamilies, noFamily.Spec.IPFamilies = nil, []corev1.IPFamily{corev1.IPv6Protocol}, nil
	placeholder := func() *discoveryv1.EndpointSlice { return written("now", withPorts(sliceOf())) }
	a := func() *discoveryv1.EndpointSlice { return written("now", sliceOf(pod("a", "10.0.0.1"))) }
	b6 := func() *discoveryv1.EndpointSlice { return written("now", ipv6(sliceOf(pod("b", "2001:db8::2")))) }
	names := func(names ...string) *discoveryv1.EndpointSlice {
		return written("now", withPorts(sliceOf(pod("a", "10.0.0.1")), names...))
	}
	tests := []struct {
		name        string
		service     *corev1.Service
		slices      []*discoveryv1.EndpointSlice
		wantServers []string
		wantReason  EmptyReason
	}{
		{"the slices follow", selecting(web), []*discoveryv1.EndpointSlice{a()}, []string{"a"}, ""},
		{"no slice yet", selecting(web), nil, nil, SlicesPending},
		{"no pod matches", selecting(web), []*discoveryv1.EndpointSlice{placeholder()}, nil, NoPods},
		{"the port was renamed", selecting(web), []*discoveryv1.EndpointSlice{names("https")}, nil, SlicesPending},
		{"the port was renamed, and one of two slices follows", selecting(web), []*discoveryv1.EndpointSlice{names("https"), a()}, nil, SlicesPending},
		{"a port was given a name", selecting(web), []*discoveryv1.EndpointSlice{names("")}, nil, SlicesPending},
		{"the port is new", selecting(web, admin), []*discoveryv1.EndpointSlice{names("admin")}, nil, SlicesPending},
		{"another port was renamed", selecting(web, admin), []*discoveryv1.EndpointSlice{names("web", "metrics")}, []string{"a"}, ""},
		{"the number of the target port changed", selecting(web),
			[]*discoveryv1.EndpointSlice{onPort(9443, a())}, nil, SlicesPending},
		{"two ports exchanged their names", selecting(corev1.ServicePort{Name: "web", Port: 443, TargetPort: intstr.FromInt32(9000)}, admin),
			[]*discoveryv1.EndpointSlice{names("web", "admin")}, nil, SlicesPending},
		{"a port with a named target port was renamed", selecting(namedTarget("web", "https")),
			[]*discoveryv1.EndpointSlice{names("https")}, nil, SlicesPending},
		{"pods do not have the named target port", selecting(namedTarget("web", "https")),
			[]*discoveryv1.EndpointSlice{names()}, nil, NoTargetPort},
		{"pods have another port's target port only", selecting(namedTarget("web", "https"), admin),
			[]*discoveryv1.EndpointSlice{names("admin")}, nil, NoTargetPort},
		{"some pods do not have the named target port", selecting(namedTarget("web", "https")),
			[]*discoveryv1.EndpointSlice{names(), a()}, []string{"a"}, ""},
		{"a named target port has any number", selecting(namedTarget("web", "https")),
			[]*discoveryv1.EndpointSlice{onPort(9443, a())}, []string{"a"}, ""},
		{"the Service was made anew, and the previous one's slices are there", selecting(web),
			[]*discoveryv1.EndpointSlice{written("before", sliceOf(pod("a", "10.0.0.1")))}, nil, SlicesPending},
		{"the previous Service's slices are not used when there are new ones", selecting(web),
			[]*discoveryv1.EndpointSlice{written("before", sliceOf(pod("old", "10.0.0.9"))), a()}, []string{"a"}, ""},
		{"of two families, the first is pending", dual, []*discoveryv1.EndpointSlice{b6()}, nil, SlicesPending},
		{"of two families, the second is pending", dual, []*discoveryv1.EndpointSlice{a()}, []string{"a"}, ""},
		{"a pod with an address of the second family only", dual, []*discoveryv1.EndpointSlice{placeholder(), b6()}, []string{"b"}, ""},
		{"the port was renamed, and the second family follows first", dual, []*discoveryv1.EndpointSlice{names("https"), b6()}, nil, SlicesPending},
		{"a selector was added to a Service with slices of its own", selecting(web), []*discoveryv1.EndpointSlice{sliceOf(pod("a", "10.0.0.1"))},
			[]string{"a"}, ""},
		{"somebody else's slices beside may have any ports", selecting(web),
			[]*discoveryv1.EndpointSlice{a(), withPorts(sliceOf(pod("x", "10.0.0.7")), "other")}, []string{"a"}, ""},
		{"a selector was removed: what Kubernetes wrote stays", byHand, []*discoveryv1.EndpointSlice{a()}, []string{"a"}, ""},
		{"without a selector: no slice is what is wanted", byHand, nil, nil, NoSlices},
		{"without a selector: other ports", byHand, []*discoveryv1.EndpointSlice{withPorts(sliceOf(pod("a", "10.0.0.1")), "https")}, nil, OtherPorts},
		{"without a selector: the port is left out", byHand, []*discoveryv1.EndpointSlice{withPorts(sliceOf(pod("a", "10.0.0.1")))}, nil, NoTargetPort},
		{"without a selector: one of two slices has other ports", byHand,
			[]*discoveryv1.EndpointSlice{withPorts(sliceOf(pod("x", "10.0.0.7")), "https"), sliceOf(pod("a", "10.0.0.1"))}, []string{"a"}, ""},
		{"without a selector: Cilium's placeholder", byHand, []*discoveryv1.EndpointSlice{withPorts(sliceOf(pod("", "192.192.192.192")), "")}, nil, OnlyPlaceholder},
		{"without a selector: Cilium's placeholder beside another address", byHand, []*discoveryv1.EndpointSlice{
			withPorts(sliceOf(pod("", "192.192.192.192")), ""), withPorts(sliceOf(pod("a", "10.0.0.1")), "")}, nil, OtherPorts},
		{"DNS names", byHand, []*discoveryv1.EndpointSlice{fqdn()}, nil, NoAddresses},
		{"of one family, which was exchanged for the other", onlyIPv6, []*discoveryv1.EndpointSlice{a()}, nil, SlicesPending},
		{"of one family, which was exchanged, and the new slice is there", onlyIPv6, []*discoveryv1.EndpointSlice{a(), b6()}, []string{"a", "b"}, ""},
		{"a Service that names no family", noFamily, []*discoveryv1.EndpointSlice{a()}, []string{"a"}, ""},
		{"another port with a named target port was renamed", selecting(namedTarget("web", "https"), admin),
			[]*discoveryv1.EndpointSlice{names("web", "metrics")}, []string{"a"}, ""},
		{"a slice's unknown UDP port is no sign of a port that was renamed", selecting(namedTarget("web", "https")),
			[]*discoveryv1.EndpointSlice{overUDP(names("dns"))}, nil, NoTargetPort},
		{"a slice that mirrors Endpoints belongs to those, not to a previous Service", byHand,
			[]*discoveryv1.EndpointSlice{ownedBy("Endpoints", "app", sliceOf(pod("a", "10.0.0.1")))}, []string{"a"}, ""},
		{"a slice of another Service is no slice of a previous one", byHand,
			[]*discoveryv1.EndpointSlice{ownedBy("Service", "app-canary", sliceOf(pod("a", "10.0.0.1")))}, []string{"a"}, ""},
		{"a selector was added to a Service with slices of other ports", selecting(web),
			[]*discoveryv1.EndpointSlice{withPorts(sliceOf(pod("a", "10.0.0.1")), "https")}, nil, NoTargetPort},
		{"DNS names beside addresses of other ports", byHand,
			[]*discoveryv1.EndpointSlice{fqdn(), withPorts(sliceOf(pod("a", "10.0.0.1")), "https")}, nil, OtherPorts},
		{"DNS names beside addresses", byHand, []*discoveryv1.EndpointSlice{fqdn(), sliceOf(pod("a", "10.0.0.1"))}, []string{"a"}, ""},
		{"pods that are not ready beside slices of other ports", byHand,
			[]*discoveryv1.EndpointSlice{withPorts(sliceOf(pod("x", "10.0.0.7")), "https"), sliceOf(unreadyPod("a", "10.0.0.1"))}, nil, NoneReady},
		{"pods that are not ready", selecting(web), []*discoveryv1.EndpointSlice{written("now", sliceOf(unreadyPod("a", "10.0.0.1")))}, nil, NoneReady},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := new(Cache).Endpoints(firstPort(test.service), test.slices)
			if names := serverNames(got.Servers); len(names)+len(test.wantServers) > 0 && !reflect.DeepEqual(names, test.wantServers) || got.Reason != test.wantReason {
				t.Errorf("servers %v, reason %q; want %v, %q", names, got.Reason, test.wantServers, test.wantReason)
			}
		})
	}
}

// A Service that changes is read again although its slices are the same.
func TestACacheSeesThatTheServiceChanged(t *testing.T) {
	t.Parallel()
	var cache Cache
	before, after := selecting(webPort()), selecting(webPort())
	after.Spec.Ports[0].Name = "https"
	before.ResourceVersion, after.ResourceVersion = "1", "2"
	slices := []*discoveryv1.EndpointSlice{written("now", sliceOf(pod("a", "10.0.0.1")))}
	versioned(slices)
	if got := cache.Endpoints(firstPort(before), slices); len(got.Servers) != 1 {
		t.Errorf("before: %+v", got)
	}
	if got := cache.Endpoints(firstPort(after), slices); got.Reason != SlicesPending {
		t.Errorf("after: %+v", got)
	}
}

// A port that is not there yet is waited for, and the host keeps its servers; a port that nobody has yet has no servers at once.
func TestOnlyAPortThatTheSlicesDoNotHaveYetIsUnknown(t *testing.T) {
	t.Parallel()
	for reason, want := range map[EmptyReason]bool{
		"": false, SlicesPending: true, OtherPorts: true,
		NoSlices: false, OnlyPlaceholder: false, NoAddresses: false, NoTargetPort: false, NoPods: false, NoneReady: false,
	} {
		if got := (Endpoints{Reason: reason}).AreUnknown(); got != want {
			t.Errorf("%q: unknown is %t", reason, got)
		}
	}
}

func TestThePortsThatSlicesHaveInsteadAreNamedOnceAndSorted(t *testing.T) {
	t.Parallel()
	admin := corev1.ServicePort{Name: "admin", Port: 9000, TargetPort: intstr.FromInt32(9000)}
	byHand := selecting(webPort(), admin)
	byHand.Spec.Selector = nil
	slices := []*discoveryv1.EndpointSlice{
		withPorts(sliceOf(pod("a", "10.0.0.1")), "https", "admin", "metrics"),
		withPorts(sliceOf(pod("b", "10.0.0.2")), "grpc", "https"),
		overUDP(withPorts(sliceOf(pod("c", "10.0.0.3")), "dns")),
		withPorts(sliceOf(), "empty"),
	}
	got := new(Cache).Endpoints(firstPort(byHand), slices)
	if want := []string{"grpc", "https", "metrics"}; got.Reason != OtherPorts || !reflect.DeepEqual(got.Seen, want) {
		t.Errorf("reason %q, seen %q; want %q", got.Reason, got.Seen, want)
	}
}
