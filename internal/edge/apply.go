package edge

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/plan"
)

// exitRefused is the exit status of scripts/stage.sh when HAProxy refuses the file.
const exitRefused = 1

// apply makes the host run the wanted configuration: the binds are looked at, the file is staged and checked, the former
// one kept, the new one put in its place; then HAProxy loads it and is asked whether it did. If it did not, the former
// file goes back. Until the reload nothing has happened that a connection could notice.
func (h *host) apply(ctx context.Context, todo plan.Plan) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
	defer cancel()
	if todo.Action == plan.Reload {
		if err := h.checkRoom(ctx); err != nil {
			return err
		}
	}
	if err := h.stage(ctx); err != nil {
		return err
	}
	if err := h.commit(ctx, todo); err != nil {
		return err
	}
	if todo.Action != plan.Reload {
		return nil
	}
	if err := h.reload(ctx); err != nil {
		return h.goBack(ctx, err)
	}
	return nil
}

// checkRoom looks for what `haproxy -c` does not: whether the host can take the binds and the connections.
func (h *host) checkRoom(ctx context.Context) error {
	// Where HAProxy does not run, its service may still make the folder.
	if h.isRunning() && !h.facts.socketDirectory {
		return &Error{State: Rejected, Message: fmt.Sprintf("the folder of the admin socket %s does not exist: create it on the host, or set spec.haproxy.paths.adminSocket%s",
			h.req.Config.AdminSocket, h.stillRuns())}
	}
	if obstacle := h.facts.lackOfDescriptors(h.processes, h.config); obstacle != "" {
		return &Error{State: Rejected, Message: obstacle + h.stillRuns()}
	}
	result, err := h.session.run(ctx, "sockets", nil, portList(h.config.Frontends))
	if err != nil {
		return err
	}
	obstacles := parseSockets(result.Stdout).obstacles(h.config, h.processes, h.facts.file.Binds)
	if len(obstacles) > 0 {
		return &Error{State: Rejected, Message: strings.Join(obstacles, "; ") + h.stillRuns()}
	}
	return nil
}

// candidate is where the file is staged. Its name tells attempts apart: one whose connection broke may still be at work.
func (h *host) candidate() string { return h.facts.config + ".edgelb-new-" + h.file.SHA256()[:16] }

func (h *host) stage(ctx context.Context) error {
	text := h.file.Text
	result, err := h.session.run(ctx, "stage", text, h.facts.config, h.program(), h.candidate(), strconv.Itoa(len(text)))
	switch {
	case err != nil:
		return err
	case result.Exit == 0:
		return nil
	case result.Exit == exitRefused:
		return &Error{State: Rejected, Message: "HAProxy refuses the configuration: " + haproxyWords(string(result.Stderr)) + h.stillRuns()}
	default:
		return h.unwritable(result)
	}
}

// commit puts the staged file in its place and reads back that it is there.
func (h *host) commit(ctx context.Context, todo plan.Plan) error {
	result, err := h.session.run(ctx, "commit", h.handover(),
		h.facts.config, h.candidate(), h.file.SHA256(), word(todo.Backup, "backup"), word(todo.KeepFormer, "former"))
	if err != nil {
		return err
	}
	if result.Exit != 0 {
		return h.unwritable(result)
	}
	if strings.TrimSpace(string(result.Stdout)) != h.file.SHA256() {
		return h.goBack(ctx, fmt.Errorf("%s is not what was written: somebody else writes it as well", h.facts.config))
	}
	return nil
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
	return runtime.FilterServersState(h.running.state, func(s runtime.Server) bool {
		want, found := wanted[s.Backend+"/"+s.Name]
		return found && s.Operation == runtime.Stopped && s.Admin.Mode() == runtime.Ready &&
			s.Addr == want.Addr && s.Port == want.Port && s.Weight == s.InitialWeight
	})
}

func (h *host) unwritable(result Result) error {
	return &Error{State: Rejected, Message: fmt.Sprintf("%s cannot be written (%s): make room or mend its folder on the host%s",
		h.facts.config, trimWords(string(result.Stderr)), h.stillRuns())}
}

// goBack undoes a change that could not be proved: the former file goes back, so that HAProxy also comes up again after a
// reboot, and is loaded again if a new worker has taken over meanwhile. It has time of its own: the change may have used
// all that it had.
func (h *host) goBack(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goBackTimeout)
	defer cancel()
	how := "former"
	if !h.facts.file.Exists {
		how = "none"
	}
	failed := func(format string, args ...any) error {
		return &reloadError{&Error{State: Rejected, Cause: cause, Message: cause.Error() + fmt.Sprintf(format, args...)}}
	}
	result, err := h.session.run(ctx, "restore", nil, h.facts.config, how)
	if err != nil {
		return failed("; and the former %s could not be put back: %v", h.facts.config, err)
	}
	if result.Exit != 0 {
		return failed("; and the former %s could not be put back (%s): copy %s.edgelb-former over it",
			h.facts.config, trimWords(string(result.Stderr)), h.facts.config)
	}
	if err := h.loadFormer(ctx); err != nil {
		return failed("; and HAProxy did not go back to the former configuration: %v", err)
	}
	return failed("%s", h.stillRuns())
}

// loadFormer makes HAProxy load the file that was put back, unless it never left it.
func (h *host) loadFormer(ctx context.Context) error {
	silence := h.readRunning(ctx)
	if !h.isRunning() || h.before.pid == 0 || h.running.sameAs(h.before) {
		return nil
	}
	if silence != nil {
		return silence
	}
	taken := h.running.pid
	if _, err := h.startReload(ctx); err != nil {
		return err
	}
	return poll(ctx, workerPatience, func() bool {
		return h.readRunning(ctx) == nil && h.running.pid != taken && h.running.structure == h.before.structure
	})
}

// stillRuns says what serves now.
func (h *host) stillRuns() string {
	if !h.isRunning() {
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
