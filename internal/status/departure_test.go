package status

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/record"
)

func TestDepartKeepsTheHostsOfTheSpecAndWaitsForTheFirstDecision(t *testing.T) {
	t.Parallel()
	detaching := func(name string, ago time.Duration, done bool) HostView {
		return HostView{name: name, removing: true, previous: &v1alpha1.HostStatus{ObservedGeneration: 1},
			record: record.Host{Detachments: detach.Detachments{uid: {Since: noon().Add(-ago), Tried: true, Done: done}}}}
	}
	views := []HostView{{name: "stays"}, detaching("young", time.Second, false), detaching("clean", 0, true),
		detaching("old", time.Hour, false), detaching("older", 50*time.Second, false)}
	remaining, abandoned, wait := Depart(twoHosts(), views, time.Minute, noon())
	var names []string
	for _, view := range remaining {
		names = append(names, view.name)
	}
	if len(names) != 3 || names[0] != "stays" || names[1] != "young" || names[2] != "older" {
		t.Errorf("remaining are %v", names)
	}
	if len(abandoned) != 1 || abandoned[0].Host != "old" || abandoned[0].Reason != EventLeftBehind {
		t.Errorf("abandoned are %+v", abandoned)
	}
	if wait != 10*time.Second {
		t.Errorf("waits %s, want 10s", wait)
	}
}

func TestARetainedObjectReportsWhichHostsKeepItsListeners(t *testing.T) {
	t.Parallel()
	members := func(names ...types.NamespacedName) record.Host {
		known := record.Host{Proved: map[types.UID]int64{uid: 1}}
		for _, name := range names {
			known.Wanted.Members = append(known.Wanted.Members, desired.Member{Object: name})
		}
		return known
	}
	own, sharer := types.NamespacedName{Namespace: "shop", Name: "web"}, types.NamespacedName{Namespace: "shop", Name: "other"}
	stranger := types.NamespacedName{Namespace: "bank", Name: "web"}
	never := members(stranger)
	never.Proved = nil
	tests := map[string]struct {
		first, second record.Host
		want          []string
	}{
		"alone":                {members(own), members(), []string{"Normal Retained"}},
		"one host is shared":   {members(own), members(own, sharer), []string{"Warning NotRetained gw2", "Normal Retained"}},
		"and was before":       {members(sharer), members(own), []string{"Warning NotRetained gw1", "Normal Retained"}},
		"all are shared":       {members(own, sharer), members(sharer), []string{"Warning NotRetained gw1", "Warning NotRetained gw2"}},
		"another owner's host": {members(own), never, []string{"Normal Retained"}},
		"it never got there":   {never, never, []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.DeletionTimestamp, object.Spec.DeletionPolicy = seconds(noon()), v1alpha1.DeletionRetain
			views := []HostView{{name: "gw1", record: test.first}, {name: "gw2", record: test.second}}
			if got := reportedOf(RetainedEvents(object, views)); !slices.Equal(got, test.want) {
				t.Errorf("reported %v, want %v", got, test.want)
			}
		})
	}
}
