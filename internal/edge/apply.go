package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/edgelb/edgelb/internal/edge/alerts"
	"github.com/edgelb/edgelb/internal/edge/daemon"
	"github.com/edgelb/edgelb/internal/edge/facts"
	"github.com/edgelb/edgelb/internal/edge/files"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/plan"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// apply makes the host run the wanted configuration, and returns the plan that did it: where HAProxy does not take a command,
// it is a reload.
func (h *host) apply(ctx context.Context, todo plan.Plan) (plan.Plan, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeFor(applyTimeout, h.config))
	defer cancel()
	if todo.Action == plan.Runtime {
		if err := h.applyRuntime(ctx, todo.Rounds); session.IsLost(err) {
			return todo, err
		} else if err != nil {
			todo.Action, todo.Reasons = plan.Reload, append(todo.Reasons, err.Error())
		} else if !todo.StaleFile {
			return todo, nil
		}
	}
	return todo, h.applyFile(ctx, todo)
}

// applyRuntime sends rounds of commands to the running HAProxy and reads back whether it has the wanted servers and names.
func (h *host) applyRuntime(ctx context.Context, rounds [][]runtime.Command) error {
	talk, err := h.session.Converse(ctx, h.req.Config.AdminSocket)
	if err != nil {
		return err
	}
	defer talk.Close()
	for _, commands := range rounds {
		answers, err := talk.Ask(ctx, runtime.Lines(commands), session.KnownBytes(len(commands), 0))
		if err != nil {
			return err
		}
		if err := runtime.CheckAll(commands, answers); err != nil {
			return err
		}
	}
	return h.awaitLive(ctx, daemon.Running{})
}

// awaitLive asks what runs until it is as wanted, which HAProxy may take a moment for, and says what is wrong if it is not. The
// former worker has nothing to say in that.
func (h *host) awaitLive(ctx context.Context, former daemon.Running) error {
	var err error
	_ = daemon.Poll(ctx, settlePatience, func() bool {
		err = h.readRunning(ctx)
		switch {
		case err != nil:
		case former.PID != 0 && h.running.PID == former.PID:
			err = errors.New("HAProxy's former worker answers again")
		default:
			err = h.checkLive()
		}
		return err == nil
	})
	return err
}

// checkLive compares the servers and names that were read with the wanted ones.
func (h *host) checkLive() error {
	h.stats = serverStats{}.with(h.running.Servers, h.config.Backends)
	if change := plan.Live(h.observed().Running, h.config, h.file.NamesPath); len(change.Reasons) > 0 {
		return fmt.Errorf("HAProxy runs other servers or names than it was told to: %s", summary(change.Reasons))
	}
	return nil
}

// applyFile puts the wanted file in the place of the former one, and has HAProxy load it if the plan says so: the file is
// staged and checked, the former one kept, the new one put in its place; then HAProxy loads it and is asked whether it did. If
// it did not, the former file goes back. Until the reload nothing has happened that a connection could notice.
func (h *host) applyFile(ctx context.Context, todo plan.Plan) error {
	if todo.Action == plan.Reload {
		if err := h.checkPause(time.Now()); err != nil {
			return err
		}
	}
	if obstacle := h.facts.CheckLoader(); todo.Action == plan.Reload && h.req.ReloadCommand == "" && obstacle != "" {
		return &Error{State: model.Rejected, Message: obstacle + h.stillRuns()}
	}
	if err := h.stage(ctx); err != nil {
		return h.explain(err)
	}
	written := files.WriteOptions{
		Backup: todo.Backup, KeepFormer: todo.KeepFormer, Expected: h.facts.File.SHA256,
		ServerState: plan.ServerState(h.running.State, h.config.Backends),
	}
	if err := h.commit(ctx, written); err != nil {
		return h.explain(err)
	}
	if todo.Action != plan.Reload {
		return nil
	}
	if err := h.reload(ctx); err != nil {
		return h.goBack(ctx, err)
	}
	return nil
}

// explain says what it means that the file changed while the host was looked at as a whole: it is looked at again soon, and
// then seen whose it is.
func (h *host) explain(err error) error {
	if !errors.Is(err, errCacheStale) {
		return err
	}
	return &Error{State: model.Rejected, Cause: err, Message: fmt.Sprintf("somebody else changes %s at the same moment%s", h.facts.Config, h.stillRuns())}
}

