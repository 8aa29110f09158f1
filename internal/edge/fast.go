package edge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/edgelb/edgelb/internal/edge/daemon"
	"github.com/edgelb/edgelb/internal/edge/readback"
	"github.com/edgelb/edgelb/internal/edge/session"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/plan"
)

// askTimeout bounds a question to a host that is known, which HAProxy answers within milliseconds. lineTimeout is what each line
// adds to that: thousands of commands take more than one round trip. rowTimeout is what each server and name adds that is to be
// listed, which takes some 100 bytes.
const (
	askTimeout  = 5 * time.Second
	lineTimeout = 2 * time.Millisecond
	rowTimeout  = time.Millisecond
)

// settlePatience is how long HAProxy may take to do what it said that it did. 3.0 moves a server to another address a moment
// after it has answered.
const settlePatience = 500 * time.Millisecond

// turn is one turn of a host of which it is known what it runs: servers that changed are brought in line through the socket,
// what was begun is ended, and from time to time it is looked whether somebody else has changed it.
type fastSync struct {
	*host
	cache *SyncCache
	now   time.Time
	// outcome gathers what was done.
	outcome model.Outcome
	// doubt says that it was not known how an earlier change ended, and still is not.
	doubt bool
}

// errUnlikeMemory says that the host is not as it is remembered: it has to be looked at as a whole.
var errCacheStale = errors.New("the host is not as it was left")

// quickTurn does the turn from memory. It returns false if that cannot be, and a full sync is required.
func syncFast(ctx context.Context, conn Conn, cache *SyncCache, req Request) (model.Outcome, bool) {
	h := cache.recall(conn, req)
	if h == nil || req.DryRun || (h.formerAccepts && !req.RuntimeOnly) {
		return model.Outcome{}, false
	}
	// What has begun is ended, also when the operator ends.
	ctx = context.WithoutCancel(ctx)
	t := &fastSync{host: h, cache: cache, now: time.Now(), doubt: cache.begun}
	config, change, ok := t.changes()
	if !ok {
		return model.Outcome{}, false
	}
	if err := t.run(ctx, config, change); err != nil {
		cache.hangUp()
		var failure *Error
		if errors.As(err, &failure) {
			return t.finish(err), true
		}
		return model.Outcome{}, false
	}
	cache.begun = t.doubt
	return t.finish(nil), true
}

// changes says what the host is to run now, and how that differs from what it runs. False when more differs than can be told at
// run time. If only that may be changed, what the host does not run stays out of it.
func (t *fastSync) changes() (haproxy.Config, haproxy.Change, bool) {
	servers := backendServers(t.config)
	wanted, _ := t.fit(t.req.Config, servers, alsoRunning(servers, t.cache.draining.All()))
	change, only := wanted.ChangeFrom(t.config)
	if !only && t.req.RuntimeOnly {
		wanted = t.config.WithRuntimeOf(wanted)
		change, only = wanted.ChangeFrom(t.config)
	}
	return wanted, change, only
}

// run does what is due. Neither the file nor a look keeps the proof of a change waiting: they have a turn of their own right
// after, unless changes follow each other so fast that it never comes.
func (t *fastSync) run(ctx context.Context, config haproxy.Config, change haproxy.Change) error {
	if !change.Empty() {
		if err := t.update(ctx, config, change); err != nil {
			return err
		}
	}
	dismissed, err := t.removeDrained(ctx)
	if err != nil || (!change.Empty() && !t.cache.pendingWrite.IsOverdue(t.now)) {
		return err
	}
	return t.catchUp(ctx, change.Empty() && !dismissed)
}

// catchUp has the file written if that is due, and looks at the host if the turn is quiet otherwise, or the last look long ago. While
// the file is being written there is nothing to be seen of the host.
func (t *fastSync) catchUp(ctx context.Context, quiet bool) error {
	switch {
	case t.cache.saving != nil && !t.cache.saving.isDone():
		return nil
	case t.cache.saving != nil:
		quiet = false
		if err := t.endSave(); err != nil {
			return err
		}
	case !t.req.RuntimeOnly && t.cache.pendingWrite.IsDue(t.now):
		return t.startSave(ctx)
	}
	if quiet || t.now.Sub(t.cache.lookedAt) > lookInterval {
		return t.verify(ctx)
	}
	return nil
}

// update tells HAProxy what has changed and proves it, in one round trip: it is asked which HAProxy answers, the commands are
// sent, and what they are about is read back. Where there are two rounds of commands the questions go along with the last.
func (t *fastSync) update(ctx context.Context, config haproxy.Config, change haproxy.Change) error {
	began := time.Now()
	whole, err := cfg.Whole(config, t.file.Structure)
	if err != nil {
		return errCacheStale
	}
	asked := readback.Readback{Change: change, NamesPath: t.file.NamesPath, Entries: config.EntryCount()}
	former := plan.Running{Servers: t.remembered(change.Backends), Names: change.Former}
	todo := asked.Lacks(former)
	rounds := todo.Rounds()
	last := len(rounds) - 1
	decided := time.Now()
	t.cache.begun = true
	for _, commands := range rounds[:last] {
		if err := t.tell(ctx, commands); err != nil {
			return err
		}
	}
	answers, err := t.ask(ctx, slices.Concat(runtime.Lines(rounds[last]), asked.Questions()), asked.Rows()+len(former.Servers))
	t.outcome.Phases.Decide, t.outcome.Phases.Change = decided.Sub(began), time.Since(decided)
	if err != nil {
		return err
	}
	if err := t.prove(ctx, answers, rounds[last], asked); err != nil {
		return err
	}
	t.config, t.file.Whole = config, whole
	t.cache.remember(t.host)
	t.cache.pendingWrite = t.cache.pendingWrite.Changed(t.now)
	t.outcome.Update, t.outcome.Reasons, t.outcome.Changed = model.UpdateRuntime, todo.Reasons, true
	return nil
}

