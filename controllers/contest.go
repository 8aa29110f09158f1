package controllers

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// contest lets the others that name a host try to log in, if its owner, whose task it was, cannot: one after the other, and the first that
// can becomes its owner. They only check the host. What is reported of the host stays until then. It returns the wait until the next step.
func (r *hostReconciler) contest(ctx context.Context, seen observed, task *hostTask, wait time.Duration) (time.Duration, error) {
	known := r.records.Get(seen.key)
	// While the owner's previous connection is open, a rival's login would end it.
	if !known.IsContested() || known.Outcome.Live {
		return wait, nil
	}
	for _, rival := range known.Wanted.Rivals {
		check, due, err := r.chooseFor(ctx, seen, rival)
		if err != nil {
			return 0, err
		}
		if check != nil {
			tried, err := r.run(ctx, check)
			if err != nil || tried == nil {
				return wait, err
			}
			due = r.recordClaim(ctx, task.Host.Login.Secret, rival, seen.key, tried)
		}
		wait = min(wait, due)
	}
	return max(wait, time.Millisecond), nil
}

// chooseFor returns the task to check the host as a rival of its owner; nil if that is not due, with the wait until it is.
func (r *hostReconciler) chooseFor(ctx context.Context, seen observed, rival spec.Owner) (*hostTask, time.Duration, error) {
	seen = seen.onlyOf(rival)
	check := record.LookAs(r.builder.Build(seen.key, seen.snapshot), seen.snapshot.Objects)
	task, err := r.prepare(ctx, seen, record.Host{}, check, &driver.SyncCache{})
	if err != nil {
		return nil, 0, err
	}
	if wait := r.records.Get(seen.key).Claims[rival].HoldOff(check.Inputs, r.now()); wait > 0 {
		return nil, wait, nil
	}
	return task, 0, nil
}

// recordClaim records whether a rival can log in to the host, and returns the wait until it is tried again.
func (r *hostReconciler) recordClaim(ctx context.Context, owner, rival spec.Owner, key model.HostID, tried *attempt) time.Duration {
	claim := r.records.Update(key, func(known *record.Host) { known.Try(tried.Attempt, r.now(), r.random()) }).Claims[rival]
	if claim.Able {
		log.FromContext(ctx).Info("Host gets another owner, which can log in", "from", owner, "to", rival)
		return 0
	}
	return claim.RetryAt.Sub(r.now())
}
