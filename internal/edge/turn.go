package edge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/edgelb/edgelb/internal/edge/daemon"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/plan"
)

// askTimeout bounds a question to a host that is known, which HAProxy answers within milliseconds, and lineTimeout is what each
// line adds to that: thousands of commands take more than one round trip.
const (
	askTimeout  = 5 * time.Second
	lineTimeout = 2 * time.Millisecond
)

// settlePatience is how long HAProxy may take to do what it said that it did. 3.0 moves a server to another address a moment
// after it has answered.
const settlePatience = 500 * time.Millisecond

// turn is one turn of a host of which it is known what it runs: servers that changed are brought in line through the socket,
// what was begun is ended, and from time to time it is looked whether somebody else has changed it.
type turn struct {
	*host
	memory *Memory
	now    time.Time
	// outcome gathers what was done.
	outcome Outcome
	// doubt says that it was not known how an earlier change ended, and still is not.
	doubt bool
}

// errUnlikeMemory says that the host is not as it is remembered: it has to be looked at as a whole.
var errUnlikeMemory = errors.New("the host is not as it was left")

// quickTurn does the turn from memory. It returns false if that cannot be, and the host has to be looked at as a whole.
func quickTurn(ctx context.Context, conn Conn, memory *Memory, req Request) (Outcome, bool) {
	h := memory.recall(conn, req)
	if h == nil || req.DryRun {
		return Outcome{}, false
	}
	// What has begun is ended, also when the operator ends.
	ctx = context.WithoutCancel(ctx)
	t := &turn{host: h, memory: memory, now: time.Now(), doubt: memory.begun}
	config, changed, ok := t.changes()
	if !ok {
		return Outcome{}, false
	}
	if err := t.run(ctx, config, changed); err != nil {
		memory.hangUp()
		var failure *Error
		if errors.As(err, &failure) {
			return t.finish(err), true
		}
		return Outcome{}, false
	}
	memory.begun = t.doubt
	return t.finish(nil), true
}

// changes says what the host is to run now, and the backends whose servers differ from what it runs. False when more than
// servers differs. If only servers may be changed, those of backends stay out of it that the host does not run.
func (t *turn) changes() (haproxy.Config, []haproxy.Backend, bool) {
	wanted, _ := t.fit(t.req.Config, backendServers(t.config))
	change, only := wanted.ChangeFrom(t.config)
	if !only && t.req.RuntimeOnly {
		wanted = t.config.WithRuntimeOf(wanted)
		change, only = wanted.ChangeFrom(t.config)
	}
	return wanted, change.Backends, only && len(change.Entries)+len(change.Former) == 0
}

// run does what is due. Neither the file nor a look keeps the proof of a change waiting: they have a turn of their own right
// after, unless changes follow each other so fast that it never comes.
func (t *turn) run(ctx context.Context, config haproxy.Config, changed []haproxy.Backend) error {
	if len(changed) > 0 {
		if err := t.update(ctx, config, changed); err != nil {
			return err
		}
	}
	dismissed, err := t.dismiss(ctx)
	if err != nil || (len(changed) > 0 && !t.memory.lag.IsOverdue(t.now)) {
		return err
	}
	return t.catchUp(ctx, len(changed) == 0 && !dismissed)
}

// catchUp writes the file if that is due, and looks at the host if the turn is quiet otherwise, or the last look long ago.
func (t *turn) catchUp(ctx context.Context, quiet bool) error {
	if !t.req.RuntimeOnly && t.memory.lag.IsDue(t.now) {
		quiet = false
		if err := t.save(ctx); err != nil {
			return err
		}
	}
	if quiet || t.now.Sub(t.memory.lookedAt) > lookInterval {
		return t.glance(ctx)
	}
	return nil
}