// checkRoom looks for what `haproxy -c` does not: whether the host can take the connections, and which of the binds it cannot.
func (h *host) checkRoom(ctx context.Context) error {
	// Where HAProxy does not run, its service may still make the folder.
	if h.facts.IsRunning() && !h.facts.SocketDirectory {
		return &Error{State: model.Rejected, Message: fmt.Sprintf("the folder of the admin socket %s does not exist: create it on the host, or set spec.haproxy.paths.adminSocket%s",
			h.req.Config.AdminSocket, h.stillRuns())}
	}
	if obstacle := h.facts.CheckDescriptors(h.config); obstacle != "" {
		return &Error{State: model.Rejected, Message: obstacle + h.stillRuns()}
	}
	result, err := h.session.Run(ctx, "sockets", nil, facts.PortList(h.config.Frontends))
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

// files are those of the host.
func (h *host) files() files.Files {
	return files.Files{Session: h.session, Config: h.facts.Config, Owner: h.config.Owner, Host: h.config.Host}
}

func (h *host) stage(ctx context.Context) error {
	return h.whyUnwritten(h.files().Stage(ctx, h.file, h.facts.Program()))
}

// commit puts the staged file in its place and reads back that it is there.
func (h *host) commit(ctx context.Context, c files.WriteOptions) error {
	return h.whyUnwritten(h.files().Commit(ctx, h.file, c))
}

// whyUnwritten says what it means for the host that a file could not be written.
func (h *host) whyUnwritten(err error) error {
	var refused *files.RefusedError
	var unwritable *files.UnwritableError
	switch {
	case errors.Is(err, files.ErrTaken):
		return errCacheStale
	case errors.As(err, &refused):
		return &Error{State: model.Rejected, Message: "HAProxy refuses the configuration: " + alerts.Of(refused.Words) + h.stillRuns()}
	case errors.As(err, &unwritable):
		return &Error{State: model.Rejected, Message: fmt.Sprintf("%s cannot be written (%s): make room or mend its folder on the host%s",
			h.facts.Config, sanitize.Line(unwritable.Words, sanitize.Quote), h.stillRuns())}
	default:
		return err
	}
}

// reloadError marks a failure of the reload itself: HAProxy took the file in `-c` but did not come up with it. Trying again
// may cost 2 s of refused connections, so nobody should do that often.
type reloadError struct{ failure *Error }

func (e *reloadError) Error() string { return e.failure.Error() }

func (e *reloadError) Unwrap() error { return e.failure }

// reload makes HAProxy load its file and returns nil when the wanted configuration was read back from the new worker.
func (h *host) reload(ctx context.Context) error {
	former := h.running
	running, err := h.daemon().Reload(ctx, former, h.file.Structure)
	h.hear(running)
	if err != nil {
		return err
	}
	h.readMaster(ctx)
	if h.checkLive() == nil {
		return nil
	}
	// What was read over several connections may be of both workers, which share the socket for a moment.
	return h.awaitLive(ctx, former)
}

// goBack undoes a change that could not be proved: the former file goes back, so that HAProxy also comes up again after a
// reboot, and is loaded again if a new worker has taken over meanwhile. It has time of its own: the change may have used
// all that it had. Over a connection that is gone nothing can be undone, and nothing is known to have failed: whoever looks
// next sees how far the change came.
func (h *host) goBack(ctx context.Context, cause error) error {
	if session.IsLost(cause) && ctx.Err() == nil {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeFor(goBackTimeout, h.config))
	defer cancel()
	failed := func(format string, args ...any) error {
		return &reloadError{&Error{State: model.Rejected, Cause: cause, Message: cause.Error() + fmt.Sprintf(format, args...)}}
	}
	err := h.files().Restore(ctx, h.facts.File.Exists)
	var unwritable *files.UnwritableError
	switch {
	case errors.As(err, &unwritable):
		return failed("; and the former %s could not be put back (%s): copy %s.edgelb-former over it",
			h.facts.Config, sanitize.Line(unwritable.Words, sanitize.Quote), h.facts.Config)
	case err != nil:
		return failed("; and the former %s could not be put back: %v", h.facts.Config, err)
	}
	if err := h.loadFormer(ctx); err != nil {
		return failed("; and HAProxy did not go back to the former configuration: %v", err)
	}
	return failed("%s", h.stillRuns())
}

// loadFormer makes HAProxy load the file that was put back, unless it never left it.
func (h *host) loadFormer(ctx context.Context) error {
	silence := h.readRunning(ctx)
	if !h.facts.IsRunning() || h.before.PID == 0 || h.running.SameAs(h.before) {
		return nil
	}
	if silence != nil {
		return silence
	}
	taken := h.running.PID
	if _, err := h.daemon().StartReload(ctx); err != nil {
		return err
	}
	return daemon.Poll(ctx, daemon.WorkerPatience, func() bool {
		return h.readRunning(ctx) == nil && h.running.PID != taken && h.running.Structure == h.before.Structure
	})
}

// stillRuns says what serves now.
func (h *host) stillRuns() string {
	if !h.facts.IsRunning() {
		return ". HAProxy does not run on this host"
	}
	return ". The previous configuration stays active"
}
