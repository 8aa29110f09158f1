package edge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/plan"
)

const (
	// observeTimeout bounds a look at a host that changes nothing.
	observeTimeout = 20 * time.Second
	// applyTimeout bounds a change. It is not cut short by the end of the operator: a change that has begun is ended.
	applyTimeout = 60 * time.Second
	// goBackTimeout bounds what it takes to undo one.
	goBackTimeout = 30 * time.Second
)

// Sync brings a host to what is wanted, and reports what was read back from it. It does nothing if the host is already so.
// Whatever goes wrong, HAProxy goes on with what it ran before.
//
// The memory is what earlier Syncs of the same host have left; no two Syncs may have it at once.
func Sync(ctx context.Context, conn Conn, memory *Memory, req Request) Outcome {
	h, err := lookAt(ctx, conn, req)
	if err != nil {
		return h.outcome(err)
	}
	todo := plan.Compute(h.observed(), h.wanted())
	switch {
	case todo.Action == plan.Refuse:
		return h.outcome(h.refused(todo))
	case req.DryRun:
		return h.suspended(todo)
	case todo.Action == plan.NoOp:
		return h.outcome(nil)
	}
	err = h.apply(ctx, todo)
	outcome := h.outcome(err)
	outcome.Reasons = todo.Reasons
	outcome.Changed = err == nil
	outcome.Update = updateBy(todo.Action)
	return outcome
}

func updateBy(action plan.Action) Update {
	switch action {
	case plan.Reload:
		return UpdateReload
	case plan.Rewrite:
		return UpdateFile
	default:
		return ""
	}
}

func lookAt(ctx context.Context, conn Conn, req Request) (*host, error) {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	h := &host{req: req}
	return h, h.observe(ctx, conn)
}

// outcome reports how the host is doing after err.
func (h *host) outcome(err error) Outcome {
	outcome := Outcome{State: Synced, HAProxyVersion: h.version, Servers: h.serverCounts()}
	if err == nil {
		outcome.Message = h.note
		if h.running.structure == h.file.Structure {
			outcome.Fingerprint = h.file.Whole
		}
		return outcome
	}
	var failure *Error
	if !errors.As(err, &failure) {
		failure = &Error{State: Unreachable, Message: "the connection failed: " + err.Error(), Cause: err}
	}
	var reloadFailure *reloadError
	outcome.ReloadFailed = errors.As(err, &reloadFailure)
	outcome.State, outcome.Message = failure.State, failure.Message
	return outcome
}

func (h *host) refused(todo plan.Plan) error {
	if todo.Twin {
		return &Error{State: Refused, Message: fmt.Sprintf("%s is left alone: %s. Name a machine once, by one address and port",
			h.facts.config, strings.Join(todo.Reasons, "; "))}
	}
	return &Error{State: Refused, Message: fmt.Sprintf(
		"%s is left alone: %s. Move what it does elsewhere, or set adopt: true on this host to replace it; a copy stays beside it as %s.before-edgelb",
		h.facts.config, strings.Join(todo.Reasons, "; "), h.facts.config)}
}

func (h *host) suspended(todo plan.Plan) Outcome {
	outcome := h.outcome(nil)
	outcome.State = Suspended
	if todo.Action != plan.NoOp {
		outcome.Fingerprint = ""
		outcome.Message = fmt.Sprintf("suspended; would %s: %s", strings.ToLower(string(todo.Action)), summary(todo.Reasons))
	}
	return outcome
}

// summary joins reasons, and counts those that are too many to read.
func summary(reasons []string) string {
	const shown = 5
	if len(reasons) <= shown {
		return strings.Join(reasons, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(reasons[:shown], "; "), len(reasons)-shown)
}
