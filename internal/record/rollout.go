package record

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/rollout"
)

// RunsFor returns what the host was proved to run, if the wanted configuration's owner has the host; nil if that is unknown.
func (r Host) RunsFor(wanted desired.Host) *desired.Host {
	if r.Runs == nil || r.Runs.Config.Owner != wanted.Config.Owner {
		return nil
	}
	return r.Runs
}

// Health returns the health of the host as far as it last reported it.
func (r Host) Health() rollout.Health {
	return rollout.Health{
		Servers: r.Servers, Down: rollout.DownBy(r.Down), FailedReloads: r.FailedReloads, Binds: r.Outcome.BindFailures,
	}
}

// isHeldLike reports whether the roll-outs of the host stand where those of the other record do.
func (r Host) isHeldLike(other Host) bool {
	return r.Held == other.Held && r.Trial.Why == other.Trial.Why
}

// RejectsChange reports whether the host rejects a change that needs a reload.
func (r Host) RejectsChange() bool {
	runs := r.RunsFor(r.Wanted)
	return r.Outcome.State == model.Rejected && (runs == nil || rollout.NeedsReload(r.Wanted, *runs))
}

// recall takes in what an earlier operator wrote into the status: the generations that the host runs, and that the roll-out was stopped at
// this host.
func (r *Host) recall(host desired.Host, objects []*v1alpha1.EdgeLoadBalancer) {
	if !r.ProvedAt.IsZero() || r.Trial.Exists() || len(host.Rollouts) == 0 {
		return
	}
	r.Reported = map[types.UID]int64{}
	for _, object := range objects {
		for i := range object.Status.Hosts {
			status := &object.Status.Hosts[i]
			if spec.IDOfStatus(status) != host.Key {
				continue
			}
			if status.ObservedGeneration > 0 {
				r.Reported[object.UID] = status.ObservedGeneration
			}
			if status.StoppedRollout != "" {
				r.Trial = rollout.Recalled(status.StoppedRollout, status.Message)
			}
		}
	}
}
