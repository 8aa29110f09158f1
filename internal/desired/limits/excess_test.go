package limits

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/policy"
)

// objectOf returns an object that was created in that minute, with a host of its own and two listeners, each with routes of one
// and of two names.
func objectOf(name string, minute int) *v1alpha1.EdgeLoadBalancer {
	object := &v1alpha1.EdgeLoadBalancer{}
	object.Namespace, object.Name = "shop", name
	object.CreationTimestamp = metav1.NewTime(time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC))
	object.Spec.Hosts = []v1alpha1.Host{{Name: "gw", Address: name + ".example.net"}}
	for _, listener := range []string{"first", "second"} {
		object.Spec.Listeners = append(object.Spec.Listeners, v1alpha1.Listener{Name: listener, Routes: []v1alpha1.Route{
			{Hostnames: []v1alpha1.Hostname{"a.test"}}, {Hostnames: []v1alpha1.Hostname{"b.test", "c.test"}},
		}})
	}
	return object
}

// most returns limits of hosts, listeners and names.
func most(hosts, listeners, names int) policy.Limits {
	found := policy.Builtin("shop").Limits
	found.Hosts.Most, found.Listeners.Most, found.Hostnames.Most = hosts, listeners, names
	return found
}

func TestTheOldestObjectsCountFirst(t *testing.T) {
	t.Parallel()
	young, old := objectOf("young", 2), objectOf("old", 1)
	found := ExcessOf([]*v1alpha1.EdgeLoadBalancer{young, old}, most(1, 3, 10))
	for object, want := range map[*v1alpha1.EdgeLoadBalancer]struct {
		host      bool
		listeners int
		beyond    []bool // the routes of both listeners
	}{
		old:   {false, 2, nil},
		young: {true, 1, []bool{false, false, false, true}},
	} {
		if got := found.HasHost(spec.IDOf(&object.Spec.SSH, &object.Spec.Hosts[0])); got != want.host {
			t.Errorf("the host of %s is beyond the limit: %t", object.Name, got)
		}
		if got := len(found.Listeners(object)); got != want.listeners {
			t.Errorf("%s has %d listeners, want %d", object.Name, got, want.listeners)
		}
		beyond := slices.Concat(found.Routes(object, &object.Spec.Listeners[0]), found.Routes(object, &object.Spec.Listeners[1]))
		if !slices.Equal(beyond, want.beyond) {
			t.Errorf("routes of %s are beyond the limit: %v, want %v", object.Name, beyond, want.beyond)
		}
	}
}

func TestNothingIsBeyondTheLimitsThatAreBuiltIn(t *testing.T) {
	t.Parallel()
	objects := []*v1alpha1.EdgeLoadBalancer{objectOf("a", 1), objectOf("b", 1)}
	if found := ExcessOf(objects, policy.Builtin("shop").Limits); !found.Empty() {
		t.Errorf("got %+v", found)
	}
}

func TestAnObjectThatIsBeingDeletedUsesUpNothing(t *testing.T) {
	t.Parallel()
	deleting := objectOf("old", 1)
	deleting.DeletionTimestamp = new(metav1.Now())
	if found := ExcessOf([]*v1alpha1.EdgeLoadBalancer{deleting, objectOf("young", 2)}, most(1, 2, 6)); !found.Empty() {
		t.Errorf("got %+v", found)
	}
}
