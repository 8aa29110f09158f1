package edge

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/edge/daemon"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/edge/survey"
	"github.com/edgelb/edgelb/internal/edge/words"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/plan"
)

// exitRefused is the exit status of scripts/stage.sh when HAProxy refuses the file.
const exitRefused = 1

// apply makes the host run the wanted configuration, and returns the plan that did it: where HAProxy does not take a command,
// it is a reload.
func (h *host) apply(ctx context.Context, todo plan.Plan) (plan.Plan, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
	defer cancel()
	if todo.Action == plan.Runtime {
		if err := h.applyRuntime(ctx, todo.Commands); session.IsLost(err) {
			return todo, err
		} else if err != nil {
			todo.Action, todo.Reasons = plan.Reload, append(todo.Reasons, err.Error())
		} else if !todo.StaleFile {
			return todo, nil
		}
	}
	return todo, h.applyFile(ctx, todo)
}

// applyRuntime sends commands to the running HAProxy and reads back whether it has the wanted servers.
func (h *host) applyRuntime(ctx context.Context, commands []runtime.Command) error {
	talk, err := h.session.Converse(ctx, h.req.Config.AdminSocket)
	if err != nil {
		return err
	}
	defer talk.Close()
	answers, err := talk.Ask(ctx, runtime.Lines(commands))
	if err != nil {
		return err
	}
	if err := runtime.CheckAll(commands, answers); err != nil {
		return err
	}
	_ = daemon.Poll(ctx, settlePatience, func() bool {
		if err = h.readRunning(ctx); err == nil {
			err = h.checkServers()
		}
		return err == nil
	})
	return err
}

// checkServers compares the servers that were read with the wanted ones.
func (h *host) checkServers() error {
	h.counts = withCounts(nil, h.running.Servers, h.config.Backends)
	if change := plan.Servers(h.running.Servers, h.config.Backends); len(change.Reasons) > 0 {
		return fmt.Errorf("HAProxy runs other servers than it was told to: %s", summary(change.Reasons))
	}
	return nil
}

// applyFile puts the wanted file in the place of the former one, and has HAProxy load it if the plan says so: the file is
// staged and checked, the former one kept, the new one put in its place; then HAProxy loads it and is asked whether it did. If
// it did not, the former file goes back. Until the reload nothing has happened that a connection could notice.
func (h *host) applyFile(ctx context.Context, todo plan.Plan) error {
	if obstacle := h.facts.LackOfLoader(); todo.Action == plan.Reload && h.req.ReloadCommand == "" && obstacle != "" {
		return &Error{State: Rejected, Message: obstacle + h.stillRuns()}
	}
	if err := h.stage(ctx); err != nil {
		return h.explain(err)
	}
	written := commitment{backup: todo.Backup, keepFormer: todo.KeepFormer, expected: h.facts.File.SHA256, handover: h.handover()}
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
	if !errors.Is(err, errUnlikeMemory) {
		return err
	}
	return &Error{State: Rejected, Cause: err, Message: fmt.Sprintf("somebody else changes %s at the same moment%s", h.facts.Config, h.stillRuns())}
}

// checkRoom looks for what `haproxy -c` does not: whether the host can take the connections, and which of the binds it cannot.
func (h *host) checkRoom(ctx context.Context) error {
	// Where HAProxy does not run, its service may still make the folder.
	if h.facts.IsRunning() && !h.facts.SocketDirectory {
		return &Error{State: Rejected, Message: fmt.Sprintf("the folder of the admin socket %s does not exist: create it on the host, or set spec.haproxy.paths.adminSocket%s",
			h.req.Config.AdminSocket, h.stillRuns())}
	}
	if obstacle := h.facts.LackOfDescriptors(h.config); obstacle != "" {
		return &Error{State: Rejected, Message: obstacle + h.stillRuns()}
	}
	result, err := h.session.Run(ctx, "sockets", nil, survey.PortList(h.config.Frontends))
	if err != nil {
		return err
	}
	h.unserved = nil
	for _, obstacle := range h.facts.Obstacles(survey.ParseSockets(result.Stdout), h.config) {
		h.unserved = append(h.unserved, Unserved(obstacle))
	}
	return nil
}

// candidate is where the file is staged. Its name says for which host of which owner, so that an attempt which finds a machine
// under two names takes nothing from the other; and then tells attempts apart, since one whose connection broke may still be
// at work.
func (h *host) candidate() string {
	writer := sha256.Sum256([]byte(h.config.Owner + "\n" + h.config.Host))
	return h.facts.Config + ".edgelb-new-" + hex.EncodeToString(writer[:8]) + h.file.SHA256()[:16]
}

