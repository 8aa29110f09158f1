package controllers

import (
	"maps"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
)

// named is twoHosts in another namespace, with another Secret, and so on.
func named(namespace, name string, id types.UID) *v1alpha1.EdgeLoadBalancer {
	object := twoHosts()
	object.Namespace, object.Name, object.UID = namespace, name, id
	object.Finalizers = []string{Finalizer}
	object.Spec.SSH.SecretRef.Name = "edge-ssh"
	return object
}

func TestObjectsAreSortedIntoThoseThatWantTheHostAndThoseThatLeaveIt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit                    func(*v1alpha1.EdgeLoadBalancer)
		wantObjects, wantLeaves int
	}{
		"wants it":              {func(*v1alpha1.EdgeLoadBalancer) {}, 1, 0},
		"has no finalizer yet":  {func(o *v1alpha1.EdgeLoadBalancer) { o.Finalizers = nil }, 0, 0},
		"is being deleted":      {func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = seconds(noon()) }, 0, 1},
		"has it in status only": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[1:] }, 0, 1},
		"is deleted but suspended": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.DeletionTimestamp, o.Spec.Suspend = seconds(noon()), true
		}, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := named("shop", "web", uid)
			object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, User: "edge"}}
			test.edit(object)
			var seen observed
			seen.add(desired.NewHostKey("a", 22), object)
			if len(seen.snapshot.Objects) != test.wantObjects || len(seen.leavers) != test.wantLeaves {
				t.Errorf("%d objects and %d leavers, want %d and %d",
					len(seen.snapshot.Objects), len(seen.leavers), test.wantObjects, test.wantLeaves)
			}
		})
	}
}

func TestHostIsLeftAloneWhileAnObjectOnItHasLostTheFinalizer(t *testing.T) {
	t.Parallel()
	gone := func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = seconds(noon()) }
	elsewhere := func(o *v1alpha1.EdgeLoadBalancer) { o.Status.Hosts[0].Address = "z" }
	held := func(o *v1alpha1.EdgeLoadBalancer) { o.Finalizers = []string{Finalizer} }
	for name, test := range map[string]struct {
		edit func(*v1alpha1.EdgeLoadBalancer)
		want bool
	}{
		"lost it": {func(*v1alpha1.EdgeLoadBalancer) {}, true}, "holds it": {held, false},
		"is not on the host yet": {elsewhere, false}, "is being deleted": {gone, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := named("shop", "web", uid)
			object.Finalizers = nil
			object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22}}
			test.edit(object)
			var seen observed
			seen.add(desired.NewHostKey("a", 22), object)
			if seen.unsettled != test.want {
				t.Errorf("unsettled is %t, want %t", seen.unsettled, test.want)
			}
		})
	}
}

func TestLeaverKnowsFromItsStatusWhetherItWasOnTheHost(t *testing.T) {
	t.Parallel()
	for generation, want := range map[int64]bool{0: false, 1: true} {
		object := named("shop", "web", uid)
		object.DeletionTimestamp = seconds(noon())
		object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, ObservedGeneration: generation}}
		var seen observed
		seen.add(desired.NewHostKey("a", 22), object)
		if len(seen.leavers) != 1 || seen.leavers[0].served != want {
			t.Errorf("generation %d was proved: %+v, want served %t", generation, seen.leavers, want)
		}
	}
}

func TestEntryOfAHostThatLeftTheSpecComesFromTheStatus(t *testing.T) {
	t.Parallel()
	object := named("shop", "web", uid)
	object.Status.Hosts = []v1alpha1.HostStatus{{Name: "old", Address: "2001:db8::1", Port: 2222, User: "edge"}}
	key := desired.NewHostKey("2001:DB8::1", 2222)
	entry, inSpec := entryOf(object, key)
	want := v1alpha1.Host{Name: "old", Address: "2001:db8::1", Port: new(int32(2222)), User: "edge"}
	if inSpec || !reflect.DeepEqual(entry, want) || desired.KeyOf(&object.Spec.SSH, &entry) != key {
		t.Errorf("got %+v (in the spec: %t), want %+v", entry, inSpec, want)
	}
}

