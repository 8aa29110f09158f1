package desired

import (
	"fmt"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

// namesSnapshot returns a cluster whose objects share port 443 of a host, and have ten thousand names together.
func namesSnapshot(objects int) Snapshot {
	s := largeSnapshot(objects, 1, 10)
	for i, object := range s.Objects {
		object.Spec.Listeners = []v1alpha1.Listener{{Name: "https", Protocol: v1alpha1.ProtocolTLS, Bind: []v1alpha1.BindAddress{":443"}}}
		for j := range 10_000 / objects {
			if j%50 == 0 {
				object.Spec.Listeners[0].Routes = append(object.Spec.Listeners[0].Routes, v1alpha1.Route{Target: "app"})
			}
			last := &object.Spec.Listeners[0].Routes[j/50]
			last.Hostnames = append(last.Hostnames, v1alpha1.Hostname(fmt.Sprintf("www%d.site-%d.example.com", j*7919%10_000, i)))
		}
	}
	return s
}

// Every route leads to another missing target, and each is reported.
func BenchmarkBuildSixteenThousandFaults(b *testing.B) {
	object := edgeLB("a")
	object.Spec.Listeners = nil
	for i := range 64 {
		l := v1alpha1.Listener{Name: fmt.Sprint("l", i), Protocol: v1alpha1.ProtocolTLS, Bind: []v1alpha1.BindAddress{v1alpha1.BindAddress(fmt.Sprint(":", i+1))}}
		for j := range 256 {
			l.Routes = append(l.Routes, v1alpha1.Route{Target: fmt.Sprint("none", j), Hostnames: []v1alpha1.Hostname{v1alpha1.Hostname(fmt.Sprintf("www%d.example.com", j))}})
		}
		object.Spec.Listeners = append(object.Spec.Listeners, l)
	}
	s := snapshotOf(object)
	for b.Loop() {
		if host := build(gw1(), s); len(host.Problems) != 64*256 {
			b.Fatalf("%d problems", len(host.Problems))
		}
	}
}

// One Service has changed, and no name. The objects are new each time, as after each write of their status.
func BenchmarkBuildTenThousandNames(b *testing.B) {
	for _, objects := range []int{1, 100} {
		b.Run(fmt.Sprint("objects=", objects), func(b *testing.B) {
			s := namesSnapshot(objects)
			key := spec.ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app-0"}}
			var builder Builder
			builder.Build(gw1(), s)
			b.ReportAllocs()
			for b.Loop() {
				changed := *s.Slices[key][0]
				s.Slices[key] = []*discoveryv1.EndpointSlice{&changed}
				b.StopTimer()
				for i, object := range s.Objects {
					s.Objects[i] = object.DeepCopy()
				}
				b.StartTimer()
				if host := builder.Build(gw1(), s); len(host.Config.Frontends) != 1 || len(host.Config.Frontends[0].Routes) != 10_000 {
					b.Fatalf("%d problems %v", len(host.Problems), host.Problems[:min(3, len(host.Problems))])
				}
			}
		})
	}
}