// tell sends commands that others wait for.
func (t *fastSync) tell(ctx context.Context, commands []runtime.Command) error {
	answers, err := t.ask(ctx, runtime.Lines(commands), 0)
	if err != nil {
		return err
	}
	return runtime.CheckAll(commands, answers)
}

// remembered are the servers that the changed backends run as far as is known: those of the configuration, and those that
// leave.
func (t *fastSync) remembered(changed []haproxy.Backend) []runtime.Server {
	former := backendServers(t.config)
	var servers []runtime.Server
	for _, backend := range changed {
		for _, s := range former[backend.Name] {
			servers = append(servers, runtime.Server{
				Backend: backend.Name, Name: s.Name, Addr: s.Addr, Port: s.Port, Weight: s.Weight, Checked: backend.Check.Enabled(),
			})
		}
	}
	return append(servers, t.cache.draining.Of(namesOf(changed))...)
}

// prove reads the answers to the commands and to the questions, and asks again where HAProxy has not got round to it yet.
func (t *fastSync) prove(ctx context.Context, answers []string, commands []runtime.Command, asked readback.Readback) error {
	if err := runtime.CheckAll(commands, answers); err != nil {
		return err
	}
	seen, err := asked.Read(answers[len(commands):])
	if err != nil {
		return err
	}
	isDone := func() bool { return err != nil || len(asked.Lacks(seen).Reasons) == 0 }
	late := daemon.Poll(ctx, settlePatience, func() bool {
		if !isDone() {
			seen, err = t.readAgain(ctx, asked)
		}
		return isDone()
	})
	switch {
	case err != nil:
		return err
	case late != nil:
		return errCacheStale
	}
	t.take(seen.Servers, asked.Change.Backends)
	return nil
}

// readAgain asks once more.
func (t *fastSync) readAgain(ctx context.Context, asked readback.Readback) (plan.Running, error) {
	answers, err := t.ask(ctx, asked.Questions(), asked.Rows()+t.cache.draining.Count())
	if err != nil {
		return plan.Running{}, err
	}
	return asked.Read(answers)
}

// checkWorker reads the answer to ShowInfo: it has to be the worker that was proved last, and to serve still.
func (t *fastSync) checkWorker(answer string) error {
	info, err := runtime.ParseInfo([]byte(answer))
	if err != nil {
		return err
	}
	structure, _ := cfg.ParseDescription(info.Description)
	if info.Stopping || info.Pid != t.running.PID || structure != t.running.Structure {
		return errCacheStale
	}
	return nil
}

// take notes how the servers of the backends are.
func (t *fastSync) take(servers []runtime.Server, backends []haproxy.Backend) {
	t.stats = t.stats.with(servers, backends)
	t.cache.draining = t.cache.draining.Seen(plan.Leaving(servers, backends), namesOf(backends), t.now)
}

// dismiss takes servers out that are wanted no more: as soon as they have no connection left, or once they had all the time
// that they may have. It says whether there was one to be tried.
func (t *fastSync) removeDrained(ctx context.Context) (bool, error) {
	removals := t.cache.draining.Removals(t.req.DrainTimeouts, t.now)
	if len(removals) == 0 {
		return false, nil
	}
	var lines []string
	for _, removal := range removals {
		lines = append(lines, runtime.Lines(removal.Commands)...)
	}
	answers, err := t.ask(ctx, lines, 0)
	if err == nil {
		t.cache.draining = t.cache.draining.Answered(removals, answers, t.now)
	}
	return true, err
}

// finish is the outcome of the turn.
func (t *fastSync) finish(err error) model.Outcome {
	outcome := t.host.outcome(err)
	outcome.Update, outcome.Reasons, outcome.Changed, outcome.Phases = t.outcome.Update, t.outcome.Reasons, t.outcome.Changed, t.outcome.Phases
	outcome.Live = outcome.State == model.Rejected
	outcome.FollowUp = t.cache.followUp(time.Now(), t.req.DrainTimeouts, err == nil && !t.req.RuntimeOnly)
	return outcome
}

// ask sends lines to the worker that was proved last, together with the question who it is, and returns the answers to them,
// which are to list so many servers and names. The error is a *Error if the host let the time pass.
func (t *fastSync) ask(ctx context.Context, lines []string, rows int) ([]string, error) {
	timeout := askTimeout + time.Duration(len(lines))*lineTimeout + time.Duration(rows)*rowTimeout
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers, err := t.cache.ask(ctx, t.host, slices.Concat([]string{runtime.ShowInfo}, lines), session.KnownBytes(len(lines), rows))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &Error{State: model.Unreachable, Message: fmt.Sprintf("the host, or HAProxy on it, did not answer within %s", timeout.Round(time.Second)), Cause: err}
	case err != nil:
		return nil, err
	}
	return answers[1:], t.checkWorker(answers[0])
}

// serverCount is how many servers the host is known to run.
func (t *fastSync) serverCount() int { return t.config.ServerCount() + t.cache.draining.Count() }

func namesOf(backends []haproxy.Backend) map[string]bool {
	names := make(map[string]bool, len(backends))
	for _, backend := range backends {
		names[backend.Name] = true
	}
	return names
}
