package rollout

import (
	"cmp"
	"fmt"
	"time"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

// Wait says why a host keeps what it runs; the zero Wait is none.
type Wait struct {
	// Why is a sentence for people. Stopped says that it does not end by itself.
	Why     string
	Stopped bool
}

// Canary is what is known of a canary: what it should run, what it was proved to run (nil if unknown), its trial, and the outcome of
// its last sync.
type Canary struct {
	Wanted  desired.Host
	Runs    *desired.Host
	Trial   Trial
	Outcome model.Outcome
}

// Decide returns why the host must wait for the canaries of its roll-outs before it loads what is wanted. The roll-outs are sorted by
// the age of their objects, and all of them hold. A canary itself waits for those of older objects only: otherwise two that share their
// hosts would wait for each other forever.
func Decide(host model.HostID, rollouts []spec.Rollout, canaryOf func(model.HostID) (Canary, error)) (Wait, error) {
	for _, rollout := range rollouts {
		if rollout.Canary == (model.HostID{}) {
			return Wait{fmt.Sprintf("spec.rollout.canary of EdgeLoadBalancer %s is %s, which is not in spec.hosts: correct it",
				rollout.Object.Name, rollout.CanaryName), true}, nil
		}
		if rollout.Canary == host {
			return Wait{}, nil
		}
		canary, err := canaryOf(rollout.Canary)
		if err != nil {
			return Wait{}, err
		}
		if wait := canary.holds(rollout); wait.Why != "" {
			return wait, nil
		}
	}
	return Wait{}, nil
}

// holds returns why the other hosts of the roll-out must wait for the canary.
func (c Canary) holds(rollout spec.Rollout) Wait {
	waits := func(format string, args ...any) Wait {
		return Wait{Why: fmt.Sprintf("waits for the canary %s of EdgeLoadBalancer %s, ", rollout.CanaryName, rollout.Object.Name) +
			fmt.Sprintf(format, args...)}
	}
	stopped := func(why string) Wait {
		return Wait{fmt.Sprintf("keeps what it runs, because the roll-out was stopped at the canary %s of EdgeLoadBalancer %s: %s",
			rollout.CanaryName, rollout.Object.Name, why), true}
	}
	switch state := cmp.Or(c.Outcome.State, model.Pending); {
	case !c.isMember(rollout):
		return waits("which does not serve that object: choose another canary, or see its state")
	case c.Trial.Stops(Identity(c.Wanted)):
		return stopped(c.Trial.Why)
	case c.Runs == nil && state == model.Synced:
		return waits("which is checked")
	case c.Runs == nil || NeedsReload(c.Wanted, *c.Runs):
		if state == model.Rejected {
			return stopped(c.Outcome.Message)
		}
		return waits("which does not have the change yet and is %s", state)
	case c.Trial.IsWatched():
		return waits("which is watched until %s UTC", c.Trial.Until.UTC().Format(time.TimeOnly))
	default:
		return Wait{}
	}
}

func (c Canary) isMember(rollout spec.Rollout) bool {
	for _, member := range c.Wanted.Members {
		if member.Object == rollout.Object {
			return true
		}
	}
	return false
}

// PauseOf returns how long the host is watched after a change; false if it is no canary. The longest pause counts.
func PauseOf(host model.HostID, rollouts []spec.Rollout) (pause time.Duration, canary bool) {
	for _, rollout := range rollouts {
		if rollout.Canary == host {
			pause, canary = max(pause, rollout.Pause), true
		}
	}
	return pause, canary
}
