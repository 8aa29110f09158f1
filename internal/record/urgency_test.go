package record

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

func TestAChangeIsUrgentUnlessItIsOnlyOfServers(t *testing.T) {
	t.Parallel()
	well := func() model.Outcome {
		return model.Outcome{State: model.Synced, Fingerprint: "f1", HAProxyVersion: "2.6.12",
			Servers: map[string]model.ServerCount{"b": {Up: 1, Total: 2}}}
	}
	with := func(edit func(*model.Outcome)) model.Outcome {
		outcome := well()
		edit(&outcome)
		return outcome
	}
	task := func(generation int64, problems ...desired.Problem) *Task {
		return &Task{Objects: map[types.UID]int64{uid: generation}, Host: desired.Host{Problems: problems}}
	}
	tests := map[string]struct {
		first, second Attempt
		want          Urgency
	}{
		"a check": {Attempt{Task: task(1), Outcome: well()}, Attempt{Task: task(1), Outcome: well()}, Unchanged},
		"a runtime update": {Attempt{Task: task(1), Outcome: well()}, Attempt{Task: task(1), Outcome: with(func(o *model.Outcome) {
			o.Fingerprint, o.Changed, o.Update = "f2", true, model.UpdateRuntime
			o.Servers = map[string]model.ServerCount{"b": {Up: 2, Total: 3}}
		})}, Routine},
		"a server down": {Attempt{Task: task(1), Outcome: well()}, Attempt{Task: task(1), Outcome: with(func(o *model.Outcome) {
			o.Servers = map[string]model.ServerCount{"b": {Up: 0, Total: 2}}
		})}, Routine},
		"a file write": {Attempt{Task: task(1), Outcome: well()}, Attempt{Task: task(1), Outcome: with(func(o *model.Outcome) {
			o.Changed, o.Update = true, model.UpdateFile
		})}, Unchanged},
		"a reload": {Attempt{Task: task(1), Outcome: well()}, Attempt{Task: task(1), Outcome: with(func(o *model.Outcome) {
			o.Changed, o.Update = true, model.UpdateReload
		})}, Urgent},
		"a repaired drift": {Attempt{Task: task(1), Outcome: well()}, Attempt{Task: task(1), Outcome: with(func(o *model.Outcome) {
			o.Changed, o.Update, o.Drift = true, model.UpdateFile, []string{"edited"}
		})}, Urgent},
		"another state": {Attempt{Task: task(1), Outcome: well()},
			Attempt{Task: task(1), Outcome: model.Outcome{State: model.Unreachable}}, Urgent},
		"another generation": {Attempt{Task: task(1), Outcome: well()}, Attempt{Task: task(2), Outcome: well()}, Urgent},
		"another HAProxy": {Attempt{Task: task(1), Outcome: well()},
			Attempt{Task: task(1), Outcome: with(func(o *model.Outcome) { o.HAProxyVersion = "3.0" })}, Urgent},
		"a bind failure": {Attempt{Task: task(1), Outcome: well()},
			Attempt{Task: task(1), Outcome: with(func(o *model.Outcome) { o.BindFailures = []model.BindFailure{{Bind: ":443"}} })}, Urgent},
		"a problem that is over": {Attempt{Task: task(1, problem(v1alpha1.ReasonNoEndpoints, "none")), Outcome: well()},
			Attempt{Task: task(1), Outcome: well()}, Urgent},
		"another failure": {Attempt{Task: task(1), Outcome: model.Outcome{State: model.Unreachable, Message: "x"}},
			Attempt{Task: task(1), Outcome: model.Outcome{State: model.Unreachable, Message: "x"}}, Routine},
		"a failure for another reason": {Attempt{Task: task(1), Outcome: model.Outcome{State: model.Unreachable, Message: "x"}},
			Attempt{Task: task(1), Outcome: model.Outcome{State: model.Unreachable, Message: "y"}}, Urgent},
		"servers that follow": {Attempt{Task: task(1), Outcome: model.Outcome{State: model.Rejected, Live: true}},
			Attempt{Task: &Task{RuntimeOnly: true}, Outcome: well()}, Routine},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var record Host
			if got := record.Apply(test.first, noon(), 0); got != Urgent {
				t.Errorf("the first attempt is %v, want it to be urgent", got)
			}
			if got := record.Apply(test.second, noon().Add(time.Second), 0); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestARebuiltHostIsAChangeOnlyIfItsProblemsOrObjectsChange(t *testing.T) {
	t.Parallel()
	object := named("shop", "web", uid)
	build := func(problems ...desired.Problem) desired.Host { return desired.Host{Problems: problems} }
	var record Host
	for i, step := range []struct {
		host       desired.Host
		generation int64
		want       Urgency
	}{
		{build(), 1, Urgent}, {build(), 1, Unchanged}, {build(problem(v1alpha1.ReasonNoEndpoints, "none")), 1, Urgent},
		{build(problem(v1alpha1.ReasonNoEndpoints, "none")), 1, Unchanged}, {build(), 1, Unchanged}, {build(), 2, Urgent},
	} {
		object.Generation = step.generation
		if got := record.Rebuild(step.host, []*v1alpha1.EdgeLoadBalancer{object}, nil, noon()); got != step.want {
			t.Errorf("step %d: got %v, want %v", i, got, step.want)
		}
	}
}
