package edge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/plan"
)

// The exit statuses of the scripts that write.
const (
	exitRefused    = 1
	exitUnwritable = 3
)

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

func (h *host) stage(ctx context.Context) error {
	text := h.file.Text
	result, err := h.session.run(ctx, "stage", text, h.facts.config, h.program(), strconv.Itoa(len(text)))
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
	result, err := h.session.run(ctx, "commit", h.running.state,
		h.facts.config, word(todo.Backup, "backup"), word(todo.KeepFormer, "former"))
	if err != nil {
		return err
	}
	if result.Exit != 0 || strings.TrimSpace(string(result.Stdout)) != h.file.SHA256() {
		return h.unwritable(result)
	}
	return nil
}

func (h *host) unwritable(result Result) error {
	return &Error{State: Rejected, Message: fmt.Sprintf("%s cannot be written (%s): make room or mend its folder on the host%s",
		h.facts.config, trimWords(string(result.Stderr)), h.stillRuns())}
}

// goBack puts the former file back after a reload that failed, so that HAProxy also comes up again after a reboot.
func (h *host) goBack(ctx context.Context, cause error) error {
	result, err := h.session.run(ctx, "restore", nil, h.facts.config)
	if err != nil {
		return err
	}
	if result.Exit != 0 {
		return &reloadError{&Error{State: Rejected, Cause: cause, Message: fmt.Sprintf(
			"%s; the former %s could not be put back (%s): copy %s.edgelb-former over it",
			cause, h.facts.config, trimWords(string(result.Stderr)), h.facts.config)}}
	}
	before := h.running.pid
	h.readRunning(ctx)
	if h.running.pid != 0 && h.running.pid != before && h.running.structure == h.file.Structure {
		// The new worker took over but is not as wanted: the former configuration has to be loaded again.
		if _, err := h.startReload(ctx); err != nil {
			return &reloadError{&Error{State: Rejected, Cause: cause, Message: fmt.Sprintf("%s; and the former configuration could not be loaded: %s", cause, err)}}
		}
	}
	return &reloadError{&Error{State: Rejected, Cause: cause, Message: cause.Error() + h.stillRuns()}}
}

// stillRuns says what serves now.
func (h *host) stillRuns() string {
	if !h.isRunning() {
		return ". HAProxy does not run on this host"
	}
	return ". The former configuration goes on serving"
}

// alignServers undoes what the saved state handed over although the configuration does not ask for it: a server that
// somebody had put into maintenance or drain.
func (h *host) alignServers(ctx context.Context) error {
	var failures []error
	changed := false
	for _, server := range h.running.servers {
		if server.Admin.Mode() == runtime.Ready {
			continue
		}
		changed = true
		failures = append(failures, h.send(ctx, runtime.SetServerState{Backend: server.Backend, Server: server.Name, Mode: runtime.Ready}))
	}
	if changed {
		h.readRunning(ctx)
	}
	return errors.Join(failures...)
}

// send has the worker carry out a command.
func (h *host) send(ctx context.Context, command runtime.Command) error {
	answer, err := h.askWorker(ctx, command.String())
	if err != nil {
		return err
	}
	return command.Check(answer)
}

func word(when bool, word string) string {
	if when {
		return word
	}
	return "-"
}
