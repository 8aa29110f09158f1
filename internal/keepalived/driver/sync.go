package driver

import (
	"context"
	"time"

	"github.com/edgelb/edgelb/internal/host/hold"

	"github.com/edgelb/edgelb/internal/host/failure"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/facts"
	"github.com/edgelb/edgelb/internal/keepalived/plan"
	"github.com/edgelb/edgelb/internal/model"
)

const (
	// observeTimeout bounds an observation that changes nothing on the host.
	observeTimeout = 20 * time.Second
	// applyTimeout bounds a change. The shutdown of the operator does not cut it short: a change that has begun is finished.
	applyTimeout = 60 * time.Second
	// goBackTimeout bounds the rollback of a change.
	goBackTimeout = 30 * time.Second
)

// Cache is what the last Sync of a host proved. The zero Cache is empty; losing it costs one observation.
type Cache struct {
	session *session.Session
	login   string
	// previous is what was proved, and config the configuration.
	previous plan.Previous
	config   keepalived.Config
	// stranger says that somebody else has the same virtual router ID, which takes more than a look to find out; empty if nobody is known.
	stranger string
	// facts are the last ones that were read whole, and looks how often only a part was read since.
	facts *facts.Facts
	looks int
}

// isOf reports whether the session is that of the connection and the login.
func (c *Cache) isOf(conn session.Conn, login string) bool {
	return c.session != nil && c.session.Conn == conn && c.login == login
}

// Sync brings a host to the wanted configuration, and reports what was read back from it. It does nothing if the host already has it. If
// anything fails, keepalived runs its former configuration. Two Syncs or Looks must not use a cache at the same time.
func Sync(ctx context.Context, conn session.Conn, cache *Cache, req Request) Outcome {
	defer conn.Release()
	h := &host{req: req, cache: cache}
	if err := h.observe(ctx, conn); err != nil {
		return h.outcome(err)
	}
	if req.Config == nil {
		return h.outcome(errUnknownConfig)
	}
	p, err := h.decide(ctx)
	if err != nil {
		return h.outcome(err)
	}
	outcome := h.carryOut(ctx, p)
	cache.learn(h, outcome)
	if outcome.State == model.Synced {
		cache.stranger = h.findStranger(ctx)
		outcome.Message = both(outcome.Message, cache.stranger)
	}
	return outcome
}

// Look reads in one round trip what the host is for each virtual router, and changes nothing. It reads files only now and then, and if their
// sizes, times or rights have changed. The State is Drifted or Pending if the host
// does not run what the last Sync proved, or if something else is wanted now: it then needs a Sync.
func Look(ctx context.Context, conn session.Conn, cache *Cache, req Request) Outcome {
	defer conn.Release()
	h := &host{req: req, cache: cache}
	if err := h.look(ctx, conn); err != nil {
		return h.outcome(err)
	}
	if req.Config == nil {
		return h.outcome(errUnknownConfig)
	}
	if err := h.render(); err != nil {
		return h.outcome(err)
	}
	switch p := plan.Compute(h.observed(), h.wanted()); {
	case p.Action == plan.Refuse, p.Action == plan.NoOp && cache.previous.Hash == h.fingerprint(), p.Hold == hold.Suspended:
		outcome := h.held(p)
		if outcome.State == model.Synced {
			outcome.Message = both(outcome.Message, cache.stranger)
		}
		return outcome
	case len(p.Drift) > 0:
		return drifted(h.outcome(nil), p.Drift)
	default:
		return h.outcome(&model.Error{State: model.Pending, Message: "keepalived was not brought to the wanted configuration yet"})
	}
}

// errUnknownConfig says that the host could only be observed.
var errUnknownConfig = &model.Error{State: model.Pending, Message: "it is not known yet which virtual addresses the host should have"}

// carryOut executes the plan, unless the host must not be changed.
func (h *host) carryOut(ctx context.Context, p plan.Plan) Outcome {
	if p.Action == plan.Refuse || p.Action == plan.NoOp || p.Hold != hold.None {
		return h.held(p)
	}
	done, err := h.apply(ctx, p)
	outcome := h.outcome(err)
	outcome.Update, outcome.Reasons, outcome.Changed, outcome.Drift = updateBy(done.Action), done.Reasons, err == nil, done.Drift
	return outcome
}

// held reports a host that is left as it is.
func (h *host) held(p plan.Plan) Outcome {
	switch {
	case p.Action == plan.Refuse:
		outcome := h.outcome(&model.Error{State: model.Refused, Message: refused(p, h.req.noAdopt())})
		outcome.Owner = p.Owner
		return outcome
	case p.Hold == hold.Suspended:
		return suspended(h.outcome(nil), p)
	case p.Hold == hold.Drift:
		return drifted(h.outcome(nil), p.Drift)
	default:
		return h.outcome(nil)
	}
}

// learn updates the cache with the result of a Sync.
func (c *Cache) learn(h *host, outcome Outcome) {
	switch {
	case outcome.Fingerprint != "":
		c.previous = plan.Previous{Hash: outcome.Fingerprint, Maintenance: h.req.Maintenance, Secrets: h.wanted().SecretsHash()}
		c.config = h.config
	case outcome.State == model.Drifted:
		// It is still what was proved last that the host differs from.
	default:
		c.previous.Begun = c.previous.Begun || (outcome.Update != "" && !outcome.Changed)
	}
}

// outcome reports the state of the host after err.
func (h *host) outcome(err error) Outcome {
	outcome := Outcome{State: model.Synced, Version: h.facts.Version}
	if h.isObserved {
		outcome.Networks, outcome.ScriptUser = h.facts.Networks(h.req.Config), h.facts.ScriptUser
		outcome.Installed, outcome.LacksPackage = h.facts.Installed, err != nil && h.facts.LacksPackage()
		h.describe(&outcome)
	}
	if err == nil {
		if h.isProved() {
			outcome.Fingerprint = h.fingerprint()
		}
		return outcome
	}
	failure := failure.Of(err, h.req.Login, keepalived.ConfigPath)
	outcome.State, outcome.Message = failure.State, failure.Message
	return outcome
}
