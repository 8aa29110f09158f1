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

// contest is for a host that is not to be worked on for a while. If its owner cannot log in to it, the others that name it try in
// turn: who can is its owner from then on. They only look. What is told of the host stays as it is until one of them can.
func (r *hostReconciler) contest(ctx context.Context, t *hostSync, wait time.Duration) (ctrl.Result, error) {
	known := r.records.Get(t.key)
	// Where the owner's former connection is still open, a rival's login would end it.
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

// challenge looks at the host as a rival of its owner, if it is time to, and returns when it is time for the next step.
func (r *hostReconciler) challenge(ctx context.Context, t *hostSync, rival desired.Owner) (time.Duration, error) {
	seen := observed{snapshot: t.seen.snapshot.OnlyOf(rival)}
	look := &hostSync{key: t.key, seen: seen, task: record.LookAs(desired.Build(t.key, seen.snapshot), seen.snapshot.Objects), cache: &edge.SyncCache{}}
	version, err := r.credentials.version(ctx, rival)
	if err != nil {
		return 0, err
	}
	look.task.Inputs = record.InputsOf(look.task, version, look.rules().Version)
	if wait := r.records.Get(t.key).Claims[rival].HoldOff(look.task.Inputs, r.now()); wait > 0 {
		return wait, nil
	}
	attempt, err := r.try(ctx, look, version)
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
