package record

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

func TestHoldOffLastsUntilTheRetryUnlessTheInputsChange(t *testing.T) {
	t.Parallel()
	record := func(state model.State) Host {
		return Host{Outcome: model.Outcome{State: state}, Inputs: "a", RetryAt: noon().Add(10 * time.Second)}
	}
	tests := map[string]struct {
		record Host
		inputs string
		now    time.Time
		want   time.Duration
	}{
		"never tried":          {Host{}, "a", noon(), 0},
		"synced":               {record(model.Synced), "a", noon(), 0},
		"suspended":            {record(model.Suspended), "a", noon(), 0},
		"drifted":              {record(model.Drifted), "a", noon(), 0},
		"failed":               {record(model.Unreachable), "a", noon(), 10 * time.Second},
		"failed some time ago": {record(model.Rejected), "a", noon().Add(4 * time.Second), 6 * time.Second},
		"failed long ago":      {record(model.Unreachable), "a", noon().Add(time.Minute), 0},
		"failed differently":   {record(model.Untrusted), "b", noon(), 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.record.HoldOff(test.inputs, test.now); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestFailuresCountAllStatesAndRepeatsOneState(t *testing.T) {
	t.Parallel()
	var record Host
	for i, step := range []struct {
		state                     model.State
		wantFailures, wantRepeats int
	}{
		{model.Unreachable, 1, 1}, {model.Unreachable, 2, 2}, {model.Unauthorized, 3, 1}, {model.Unauthorized, 4, 2},
		{model.Synced, 0, 1}, {model.Synced, 0, 2}, {model.Rejected, 1, 1}, {model.Drifted, 0, 1}, {model.Drifted, 0, 2},
	} {
		record.Apply(Attempt{Task: &Task{}, Outcome: model.Outcome{State: step.state}}, noon(), 0)
		if record.Failures != step.wantFailures || record.Repeats != step.wantRepeats {
			t.Errorf("step %d: %d failures and %d repeats, want %d and %d",
				i, record.Failures, record.Repeats, step.wantFailures, step.wantRepeats)
		}
	}
}

func TestTheRecordKeepsTheProofAfterFailures(t *testing.T) {
	t.Parallel()
	var record Host
	changed := model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateReload, Reasons: []string{"new"}}
	record.Apply(Attempt{Task: &Task{Objects: map[types.UID]int64{"x": 3}}, Outcome: changed}, noon(), 0)
	record.Apply(Attempt{Task: &Task{Objects: map[types.UID]int64{"x": 4}}, Outcome: model.Outcome{State: model.Rejected}},
		noon().Add(time.Hour), 0)
	if record.Proved["x"] != 3 || record.Tried["x"] != 4 {
		t.Errorf("proved %v, tried %v", record.Proved, record.Tried)
	}
	if record.ChangedAt != noon() || record.ReloadedAt != noon() || !reflect.DeepEqual(record.ReloadReasons, []string{"new"}) {
		t.Errorf("changed at %s, reloaded at %s, for %v", record.ChangedAt, record.ReloadedAt, record.ReloadReasons)
	}
}

func TestOnlyAChangeOfWhatRunsIsRecordedAsAChange(t *testing.T) {
	t.Parallel()
	first, second := noon(), noon().Add(time.Hour)
	for name, test := range map[string]struct {
		outcome                     model.Outcome
		wantChanged, wantReloaded   time.Time
		wantUpdate                  model.Update
		wantReasons                 []string
		wantOldWorkers, wantRefused int
	}{
		"a runtime update": {model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateRuntime, Reasons: []string{"server"}},
			second, first, model.UpdateRuntime, []string{"listener"}, 2, 1},
		"a reload": {model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateReload, Reasons: []string{"setting"}},
			second, second, model.UpdateReload, []string{"setting"}, 2, 1},
		"a file write": {model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateFile, Reasons: []string{"file"}},
			first, first, model.UpdateReload, []string{"listener"}, 2, 1},
		"a failed reload": {model.Outcome{State: model.Rejected, Update: model.UpdateReload, Reasons: []string{"setting"}},
			first, first, model.UpdateReload, []string{"listener"}, 2, 1},
		"a check": {model.Outcome{State: model.Synced, Servers: map[string]model.ServerCount{}, OldWorkers: 3},
			first, first, model.UpdateReload, []string{"listener"}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := Host{ChangedAt: first, ReloadedAt: first, Update: model.UpdateReload, ReloadReasons: []string{"listener"},
				OldWorkers: 2, FailedReloads: 1}
			record.Apply(Attempt{Task: &Task{}, Outcome: test.outcome}, second, 0)
			if record.ChangedAt != test.wantChanged || record.ReloadedAt != test.wantReloaded || record.Update != test.wantUpdate ||
				!slices.Equal(record.ReloadReasons, test.wantReasons) {
				t.Errorf("changed at %s by %s, reloaded at %s for %v", record.ChangedAt, record.Update, record.ReloadedAt, record.ReloadReasons)
			}
			if record.OldWorkers != test.wantOldWorkers || record.FailedReloads != test.wantRefused {
				t.Errorf("%d old workers, %d failed reloads", record.OldWorkers, record.FailedReloads)
			}
		})
	}
}

