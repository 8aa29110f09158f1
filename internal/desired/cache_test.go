package desired

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestACacheChangesNoResult(t *testing.T) {
	t.Parallel()
	var cache Cache
	app := ServiceKey{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "app"}}
	snapshot := func(edit func(*Snapshot)) Snapshot {
		s := snapshotOf(edgeLB("web"))
		s.Services[app] = service("app", webPort())
		s.Slices[app] = []*discoveryv1.EndpointSlice{sliceOf(pod("app-b", "10.0.0.2"), pod("app-a", "10.0.0.9"))}
		if edit != nil {
			edit(&s)
		}
		return s
	}
	first := snapshot(nil)
	for name, s := range map[string]Snapshot{
		"the first time":       first,
		"the very same slices": first,
		"an endpoint more": snapshot(func(s *Snapshot) {
			s.Slices[app][0].Endpoints = append(s.Slices[app][0].Endpoints, pod("app-c", "10.0.0.3"))
		}),
		"another slice": snapshot(func(s *Snapshot) {
			other := sliceOf(pod("app-d", "10.0.0.4"))
			other.Name = "app-other"
			s.Slices[app] = append(s.Slices[app], other)
		}),
		"no slice":            snapshot(func(s *Snapshot) { s.Slices[app] = nil }),
		"another port":        snapshot(func(s *Snapshot) { s.Services[app].Spec.Ports[0].TargetPort.IntVal = 9999 }),
		"another family":      snapshot(func(s *Snapshot) { s.Services[app].Spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }),
		"the Service is gone": snapshot(func(s *Snapshot) { delete(s.Services, app) }),
	} {
		for range 2 {
			want := Build(gw1(), s)
			s.Cache = &cache
			if got := Build(gw1(), s); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %+v, want %+v", name, got, want)
			}
			s.Cache = nil
		}
	}
}

func TestHostsThatServeOneServiceShareItsServers(t *testing.T) {
	t.Parallel()
	s := largeSnapshot(1, 2, 3)
	s.Cache = &Cache{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { Build(gw1(), s) })
	}
	all.Wait()
	one, two := Build(gw1(), s).Config.Backends[0].Servers, Build(gw1(), s).Config.Backends[0].Servers
	if &one[0] != &two[0] {
		t.Error("each has servers of its own")
	}
	again := largeSnapshot(1, 2, 3)
	for name, versions := range map[string][2]string{"the same version": {"7", "7"}, "another version": {"7", "8"}, "no version": {"", ""}} {
		s, again := s, again
		s.Cache, again.Cache = &Cache{}, nil
		for i, snapshot := range []Snapshot{s, again} {
			for _, slices := range snapshot.Slices {
				for j := range slices {
					slices[j].Name, slices[j].UID, slices[j].ResourceVersion = fmt.Sprint("app-", j), types.UID(fmt.Sprint(j)), versions[i]
				}
			}
		}
		again.Cache = s.Cache
		one, two := Build(gw1(), s).Config.Backends[0].Servers, Build(gw1(), again).Config.Backends[0].Servers
		if shared := &one[0] == &two[0]; shared != (name == "the same version") {
			t.Errorf("%s: shared is %t", name, shared)
		}
	}
	s.Cache.Forget()
	if three := Build(gw1(), s).Config.Backends[0].Servers; &three[0] == &one[0] {
		t.Error("what was forgotten is still there")
	}
}

func TestACacheIsBounded(t *testing.T) {
	t.Parallel()
	var cache Cache
	for i := range mostCached + 10 {
		cache.servers(service(fmt.Sprint("app-", i), webPort()), webPort(), nil)
	}
	if len(cache.known) > mostCached {
		t.Errorf("it holds %d", len(cache.known))
	}
}
