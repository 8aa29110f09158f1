package status

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

func TestADetachingHostWaitsUntilItIsCleanOrTheTimeoutExpires(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Minute
	proved := map[types.UID]int64{uid: 2}
	detaches := func(d record.Detachment) map[types.UID]record.Detachment {
		return map[types.UID]record.Detachment{uid: d}
	}
	previous := &v1alpha1.HostStatus{ObservedGeneration: 1}
	tests := map[string]struct {
		view     HostView
		deleted  time.Time
		wantFate fate
		wantWait time.Duration
	}{
		"not observed yet": {HostView{previous: previous}, time.Time{}, fateWaiting, 0},
		"detaching for a moment": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon().Add(-30 * time.Second)})}},
			time.Time{}, fateWaiting, 90 * time.Second},
		"tried without success": {HostView{record: record.Host{Proved: proved,
			Detachments: detaches(record.Detachment{Since: noon(), Tried: true})}},
			time.Time{}, fateWaiting, timeout},
		"tried without success and never reached": {HostView{record: record.Host{Detachments: detaches(record.Detachment{Since: noon(),
			Tried: true})}},
			time.Time{}, fateClean, 0},
		"tried without success after a change that failed halfway": {HostView{
			record: record.Host{Attempted: proved, Detachments: detaches(record.Detachment{Since: noon(),
				Tried: true})}}, time.Time{}, fateWaiting, timeout},
		"tried without success and reached before a restart": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon(), Tried: true})}}, time.Time{}, fateWaiting, timeout},
		"tried without success, and the machine was renamed": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon(), Tried: true, Moved: true})}}, time.Time{}, fateClean, 0},
		"not tried, and the machine was renamed": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon(), Moved: true})}}, time.Time{}, fateWaiting, timeout},
		"detaching for too long, but HAProxy is not reloaded yet": {HostView{previous: previous, record: record.Host{
			Outcome: model.Outcome{State: model.Pending,
				RetryAfter: time.Minute}, Detachments: detaches(record.Detachment{Since: noon().Add(-timeout), Tried: true})}},
			time.Time{}, fateWaiting, 0},
		"waits for its replacements": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Awaited: noon().Add(-time.Hour)})}},
			time.Time{}, fateWaiting, 0},
		"clean": {HostView{previous: previous, record: record.Host{Detachments: detaches(record.Detachment{Since: noon(), Tried: true,
			Done: true})}},
			time.Time{}, fateClean, 0},
		"left too long ago": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon().Add(-timeout)})}},
			time.Time{}, fateAbandoned, 0},
		"deleted a moment ago and tried": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon(), Tried: true})}},
			noon().Add(-time.Minute), fateWaiting, time.Minute},
		"deleted too long ago, as the object itself says, and tried": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon(), Tried: true})}}, noon().Add(-timeout), fateAbandoned, 0},
		"deleted long ago, but suspended by another until a moment ago": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon(), Tried: true,
				Delayed: true})}}, noon().Add(-time.Hour), fateWaiting, timeout},
		"suspended by another": {HostView{previous: previous, record: record.Host{Detachments: detaches(record.Detachment{Delayed: true})}},
			noon().Add(-time.Hour), fateWaiting, 0},
		"deleted while the operator was down, and not observed yet": {HostView{previous: previous}, noon().Add(-timeout), fateWaiting, 0},
		"deleted while the operator was down, and not tried yet": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon().Add(-time.Second)})}}, noon().Add(-timeout), fateWaiting,
			timeout - time.Second},
		"deleted long ago and never tried": {HostView{previous: previous,
			record: record.Host{Detachments: detaches(record.Detachment{Since: noon().Add(-timeout)})}}, noon().Add(-2 * timeout), fateAbandoned, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			if !test.deleted.IsZero() {
				object.DeletionTimestamp = seconds(test.deleted)
			}
			gotFate, gotWait := test.view.departure(object, timeout, noon())
			if gotFate != test.wantFate || gotWait != test.wantWait {
				t.Errorf("got %d and %s, want %d and %s", gotFate, gotWait, test.wantFate, test.wantWait)
			}
		})
	}
}

func TestADetachingHostWaitsForTheEndOfASuspension(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Spec.Suspend = true
	late := record.Detachment{Since: noon().Add(-time.Hour), Tried: true}
	for name, view := range map[string]HostView{
		"reached before": {previous: &v1alpha1.HostStatus{ObservedGeneration: 1},
			record: record.Host{Detachments: map[types.UID]record.Detachment{uid: late}}},
		"never reached": {record: record.Host{Detachments: map[types.UID]record.Detachment{uid: late}}},
	} {
		if got, wait := view.departure(object, time.Minute, noon()); got != fateWaiting || wait != 0 {
			t.Errorf("%s: got %d and %s, want to wait without an end", name, got, wait)
		}
	}
}

func TestDepartKeepsTheHostsOfTheSpecAndWaitsForTheFirstDecision(t *testing.T) {
	t.Parallel()
	detaching := func(name string, ago time.Duration, done bool) HostView {
		return HostView{name: name, removing: true, previous: &v1alpha1.HostStatus{ObservedGeneration: 1},
			record: record.Host{Detachments: map[types.UID]record.Detachment{uid: {Since: noon().Add(-ago), Tried: true, Done: done}}}}
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

func TestOnlyDeletedObjectsAreRetained(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(*v1alpha1.EdgeLoadBalancer)
		want bool
	}{
		"removed":          {func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = seconds(noon()) }, false},
		"alive, Retain":    {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.DeletionPolicy = v1alpha1.DeletionRetain }, false},
		"alive, suspended": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend = true }, false},
		"deleted and Retain": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.DeletionTimestamp, o.Spec.DeletionPolicy = seconds(noon()), v1alpha1.DeletionRetain
		}, true},
		"deleted and suspended": {func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp, o.Spec.Suspend = seconds(noon()), true }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			test.edit(object)
			if got := Retains(object); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
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
