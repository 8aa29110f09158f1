package controllers

import (
	"context"
	"errors"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/record"
)

// contest handles a host that must be left alone for a while. If its owner cannot log in to it, the others that name it try one
// after the other: the first that can becomes its owner. They only check the host. What is reported of the host stays until one of
// them can log in.
func (r *hostReconciler) contest(ctx context.Context, t *hostSync, wait time.Duration) (ctrl.Result, error) {
	known := r.records.Get(t.key)
	// While the owner's previous connection is open, a rival's login would end it.
	if !known.IsContested() || known.Outcome.Live {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	for _, rival := range known.Wanted.Rivals {
		due, err := r.challenge(ctx, t, rival)
		switch {
		case errors.Is(err, ErrConnecting):
			return ctrl.Result{RequeueAfter: wait}, nil
		case err != nil || ctx.Err() != nil:
			return ctrl.Result{}, err
		}
		wait = min(wait, due)
	}
	return ctrl.Result{RequeueAfter: max(wait, time.Millisecond)}, nil
}

// challenge checks the host as a rival of its owner if that is due, and returns the wait until the next step.
func (r *hostReconciler) challenge(ctx context.Context, t *hostSync, rival desired.Owner) (time.Duration, error) {
	seen := observed{snapshot: t.seen.snapshot.OnlyOf(rival)}
	task := record.LookAs(r.builder.Build(t.key, seen.snapshot), seen.snapshot.Objects)
	check := &hostSync{key: t.key, seen: seen, task: task, cache: &edge.SyncCache{}}
	version, err := r.credentials.version(ctx, rival)
	if err != nil {
		return 0, err
	}
	check.task.Inputs = record.InputsOf(check.task, version, check.rules().Version)
	if wait := r.records.Get(t.key).Claims[rival].HoldOff(check.task.Inputs, r.now()); wait > 0 {
		return wait, nil
	}
	attempt, err := r.try(ctx, check, version)
	if err != nil || ctx.Err() != nil {
		return 0, err
	}
	claim := r.records.Update(t.key, func(known *record.Host) { known.Try(attempt, r.now(), r.random()) }).Claims[rival]
	if claim.Able {
		log.FromContext(ctx).Info("Host gets another owner, which can log in", "from", t.task.Host.Login.Secret, "to", rival)
		return 0, nil
	}
	return claim.RetryAt.Sub(r.now()), nil
}
