package driver

import (
	"context"
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
	"github.com/edgelb/edgelb/internal/keepalived/plan"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// notifyNow runs the commands that keepalived does not run by itself, since the host was the master already when they changed.
func (h *host) notifyNow(ctx context.Context) error {
	p, err := h.decide(ctx)
	if err != nil || p.Action != plan.Notify {
		return err
	}
	return h.notify(ctx, p)
}

// notify runs the commands of instances as the account that keepalived runs them as, and reads back that they were started. What becomes of
// them, each look says.
func (h *host) notify(ctx context.Context, p plan.Plan) error {
	args := []string{keepalived.ScriptUser}
	for _, i := range p.Notify {
		args = append(args, cfg.NotifierPath(i))
	}
	result, err := h.session.Run(ctx, "keepalived-notify", nil, args...)
	if err != nil {
		return err
	}
	left := func() plan.Plan { return plan.Compute(h.observed(), h.wanted()) }
	if err := h.await(ctx, notifyPatience, func() bool { return left().Action != plan.Notify }); err != nil {
		return err
	}
	if now := left(); now.Action == plan.Notify {
		return &model.Error{State: model.Rejected, Message: fmt.Sprintf("%s, and cannot be started (%s): see whether su -s /bin/sh %s works on the host",
			strings.Join(now.Reasons, "; "), sanitize.Line(string(result.Stderr), sanitize.Quote), keepalived.ScriptUser)}
	}
	return nil
}
