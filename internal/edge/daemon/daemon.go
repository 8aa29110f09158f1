// Package daemon deals with the HAProxy of a host: it asks it what it runs, and has it load its file.
package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/edge/facts"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Daemon is the HAProxy of a host, as it was found there.
type Daemon struct {
	Session *session.Session
	// Facts are kept up to date: who runs where nobody ran before.
	Facts *facts.Facts
	// AdminSocket is the path of its admin socket, and ReloadCommand replaces the way to reload that is found on the host.
	AdminSocket, ReloadCommand string
	// Rows is how many servers and names it should have.
	Rows int
}

// Running is what the worker that serves says of itself.
type Running struct {
	PID int
	// Structure is the fingerprint of its configuration; empty if that is not edgelb's.
	Structure string
	// Version is such as "2.6.12".
	Version string
	// Uptime is how long ago the worker was started, which is when HAProxy was last reloaded.
	Uptime  time.Duration
	Servers []runtime.Server
	// Names are the entries of its map of names.
	Names []haproxy.Entry
	// State is what it said of its servers, in its own words.
	State []byte
}

// SameAs says whether this is the same worker with the same configuration.
func (r Running) SameAs(other Running) bool {
	return r.PID == other.PID && r.Structure == other.Structure
}

// Read asks what runs. If nobody answers the result is zero, and the error says why; if nobody runs it is zero.
func (d Daemon) Read(ctx context.Context) (Running, error) {
	if !d.Facts.IsRunning() {
		return Running{}, nil
	}
	answer, err := d.askWorker(ctx, runtime.ShowInfo, session.InfoBytes)
	if err != nil {
		return Running{}, err
	}
	info, err := runtime.ParseInfo(answer)
	if err != nil {
		return Running{}, err
	}
	state, err := d.askWorker(ctx, runtime.ShowServersState, session.UnknownBytes(d.Rows))
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

// readNames asks for the entries of the map that a configuration of the structure looks into; there are none if it has no map.
func (d Daemon) readNames(ctx context.Context, structure string) ([]haproxy.Entry, error) {
	if structure == "" {
		return nil, nil
	}
	answer, err := d.askWorker(ctx, runtime.ShowNames(d.Facts.NamesPath(structure)), session.UnknownBytes(d.Rows))
	if err != nil {
		return nil, err
	}
	return runtime.ParseNames(answer)
}

// ReadPatiently is Read, and gives HAProxy time to answer: it may be about to reload, or its socket be busy.
func (d Daemon) ReadPatiently(ctx context.Context) (Running, error) {
	var running Running
	var silence error
	_ = Poll(ctx, answerPatience, func() bool {
		running, silence = d.Read(ctx)
		return silence == nil || session.IsLost(silence)
	})
	return running, silence
}

// askWorker asks the worker that serves: on the admin socket of edgelb's configuration, or else through the master. A
// reload hands the admin socket on, so one whose file was removed comes back with a restart only.
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

// Master asks the master process how its reloads went. It returns false where there is none to be asked.
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

// askMaster does not wait for long: a master that executes itself anew may have taken a connection that nobody answers any more.
func (d Daemon) askMaster(ctx context.Context, socket string) (runtime.Processes, error) {
	ctx, cancel := context.WithTimeout(ctx, masterAnswer)
	defer cancel()
	answer, err := d.Session.Ask(ctx, socket, runtime.ShowProcesses, session.MasterBytes)
	if err != nil {
		return runtime.Processes{}, err
	}
	return runtime.ParseProcesses(answer)
}

// Version asks the program on the host which it is, where there is no process to ask; empty if it does not say.
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

// firstPause and longestPause are between two questions: a question may cost a login by sudo on the host.
const firstPause, longestPause = 10 * time.Millisecond, 200 * time.Millisecond

// Poll calls done until it says so, at first often, or fails after the patience.
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
