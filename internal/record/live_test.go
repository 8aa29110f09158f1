package record

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/edge"
)

func TestServersThatFollowLeaveTheFailureOfTheHostAsItIs(t *testing.T) {
	t.Parallel()
	failed := edge.Outcome{State: edge.Rejected, Message: "the disk is full", Live: true}
	for name, test := range map[string]struct {
		outcome  edge.Outcome
		wantLive bool
		wantUp   int
		wantWait time.Duration
	}{
		"they do": {edge.Outcome{
			State: edge.Synced, Changed: true, Update: edge.UpdateRuntime, FollowUp: time.Second,
			Servers: map[string]edge.ServerCount{"b": {Up: 2, Total: 2}},
		}, true, 2, time.Second},
		"nothing differs":                    {edge.Outcome{State: edge.Synced}, true, 0, 10 * time.Second},
		"the host is not as it was":          {edge.Outcome{State: edge.Pending}, false, 0, 10 * time.Second},
		"the host is away":                   {edge.Outcome{State: edge.Unreachable}, false, 0, 10 * time.Second},
		"a follow-up that failed is no loop": {edge.Outcome{State: edge.Pending, FollowUp: time.Millisecond}, false, 0, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var host Host
			host.UnprovedSince = noon()
			host.Apply(Attempt{Job: &Job{Inputs: "a"}, Outcome: failed}, noon(), 0)

			host.Apply(Attempt{Job: &Job{Inputs: "b", RuntimeOnly: true}, Outcome: test.outcome}, noon(), 0)

			if host.Outcome.State != edge.Rejected || host.Outcome.Message != failed.Message || host.Failures != 1 || host.Inputs != "a" {
				t.Errorf("the failure is now %+v, after %d failures", host.Outcome, host.Failures)
			}
			if host.Outcome.Live != test.wantLive || host.Outcome.Servers["b"].Up != test.wantUp {
				t.Errorf("got %+v", host.Outcome)
			}
			if wait := host.Wait(test.outcome, noon()); wait != test.wantWait {
				t.Errorf("it is left alone for %s, want %s", wait, test.wantWait)
			}
			if changed := host.ChangedAt.Equal(noon()); changed != test.outcome.Changed {
				t.Errorf("changed: %t", changed)
			}
		})
	}
}
