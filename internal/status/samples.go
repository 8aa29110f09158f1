package status

import (
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/naming"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// Sample is what the metrics report of one host of an object.
type Sample struct {
	// Host is what the object's status would say of it now.
	Host v1alpha1.HostStatus
	// Suspended says that spec.suspend keeps the host from being changed, here or in another object on it. ReloadWaits says that a
	// reload waits for previous workers.
	Suspended, ReloadWaits bool
	// Targets counts the servers of each of the object's targets, as HAProxy last reported.
	Targets map[string]model.ServerCount
	// Down are the servers of targets whose health checks fail.
	Down []Down
	// ProvedAt is when the host was last proved to run what the object wants of it; zero if this operator has not proved that, as
	// for a host of another owner.
	ProvedAt time.Time
	// OldWorkers and FailedReloads are those of model.Outcome.
	OldWorkers, FailedReloads int
}

// SamplesOf returns the current samples of an object's hosts.
func SamplesOf(object *v1alpha1.EdgeLoadBalancer, recordOf func(model.HostID) record.Host) []Sample {
	var samples []Sample
	for _, view := range ViewsOf(object, recordOf) {
		sample := Sample{
			Host: view.status(object), Suspended: object.Spec.Suspend || view.record.Wanted.Suspend,
			ReloadWaits: view.record.Outcome.RetryAfter > 0, Targets: view.targets(object), Down: view.down(object),
			OldWorkers: view.record.OldWorkers, FailedReloads: view.record.FailedReloads,
		}
		if view.record.Proved[object.UID] > 0 {
			sample.ProvedAt = view.record.ProvedAt
		}
		samples = append(samples, sample)
	}
	return samples
}

func (v HostView) targets(object *v1alpha1.EdgeLoadBalancer) map[string]model.ServerCount {
	member, _ := record.MemberOf(v.record.Wanted, spec.NameOf(object))
	targets := map[string]model.ServerCount{}
	for _, backend := range member.Counts {
		if count, found := v.record.Servers[backend]; found {
			targets[naming.ElementOf(backend)] = count
		}
	}
	return targets
}
