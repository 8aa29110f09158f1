package record

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

func TestTheRemovalTimeoutStartsWhenNothingSuspendsTheHost(t *testing.T) {
	t.Parallel()
	suspended := twoHosts()
	suspended.Spec.Suspend = true
	earlier := noon().Add(-time.Minute)
	suspendedBy := func(namespace string) desired.Host {
		return desired.Host{Suspend: true, Members: []desired.Member{{Object: types.NamespacedName{Namespace: namespace, Name: "other"}}}}
	}
	tests := map[string]struct {
		before map[types.UID]Detachment
		object *v1alpha1.EdgeLoadBalancer
		host   desired.Host
		want   Detachment
	}{
		"new": {nil, twoHosts(), desired.Host{}, Detachment{Since: noon()}},
		"known": {map[types.UID]Detachment{uid: {Since: earlier, Tried: true}}, twoHosts(), desired.Host{},
			Detachment{Since: earlier, Tried: true}},
		"new and suspended": {nil, suspended, desired.Host{}, Detachment{Delayed: true}},
		"suspended later": {map[types.UID]Detachment{uid: {Since: earlier, Tried: true}}, suspended, desired.Host{},
			Detachment{Delayed: true}},
		"suspended by another": {map[types.UID]Detachment{uid: {Since: earlier}}, twoHosts(), suspendedBy("shop"), Detachment{Delayed: true}},
		"suspended by another namespace": {map[types.UID]Detachment{uid: {Since: earlier}}, twoHosts(), suspendedBy("bank"),
			Detachment{Since: earlier}},
		"no longer suspended": {map[types.UID]Detachment{uid: {Delayed: true}}, twoHosts(), desired.Host{},
			Detachment{Since: noon(), Delayed: true}},
		"clean when suspended": {map[types.UID]Detachment{uid: {Since: earlier, Done: true}}, suspended, desired.Host{},
			Detachment{Since: earlier, Done: true}},
		"resumed some time ago": {map[types.UID]Detachment{uid: {Since: earlier, Delayed: true}}, twoHosts(), desired.Host{},
			Detachment{Since: earlier, Delayed: true}},
		"another one has detached": {map[types.UID]Detachment{"x": {Since: earlier}}, twoHosts(), desired.Host{}, Detachment{Since: noon()}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			detaching := []Detaching{{Object: test.object, Served: true}}
			after := detachingNow(Host{Detachments: test.before, Wanted: test.host}, detaching, noon())
			if len(after) != 1 || after[uid] != test.want {
				t.Errorf("got %+v, want %+v", after, test.want)
			}
		})
	}
}

func TestAHostOfAnotherNamespaceIsNotLoggedInToForAnObjectThatWasNeverAMember(t *testing.T) {
	t.Parallel()
	usedBy := func(namespace string) desired.Host {
		return desired.Host{Members: []desired.Member{{Object: types.NamespacedName{Namespace: namespace, Name: "other"}}}}
	}
	tests := map[string]struct {
		record   Host
		served   bool
		wantDone bool
	}{
		"never a member":                  {Host{Wanted: usedBy("bank")}, false, true},
		"member, says the status":         {Host{Wanted: usedBy("bank")}, true, false},
		"member, says the record":         {Host{Wanted: usedBy("bank"), Proved: map[types.UID]int64{uid: 1}}, false, false},
		"may be a member":                 {Host{Wanted: usedBy("bank"), Attempted: map[types.UID]int64{uid: 1}}, false, false},
		"the host is its own namespace's": {Host{Wanted: usedBy("shop")}, false, false},
		"the host has no owner":           {Host{}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := detachingNow(test.record, []Detaching{{Object: twoHosts(), Served: test.served}}, noon())
			if after[uid].Done != test.wantDone {
				t.Errorf("done is %t, want %t", after[uid].Done, test.wantDone)
			}
		})
	}
}

func TestDetachmentsAreDoneWhenTheHostIsProvedOrHasAnotherOwner(t *testing.T) {
	t.Parallel()
	before := map[types.UID]Detachment{"x": {Since: noon()}, "other": {Since: noon()}}
	for state, want := range map[model.State]Detachment{
		model.Synced:      {Since: noon(), Tried: true, Done: true},
		model.Refused:     {Since: noon(), Tried: true, Done: true},
		model.Suspended:   {Since: noon()},
		model.Unreachable: {Since: noon(), Tried: true},
		model.Rejected:    {Since: noon(), Tried: true},
	} {
		after := detachmentsAfter(before, Attempt{Task: &Task{Frees: map[types.UID]bool{"x": true}}, Outcome: model.Outcome{State: state}})
		if after["x"] != want || after["other"] != (Detachment{Since: noon()}) {
			t.Errorf("after %s: %+v, want %+v and the other one as before", state, after, want)
		}
	}
}

func TestAHostThatAPolicyForbidsMayStillHaveItsListeners(t *testing.T) {
	t.Parallel()
	after := detachmentsAfter(map[types.UID]Detachment{"x": {Since: noon()}}, Attempt{
		Task: &Task{Frees: map[types.UID]bool{"x": true}}, Outcome: model.Outcome{State: model.Refused}, Reason: v1alpha1.ReasonPolicyViolation,
	})
	if want := (Detachment{Since: noon(), Tried: true}); after["x"] != want {
		t.Errorf("got %+v, want %+v", after["x"], want)
	}
}
