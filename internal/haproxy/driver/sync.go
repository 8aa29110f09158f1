package driver

import (
	"context"
	"errors"
	"time"

	"github.com/edgelb/edgelb/internal/host/hold"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver/recall"
	"github.com/edgelb/edgelb/internal/haproxy/driver/report"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/host/failure"
	"github.com/edgelb/edgelb/internal/model"
)

const (
	// observeTimeout bounds an observation that changes nothing on the host; see timeFor.
	observeTimeout = 20 * time.Second
	// applyTimeout bounds a change. The shutdown of the operator does not cut it short: a change that has begun is finished.
	applyTimeout = 60 * time.Second
	// goBackTimeout bounds the rollback of a change.
	goBackTimeout = 30 * time.Second
)

// timeFor returns the time limit for an operation that transfers the whole configuration over the link.
func timeFor(what time.Duration, config haproxy.Config) time.Duration {
	return what + time.Duration(config.EntryCount()+config.ServerCount())*rowTimeout
}

// Sync brings a host to the wanted configuration, and reports what was read back from it. It does nothing if the host already
// has it. If anything fails, HAProxy keeps running its previous configuration.
//
// The cache holds the results of earlier Syncs of the same host. Two Syncs must not use it at the same time.
func Sync(ctx context.Context, conn Conn, cache *SyncCache, req Request) model.Outcome {
	defer conn.Release()
	before := cache.traffic(ctx, req)
	outcome := syncOnce(ctx, conn, cache, req)
	outcome.TrafficBefore, outcome.Traffic = before, cache.traffic(ctx, req)
	return outcome
}

// syncOnce is the cheapest sync that suffices.
func syncOnce(ctx context.Context, conn Conn, cache *SyncCache, req Request) model.Outcome {
	if outcome, done := syncFast(ctx, conn, cache, req); done {
		return outcome
	}
	if req.RuntimeOnly {
		return model.Outcome{State: model.Pending, Message: "a full sync is required"}
	}
	return syncFull(ctx, conn, cache, req)
}

// syncFull observes everything on the host that matters, decides, and carries out the plan.
func syncFull(ctx context.Context, conn Conn, cache *SyncCache, req Request) model.Outcome {
	cache.awaitSave()
	began := time.Now()
	h := &host{req: req, left: cache.left(req), descriptors: cache.descriptors}
	err := h.runObserve(ctx, conn)
	if err != nil {
		return h.outcome(err)
	}
	observed := time.Now()
	p, err := h.decide(ctx)
	decided := time.Now()
	var outcome model.Outcome
	if err != nil {
		outcome = h.outcome(err)
	} else {
		outcome = h.carryOut(ctx, p)
	}
	outcome.Phases = model.Phases{Observe: observed.Sub(began), Decide: decided.Sub(observed), Change: time.Since(decided)}
	h.recall(ctx, outcome)
	cache.learn(h, outcome)
	if outcome.ReloadFailed && cache.learnDescriptors(h) {
		return syncFull(ctx, conn, cache, req)
	}
	outcome.Live = (outcome.State == model.Rejected || outcome.RetryAfter > 0) && cache.last != nil
	if outcome.State == model.Synced || outcome.Live {
		outcome.FollowUp = cache.followUp(time.Now(), req.DrainTimeouts, false)
	}
	return outcome
}

// recall answers Request.Recalled.
func (h *host) recall(ctx context.Context, outcome model.Outcome) {
	if h.req.Recalled == nil || !outcome.Kept && outcome.State != model.Synced {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeFor(observeTimeout, h.config))
	defer cancel()
	running := recall.Running{Structure: h.running.Structure, Servers: h.running.Servers}
	if config, found := recall.Config(ctx, h.files(), h.platform(), running, outcome.Kept); found {
		*h.req.Recalled = config
	}
}

// decide computes the plan. It first removes binds that the host cannot take from the wanted configuration.
func (h *host) decide(ctx context.Context) (plan.Plan, error) {
	p := plan.Compute(h.observed(), h.wanted())
	if p.Action != plan.Reload || p.Hold == hold.Suspended || p.Hold == hold.Keep {
		return p, nil
	}
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	if err := h.checkRoom(ctx); err != nil || len(h.bindFailures) == 0 {
		return p, err
	}
	if err := h.render(); err != nil {
		return p, err
	}
	return plan.Compute(h.observed(), h.wanted()), nil
}

// carryOut executes the plan, unless the host must not be changed.
func (h *host) carryOut(ctx context.Context, p plan.Plan) model.Outcome {
	switch {
	case p.Action == plan.Refuse:
		outcome := h.outcome(&model.Error{State: model.Refused, Message: report.Refused(p, h.facts.Config, h.req.noAdopt())})
		outcome.Owner = p.Owner
		return outcome
	case p.Hold == hold.Suspended:
		return report.Suspended(h.outcome(nil), p)
	case p.Hold == hold.Keep:
		return report.Kept(h.outcome(nil), p)
	case p.Hold == hold.Drift:
		return report.Drifted(h.outcome(nil), p.Drift)
	case p.Action == plan.NoOp:
		return h.outcome(h.awaitFormer(ctx))
	}
	done, err := h.apply(ctx, p)
	if err == nil {
		err = h.awaitFormer(ctx)
	}
	outcome := h.outcome(err)
	if outcome.RetryAfter > 0 && p.Action == plan.Reload {
		// Nothing was begun.
		return outcome
	}
	outcome.Update, outcome.Reasons, outcome.Changed, outcome.Drift = report.UpdateBy(done.Action), done.Reasons, err == nil, done.Drift
	if outcome.Changed {
		outcome.RenamedFrom = done.RenamedFrom
	}
	return outcome
}

func (h *host) runObserve(ctx context.Context, conn Conn) error {
	ctx, cancel := context.WithTimeout(ctx, timeFor(observeTimeout, h.req.Config))
	defer cancel()
	return h.observe(ctx, conn)
}

// outcome reports the state of the host after err.
func (h *host) outcome(err error) model.Outcome {
	outcome := model.Outcome{
		State: model.Synced, HAProxyVersion: h.version, Servers: h.stats.Counts, Down: h.stats.Down(), UnresolvedNames: h.stats.Unresolved,
		BindFailures: h.bindFailures, Egress: h.egress, Installed: h.facts.Installed,
		LacksPackage: err != nil && h.facts.LacksPackage(h.req.Config.Idle()),
		OldWorkers:   len(h.master.OldWorkers), FailedReloads: h.master.Failed,
	}
	if err == nil {
		outcome.Message = h.note
		if h.running.Structure == h.file.Structure {
			outcome.Fingerprint = h.file.Whole
		}
		return outcome
	}
	failed := failure.Of(err, h.req.Login, h.req.ConfigPath)
	var reloadFailure *reloadError
	outcome.ReloadFailed = errors.As(err, &reloadFailure)
	var paused *pausedError
	if errors.As(err, &paused) {
		outcome.RetryAfter = paused.wait
	}
	outcome.State, outcome.Message = failed.State, failed.Message
	return outcome
}
