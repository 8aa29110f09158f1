package index

import (
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

// deletedAt is when objects are deleted.
func deletedAt() *metav1.Time {
	at := metav1.NewTime(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
	return &at
}

// heldObject is an object with the finalizer and the hosts gw1 and gw2.
func heldObject() *v1alpha1.EdgeLoadBalancer {
	return &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1234", Generation: 2, Finalizers: []string{Finalizer}},
		Spec: v1alpha1.EdgeLoadBalancerSpec{
			SSH:   v1alpha1.SSH{User: "root", Port: 22},
			Hosts: []v1alpha1.Host{{Name: "gw1", Address: "a"}, {Name: "gw2", Address: "b"}},
		},
	}
}

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
			object := heldObject()
			object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, User: "edge"}}
			test.edit(object)
			named := Named{Host: model.NewHostID("a", 22)}
			named.add(object)
			if len(named.Wanting) != test.wantObjects || len(named.Detaching) != test.wantDetaching {
				t.Errorf("%d objects and %d detaching ones, want %d and %d",
					len(named.Wanting), len(named.Detaching), test.wantObjects, test.wantDetaching)
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
			object := heldObject()
			object.Finalizers = nil
			object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22}}
			test.edit(object)
			named := Named{Host: model.NewHostID("a", 22)}
			named.add(object)
			if named.Unsettled != test.want {
				t.Errorf("unsettled is %t, want %t", named.Unsettled, test.want)
			}
		})
	}
}

func TestTheStatusShowsWhetherADetachingObjectWasOnTheHost(t *testing.T) {
	t.Parallel()
	for generation, want := range map[int64]bool{0: false, 1: true} {
		object := heldObject()
		object.DeletionTimestamp = deletedAt()
		object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, ObservedGeneration: generation}}
		named := Named{Host: model.NewHostID("a", 22)}
		named.add(object)
		if len(named.Detaching) != 1 || named.Detaching[0].Served != want {
			t.Errorf("generation %d was proved: %+v, want served %t", generation, named.Detaching, want)
		}
	}
}

func TestTheEntryOfAHostRemovedFromTheSpecComesFromTheStatus(t *testing.T) {
	t.Parallel()
	object := heldObject()
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
			object := heldObject()
			object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22}}
			test.edit(object)
			if got := wantsHost(object, "a:22"); got != test.want {
				t.Errorf("wanted is %t, want %t", got, test.want)
			}
		})
	}
}