// update brings the servers of the changed backends in line and proves it, in one round trip: it is asked which HAProxy
// answers, the commands are sent, and the backends read back.
func (t *turn) update(ctx context.Context, config haproxy.Config, changed []haproxy.Backend) error {
	began := time.Now()
	whole, err := haproxy.Whole(config, t.file.Structure)
	if err != nil {
		return errUnlikeMemory
	}
	change := plan.Servers(t.remembered(changed), changed)
	commands := change.Commands()
	decided := time.Now()
	t.memory.begun = true
	answers, err := t.ask(ctx, updateLines(commands, changed))
	t.outcome.Phases.Decide, t.outcome.Phases.Change = decided.Sub(began), time.Since(decided)
	if err != nil {
		return err
	}
	if err := t.prove(ctx, answers, commands, changed); err != nil {
		return err
	}
	t.config, t.file.Whole = config, whole
	t.memory.remember(t.host)
	t.memory.lag = t.memory.lag.Changed(t.now)
	t.outcome.Update, t.outcome.Reasons, t.outcome.Changed = UpdateRuntime, change.Reasons, true
	return nil
}

// updateLines are the question who answers, the commands, and a question for each backend.
func updateLines(commands []runtime.Command, changed []haproxy.Backend) []string {
	lines := append([]string{runtime.ShowInfo}, runtime.Lines(commands)...)
	for _, backend := range changed {
		lines = append(lines, runtime.ShowServersOf(backend.Name))
	}
	return lines
}

// remembered are the servers that the changed backends run as far as is known: those of the configuration, and those that
// leave.
func (t *turn) remembered(changed []haproxy.Backend) []runtime.Server {
	former := backendServers(t.config)
	var servers []runtime.Server
	for _, backend := range changed {
		for _, s := range former[backend.Name] {
			servers = append(servers, runtime.Server{
				Backend: backend.Name, Name: s.Name, Addr: s.Addr, Port: s.Port, Weight: s.Weight, Checked: backend.Check.Enabled(),
			})
		}
	}
	return append(servers, t.memory.leavers.Of(namesOf(changed))...)
}

// prove reads the answers to updateLines, and asks again where HAProxy has not got round to it yet.
func (t *turn) prove(ctx context.Context, answers []string, commands []runtime.Command, changed []haproxy.Backend) error {
	if err := t.checkWorker(answers[0]); err != nil {
		return err
	}
	if err := runtime.CheckAll(commands, answers[1:]); err != nil {
		return err
	}
	servers, err := parseServers(answers[1+len(commands):])
	if err != nil {
		return err
	}
	isDone := func() bool { return err != nil || len(plan.Servers(servers, changed).Reasons) == 0 }
	late := daemon.Poll(ctx, settlePatience, func() bool {
		if !isDone() {
			servers, err = t.readServers(ctx, changed)
		}
		return isDone()
	})
	switch {
	case err != nil:
		return err
	case late != nil:
		return errUnlikeMemory
	}
	t.take(servers, changed)
	return nil
}

// readServers asks for the servers of the backends.
func (t *turn) readServers(ctx context.Context, backends []haproxy.Backend) ([]runtime.Server, error) {
	answers, err := t.ask(ctx, updateLines(nil, backends))
	if err != nil {
		return nil, err
	}
	if err := t.checkWorker(answers[0]); err != nil {
		return nil, err
	}
	return parseServers(answers[1:])
}

// parseServers reads answers to ShowServersOf.
func parseServers(answers []string) ([]runtime.Server, error) {
	var servers []runtime.Server
	for _, answer := range answers {
		read, err := runtime.ParseServersState([]byte(answer))
		if err != nil {
			return nil, err
		}
		servers = append(servers, read...)
	}
	return servers, nil
}

// checkWorker reads the answer to ShowInfo: it has to be the worker that was proved last, and to serve still.
func (t *turn) checkWorker(answer string) error {
	info, err := runtime.ParseInfo([]byte(answer))
	if err != nil {
		return err
	}
	structure, _ := haproxy.ParseDescription(info.Description)
	if info.Stopping || info.Pid != t.running.PID || structure != t.running.Structure {
		return errUnlikeMemory
	}
	return nil
}

