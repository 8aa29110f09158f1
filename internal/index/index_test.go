package index

import (
	"slices"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestTheHostsOfAnObjectAreThoseOfItsSpecAndItsStatus(t *testing.T) {
	t.Parallel()
	object := heldObject()
	object.Spec.Hosts[1].Port = new(int32(2222))
	object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "A", Port: 22}, {Name: "old", Address: "c", Port: 22}}
	got := texts(HostsOf(object))
	slices.Sort(got)
	if want := []string{"a:22", "b:2222", "c:22"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
