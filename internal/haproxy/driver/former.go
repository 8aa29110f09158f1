package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/driver/daemon"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/model"
)

// awaitFormer waits until the previous workers accept no new connections: until then clients may still reach what was removed.
func (h *host) awaitFormer(ctx context.Context) error {
	if h.running.PID == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	err := h.daemon().AwaitFormer(ctx, h.running.PID)
	var accepting *daemon.AcceptingError
	if h.formerAccepts = errors.As(err, &accepting); h.formerAccepts {
		return &model.Error{State: model.Rejected, Cause: err, Message: fmt.Sprintf(
			"the new configuration is active, but %v: end that process, or restart HAProxy", accepting)}
	}
	return err
}

// pausedError says that HAProxy must not be reloaded before the wait has passed.
type pausedError struct {
	failure *model.Error
	wait    time.Duration
}

func (e *pausedError) Error() string { return e.failure.Error() }

func (e *pausedError) Unwrap() error { return e.failure }

// checkPause delays a reload while many previous workers still serve open connections: each reload adds one, with the memory
// usage of a whole HAProxy.
func (h *host) checkPause(now time.Time) error {
	if h.running.PID == 0 || h.req.Back {
		return nil
	}
	previous := len(h.facts.Former(h.running.PID))
	wait := plan.ReloadPause(previous, h.config.ServerCount()) - h.running.Uptime
	if wait <= 0 {
		return nil
	}
	return &pausedError{wait: wait, failure: &model.Error{State: model.Pending, Message: fmt.Sprintf(
		"%d previous HAProxy workers still serve open connections; the next reload waits until %s UTC, so that the host does not run out of memory. Servers, names and weights are still updated",
		previous, now.Add(wait).UTC().Format(time.TimeOnly))}}
}