// glance looks whether the host still is as it was left: the file, the worker, its servers, and its master. It costs one
// round trip, since everything is asked at the same time.
func (t *turn) glance(ctx context.Context) error {
	if len(t.unserved) > 0 {
		// What was in the way of a bind may be gone.
		return errUnlikeMemory
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	began := time.Now()
	defer func() { t.outcome.Phases.Prove = time.Since(began) }()
	var file Result
	var fileErr error
	var asking sync.WaitGroup
	asking.Go(func() { file, fileErr = t.session.Run(ctx, "glance", nil, t.facts.Config) })
	asking.Go(func() { t.readMaster(ctx) })
	answers, err := t.ask(ctx, []string{runtime.ShowInfo, runtime.ShowServersState})
	asking.Wait()
	if err := errors.Join(err, fileErr); err != nil {
		return err
	}
	if err := t.checkWorker(answers[0]); err != nil {
		return err
	}
	servers, err := runtime.ParseServersState([]byte(answers[1]))
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(file.Stdout)) != t.memory.fileSHA256 || len(plan.Servers(servers, t.config.Backends).Reasons) > 0 {
		return errUnlikeMemory
	}
	t.take(servers, t.config.Backends)
	t.memory.lookedAt, t.doubt = t.now, false
	t.memory.remember(t.host)
	return nil
}

// take notes how the servers of the backends are.
func (t *turn) take(servers []runtime.Server, backends []haproxy.Backend) {
	t.counts = withCounts(t.counts, servers, backends)
	t.memory.leavers = t.memory.leavers.Seen(plan.Leaving(servers, backends), namesOf(backends), t.now)
}

// save writes the file that belongs to the servers that were changed at run time. Nobody must have written it meanwhile.
func (t *turn) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	// It may have been restarted meanwhile, with the file that lags behind.
	answers, err := t.ask(ctx, []string{runtime.ShowInfo})
	if err != nil {
		return err
	}
	if err := t.checkWorker(answers[0]); err != nil {
		return err
	}
	file, err := haproxy.Render(t.config, t.platform())
	if err != nil {
		return err
	}
	t.file = file
	if err := t.stage(ctx); err != nil {
		return err
	}
	if err := t.commit(ctx, commitment{expected: t.memory.fileSHA256, keepFormer: true}); err != nil {
		t.memory.begun = t.memory.begun || session.IsLost(err)
		return err
	}
	t.memory.written(file.SHA256())
	t.memory.remember(t.host)
	if t.outcome.Update == "" {
		t.outcome.Update, t.outcome.Changed, t.outcome.Reasons = UpdateFile, true, []string{"the file lagged behind what runs"}
	}
	return nil
}

// dismiss takes servers out that are wanted no more: as soon as they have no connection left, or once they had all the time
// that they may have. It says whether there was one to be tried.
func (t *turn) dismiss(ctx context.Context) (bool, error) {
	farewells := t.memory.leavers.Farewells(t.req.DrainTimeouts, t.now)
	if len(farewells) == 0 {
		return false, nil
	}
	lines := []string{runtime.ShowInfo}
	for _, farewell := range farewells {
		lines = append(lines, runtime.Lines(farewell.Commands)...)
	}
	answers, err := t.ask(ctx, lines)
	if err != nil {
		return true, err
	}
	if err := t.checkWorker(answers[0]); err != nil {
		return true, err
	}
	t.memory.leavers = t.memory.leavers.Answered(farewells, answers[1:], t.now)
	return true, nil
}

// finish is the outcome of the turn.
func (t *turn) finish(err error) Outcome {
	outcome := t.host.outcome(err)
	outcome.Update, outcome.Reasons, outcome.Changed, outcome.Phases = t.outcome.Update, t.outcome.Reasons, t.outcome.Changed, t.outcome.Phases
	outcome.Live = outcome.State == Rejected
	outcome.FollowUp = t.memory.followUp(time.Now(), t.req.DrainTimeouts, err == nil && !t.req.RuntimeOnly)
	return outcome
}

// ask sends lines to HAProxy. The error is a *Error if the host let the time pass.
func (t *turn) ask(ctx context.Context, lines []string) ([]string, error) {
	timeout := askTimeout + time.Duration(len(lines))*lineTimeout
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers, err := t.memory.ask(ctx, t.host, lines)
	if err != nil && ctx.Err() != nil {
		return nil, &Error{State: Unreachable, Message: fmt.Sprintf("the host, or HAProxy on it, did not answer within %s", timeout.Round(time.Second)), Cause: err}
	}
	return answers, err
}

func namesOf(backends []haproxy.Backend) map[string]bool {
	names := make(map[string]bool, len(backends))
	for _, backend := range backends {
		names[backend.Name] = true
	}
	return names
}
