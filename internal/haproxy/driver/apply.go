package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/driver/daemon"
	"github.com/edgelb/edgelb/internal/haproxy/driver/dialogue"
	"github.com/edgelb/edgelb/internal/haproxy/driver/files"
	"github.com/edgelb/edgelb/internal/haproxy/driver/report"
	"github.com/edgelb/edgelb/internal/haproxy/driver/stats"
	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// apply makes the host run the wanted configuration, and returns the plan that was executed: a reload if HAProxy rejects a command.
func (h *host) apply(ctx context.Context, p plan.Plan) (plan.Plan, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeFor(applyTimeout, h.config))
	defer cancel()
	if p.Action == plan.Runtime {
		if err := h.applyRuntime(ctx, p.Rounds); session.IsLost(err) {
			return p, err
		} else if err != nil {
			p = p.Escalate(err.Error())
		} else if !p.StaleFile {
			return p, nil
		}
	}
	return p, h.applyFile(ctx, p)
}

// applyRuntime sends rounds of commands to the running HAProxy and verifies that it has the wanted servers and route map entries.
func (h *host) applyRuntime(ctx context.Context, rounds [][]runtime.Command) error {
	talk, err := dialogue.Open(ctx, h.session, h.req.Config.AdminSocket)
	if err != nil {
		return err
	}
	defer talk.Close()
	for _, commands := range rounds {
		answers, err := talk.Ask(ctx, runtime.Lines(commands), dialogue.KnownBytes(len(commands), 0))
		if err != nil {
			return err
		}
		if err := runtime.CheckAll(commands, answers); err != nil {
			return err
		}
	}
	return h.awaitLive(ctx, daemon.Running{})
}

// awaitLive polls until HAProxy runs what is wanted, which may take a moment, and returns the difference if it does not. It
// ignores answers of the previous worker.
func (h *host) awaitLive(ctx context.Context, previous daemon.Running) error {
	var err error
	_ = daemon.Poll(ctx, settlePatience, func() bool {
		err = h.readRunning(ctx)
		switch {
		case err != nil:
		case previous.PID != 0 && h.running.PID == previous.PID:
			err = errors.New("HAProxy's previous worker answers again")
		default:
			err = h.checkLive()
		}
		return err == nil
	})
	return err
}

// checkLive compares the servers and route map entries that were read with the wanted ones.
func (h *host) checkLive() error {
	h.stats = stats.Stats{}.With(h.running.Servers, h.config.Backends)
	if change := plan.Live(h.observed().Running, h.config, h.file.NamesPath); len(change.Reasons) > 0 {
		return fmt.Errorf("HAProxy does not run the wanted servers and route map entries: %s", report.Reasons(change.Reasons))
	}
	return nil
}

// applyFile replaces the previous file with the wanted one, and has HAProxy load it if the plan is a reload. It stages and
// checks the file, keeps the previous one, and puts the new one in place; then HAProxy loads it, and the result is read back.
// If the load failed, the previous file is restored. Before the reload nothing affects a connection.
func (h *host) applyFile(ctx context.Context, p plan.Plan) error {
	if p.Action == plan.Reload {
		if err := h.checkPause(time.Now()); err != nil {
			return err
		}
	}
	if failed := h.facts.CheckLoader(); p.Action == plan.Reload && h.req.ReloadCommand == "" && failed != "" {
		return &model.Error{State: model.Rejected, Message: failed + h.stillRuns()}
	}
	if err := h.stage(ctx); err != nil {
		return h.explain(err)
	}
	options := files.WriteOptions{
		Backup: p.Backup, KeepFormer: p.KeepFormer, Expected: h.facts.File.SHA256,
		ServerState: plan.ServerState(h.running.State, h.config.Backends),
	}
	if h.req.Back {
		options.ServerState = nil
	}
	if err := h.commit(ctx, options); err != nil {
		return h.explain(err)
	}
	if p.Action != plan.Reload {
		return nil
	}
	if err := h.reload(ctx); err != nil {
		return h.goBack(ctx, err)
	}
	return nil
}

// explain reports that the file changed during a full sync. The next sync follows soon, and finds out who owns the file.
func (h *host) explain(err error) error {
	if !errors.Is(err, errCacheStale) {
		return err
	}
	return &model.Error{State: model.Rejected, Cause: err, Message: fmt.Sprintf("somebody else changes %s at the same moment%s", h.facts.Config, h.stillRuns())}
}