// A host that was freed runs nothing of the operator: what it runs later is no drift from what it ran before.
func TestTheLastProofIsKeptAfterFailuresAndDroppedWhenTheHostIsFreed(t *testing.T) {
	t.Parallel()
	var record Host
	for i, step := range []struct {
		outcome    model.Outcome
		want       string
		wantProved int
	}{
		{model.Outcome{State: model.Unreachable}, "", -1},
		{model.Outcome{State: model.Synced, Fingerprint: "f1"}, "f1", 1},
		{model.Outcome{State: model.Unreachable}, "f1", 1},
		{model.Outcome{State: model.Drifted, Drift: []string{"server x added"}}, "f1", 1},
		{model.Outcome{State: model.Synced, Fingerprint: "f2", Changed: true, Update: model.UpdateRuntime}, "f2", 4},
		{model.Outcome{State: model.Synced}, "", 5},
	} {
		at := func(i int) time.Time { return noon().Add(time.Duration(i) * time.Second) }
		record.Apply(Attempt{Task: &Task{}, Outcome: step.outcome}, at(i), 0)
		var wantAt time.Time
		if step.wantProved >= 0 {
			wantAt = at(step.wantProved)
		}
		if record.Fingerprint != step.want || !record.ProvedAt.Equal(wantAt) {
			t.Errorf("step %d: %q at %s, want %q at %s", i, record.Fingerprint, record.ProvedAt, step.want, wantAt)
		}
	}
}

func TestADriftIsRecordedOncePerOccurrence(t *testing.T) {
	t.Parallel()
	drift := []string{"the file was edited"}
	var record Host
	for i, step := range []struct {
		outcome model.Outcome
		want    int
	}{
		{model.Outcome{State: model.Drifted, Drift: drift}, 0},
		{model.Outcome{State: model.Drifted, Drift: drift}, 0},
		{model.Outcome{State: model.Synced}, 0},
		{model.Outcome{State: model.Drifted, Drift: drift}, 3},
		{model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateFile, Drift: drift}, 4},
		{model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateReload, Drift: drift}, 5},
		{model.Outcome{State: model.Unreachable, Drift: drift}, 5},
	} {
		at := func(i int) time.Time { return noon().Add(time.Duration(i) * time.Second) }
		record.Apply(Attempt{Task: &Task{Objects: map[types.UID]int64{"x": 1}}, Outcome: step.outcome}, at(i), 0)
		if !record.DriftedAt.Equal(at(step.want)) || !slices.Equal(record.Drift, drift) {
			t.Errorf("step %d: %v at %s, want it at %s", i, record.Drift, record.DriftedAt, at(step.want))
		}
	}
}

func TestAChangeThatFailedHalfwayMayBeOnTheHostUntilTheNextProof(t *testing.T) {
	t.Parallel()
	var record Host
	for i, step := range []struct {
		object  types.UID
		outcome model.Outcome
		wantX   bool
	}{
		{"x", model.Outcome{State: model.Unreachable}, false},
		{"x", model.Outcome{State: model.Unreachable, Reasons: []string{"frontend x is new"}}, true},
		{"y", model.Outcome{State: model.Unreachable, Reasons: []string{"frontend y is new"}}, true},
		{"y", model.Outcome{State: model.Unreachable}, true},
		{"y", model.Outcome{State: model.Synced}, false},
		{"x", model.Outcome{State: model.Drifted, Reasons: []string{"server s added"}}, false},
	} {
		record.Apply(Attempt{Task: &Task{Objects: map[types.UID]int64{step.object: 1}}, Outcome: step.outcome}, noon(), 0)
		if got := record.MayHave("x"); got != step.wantX {
			t.Errorf("step %d: the host may have x: %t, want %t", i, got, step.wantX)
		}
	}
}

func problem(reason, message string) desired.Problem {
	return desired.Problem{Object: types.NamespacedName{Namespace: "shop", Name: "web"}, Reason: reason, Message: message}
}

// Otherwise an object would be Ready while its hosts still serve the previous configuration.
func TestAProblemIsOverOnlyAfterAnAttemptHasShownIt(t *testing.T) {
	t.Parallel()
	old, fresh := problem(v1alpha1.ReasonNoEndpoints, "none"), problem(v1alpha1.ReasonServiceNotFound, "gone")
	record := Host{Problems: []desired.Problem{old}}

	record.Problems = withNew(record.Problems, []desired.Problem{fresh})
	if want := []desired.Problem{old, fresh}; !reflect.DeepEqual(record.Problems, want) {
		t.Errorf("before the attempt: %v, want %v", record.Problems, want)
	}
	task := &Task{Objects: map[types.UID]int64{"web": 1}, Host: desired.Host{Problems: []desired.Problem{fresh}}}
	record.Apply(Attempt{Task: task, Outcome: model.Outcome{State: model.Synced}}, noon(), 0)
	if want := []desired.Problem{fresh}; !reflect.DeepEqual(record.Problems, want) {
		t.Errorf("after it: %v, want %v", record.Problems, want)
	}
}
