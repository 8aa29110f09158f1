// Package daemon controls the HAProxy of a host: it queries what HAProxy runs, and has it load its file.
package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver/dialogue"
	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/host/session"
)

// Daemon is the HAProxy of a host.
type Daemon struct {
	Session *session.Session
	// Facts are updated when HAProxy is found to run after it did not.
	Facts *facts.Facts
	// AdminSocket is the path of the admin socket. ReloadCommand replaces the reload method that is found on the host.
	AdminSocket, ReloadCommand string
	// Rows is how many servers and route map entries HAProxy should have.
	Rows int
}

// Running is what the serving worker reports.
type Running struct {
	PID int
	// Structure is the structure hash of its configuration; empty if that is not edgelb's.
	Structure string
	// Version is a version such as "2.6.12".
	Version string
	// Uptime is the time since the worker was started, which is the time since the last reload of HAProxy.
	Uptime  time.Duration
	Servers []runtime.Server
	// Names are the route map entries.
	Names []haproxy.Entry
	// State is the server state, as HAProxy printed it.
	State []byte
}

// SameAs reports whether this is the same worker with the same configuration.
func (r Running) SameAs(other Running) bool {
	return r.PID == other.PID && r.Structure == other.Structure
}

// Read queries what HAProxy runs. The result is zero if HAProxy does not run; it is zero with an error if HAProxy does not answer.
func (d Daemon) Read(ctx context.Context) (Running, error) {
	if !d.Facts.IsRunning() {
		return Running{}, nil
	}
	answer, err := d.askWorker(ctx, runtime.ShowInfo, dialogue.InfoBytes)
	if err != nil {
		return Running{}, err
	}
	info, err := runtime.ParseInfo(answer)
	if err != nil {
		return Running{}, err
	}
	state, err := d.askWorker(ctx, runtime.ShowServersState, dialogue.UnknownBytes(d.Rows))
	if err != nil {
		return Running{}, err
	}
	servers, err := runtime.ParseServersState(state)
	if err != nil {
		return Running{}, err
	}
	running := Running{PID: info.Pid, Version: info.Version, Uptime: info.Uptime, Servers: servers, State: state}
	running.Structure, _ = cfg.ParseDescription(info.Description)
	running.Names, err = d.readNames(ctx, running.Structure)
	if err != nil {
		return Running{}, err
	}
	return running, nil
}

// readNames reads the entries of the route map of a configuration with that structure hash; there are none if it has no map.
func (d Daemon) readNames(ctx context.Context, structure string) ([]haproxy.Entry, error) {
	if structure == "" {
		return nil, nil
	}
	answer, err := d.askWorker(ctx, runtime.ShowNames(d.Facts.NamesPath(structure)), dialogue.UnknownBytes(d.Rows))
	if err != nil {
		return nil, err
	}
	return runtime.ParseNames(answer)
}

// ReadPatiently is Read with retries: HAProxy may be about to reload, or its socket may be busy.
func (d Daemon) ReadPatiently(ctx context.Context) (Running, error) {
	var running Running
	var readErr error
	_ = Poll(ctx, answerPatience, func() bool {
		running, readErr = d.Read(ctx)
		return readErr == nil || session.IsLost(readErr)
	})
	return running, readErr
}

// askWorker queries the serving worker: on the admin socket of edgelb's configuration, or else through the master. A reload
// passes the admin socket on, so a socket whose file was removed comes back only with a restart.
func (d Daemon) askWorker(ctx context.Context, command string, most int) ([]byte, error) {
	answer, err := d.Session.Ask(ctx, d.AdminSocket, command, most)
	if err == nil && len(answer) > 0 {
		return answer, nil
	}
	master := d.Facts.Leader().MasterSocket()
	if master == "" {
		return nil, errors.Join(err, errSilent)
	}
	return d.Session.Ask(ctx, master, "@1 "+command, most)
}

var errSilent = errors.New("HAProxy does not answer on its admin socket")

// Master asks the master process for the results of its reloads. It returns false if there is no master to ask.
func (d Daemon) Master(ctx context.Context) (runtime.Processes, bool) {
	if !d.Facts.IsRunning() {
		return runtime.Processes{}, false
	}
	socket := d.Facts.Leader().MasterSocket()
	if socket == "" {
		return runtime.Processes{}, false
	}
	master, err := d.askMaster(ctx, socket)
	return master, err == nil
}

// askMaster has a short timeout: a master that re-executes itself may have accepted a connection that it never answers.
func (d Daemon) askMaster(ctx context.Context, socket string) (runtime.Processes, error) {
	ctx, cancel := context.WithTimeout(ctx, masterAnswer)
	defer cancel()
	answer, err := d.Session.Ask(ctx, socket, runtime.ShowProcesses, dialogue.MasterBytes)
	if err != nil {
		return runtime.Processes{}, err
	}
	return runtime.ParseProcesses(answer)
}

// Version asks the program on the host for its version, if there is no process to ask; empty if it fails.
func (d Daemon) Version(ctx context.Context) string {
	if d.Facts.Program() == "" {
		return ""
	}
	result, err := d.Session.Run(ctx, "version", nil, d.Facts.Program())
	if err != nil {
		return ""
	}
	return parseVersion(string(result.Stdout))
}

// parseVersion takes "2.6.12" from "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/".
func parseVersion(output string) string {
	_, rest, _ := strings.Cut(output, "version ")
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		return rest
	}
	return rest[:end]
}

// firstPause and longestPause are between two polls: each may cost a login by sudo on the host.
const firstPause, longestPause = 10 * time.Millisecond, 200 * time.Millisecond

// Poll calls done until it returns true, often at first, or fails after the patience.
func Poll(ctx context.Context, patience time.Duration, done func() bool) error {
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
