package controllers

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/status"
)

// hostSync is one sync of a host.
type hostSync struct {
	key  model.HostID
	seen observed
	// known is the host's record when the sync began, and task what to do; nil for nothing.
	known record.Host
	task  *record.Task
	// cache is what package edge caches of the host.
	cache *edge.SyncCache
	// began and built are when the sync began and when its task was known, and connect is the time that it took to reach the host.
	began, built time.Time
	connect      time.Duration
}

// request returns the request to package edge.
func (t *hostSync) request() edge.Request {
	host := &t.task.Host
	return edge.Request{
		Config:        host.Config,
		Login:         host.Login.User,
		ConfigPath:    host.ConfigPath,
		ReloadCommand: host.ReloadCommand,
		Adopt:         host.Adopt,
		NoAdopt:       host.NoAdopt,
		DryRun:        host.Suspend,
		RuntimeOnly:   t.task.RuntimeOnly,
		DrainTimeouts: host.DrainTimeouts,
		ReportDrift:   host.ReportDrift,
		Proved:        t.proved(),
	}
}

// proved returns the fingerprint that the host was last proved to run: by this operator, or by the one before.
func (t *hostSync) proved() string {
	if !t.known.ProvedAt.IsZero() {
		return t.known.Fingerprint
	}
	return status.ProvedBefore(t.seen.snapshot.Objects, t.key)
}

// log reports changes. A check that finds a host unchanged is not logged at the default level, nor is the file write after a
// runtime update.
func (t *hostSync) log(ctx context.Context, outcome model.Outcome, after record.Host, now time.Time) {
	logger := log.FromContext(ctx).WithValues("state", outcome.State)
	routine := outcome.Update == model.UpdateFile && len(outcome.Drift) == 0
	switch {
	case outcome.Changed && !routine:
		t.logChange(logger, outcome, now)
	case after.Repeats == 1 && !t.task.RuntimeOnly:
		logger.Info("Host state changed", "message", outcome.Message, "owner", outcome.Owner)
	case outcome.Changed:
		t.logChange(logger.V(1), outcome, now)
	default:
		logger.V(1).Info("Host checked", "message", outcome.Message)
	}
}

// logChange writes a line that programs also read: they rely on its message and on its keys.
func (t *hostSync) logChange(logger logr.Logger, outcome model.Outcome, now time.Time) {
	logger.Info("Host changed", t.measured(outcome, now)...)
}

// measured returns keys and values of a log line about a change: how and why it was made; the seconds from the watch's delivery of
// the oldest change in it to the proof, if a watch delivered it; and the milliseconds of each phase of that time.
func (t *hostSync) measured(outcome model.Outcome, now time.Time) []any {
	phases := map[string]float64{
		"build":   milliseconds(t.built.Sub(t.began)),
		"connect": milliseconds(t.connect),
		"observe": milliseconds(outcome.Phases.Observe),
		"decide":  milliseconds(outcome.Phases.Decide),
		"change":  milliseconds(outcome.Phases.Change),
		"prove":   milliseconds(outcome.Phases.Prove),
	}
	values := []any{"update", outcome.Update, "reasons", sanitize.First(outcome.Reasons, 5), "phases", phases}
	if since := t.known.UnprovedSince; !since.IsZero() {
		phases["queued"] = milliseconds(t.began.Sub(since))
		values = append(values, "seconds", now.Sub(since).Seconds())
	}
	return values
}

func milliseconds(d time.Duration) float64 {
	return float64(d) / float64(time.Millisecond)
}