func (h *host) stage(ctx context.Context) error {
	text := h.file.Text
	result, err := h.session.Run(ctx, "stage", text, h.facts.Config, h.facts.Program(), h.candidate(), strconv.Itoa(len(text)))
	switch {
	case err != nil:
		return err
	case result.Exit == 0:
		return nil
	case result.Exit == exitRefused:
		return &Error{State: Rejected, Message: "HAProxy refuses the configuration: " + words.Alerts(string(result.Stderr)) + h.stillRuns()}
	case result.Exit == exitUnexpected:
		return errUnlikeMemory
	default:
		return h.unwritable(result)
	}
}

// commitment is what goes with a file that is put in its place.
type commitment struct {
	// backup keeps the former file for good, keepFormer until the next change.
	backup, keepFormer bool
	// expected is the SHA-256 that the former file must have; empty if there must be none.
	expected string
	// handover is what the next worker is to know of the servers.
	handover []byte
}

// exitUnexpected is the exit status of scripts/stage.sh and scripts/commit.sh when somebody else is at work: the former file is
// another than expected, or the candidate is gone.
const exitUnexpected = 4

// commit puts the staged file in its place and reads back that it is there.
func (h *host) commit(ctx context.Context, c commitment) error {
	result, err := h.session.Run(ctx, "commit", c.handover, h.facts.Config, h.candidate(), h.file.SHA256(),
		word(c.backup, "backup"), word(c.keepFormer, "former"), cmp.Or(c.expected, "-"))
	if err != nil {
		return err
	}
	switch {
	case result.Exit == exitUnexpected:
		return errUnlikeMemory
	case result.Exit != 0:
		return h.unwritable(result)
	case strings.TrimSpace(string(result.Stdout)) != h.file.SHA256():
		// Somebody else has written it since. It is theirs, and nothing of ours is left to be undone.
		return errUnlikeMemory
	default:
		return nil
	}
}

// handover is what the next worker is to know of its servers: which are down. Otherwise it would take them for up, and send
// them connections until its own checks have failed. Nothing else is handed over, since what the state says of a server
// goes before the configuration: its port, its weight, and that somebody put it into maintenance; and without checks a
// server that is down would stay so.
func (h *host) handover() []byte {
	wanted := map[string]haproxy.Server{}
	for _, backend := range h.config.Backends {
		for _, server := range backend.Servers {
			if backend.Check.Enabled() {
				wanted[backend.Name+"/"+server.Name] = server
			}
		}
	}
	return runtime.FilterServersState(h.running.State, func(s runtime.Server) bool {
		want, found := wanted[s.Backend+"/"+s.Name]
		return found && s.Operation == runtime.Stopped && s.Admin.Mode() == runtime.Ready &&
			s.Addr == want.Addr && s.Port == want.Port && s.Weight == s.InitialWeight
	})
}

func (h *host) unwritable(result Result) error {
	return &Error{State: Rejected, Message: fmt.Sprintf("%s cannot be written (%s): make room or mend its folder on the host%s",
		h.facts.Config, words.Trim(string(result.Stderr)), h.stillRuns())}
}

// reloadError marks a failure of the reload itself: HAProxy took the file in `-c` but did not come up with it. Trying again
// may cost 2 s of refused connections, so nobody should do that often.
type reloadError struct{ failure *Error }

func (e *reloadError) Error() string { return e.failure.Error() }

func (e *reloadError) Unwrap() error { return e.failure }

// reload makes HAProxy load its file and returns nil when the wanted configuration was read back from the new worker.
func (h *host) reload(ctx context.Context) error {
	running, err := h.daemon().Reload(ctx, h.running, h.file.Structure)
	h.hear(running)
	if err != nil {
		return err
	}
	h.readMaster(ctx)
	return h.checkServers()
}

// goBack undoes a change that could not be proved: the former file goes back, so that HAProxy also comes up again after a
// reboot, and is loaded again if a new worker has taken over meanwhile. It has time of its own: the change may have used
// all that it had. Over a connection that is gone nothing can be undone, and nothing is known to have failed: whoever looks
// next sees how far the change came.
func (h *host) goBack(ctx context.Context, cause error) error {
	if session.IsLost(cause) && ctx.Err() == nil {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goBackTimeout)
	defer cancel()
	how := "former"
	if !h.facts.File.Exists {
		how = "none"
	}
	failed := func(format string, args ...any) error {
		return &reloadError{&Error{State: Rejected, Cause: cause, Message: cause.Error() + fmt.Sprintf(format, args...)}}
	}
	result, err := h.session.Run(ctx, "restore", nil, h.facts.Config, how)
	if err != nil {
		return failed("; and the former %s could not be put back: %v", h.facts.Config, err)
	}
	if result.Exit != 0 {
		return failed("; and the former %s could not be put back (%s): copy %s.edgelb-former over it",
			h.facts.Config, words.Trim(string(result.Stderr)), h.facts.Config)
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
	return ". The former configuration goes on serving"
}

func word(when bool, word string) string {
	if when {
		return word
	}
	return "-"
}
