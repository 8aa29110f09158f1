package controllers

import (
	"context"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// syncEnd is a sync that has ended.
type syncEnd struct {
	attempt
	// before is the host's record when the task was chosen.
	before record.Host
	// began and built are when the sync began and when the wanted state of the host was recorded.
	began, built time.Time
}

// log reports changes. A check that finds a host unchanged is not logged at the default level, nor is the file write after a
// runtime update.
func (e *syncEnd) log(ctx context.Context, after record.Host, now time.Time) {
	outcome := e.Outcome
	logger := log.FromContext(ctx).WithValues("state", string(outcome.State))
	routine := outcome.Update == model.UpdateFile && len(outcome.Drift) == 0
	switch {
	case outcome.Changed && !routine:
		e.logChange(logger, now)
	case after.Repeats == 1 && !e.Task.RuntimeOnly:
		logger.Info("Host state changed", "message", outcome.Message, "owner", outcome.Owner)
	case outcome.Changed:
		e.logChange(logger.V(1), now)
	default:
		logger.V(1).Info("Host checked", "message", outcome.Message)
	}
}

// logChange writes a line that programs also read: they rely on its message and on its keys.
func (e *syncEnd) logChange(logger logr.Logger, now time.Time) {
	logger.Info("Host changed", e.measured(now)...)
}

// measured returns keys and values of a log line about a change: how and why it was made; the seconds from the watch's delivery of
// the oldest change in it to the proof, if a watch delivered it; and the milliseconds of each phase of that time.
func (e *syncEnd) measured(now time.Time) []any {
	outcome := e.Outcome
	phases := map[string]float64{
		"build":   milliseconds(e.built.Sub(e.began)),
		"connect": milliseconds(e.connect),
		"observe": milliseconds(outcome.Phases.Observe),
		"decide":  milliseconds(outcome.Phases.Decide),
		"change":  milliseconds(outcome.Phases.Change),
		"prove":   milliseconds(outcome.Phases.Prove),
	}
	values := []any{"update", string(outcome.Update), "reasons", sanitize.First(outcome.Reasons, 5), "phases", phases}
	if since := e.before.UnprovedSince; !since.IsZero() {
		phases["queued"] = milliseconds(e.began.Sub(since))
		values = append(values, "seconds", now.Sub(since).Seconds())
	}
	return values
}

func milliseconds(d time.Duration) float64 {
	return float64(d) / float64(time.Millisecond)
}

// logConflicts names, for the operator's administrators, the object that has the host that another object cannot have.
func logConflicts(ctx context.Context, host desired.Host, before []desired.Problem) {
	for _, problem := range host.Problems {
		if problem.Reason == v1alpha1.ReasonHostConflict && !slices.Contains(before, problem) && len(host.Members) > 0 {
			log.FromContext(ctx).Info("Object cannot have a host", "object", problem.Object, "holder", host.Members[0].Object,
				"message", problem.Message)
		}
	}
}
