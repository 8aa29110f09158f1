package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/edge/alerts"
	"github.com/edgelb/edgelb/internal/edge/facts"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

const (
	// masterPatience is how long a master may take to say how a reload went. One that cannot bind tries for 2 s.
	masterPatience = 15 * time.Second
	// masterAnswer is how long a master may take to answer one question.
	masterAnswer = 5 * time.Second
	// answerPatience is how long HAProxy may take to answer on the admin socket before it counts as silent.
	answerPatience = 2 * time.Second
)

// WorkerPatience is how long the new worker may take to answer on the admin socket.
const WorkerPatience = 10 * time.Second

// Reload makes HAProxy load its file, and waits for another worker than the former one to answer with the structure. It
// returns what was last read.
func (d Daemon) Reload(ctx context.Context, former Running, structure string) (Running, error) {
	said, err := d.StartReload(ctx)
	if err != nil {
		return former, err
	}
	running, err := d.awaitWorker(ctx, former.PID, structure)
	if err != nil {
		return running, d.withWords(ctx, err, said)
	}
	return running, nil
}

// StartReload asks HAProxy to load its file, in the way that tells most about the result: the master's socket, which can
// be asked how it went; else a signal or the service. It returns the words of whoever was asked.
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
	said := string(result.Stdout)
	if result.Exit != 0 {
		return "", d.withWords(ctx, fmt.Errorf("%s failed with exit status %d", describeReload(how), result.Exit), said)
	}
	return said, nil
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

// reloadByMaster sends `reload` and waits until `show proc` counts it. HAProxy 2.6 answers nothing and closes the
// connection while it executes itself anew; 3.0 answers when it is done, with the log. Only `show proc` is the same in both.
func (d Daemon) reloadByMaster(ctx context.Context, socket string, before runtime.Processes) (string, error) {
	asking, cancel := context.WithTimeout(ctx, masterPatience)
	defer cancel()
	reply, err := d.Session.Ask(asking, socket, "reload", session.MasterBytes)
	if err != nil && (ctx.Err() != nil || session.IsLost(err)) {
		return "", err
	}
	said := string(reply)
	var after runtime.Processes
	var silence error
	err = Poll(ctx, masterPatience, func() bool {
		after, silence = d.askMaster(ctx, socket)
		return session.IsLost(silence) || silence == nil && after.Reloads > before.Reloads
	})
	switch {
	case session.IsLost(silence):
		return "", silence
	case err != nil:
		return "", fmt.Errorf("HAProxy's master process did not say within %s that it reloaded", masterPatience)
	case after.Failed > 0:
		return "", d.withWords(ctx, errors.New("HAProxy's new worker did not start"), said)
	default:
		return said, nil
	}
}

// awaitWorker waits until another worker than the former one answers with the structure.
func (d Daemon) awaitWorker(ctx context.Context, former int, structure string) (Running, error) {
	var running Running
	var silence error
	err := Poll(ctx, WorkerPatience, func() bool {
		if !d.Facts.IsRunning() {
			d.refresh(ctx)
		}
		running, silence = d.Read(ctx)
		return session.IsLost(silence) || silence == nil && running.PID != former && running.Structure == structure
	})
	switch {
	case session.IsLost(silence):
		return running, silence
	case err != nil:
		return running, fmt.Errorf("HAProxy did not come up with the new configuration within %s", WorkerPatience)
	}
	return running, nil
}

// refresh looks for a HAProxy that was started since the host was looked at.
func (d Daemon) refresh(ctx context.Context) {
	if result, err := d.Session.Run(ctx, "observe", nil, d.Facts.Path, d.AdminSocket); err == nil {
		d.Facts.Own = facts.ParseFacts(result.Stdout, d.Facts.Path).Own
	}
}

// withWords adds HAProxy's own words to an error: those of the answer, else what its service logged a moment ago.
func (d Daemon) withWords(ctx context.Context, err error, said string) error {
	if !alerts.Any(said) && d.Facts.Init == "systemd" && d.Facts.Service {
		if result, runErr := d.Session.Run(ctx, "journal", nil); runErr == nil && alerts.Any(string(result.Stdout)) {
			said = string(result.Stdout)
		}
	}
	if reason := alerts.Of(said); reason != "" {
		return fmt.Errorf("%w: %s", err, reason)
	}
	return err
}