// checkRoom checks what `haproxy -c` does not: whether the host can take the connections, and which of the binds it cannot take.
func (h *host) checkRoom(ctx context.Context) error {
	// If HAProxy does not run, its service may still create the folder.
	if h.facts.IsRunning() && !h.facts.SocketDirectory {
		return &model.Error{State: model.Rejected, Message: fmt.Sprintf("the folder of the admin socket %s does not exist: create it on the host, or set spec.haproxy.paths.adminSocket%s",
			h.req.Config.AdminSocket, h.stillRuns())}
	}
	if failed := h.facts.CheckDescriptors(h.config); failed != "" {
		return &model.Error{State: model.Rejected, Message: failed + h.stillRuns()}
	}
	result, err := h.session.Report(ctx, "sockets", facts.PortList(h.config.Frontends))
	if err != nil {
		return err
	}
	sockets := facts.ParseSockets(result.Stdout)
	h.bindFailures = nil
	for _, failure := range h.facts.BindFailures(sockets, h.config) {
		h.bindFailures = append(h.bindFailures, model.BindFailure(failure))
	}
	return nil
}

// files are the files of the host.
func (h *host) files() files.Files {
	return files.Files{Session: h.session, Config: h.facts.Config, Owner: h.config.Owner, Host: h.config.Host}
}

func (h *host) stage(ctx context.Context) error {
	return h.whyUnwritten(h.files().Stage(ctx, h.file, h.facts.Program()))
}

// commit puts the staged file in place and reads it back.
func (h *host) commit(ctx context.Context, o files.WriteOptions) error {
	return h.whyUnwritten(h.files().Commit(ctx, h.file, o))
}

// whyUnwritten maps a failed write to the state of the host.
func (h *host) whyUnwritten(err error) error {
	if errors.Is(err, files.ErrTaken) {
		return errCacheStale
	}
	return files.Explain(err, h.facts.Config, h.stillRuns())
}

// reloadError marks a failure of the reload itself: HAProxy accepted the file with `-c` but did not start with it. A retry may
// cost 2 s of refused connections, so retries must be rare.
type reloadError struct{ failure *model.Error }

func (e *reloadError) Error() string { return e.failure.Error() }

func (e *reloadError) Unwrap() error { return e.failure }

// reload makes HAProxy load its file and returns nil when the wanted configuration was read back from the new worker.
func (h *host) reload(ctx context.Context) error {
	previous := h.running
	running, err := h.daemon().Reload(ctx, previous, h.file.Structure)
	h.record(running)
	if err != nil {
		var alerted *daemon.AlertError
		if errors.As(err, &alerted) {
			h.reportedLimit = facts.DescriptorLimit(alerted.Output)
		}
		return err
	}
	h.readMaster(ctx)
	if h.checkLive() == nil {
		return nil
	}
	// The answers came over several connections and may be of both workers, which share the socket for a moment.
	return h.awaitLive(ctx, previous)
}

// goBack rolls back a change that could not be proved. It restores the previous file, so that HAProxy also starts after a
// reboot, and reloads it if a new worker has taken over. It has its own timeout, since the change may have used up all of its
// time. If the connection is lost, nothing can be rolled back and the result is unknown: the next sync finds out how far the
// change came.
func (h *host) goBack(ctx context.Context, cause error) error {
	if session.IsLost(cause) && ctx.Err() == nil {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeFor(goBackTimeout, h.config))
	defer cancel()
	failed := func(format string, args ...any) error {
		return &reloadError{&model.Error{State: model.Rejected, Cause: cause, Message: cause.Error() + fmt.Sprintf(format, args...)}}
	}
	err := h.files().Restore(ctx, h.facts.File.Exists)
	var unwritable *files.UnwritableError
	switch {
	case errors.As(err, &unwritable):
		return failed("; and the previous %s could not be put back (%s): copy %s.edgelb-former over it",
			h.facts.Config, sanitize.Line(unwritable.Words, sanitize.Quote), h.facts.Config)
	case err != nil:
		return failed("; and the previous %s could not be put back: %v", h.facts.Config, err)
	}
	if err := h.loadFormer(ctx); err != nil {
		return failed("; and HAProxy did not go back to the previous configuration: %v", err)
	}
	return failed("%s", h.stillRuns())
}

// loadFormer makes HAProxy load the restored file, unless HAProxy still runs it.
func (h *host) loadFormer(ctx context.Context) error {
	readErr := h.readRunning(ctx)
	if !h.facts.IsRunning() || h.before.PID == 0 || h.running.SameAs(h.before) {
		return nil
	}
	if readErr != nil {
		return readErr
	}
	current := h.running.PID
	if _, err := h.daemon().StartReload(ctx); err != nil {
		return err
	}
	return daemon.Poll(ctx, daemon.WorkerPatience, func() bool {
		return h.readRunning(ctx) == nil && h.running.PID != current && h.running.Structure == h.before.Structure
	})
}

// stillRuns says what serves now.
func (h *host) stillRuns() string {
	if !h.facts.IsRunning() {
		return ". HAProxy does not run on this host"
	}
	return ". The previous configuration stays active"
}
