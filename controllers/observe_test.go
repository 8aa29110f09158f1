package controllers

import (
	"reflect"
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

func TestObjectsAreClassifiedAsWantingTheHostOrDetaching(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit                       func(*v1alpha1.EdgeLoadBalancer)
		wantObjects, wantDetaching int
	}{
		"wants it":              {func(*v1alpha1.EdgeLoadBalancer) {}, 1, 0},
		"has no finalizer yet":  {func(o *v1alpha1.EdgeLoadBalancer) { o.Finalizers = nil }, 0, 0},
		"is being deleted":      {func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = deletedAt() }, 0, 1},
		"has it in status only": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[1:] }, 0, 1},
		"is deleted but suspended": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.DeletionTimestamp, o.Spec.Suspend = deletedAt(), true
		}, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := named("shop", "web", uid)
			object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, User: "edge"}}
			test.edit(object)
			var seen observed
			seen.add(model.NewHostID("a", 22), object)
			if len(seen.snapshot.Objects) != test.wantObjects || len(seen.detaching) != test.wantDetaching {
				t.Errorf("%d objects and %d detaching ones, want %d and %d",
					len(seen.snapshot.Objects), len(seen.detaching), test.wantObjects, test.wantDetaching)
			}
		})
	}
}

func TestAHostIsLeftAloneWhileAnObjectOnItHasLostTheFinalizer(t *testing.T) {
	t.Parallel()
	gone := func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = deletedAt() }
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
			seen.add(model.NewHostID("a", 22), object)
			if seen.unsettled != test.want {
				t.Errorf("unsettled is %t, want %t", seen.unsettled, test.want)
			}
		})
	}
}

func TestTheStatusShowsWhetherADetachingObjectWasOnTheHost(t *testing.T) {
	t.Parallel()
	for generation, want := range map[int64]bool{0: false, 1: true} {
		object := named("shop", "web", uid)
		object.DeletionTimestamp = deletedAt()
		object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, ObservedGeneration: generation}}
		var seen observed
		seen.add(model.NewHostID("a", 22), object)
		if len(seen.detaching) != 1 || seen.detaching[0].Served != want {
			t.Errorf("generation %d was proved: %+v, want served %t", generation, seen.detaching, want)
		}
	}
}

func TestTheEntryOfAHostRemovedFromTheSpecComesFromTheStatus(t *testing.T) {
	t.Parallel()
	object := named("shop", "web", uid)
	object.Status.Hosts = []v1alpha1.HostStatus{{Name: "old", Address: "2001:db8::1", Port: 2222, User: "edge"}}
	key := model.NewHostID("2001:DB8::1", 2222)
	entry, inSpec := entryOf(object, key)
	want := v1alpha1.Host{Name: "old", Address: "2001:db8::1", Port: new(int32(2222)), User: "edge"}
	if inSpec || !reflect.DeepEqual(entry, want) || spec.IDOf(&object.Spec.SSH, &entry) != key {
		t.Errorf("got %+v (in the spec: %t), want %+v", entry, inSpec, want)
	}
}

func TestTheNameOfAHostIsWantedWhileASpecHasIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*v1alpha1.EdgeLoadBalancer)
		want bool
	}{
		"in the spec": {func(*v1alpha1.EdgeLoadBalancer) {}, true},
		"in the spec in another notation": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Hosts[0].Address, o.Spec.Hosts[0].Port = "A", new(int32(22))
		}, true},
		"in the spec on another port": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.SSH.Port = 2222 }, false},
		"in the status only":          {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[1:] }, false},
		"in a spec that is deleted":   {func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = deletedAt() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := named("shop", "web", uid)
			object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22}}
			test.edit(object)
			if got := wantsHost(object, "a:22"); got != test.want {
				t.Errorf("wanted is %t, want %t", got, test.want)
			}
		})
	}
}

func TestASyncKnowsWhichOtherHostsItsNamespaceWants(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	w.start(time.Hour, other.namespace)
	w.create(w.balancer("web", "a", "b"))
	other.create(other.balancer("web", "c"))
	w.becomes("web", "ready", isReady)
	other.becomes("web", "ready", isReady)
	wants := w.hosts.see("a").last.Wants
	for host, want := range map[string]bool{"a:22": true, "b:22": true, "b:2222": false, "c:22": false, "d:22": false} {
		if got := wants(host); got != want {
			t.Errorf("%s is wanted: %t, want %t", host, got, want)
		}
	}
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[:1] })
	w.becomes("web", "without the host", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && len(o.Status.Hosts) == 1 })
	if wants("b:22") {
		t.Error("a host that is no longer in the spec is wanted")
	}
}
