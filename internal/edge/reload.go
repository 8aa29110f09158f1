package edge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

const (
	// masterPatience is how long a master may take to say how a reload went. One that cannot bind tries for 2 s.
	masterPatience = 15 * time.Second
	// workerPatience is how long the new worker may take to answer on the admin socket.
	workerPatience = 10 * time.Second
	// answerPatience is how long HAProxy may take to answer on the admin socket before it counts as silent.
	answerPatience = 2 * time.Second
	// firstPause and longestPause are between two questions: a question may cost a login by sudo on the host.
	firstPause, longestPause = 10 * time.Millisecond, 200 * time.Millisecond
)

// reloadError marks a failure of the reload itself: HAProxy took the file in `-c` but did not come up with it. Trying again
// may cost 2 s of refused connections, so nobody should do that often.
type reloadError struct{ failure *Error }

func (e *reloadError) Error() string { return e.failure.Error() }

func (e *reloadError) Unwrap() error { return e.failure }

// reload makes HAProxy load its file and returns nil when the wanted configuration was read back from the new worker.
func (h *host) reload(ctx context.Context) error {
	former := h.running.pid
	words, err := h.startReload(ctx)
	if err != nil {
		return err
	}
	if err := h.awaitWorker(ctx, former); err != nil {
		return h.withWords(ctx, err, words)
	}
	h.readMaster(ctx)
	return h.checkServers()
}

// startReload asks HAProxy to load its file, in the way that tells most about the result: the master's socket, which can
// be asked how it went; else a signal or the service. It returns the words of whoever was asked.
func (h *host) startReload(ctx context.Context) (string, error) {
	if h.req.ReloadCommand != "" {
		return h.runReload(ctx, "command "+h.req.ReloadCommand)
	}
	if !h.isRunning() {
		return h.runReload(ctx, "start "+h.facts.init)
	}
	leader := h.processes[0]
	if socket := leader.masterSocket(); socket != "" {
		if before, err := h.askMaster(ctx, socket); err == nil {
			return h.reloadByMaster(ctx, socket, before)
		}
	}
	if leader.masterWorker() {
		return h.runReload(ctx, "signal "+strconv.Itoa(leader.pid))
	}
	return h.runReload(ctx, "reload "+h.facts.init)
}

// lackOfLoader says why nobody can be asked to load the file; empty if somebody can.
func (h *host) lackOfLoader() string {
	switch {
	case h.req.ReloadCommand != "", h.facts.service && h.facts.init != "":
		return ""
	case !h.isRunning():
		return fmt.Sprintf("HAProxy does not run with %s and this host has no service that would start it: start it with haproxy -W -S /run/haproxy-master.sock -f %s", h.req.ConfigPath, h.req.ConfigPath)
	case !h.processes[0].masterWorker() && h.processes[0].masterSocket() == "":
		return "HAProxy runs without a master process and no service knows it: run it with -W, or set spec.haproxy.reloadCommand"
	default:
		return ""
	}
}

func (h *host) runReload(ctx context.Context, how string) (string, error) {
	result, err := h.session.run(ctx, "reload", nil, how)
	if err != nil {
		return "", err
	}
	words := string(result.Stdout)
	if result.Exit != 0 {
		return "", h.withWords(ctx, fmt.Errorf("%s failed with exit status %d", describeReload(how), result.Exit), words)
	}
	return words, nil
}

// describeReload names for a person what was run on the host.
func describeReload(how string) string {
	verb, rest, _ := strings.Cut(how, " ")
	switch verb {
	case "command":
		return "the reload command " + rest
	case "signal":
		return "the signal to HAProxy's master process " + rest
	default:
		return "the " + verb + " of HAProxy's service"
	}
}

func (h *host) askMaster(ctx context.Context, socket string) (runtime.Processes, error) {
	answer, err := h.session.ask(ctx, socket, runtime.ShowProcesses)
	if err != nil {
		return runtime.Processes{}, err
	}
	return runtime.ParseProcesses(answer)
}

// reloadByMaster sends `reload` and waits until `show proc` counts it. HAProxy 2.6 answers nothing and closes the
// connection while it executes itself anew; 3.0 answers when it is done, with the log. Only `show proc` is the same in both.
func (h *host) reloadByMaster(ctx context.Context, socket string, before runtime.Processes) (string, error) {
	reply, err := h.session.ask(ctx, socket, "reload")
	if err != nil && (ctx.Err() != nil || isLost(err)) {
		return "", err
	}
	words := string(reply)
	var after runtime.Processes
	var silence error
	err = poll(ctx, masterPatience, func() bool {
		after, silence = h.askMaster(ctx, socket)
		return isLost(silence) || silence == nil && after.Reloads > before.Reloads
	})
	switch {
	case isLost(silence):
		return "", silence
	case err != nil:
		return "", fmt.Errorf("HAProxy's master process did not say within %s that it reloaded", masterPatience)
	case after.Failed > 0:
		return "", h.withWords(ctx, errors.New("HAProxy's new worker did not start"), words)
	default:
		return words, nil
	}
}

// awaitWorker waits until another worker than the former one answers with the wanted fingerprint.
func (h *host) awaitWorker(ctx context.Context, former int) error {
	var silence error
	err := poll(ctx, workerPatience, func() bool {
		if !h.isRunning() {
			h.refreshProcesses(ctx)
		}
		silence = h.readRunning(ctx)
		return isLost(silence) || silence == nil && h.running.pid != former && h.running.structure == h.file.Structure
	})
	switch {
	case isLost(silence):
		return silence
	case err != nil:
		return fmt.Errorf("HAProxy did not come up with the new configuration within %s", workerPatience)
	}
	return nil
}

// refreshProcesses looks for a HAProxy that was started since the host was observed.
func (h *host) refreshProcesses(ctx context.Context) {
	if result, err := h.session.run(ctx, "observe", nil, h.req.ConfigPath, h.req.Config.AdminSocket); err == nil {
		h.processes = parseFacts(result.Stdout).ours(h.req.ConfigPath)
	}
}

// withWords adds HAProxy's own words to an error: those of the answer, else what its service logged a moment ago.
func (h *host) withWords(ctx context.Context, err error, words string) error {
	if !hasAlert(words) && h.facts.init == "systemd" && h.facts.service {
		if result, runErr := h.session.run(ctx, "journal", nil); runErr == nil && hasAlert(string(result.Stdout)) {
			words = string(result.Stdout)
		}
	}
	if words = haproxyWords(words); words != "" {
		return fmt.Errorf("%w: %s", err, words)
	}
	return err
}

// poll calls done until it says so, at first often, or fails after the patience.
func poll(ctx context.Context, patience time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := firstPause; !done(); pause = min(2*pause, longestPause) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return nil
}
