package status

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rollout"
)

func TestARolloutIsReportedOnEachHost(t *testing.T) {
	t.Parallel()
	held := func(known record.Host, wait rollout.Wait) record.Host {
		known.Held = wait
		return known
	}
	const advice = "the canary is watched"
	waits, stopped := rollout.Wait{Why: advice}, rollout.Wait{Why: advice, Stopped: true}
	old := synced()
	old.Tried[uid] = 1
	fresh := held(tried(model.Outcome{State: model.Pending, Kept: true, Message: "HAProxy must be reloaded"}), waits)
	fresh.Tried = nil
	putBack := held(old, rollout.Wait{Why: "stopped the roll-out", Stopped: true})
	putBack.Trial = rollout.Trial{Change: "c", Why: "servers went down"}
	rejecting := failing(model.Rejected, "HAProxy refuses it")
	rejecting.Wanted.Config.MaxConnections, rejecting.Runs = 2, &desired.Host{Config: haproxy.Config{MaxConnections: 1}}
	unrelated := failing(model.Rejected, "HAProxy does not answer")
	unrelated.Runs = &unrelated.Wanted
	for name, test := range map[string]struct {
		known                  record.Host
		state                  v1alpha1.HostState
		message, condition     string
		generation             int64
		stopped, notMentioning string
	}{
		"waits":                         {known: held(old, waits), state: "Pending", message: advice, condition: "False Progressing", generation: 1},
		"waits with this generation":    {known: held(synced(), waits), state: "Pending", message: advice, condition: "False Progressing", generation: 2},
		"waits, and runs nothing known": {known: fresh, state: "Pending", message: advice, condition: "False Progressing", notMentioning: "must be reloaded"},
		"the roll-out was stopped":      {known: held(old, stopped), state: "Pending", message: advice, condition: "False RolloutStopped", generation: 1},
		"waits, and is unreachable": {known: held(failing(model.Unreachable, "no answer"), waits), state: "Unreachable",
			message: advice + "; no answer", condition: "False Unreachable"},
		"it has back what it ran": {known: putBack, state: "Rejected", message: "stopped the roll-out", condition: "False RolloutStopped",
			generation: 1, stopped: "c", notMentioning: "next try"},
		"the canary rejects it":          {known: rejecting, state: "Rejected", message: "HAProxy refuses it; next try", condition: "False RolloutStopped"},
		"the canary has another problem": {known: unrelated, state: "Rejected", message: "HAProxy does not answer", condition: "False Rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Spec.Rollout = &v1alpha1.Rollout{Canary: "gw1"}
			status := summarized(object, test.known, synced())
			host := status.Hosts[0]
			if host.State != test.state || !strings.HasPrefix(host.Message, test.message) || host.ObservedGeneration != test.generation ||
				host.StoppedRollout != test.stopped || (test.notMentioning != "" && strings.Contains(host.Message, test.notMentioning)) {
				t.Errorf("the host is %+v", host)
			}
			if got := conditionOf(status, v1alpha1.ConditionHostsSynced); got != test.condition {
				t.Errorf("condition %q, want %q", got, test.condition)
			}
		})
	}
}

func TestAStoppedRolloutStaysInTheStatusUntilTheHostIsChecked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		known record.Host
		want  string
	}{
		"not checked yet":    {record.Host{}, "c"},
		"recalled":           {record.Host{Trial: rollout.Trial{Change: "c", Why: "x"}}, "c"},
		"another change":     {record.Host{Trial: rollout.Trial{Change: "d"}}, ""},
		"proved since":       {record.Host{ProvedAt: noon()}, ""},
		"stopped by another": {record.Host{Trial: rollout.Trial{Change: "d", Why: "x"}}, "d"},
	} {
		object := twoHosts()
		object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, StoppedRollout: "c"}}
		if got := summarized(object, test.known, record.Host{}).Hosts[0].StoppedRollout; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestAHostThatWaitsForItsRolloutIsNotGivenUp(t *testing.T) {
	t.Parallel()
	known := synced()
	known.Held = rollout.Wait{Why: "the canary is watched"}
	view := HostView{record: known}
	if fate, wait := view.fate(twoHosts(), 0, noon()); fate != 0 || wait != 0 {
		t.Errorf("it is given up: %d, after %s", fate, wait)
	}
}