func TestJobFreesAHostFromThoseWhoLeave(t *testing.T) {
	t.Parallel()
	done := func(id types.UID) hostRecord { return hostRecord{leaving: map[types.UID]leave{id: {done: true}}} }
	stays, sibling, stranger := named("shop", "stays", "1"), named("shop", "sibling", "2"), named("bank", "stranger", "3")
	tests := map[string]struct {
		objects, leavers []*v1alpha1.EdgeLoadBalancer
		record           hostRecord
		wantOwner        string
		wantObjects      map[types.UID]int64
		wantFrees        map[types.UID]bool
	}{
		"nobody leaves": {[]*v1alpha1.EdgeLoadBalancer{stays, sibling}, nil, hostRecord{}, "c/shop",
			map[types.UID]int64{"1": 2, "2": 2}, map[types.UID]bool{}},
		"one of two leaves": {[]*v1alpha1.EdgeLoadBalancer{stays}, []*v1alpha1.EdgeLoadBalancer{sibling}, hostRecord{}, "c/shop",
			map[types.UID]int64{"1": 2}, map[types.UID]bool{"2": true}},
		"one of two has left": {[]*v1alpha1.EdgeLoadBalancer{stays}, []*v1alpha1.EdgeLoadBalancer{sibling}, done("2"), "c/shop",
			map[types.UID]int64{"1": 2}, map[types.UID]bool{}},
		"the last two leave": {nil, []*v1alpha1.EdgeLoadBalancer{stays, sibling}, hostRecord{}, "c/shop",
			nil, map[types.UID]bool{"1": true, "2": true}},
		"the former owner leaves": {[]*v1alpha1.EdgeLoadBalancer{stays}, []*v1alpha1.EdgeLoadBalancer{stranger}, hostRecord{}, "c/bank",
			nil, map[types.UID]bool{"3": true}},
		"the former owner has left": {[]*v1alpha1.EdgeLoadBalancer{stays}, []*v1alpha1.EdgeLoadBalancer{stranger}, done("3"), "c/shop",
			map[types.UID]int64{"1": 2}, map[types.UID]bool{}},
		"two owners leave, one after the other": {nil, []*v1alpha1.EdgeLoadBalancer{stranger, stays}, hostRecord{}, "c/bank",
			nil, map[types.UID]bool{"3": true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := desired.NewHostKey("a", 22)
			snapshot := desired.Snapshot{Cluster: "c", Objects: test.objects}
			var leavers []leaver
			for _, object := range test.leavers {
				leavers = append(leavers, leaver{object: object, entry: object.Spec.Hosts[0]})
			}
			test.record.host = desired.Build(key, snapshot)
			got := test.record.choose(snapshot, leavers)
			if got.host.Config.Owner != test.wantOwner || !maps.Equal(got.objects, test.wantObjects) || !maps.Equal(got.frees, test.wantFrees) {
				t.Errorf("owner %s, objects %v, frees %v; want %s, %v, %v",
					got.host.Config.Owner, got.objects, got.frees, test.wantOwner, test.wantObjects, test.wantFrees)
			}
		})
	}
}

func TestThereIsNoJobOnceTheLastObjectHasLeft(t *testing.T) {
	t.Parallel()
	object := named("shop", "web", uid)
	leavers := []leaver{{object: object, entry: object.Spec.Hosts[0]}}
	record := hostRecord{leaving: map[types.UID]leave{uid: {done: true}}}
	if got := record.choose(desired.Snapshot{Cluster: "c"}, leavers); got != nil {
		t.Errorf("got %+v", got)
	}
}

func TestPinsOfAHostThatLeftTheSpecAreRemembered(t *testing.T) {
	t.Parallel()
	object := named("shop", "web", uid)
	record := hostRecord{host: desired.Host{Login: desired.Login{HostKeys: []string{"ssh-ed25519 AAAA"}}}}
	got := idleHost("c", leaver{object: object, entry: v1alpha1.Host{Name: "old", Address: "z", User: "edge"}}, record)
	if got.Login.User != "edge" || len(got.Login.HostKeys) != 1 || len(got.Config.Frontends) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestInputsChangeWithWhatAPersonCanChange(t *testing.T) {
	t.Parallel()
	base := func() *job {
		return &job{objects: map[types.UID]int64{"1": 1, "2": 1}, frees: map[types.UID]bool{}}
	}
	same := inputsOf(base(), "7")
	for range 20 {
		if got := inputsOf(base(), "7"); got != same {
			t.Fatalf("the same inputs are %q and %q", same, got)
		}
	}
	for name, edit := range map[string]func(*job){
		"generation": func(j *job) { j.objects["2"] = 2 }, "objects": func(j *job) { delete(j.objects, "2") },
		"leavers": func(j *job) { j.frees["3"] = true }, "Secret": func(j *job) { j.host.Login.Secret.Name = "other" },
	} {
		changed := base()
		edit(changed)
		if inputsOf(changed, "7") == same {
			t.Errorf("another %s gives the same inputs", name)
		}
	}
	if inputsOf(base(), "8") == same {
		t.Error("another version of the Secret gives the same inputs")
	}
}
