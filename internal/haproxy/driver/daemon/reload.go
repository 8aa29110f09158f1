package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/driver/alerts"
	"github.com/edgelb/edgelb/internal/haproxy/driver/dialogue"
	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/host/session"
)

const (
	// masterPatience is how long a master may take to report the result of a reload. A worker that cannot bind tries for 2 s.
	masterPatience = 15 * time.Second
	// masterAnswer is how long a master may take to answer one query.
	masterAnswer = 5 * time.Second
	// answerPatience is how long HAProxy may take to answer on the admin socket before it counts as unresponsive.
	answerPatience = 2 * time.Second
)

// WorkerPatience is how long the new worker may take to answer on the admin socket.
const WorkerPatience = 10 * time.Second

// Reload makes HAProxy load its file, and waits until a worker other than the previous one answers with the structure hash. It
// returns what was last read.
func (d Daemon) Reload(ctx context.Context, previous Running, structure string) (Running, error) {
	output, err := d.StartReload(ctx)
	if err != nil {
		return previous, err
	}
	running, err := d.awaitWorker(ctx, previous.PID, structure)
	if err != nil {
		return running, d.withAlerts(ctx, err, output)
	}
	return running, nil
}

// StartReload asks HAProxy to load its file, by the method that reports most about the result: the master's socket, else a
// signal or the service. It returns the output.
func (d Daemon) StartReload(ctx context.Context) (string, error) {
	if d.ReloadCommand != "" {
		return d.runReload(ctx, "command "+d.ReloadCommand)
	}
	if !d.Facts.IsRunning() {
		return d.runReload(ctx, "start "+d.Facts.Init)
	}
	leader := d.Facts.Leader()
	if socket := leader.MasterSocket(); socket != "" {
		if before, err := d.askMaster(ctx, socket); err == nil {
			return d.reloadByMaster(ctx, socket, before)
		}
	}
	if leader.MasterWorker() {
		return d.runReload(ctx, "signal "+strconv.Itoa(leader.PID))
	}
	return d.runReload(ctx, "reload "+d.Facts.Init)
}

func (d Daemon) runReload(ctx context.Context, how string) (string, error) {
	result, err := d.Session.Run(ctx, "reload", nil, how)
	if err != nil {
		return "", err
	}
	output := string(result.Stdout)
	if result.Exit != 0 {
		return "", d.withAlerts(ctx, fmt.Errorf("%s failed with exit status %d", describeReload(how), result.Exit), output)
	}
	return output, nil
}

// describeReload describes for a person what was run on the host.
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

// reloadByMaster sends `reload` and waits until `show proc` counts it. HAProxy 2.6 does not answer and closes the connection
// while it re-executes itself; 3.0 answers with the log when it is done. Only `show proc` is the same in both.
func (d Daemon) reloadByMaster(ctx context.Context, socket string, before runtime.Processes) (string, error) {
	asking, cancel := context.WithTimeout(ctx, masterPatience)
	defer cancel()
	reply, err := d.Session.Ask(asking, socket, "reload", dialogue.MasterBytes)
	if err != nil && (ctx.Err() != nil || session.IsLost(err)) {
		return "", err
	}
	output := string(reply)
	var after runtime.Processes
	var readErr error
	err = Poll(ctx, masterPatience, func() bool {
		after, readErr = d.askMaster(ctx, socket)
		return session.IsLost(readErr) || readErr == nil && after.Reloads > before.Reloads
	})
	switch {
	case session.IsLost(readErr):
		return "", readErr
	case err != nil:
		return "", fmt.Errorf("HAProxy's master process did not say within %s that it reloaded", masterPatience)
	case after.Failed > 0:
		return "", d.withAlerts(ctx, errors.New("HAProxy's new worker did not start"), output)
	default:
		return output, nil
	}
}

// awaitWorker waits until a worker other than the previous one answers with the structure hash.
func (d Daemon) awaitWorker(ctx context.Context, previous int, structure string) (Running, error) {
	var running Running
	var readErr error
	err := Poll(ctx, WorkerPatience, func() bool {
		if !d.Facts.IsRunning() {
			d.refresh(ctx)
		}
		running, readErr = d.Read(ctx)
		return session.IsLost(readErr) || readErr == nil && running.PID != previous && running.Structure == structure
	})
	switch {
	case session.IsLost(readErr):
		return running, readErr
	case err != nil:
		return running, fmt.Errorf("HAProxy did not come up with the new configuration within %s", WorkerPatience)
	}
	return running, nil
}

// refresh finds a HAProxy that was started after the host was observed.
func (d Daemon) refresh(ctx context.Context) {
	if result, err := d.Session.Report(ctx, "observe", d.Facts.Path, d.AdminSocket); err == nil {
		d.Facts.Own = facts.ParseFacts(result.Stdout, d.Facts.Path).Own
	}
}

// AlertError is a failure that HAProxy has alerts about.
type AlertError struct {
	Cause error
	// Output is what HAProxy wrote.
	Output string
}

func (e *AlertError) Error() string { return fmt.Sprintf("%v: %s", e.Cause, alerts.Of(e.Output)) }

func (e *AlertError) Unwrap() error { return e.Cause }

// withAlerts adds HAProxy's alerts to an error: from the answer, else from the service's recent log.
func (d Daemon) withAlerts(ctx context.Context, err error, output string) error {
	if !alerts.Any(output) && d.Facts.Init == "systemd" && d.Facts.Service {
		if result, runErr := d.Session.Run(ctx, "journal", nil); runErr == nil && alerts.Any(string(result.Stdout)) {
			output = string(result.Stdout)
		}
	}
	if alerts.Of(output) == "" {
		return err
	}
	return &AlertError{Cause: err, Output: output}
}
