package controllers

import (
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func TestHoldOffLastsUntilTheRetryUnlessTheInputsChange(t *testing.T) {
	t.Parallel()
	record := func(state edge.State) hostRecord {
		return hostRecord{outcome: edge.Outcome{State: state}, inputs: "a", retryAt: noon().Add(10 * time.Second)}
	}
	tests := map[string]struct {
		record hostRecord
		inputs string
		now    time.Time
		want   time.Duration
	}{
		"never tried":          {hostRecord{}, "a", noon(), 0},
		"synced":               {record(edge.Synced), "a", noon(), 0},
		"suspended":            {record(edge.Suspended), "a", noon(), 0},
		"failed":               {record(edge.Unreachable), "a", noon(), 10 * time.Second},
		"failed some time ago": {record(edge.Rejected), "a", noon().Add(4 * time.Second), 6 * time.Second},
		"failed long ago":      {record(edge.Unreachable), "a", noon().Add(time.Minute), 0},
		"failed differently":   {record(edge.Untrusted), "b", noon(), 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.record.holdOff(test.inputs, test.now); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestFailuresAreCountedOverAllAndRepeatsOfOneKind(t *testing.T) {
	t.Parallel()
	var record hostRecord
	for i, step := range []struct {
		state                     edge.State
		wantFailures, wantRepeats int
	}{
		{edge.Unreachable, 1, 1}, {edge.Unreachable, 2, 2}, {edge.Unauthorized, 3, 1}, {edge.Unauthorized, 4, 2},
		{edge.Synced, 0, 1}, {edge.Synced, 0, 2}, {edge.Rejected, 1, 1},
	} {
		record.apply(attempt{job: &job{}, outcome: edge.Outcome{State: step.state}}, noon(), 0)
		if record.failures != step.wantFailures || record.repeats != step.wantRepeats {
			t.Errorf("step %d: %d failures and %d repeats, want %d and %d",
				i, record.failures, record.repeats, step.wantFailures, step.wantRepeats)
		}
	}
}

func TestRecordKeepsWhatWasProvedThroughFailures(t *testing.T) {
	t.Parallel()
	var record hostRecord
	changed := edge.Outcome{State: edge.Synced, Changed: true, Reloaded: true, Reasons: []string{"new"}}
	record.apply(attempt{job: &job{objects: map[types.UID]int64{"x": 3}}, outcome: changed}, noon(), 0)
	record.apply(attempt{job: &job{objects: map[types.UID]int64{"x": 4}}, outcome: edge.Outcome{State: edge.Rejected}}, noon().Add(time.Hour), 0)
	if record.proved["x"] != 3 || record.tried["x"] != 4 {
		t.Errorf("proved %v, tried %v", record.proved, record.tried)
	}
	if record.changedAt != noon() || record.reloadedAt != noon() || !reflect.DeepEqual(record.changes, []string{"new"}) {
		t.Errorf("changed at %s, reloaded at %s, for %v", record.changedAt, record.reloadedAt, record.changes)
	}
}

func TestLeaversAreDoneWhenTheHostIsProvedOrIsNotOurs(t *testing.T) {
	t.Parallel()
	before := map[types.UID]leave{"x": {since: noon()}, "other": {since: noon()}}
	for state, want := range map[edge.State]leave{
		edge.Synced:      {since: noon(), tried: true, done: true},
		edge.Refused:     {since: noon(), tried: true, done: true},
		edge.Suspended:   {since: noon()},
		edge.Unreachable: {since: noon(), tried: true},
		edge.Rejected:    {since: noon(), tried: true},
	} {
		after := leavingAfter(before, attempt{job: &job{frees: map[types.UID]bool{"x": true}}, outcome: edge.Outcome{State: state}})
		if after["x"] != want || after["other"] != (leave{since: noon()}) {
			t.Errorf("after %s: %+v, want %+v and the other one as before", state, after, want)
		}
	}
}

func TestTimeToFreeAHostBeginsWhenNothingSuspendsIt(t *testing.T) {
	t.Parallel()
	suspended := twoHosts()
	suspended.Spec.Suspend = true
	earlier := noon().Add(-time.Minute)
	suspendedBy := func(namespace string) desired.Host {
		return desired.Host{Suspend: true, Members: []desired.Member{{Object: types.NamespacedName{Namespace: namespace, Name: "other"}}}}
	}
	tests := map[string]struct {
		before map[types.UID]leave
		object *v1alpha1.EdgeLoadBalancer
		host   desired.Host
		want   leave
	}{
		"new":                     {nil, twoHosts(), desired.Host{}, leave{since: noon()}},
		"known":                   {map[types.UID]leave{uid: {since: earlier, tried: true}}, twoHosts(), desired.Host{}, leave{since: earlier, tried: true}},
		"new and suspended":       {nil, suspended, desired.Host{}, leave{delayed: true}},
		"suspended later":         {map[types.UID]leave{uid: {since: earlier, tried: true}}, suspended, desired.Host{}, leave{delayed: true}},
		"suspended by another":    {map[types.UID]leave{uid: {since: earlier}}, twoHosts(), suspendedBy("shop"), leave{delayed: true}},
		"suspended by a stranger": {map[types.UID]leave{uid: {since: earlier}}, twoHosts(), suspendedBy("bank"), leave{since: earlier}},
		"no longer suspended":     {map[types.UID]leave{uid: {delayed: true}}, twoHosts(), desired.Host{}, leave{since: noon(), delayed: true}},
		"clean when suspended":    {map[types.UID]leave{uid: {since: earlier, done: true}}, suspended, desired.Host{}, leave{since: earlier, done: true}},
		"resumed some time ago":   {map[types.UID]leave{uid: {since: earlier, delayed: true}}, twoHosts(), desired.Host{}, leave{since: earlier, delayed: true}},
		"another one has left us": {map[types.UID]leave{"x": {since: earlier}}, twoHosts(), desired.Host{}, leave{since: noon()}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leavers := []leaver{{object: test.object, served: true}}
			after := leavingNow(hostRecord{leaving: test.before, host: test.host}, leavers, noon())
			if len(after) != 1 || after[uid] != test.want {
				t.Errorf("got %+v, want %+v", after, test.want)
			}
		})
	}
}

func TestHostOfAnotherNamespaceIsNotLoggedInToForAnObjectThatNeverHadAPartInIt(t *testing.T) {
	t.Parallel()
	held := func(namespace string) desired.Host {
		return desired.Host{Members: []desired.Member{{Object: types.NamespacedName{Namespace: namespace, Name: "other"}}}}
	}
	tests := map[string]struct {
		record   hostRecord
		served   bool
		wantDone bool
	}{
		"never had a part":          {hostRecord{host: held("bank")}, false, true},
		"had it, says the status":   {hostRecord{host: held("bank")}, true, false},
		"had it, says the record":   {hostRecord{host: held("bank"), proved: map[types.UID]int64{uid: 1}}, false, false},
		"may have got it":           {hostRecord{host: held("bank"), attempted: map[types.UID]int64{uid: 1}}, false, false},
		"the host is our own":       {hostRecord{host: held("shop")}, false, false},
		"the host is nobody's else": {hostRecord{}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := leavingNow(test.record, []leaver{{object: twoHosts(), served: test.served}}, noon())
			if after[uid].done != test.wantDone {
				t.Errorf("done is %t, want %t", after[uid].done, test.wantDone)
			}
		})
	}
}

func TestChangeThatBrokeInTheMiddleMayBeOnTheHostUntilTheNextProof(t *testing.T) {
	t.Parallel()
	var record hostRecord
	for i, step := range []struct {
		object  types.UID
		outcome edge.Outcome
		wantX   bool
	}{
		{"x", edge.Outcome{State: edge.Unreachable}, false},
		{"x", edge.Outcome{State: edge.Unreachable, Reasons: []string{"frontend x is new"}}, true},
		{"y", edge.Outcome{State: edge.Unreachable, Reasons: []string{"frontend y is new"}}, true},
		{"y", edge.Outcome{State: edge.Unreachable}, true},
		{"y", edge.Outcome{State: edge.Synced}, false},
	} {
		record.apply(attempt{job: &job{objects: map[types.UID]int64{step.object: 1}}, outcome: step.outcome}, noon(), 0)
		if got := record.mayHave("x"); got != step.wantX {
			t.Errorf("step %d: the host may have x: %t, want %t", i, got, step.wantX)
		}
	}
}

func TestTimeToProofCountsFromTheOldestChangeThatIsNotProved(t *testing.T) {
	t.Parallel()
	key := desired.HostKey{Address: "a", Port: 22}
	at := func(seconds int) time.Time { return noon().Add(time.Duration(seconds) * time.Second) }
	touch := func(seconds int) func(*hostRecords) {
		return func(s *hostRecords) { s.touch([]desired.HostKey{key}, at(seconds)) }
	}
	look := func(seconds int) func(*hostRecords) {
		return func(s *hostRecords) { s.look(key, at(seconds)) }
	}
	ends := func(state edge.State) func(*hostRecords) {
		return func(s *hostRecords) {
			s.update(key, func(r *hostRecord) { r.apply(attempt{job: &job{}, outcome: edge.Outcome{State: state}}, noon(), 0) })
		}
	}
	forget := func(s *hostRecords) { s.forget(key) }
	started, synced, failed, suspended := look(0), ends(edge.Synced), ends(edge.Unreachable), ends(edge.Suspended)
	tests := map[string]struct {
		steps []func(*hostRecords)
		want  time.Time
	}{
		"a change":                          {[]func(*hostRecords){started, touch(1), look(2)}, at(1)},
		"two changes":                       {[]func(*hostRecords){started, touch(1), touch(2), look(3)}, at(1)},
		"a change that is proved":           {[]func(*hostRecords){started, touch(1), look(2), synced, look(3)}, time.Time{}},
		"a change during the attempt":       {[]func(*hostRecords){started, touch(1), look(2), touch(3), synced, look(4)}, at(3)},
		"a change after a failure":          {[]func(*hostRecords){started, touch(1), look(2), failed, touch(3), look(4)}, at(1)},
		"a change during a failing attempt": {[]func(*hostRecords){started, touch(1), look(2), touch(3), failed, look(4)}, at(1)},
		"a change while suspended":          {[]func(*hostRecords){started, touch(1), look(2), suspended, touch(3), look(4)}, at(3)},
		"a change while standing by":        {[]func(*hostRecords){touch(-90), look(0)}, at(0)},
		"a host that went":                  {[]func(*hostRecords){started, touch(1), look(2), forget}, time.Time{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := newHostRecords()
			for _, step := range test.steps {
				step(records)
			}
			if got := records.get(key).unprovedSince; !got.Equal(test.want) {
				t.Errorf("counts from %s, want %s", got, test.want)
			}
		})
	}
}

// Otherwise an object would be Ready while its hosts still serve what they served before.
func TestAProblemIsOverOnlyWhenAnAttemptHasShownIt(t *testing.T) {
	t.Parallel()
	old, fresh := problem(v1alpha1.ReasonNoEndpoints, "none"), problem(v1alpha1.ReasonServiceNotFound, "gone")
	record := hostRecord{problems: []desired.Problem{old}}

	record.problems = withNew(record.problems, []desired.Problem{fresh})
	if want := []desired.Problem{old, fresh}; !reflect.DeepEqual(record.problems, want) {
		t.Errorf("before the attempt: %v, want %v", record.problems, want)
	}
	done := &job{objects: map[types.UID]int64{"web": 1}, host: desired.Host{Problems: []desired.Problem{fresh}}}
	record.apply(attempt{job: done, outcome: edge.Outcome{State: edge.Synced}}, noon(), 0)
	if want := []desired.Problem{fresh}; !reflect.DeepEqual(record.problems, want) {
		t.Errorf("after it: %v, want %v", record.problems, want)
	}
}
