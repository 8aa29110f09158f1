package record

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

func TestAnUpdateOfServersKeepsTheFailureOfTheHost(t *testing.T) {
	t.Parallel()
	failed := model.Outcome{State: model.Rejected, Message: "the disk is full", Live: true}
	for name, test := range map[string]struct {
		outcome  model.Outcome
		wantLive bool
		wantUp   int
		wantWait time.Duration
	}{
		"they follow": {model.Outcome{
			State: model.Synced, Changed: true, Update: model.UpdateRuntime, FollowUp: time.Second,
			Servers: map[string]model.ServerCount{"b": {Up: 2, Total: 2}},
		}, true, 2, time.Second},
		"nothing differs":                  {model.Outcome{State: model.Synced}, true, 0, 10 * time.Second},
		"the host has changed":             {model.Outcome{State: model.Pending}, false, 0, 10 * time.Second},
		"the host is unreachable":          {model.Outcome{State: model.Unreachable}, false, 0, 10 * time.Second},
		"a failed follow-up does not loop": {model.Outcome{State: model.Pending, FollowUp: time.Millisecond}, false, 0, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var host Host
			host.UnprovedSince = noon()
			first := Attempt{Task: &Task{Inputs: "a"}, Outcome: failed}
			host.Apply(first, noon(), 0)
			if wait := host.Wait(first, noon()); wait != time.Millisecond {
				t.Errorf("servers follow after %s, want at once", wait)
			}

			followed := Attempt{Task: &Task{Inputs: "b", RuntimeOnly: true}, Outcome: test.outcome}
			host.Apply(followed, noon(), 0)

			if host.Outcome.State != model.Rejected || host.Outcome.Message != failed.Message || host.Failures != 1 || host.Inputs != "a" {
				t.Errorf("the failure is now %+v, after %d failures", host.Outcome, host.Failures)
			}
			if host.Outcome.Live != test.wantLive || host.Outcome.Servers["b"].Up != test.wantUp {
				t.Errorf("got %+v", host.Outcome)
			}
			if wait := host.Wait(followed, noon()); wait != test.wantWait {
				t.Errorf("it is left alone for %s, want %s", wait, test.wantWait)
			}
			if changed := host.ChangedAt.Equal(noon()); changed != test.outcome.Changed {
				t.Errorf("changed: %t", changed)
			}
		})
	}
}

// live is a host that has failed so often that it is left alone for 5 minutes. Until then its servers follow their endpoints.
func live(outcome model.Outcome) Host {
	var host Host
	outcome.State, outcome.Live = model.Rejected, true
	for range 10 {
		host.Apply(Attempt{Task: &Task{Inputs: "a"}, Outcome: outcome}, noon(), 0)
	}
	return host
}

func TestAHostWhoseServersNoLongerFollowIsCheckedSoon(t *testing.T) {
	t.Parallel()
	good := model.Outcome{State: model.Synced}
	for name, test := range map[string]struct {
		failed, before, outcome model.Outcome
		want                    time.Duration
	}{
		"they follow":           {model.Outcome{}, good, good, 5 * time.Minute},
		"HAProxy refused one":   {model.Outcome{}, good, model.Outcome{State: model.Rejected, Live: true}, 5 * time.Minute},
		"the connection broke":  {model.Outcome{}, good, model.Outcome{State: model.Unreachable}, time.Second},
		"the connection is new": {model.Outcome{}, good, model.Outcome{State: model.Pending}, time.Second},
		"they never followed": {model.Outcome{}, model.Outcome{State: model.Pending}, model.Outcome{State: model.Pending},
			5 * time.Minute},
		"a reload has failed": {model.Outcome{ReloadFailed: true}, good, model.Outcome{State: model.Pending}, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := live(test.failed)
			for _, outcome := range []model.Outcome{test.before, test.outcome} {
				host.Apply(Attempt{Task: &Task{RuntimeOnly: true}, Outcome: outcome}, noon(), 0)
			}
			if wait := host.HoldOff("a", noon()); wait != test.want {
				t.Errorf("it is left alone for %s, want %s", wait, test.want)
			}
		})
	}
}

func TestARetryThatBecameDueDuringAnUpdateOfServersRuns(t *testing.T) {
	t.Parallel()
	host := live(model.Outcome{})
	followed := Attempt{Task: &Task{RuntimeOnly: true}, Outcome: model.Outcome{State: model.Synced}}
	late := noon().Add(5*time.Minute + time.Second)
	host.Apply(followed, late, 0)
	if wait := host.Wait(followed, late); wait != time.Millisecond {
		t.Errorf("it is left alone for %s, want at once, and not forever", wait)
	}
}

func TestATargetThatGetsServersOnAFailedHostHasThem(t *testing.T) {
	t.Parallel()
	host := live(model.Outcome{})
	host.Problems = []desired.Problem{{Reason: v1alpha1.ReasonNoEndpoints}}
	task := &Task{RuntimeOnly: true, Objects: map[types.UID]int64{uid: 2}}
	host.Apply(Attempt{Task: task, Outcome: model.Outcome{State: model.Rejected, Live: true}}, noon(), 0)
	if len(host.Problems) != 1 {
		t.Errorf("after an attempt that failed: %v", host.Problems)
	}
	urgency := host.Apply(Attempt{Task: task, Outcome: model.Outcome{State: model.Synced}}, noon(), 0)
	if len(host.Problems) != 0 || urgency != Urgent {
		t.Errorf("after a successful one: %v, urgency %v", host.Problems, urgency)
	}
}
