package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/facts"
	"github.com/edgelb/edgelb/internal/keepalived/plan"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// apply brings the host to the wanted configuration, and returns the plan that was executed.
func (h *host) apply(ctx context.Context, p plan.Plan) (plan.Plan, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
	defer cancel()
	switch p.Action {
	case plan.Stop:
		return p, h.leave(ctx)
	case plan.Prepare:
		return h.applyPrepare(ctx, p)
	case plan.Notify:
		return p, h.notify(ctx, p)
	default:
		return p, h.applyFile(ctx, p)
	}
}

// applyPrepare puts in place what is missing beside the file. If keepalived does not prove then that it runs the file, it must load it.
func (h *host) applyPrepare(ctx context.Context, p plan.Plan) (plan.Plan, error) {
	if err := h.prepare(ctx); err != nil {
		return p, err
	}
	if err := h.read(ctx); err != nil {
		return p, err
	}
	if err := h.enable(ctx); err != nil {
		return p, err
	}
	if err := h.awaitProof(ctx, 0); err != nil {
		return p, err
	}
	now := plan.Compute(h.observed(), h.wanted())
	if now.Action == plan.NoOp || now.Action == plan.Notify {
		return p, h.notifyNow(ctx)
	}
	p.Action, p.Reasons = plan.Reload, append(p.Reasons, "keepalived does not run its check")
	if h.facts.Process == 0 {
		p.Action = plan.Start
	}
	return p, h.applyFile(ctx, p)
}

// applyFile replaces the previous file with the wanted one, and has keepalived load it. It stages and checks the file, keeps the previous one,
// and puts the new one in place; then keepalived loads it, and the result is read back. If that fails, the previous file is restored.
func (h *host) applyFile(ctx context.Context, p plan.Plan) error {
	// For maintenance, a host gives up its addresses even if its new configuration is no good.
	early := h.facts.File.Managed && h.facts.ScriptUser
	if early {
		if err := h.prepare(ctx); err != nil {
			return err
		}
	}
	if failed := h.facts.Preflight(h.config); failed != "" {
		return h.rejected(failed)
	}
	if !early {
		if err := h.prepare(ctx); err != nil {
			return err
		}
	}
	before := h.facts
	if p.Write {
		if err := h.replace(ctx, p); err != nil {
			return err
		}
	}
	if err := h.load(ctx, p.Action == plan.Start); err != nil {
		if session.IsLost(err) {
			return err
		}
		return h.goBack(ctx, p, before, err)
	}
	if err := h.enable(ctx); err != nil {
		return err
	}
	return h.notifyNow(ctx)
}

// replace stages and checks the file, and puts it in place of the previous one.
func (h *host) replace(ctx context.Context, p plan.Plan) error {
	if err := h.stage(ctx); err != nil {
		return err
	}
	return h.commit(ctx, p)
}

// load has keepalived load the file, and waits for the proof.
func (h *host) load(ctx context.Context, start bool) error {
	since := h.facts.Uptime
	words, err := h.control(ctx, start)
	if err != nil {
		return err
	}
	if err := h.awaitProof(ctx, since); err != nil {
		return err
	}
	if h.facts.Proves(h.file.Hash) && h.facts.Check.At >= since {
		return nil
	}
	return &loadError{words: strings.TrimSpace(words + "\n" + h.journal(ctx))}
}

// loadError says that keepalived did not prove to run a file.
type loadError struct{ words string }

func (e *loadError) Error() string {
	if e.words == "" {
		return "keepalived does not run its check, and its log says nothing: see journalctl -u keepalived on the host"
	}
	return "keepalived does not run its check; its log: " + strings.TrimRight(sanitize.Line(lastLines(e.words), sanitize.Quote), ". ")
}

// lastLines returns the end of a text that is long: the end of a log says why.
func lastLines(text string) string {
	if len(text) <= sanitize.Quote {
		return text
	}
	_, end, _ := strings.Cut(text[len(text)-sanitize.Quote:], "\n")
	return end
}

// control starts keepalived, or has it load its file. It returns what was printed if the exit status is not 0: whether it worked is only
// known from what the host does then.
func (h *host) control(ctx context.Context, start bool) (words string, err error) {
	task := "reload " + h.facts.Init
	switch {
	case start:
		task = "start " + h.facts.Init
	case h.facts.Service == "":
		task = fmt.Sprintf("reload signal %d", h.facts.Process)
	}
	return h.service(ctx, task)
}

// service runs a task of scripts/keepalived-service.sh, and returns what it printed if its exit status is not 0.
func (h *host) service(ctx context.Context, task string) (words string, err error) {
	result, err := h.session.Run(ctx, "keepalived-service", nil, task, keepalived.Folder)
	if err != nil || result.Exit == 0 {
		return "", err
	}
	return string(result.Stdout), nil
}

// awaitProof waits until the check has run with the wanted configuration since then, and until no instance is left halfway between two roles.
func (h *host) awaitProof(ctx context.Context, since time.Duration) error {
	err := h.await(ctx, proofPatience, func() bool { return h.facts.Proves(h.file.Hash) && h.facts.Check.At >= since })
	if err != nil {
		return err
	}
	return h.await(ctx, settlePatience, func() bool { return !h.facts.Torn(h.config) && !h.isGivingUp() })
}

// isGivingUp reports whether the host holds addresses that it is about to give up, since it is in maintenance.
func (h *host) isGivingUp() bool {
	return h.req.Maintenance && len(h.facts.Left()) > 0
}

// goBack restores the previous configuration after a failure, and has keepalived load it.
func (h *host) goBack(ctx context.Context, p plan.Plan, before facts.Facts, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goBackTimeout)
	defer cancel()
	if p.Write {
		result, err := h.session.Run(ctx, "keepalived-restore", nil, keepalived.ConfigPath, formerOf(before))
		if err != nil {
			return err
		}
		if result.Exit != 0 {
			return &model.Error{State: model.Rejected, Cause: failure, Message: fmt.Sprintf("%v. The former configuration could not be restored (%s): restore %s on the host",
				failure, sanitize.Line(string(result.Stderr), sanitize.Quote), keepalived.ConfigPath)}
		}
	}
	state, err := h.reloadFormer(ctx, p, before)
	if err != nil {
		return errors.Join(err, failure)
	}
	return &model.Error{State: model.Rejected, Cause: failure, Message: fmt.Sprintf("%v. %s", failure, state)}
}

// formerOf is the argument of scripts/keepalived-restore.sh.
func formerOf(before facts.Facts) string {
	if before.File.Exists {
		return "former"
	}
	return "none"
}

// reloadFormer brings keepalived back to what it did before, and returns a sentence that says so.
func (h *host) reloadFormer(ctx context.Context, p plan.Plan, before facts.Facts) (string, error) {
	if err := h.read(ctx); err != nil {
		return "", err
	}
	if before.Process == 0 {
		if _, err := h.service(ctx, "stop "+h.facts.Init); err != nil {
			return "", err
		}
		return "keepalived was stopped again", nil
	}
	if !p.Write {
		return "The configuration is as before", nil
	}
	if _, err := h.control(ctx, h.facts.Process == 0); err != nil {
		return "", err
	}
	former := before.File.Header.Hash
	if err := h.await(ctx, proofPatience, func() bool { return h.facts.Process != 0 && (former == "" || h.facts.Proves(former)) }); err != nil {
		return "", err
	}
	if h.facts.Process == 0 || (former != "" && !h.facts.Proves(former)) {
		return "Its former configuration was restored, and keepalived does not run it either: see journalctl -u keepalived on the host", nil
	}
	return "The former configuration was restored, and runs", nil
}

// enable has keepalived start with the machine.
func (h *host) enable(ctx context.Context) error {
	if h.facts.Service != "disabled" {
		return nil
	}
	words, err := h.service(ctx, "enable "+h.facts.Init)
	if err != nil {
		return err
	}
	if err := h.read(ctx); err != nil {
		return err
	}
	if h.facts.Service == "disabled" {
		return &model.Error{State: model.Rejected, Message: fmt.Sprintf("keepalived runs, but does not start with the machine, since its service cannot be enabled (%s): enable it on the host",
			sanitize.Line(words, sanitize.Quote))}
	}
	return nil
}

// leave stops keepalived, so that it gives up its addresses, and removes everything of edgelb's. Without an instance in its file keepalived
// would end as well, but leave the addresses on the interface.
func (h *host) leave(ctx context.Context) error {
	if h.facts.Process != 0 {
		words, err := h.service(ctx, "stop "+h.facts.Init)
		if err != nil {
			return err
		}
		if err := h.await(ctx, proofPatience, func() bool { return h.facts.Process == 0 }); err != nil {
			return err
		}
		if h.facts.Process != 0 {
			return &model.Error{State: model.Rejected, Message: fmt.Sprintf("keepalived cannot be stopped (%s), and goes on: stop it on the host", sanitize.Line(words, sanitize.Quote))}
		}
	}
	if h.facts.EnabledHere {
		if _, err := h.service(ctx, "disable "+h.facts.Init); err != nil {
			return err
		}
	}
	if err := h.remove(ctx, h.facts.Left()); err != nil {
		return err
	}
	return h.read(ctx)
}

// journal returns what keepalived logged last; empty if nobody knows.
func (h *host) journal(ctx context.Context) string {
	return h.log(ctx, "any")
}

// findStranger says that somebody else on the network has the same virtual router ID; empty if nobody is known.
func (h *host) findStranger(ctx context.Context) string {
	if !slices.ContainsFunc(h.config.Instances, func(i keepalived.Instance) bool { return i.Multicast }) {
		return ""
	}
	return facts.Stranger([]byte(h.log(ctx, "recent")), h.config)
}

func (h *host) log(ctx context.Context, which string) string {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	result, err := h.session.Run(ctx, "keepalived-journal", nil, which)
	if err != nil {
		return ""
	}
	return string(result.Stdout)
}
