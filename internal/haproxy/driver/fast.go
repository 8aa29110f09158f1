package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver/daemon"
	"github.com/edgelb/edgelb/internal/haproxy/driver/dialogue"
	"github.com/edgelb/edgelb/internal/haproxy/driver/fit"
	"github.com/edgelb/edgelb/internal/haproxy/driver/readback"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

// askTimeout bounds a query to a known host, which HAProxy answers within milliseconds. lineTimeout is added for each line:
// thousands of commands take more than one round trip. rowTimeout is added for each server and route map entry in the answer,
// some 100 bytes each.
const (
	askTimeout  = 5 * time.Second
	lineTimeout = 2 * time.Millisecond
	rowTimeout  = time.Millisecond
)

// settlePatience is how long HAProxy may take to apply a command that it has acknowledged. HAProxy 3.0 moves a server to
// another address a moment after it has answered.
const settlePatience = 500 * time.Millisecond

// fastSync is one fast sync of a host whose running configuration is known. It updates changed servers through the socket,
// finishes pending work, and periodically verifies that nobody else has changed the host.
type fastSync struct {
	*host
	cache *SyncCache
	now   time.Time
	// outcome collects what was done.
	outcome model.Outcome
	// uncertain says that the result of an earlier change was unknown and still is.
	uncertain bool
	// waits says that there was no place to write the file.
	waits bool
}

// errCacheStale says that the host does not match the sync cache: it needs a full sync.
var errCacheStale = errors.New("the host does not match the sync cache")

// syncFast syncs the host from the cache. It returns false if that is not possible and a full sync is required.
func syncFast(ctx context.Context, conn Conn, cache *SyncCache, req Request) (model.Outcome, bool) {
	h := cache.recall(conn, req)
	if h == nil || req.Suspend || (h.formerAccepts && !req.RuntimeOnly) {
		return model.Outcome{}, false
	}
	// A change that has begun is finished, also when the operator shuts down.
	ctx = context.WithoutCancel(ctx)
	f := &fastSync{host: h, cache: cache, now: time.Now(), uncertain: cache.begun}
	config, change, ok := f.changes()
	if !ok {
		return model.Outcome{}, false
	}
	if err := f.run(ctx, config, change); err != nil {
		cache.line.Close()
		var failure *model.Error
		if errors.As(err, &failure) {
			return f.finish(err), true
		}
		return model.Outcome{}, false
	}
	cache.begun = f.uncertain
	return f.finish(nil), true
}

// changes returns the configuration that the host must run now, and how that differs from what it runs. It returns false if the
// difference cannot be applied at run time. With RuntimeOnly, it leaves out what the host does not run.
func (f *fastSync) changes() (haproxy.Config, haproxy.Change, bool) {
	servers := fit.ServersOf(f.config)
	wanted, _ := f.fit().Config(f.req.Config, servers, servers.And(f.cache.draining.All()))
	change, only := wanted.ChangeFrom(f.config)
	if !only && f.req.RuntimeOnly {
		wanted = f.config.WithRuntimeOf(wanted)
		change, only = wanted.ChangeFrom(f.config)
	}
	return wanted, change, only
}

// run does what is due. Neither the file write nor the verification delays the readback of a change: they follow in a sync of
// their own, unless changes follow each other so fast that such a sync never comes.
func (f *fastSync) run(ctx context.Context, config haproxy.Config, change haproxy.Change) error {
	if !change.Empty() {
		if err := f.update(ctx, config, change); err != nil {
			return err
		}
	}
	removed, err := f.removeDrained(ctx)
	if err != nil || (!change.Empty() && !f.isWriteLate()) {
		return err
	}
	return f.catchUp(ctx, change.Empty() && !removed)
}

// isWriteLate reports whether the file write must not wait for a sync without a change.
func (f *fastSync) isWriteLate() bool {
	return f.cache.unwritten != nil || f.cache.pendingWrite.IsOverdue(f.now)
}

// catchUp starts the file write if it is due. It verifies the host if the sync has nothing else to do, or if the last
// verification is too old. While the file is being written, it does not verify. After a write that failed, it waits for the next
// one, or repeats the failure if there is no place for it: the host must not be called synced meanwhile.
func (f *fastSync) catchUp(ctx context.Context, quiet bool) error {
	if f.isSaveDue() {
		started, err := f.startSave(ctx)
		if err != nil {
			return err
		}
		f.waits = !started
		switch {
		case f.cache.unwritten == nil:
		case started:
			<-f.cache.saving.done
		default:
			return f.cache.unwritten
		}
	}
	if s := f.cache.saving; s != nil {
		if !s.isDone() {
			f.outcome.Unchecked = f.outcome.Update == ""
			return nil
		}
		if err := f.endSave(); err != nil {
			return err
		}
		quiet = false
	}
	if quiet || f.now.Sub(f.cache.verifiedAt) > verifyInterval {
		return f.verify(ctx)
	}
	return nil
}

// isSaveDue reports whether a file write must begin now: after one that failed, the next sync tries again.
func (f *fastSync) isSaveDue() bool {
	return !f.req.RuntimeOnly && f.cache.saving == nil && (f.cache.unwritten != nil || f.cache.pendingWrite.IsDue(f.now))
}

// update applies the change in HAProxy and reads it back, in one round trip: it checks which worker answers, sends the
// commands, and reads back what they changed. With several rounds of commands, the queries go along with the last.
func (f *fastSync) update(ctx context.Context, config haproxy.Config, change haproxy.Change) error {
	began := time.Now()
	whole, err := cfg.Whole(config, f.file.Structure)
	if err != nil {
		return errCacheStale
	}
	asked := readback.Readback{Change: change, NamesPath: f.file.NamesPath, Entries: config.EntryCount()}
	previous := plan.Running{Servers: f.remembered(change.Backends), Names: change.Former}
	needed := asked.Lacks(previous)
	rounds := needed.Rounds()
	last := len(rounds) - 1
	decided := time.Now()
	f.cache.begun = true
	for _, commands := range rounds[:last] {
		if err := f.tell(ctx, commands); err != nil {
			return err
		}
	}
	answers, err := f.ask(ctx, slices.Concat(runtime.Lines(rounds[last]), asked.Questions()), asked.Rows()+len(previous.Servers))
	f.outcome.Phases.Decide, f.outcome.Phases.Change = decided.Sub(began), time.Since(decided)
	if err != nil {
		return err
	}
	if err := f.prove(ctx, answers, rounds[last], asked); err != nil {
		return err
	}
	f.config, f.file.Whole = config, whole
	f.cache.remember(f.host)
	f.cache.pendingWrite = f.cache.pendingWrite.Changed(f.now)
	f.outcome.Update, f.outcome.Reasons, f.outcome.Changed = model.UpdateRuntime, needed.Reasons, true
	return nil
}

// tell sends commands that later commands depend on.
func (f *fastSync) tell(ctx context.Context, commands []runtime.Command) error {
	answers, err := f.ask(ctx, runtime.Lines(commands), 0)
	if err != nil {
		return err
	}
	return runtime.CheckAll(commands, answers)
}

// remembered returns the servers that the changed backends run according to the cache: those of the configuration, and draining ones.
func (f *fastSync) remembered(changed []haproxy.Backend) []runtime.Server {
	previous := fit.ServersOf(f.config)
	var servers []runtime.Server
	for _, backend := range changed {
		for _, s := range previous[backend.Name] {
			servers = append(servers, runtime.Server{
				Backend: backend.Name, Name: s.Name, Addr: s.Addr, Port: s.Port, Weight: s.Weight, Checked: backend.Check.Enabled(),
			})
		}
	}
	return append(servers, f.cache.draining.Of(namesOf(changed))...)
}

// prove reads the answers to the commands and to the queries, and polls while HAProxy has not applied the commands yet.
func (f *fastSync) prove(ctx context.Context, answers []string, commands []runtime.Command, asked readback.Readback) error {
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
			seen, err = f.readAgain(ctx, asked)
		}
		return isDone()
	})
	switch {
	case err != nil:
		return err
	case late != nil:
		return errCacheStale
	}
	f.take(seen.Servers, asked.Change.Backends)
	return nil
}

// readAgain repeats the queries.
func (f *fastSync) readAgain(ctx context.Context, asked readback.Readback) (plan.Running, error) {
	answers, err := f.ask(ctx, asked.Questions(), asked.Rows()+f.cache.draining.Count())
	if err != nil {
		return plan.Running{}, err
	}
	return asked.Read(answers)
}

// checkWorker parses the answer to ShowInfo: it must come from the worker that was proved last, and that worker must still serve.
func (f *fastSync) checkWorker(answer string) error {
	info, err := runtime.ParseInfo([]byte(answer))
	if err != nil {
		return err
	}
	structure, _ := cfg.ParseDescription(info.Description)
	if info.Stopping || info.Pid != f.running.PID || structure != f.running.Structure {
		return errCacheStale
	}
	return nil
}

// take records the state of the servers of the backends.
func (f *fastSync) take(servers []runtime.Server, backends []haproxy.Backend) {
	f.stats = f.stats.With(servers, backends)
	f.cache.draining = f.cache.draining.Seen(plan.Draining(servers, backends), namesOf(backends), f.now)
}

// removeDrained removes draining servers that have no connection left or whose drain timeout has passed. It reports whether it
// tried to remove any.
func (f *fastSync) removeDrained(ctx context.Context) (bool, error) {
	removals := f.cache.draining.Removals(f.req.DrainTimeouts, f.now)
	if len(removals) == 0 {
		return false, nil
	}
	var lines []string
	for _, removal := range removals {
		lines = append(lines, runtime.Lines(removal.Commands)...)
	}
	answers, err := f.ask(ctx, lines, 0)
	if err == nil {
		f.cache.draining = f.cache.draining.Answered(removals, answers, f.now)
	}
	return true, err
}

// finish returns the outcome of the sync.
func (f *fastSync) finish(err error) model.Outcome {
	outcome := f.host.outcome(err)
	outcome.Update, outcome.Reasons, outcome.Changed, outcome.Phases = f.outcome.Update, f.outcome.Reasons, f.outcome.Changed, f.outcome.Phases
	outcome.Live = outcome.State == model.Rejected
	outcome.Unchecked = f.outcome.Unchecked
	outcome.FollowUp = f.cache.followUp(time.Now(), f.req.DrainTimeouts, err == nil && !f.req.RuntimeOnly && !f.waits)
	if f.waits && (outcome.FollowUp == 0 || outcome.FollowUp > savePoll) {
		outcome.FollowUp = savePoll
	}
	return outcome
}

// ask sends lines to the worker that was proved last, checks that this worker answers, and returns the answers, which list at
// most the given rows of servers and route map entries. The error is a *model.Error if the host did not answer in time.
func (f *fastSync) ask(ctx context.Context, lines []string, rows int) ([]string, error) {
	timeout := askTimeout + time.Duration(len(lines))*lineTimeout + time.Duration(rows)*rowTimeout
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers, err := f.cache.line.Ask(ctx, f.session, f.req.Config.AdminSocket, slices.Concat([]string{runtime.ShowInfo}, lines), dialogue.KnownBytes(len(lines), rows))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &model.Error{State: model.Unreachable, Message: fmt.Sprintf("the host, or HAProxy on it, did not answer within %s", timeout.Round(time.Second)), Cause: err}
	case err != nil:
		return nil, err
	}
	return answers[1:], f.checkWorker(answers[0])
}

// serverCount is how many servers the host runs according to the cache.
func (f *fastSync) serverCount() int { return f.config.ServerCount() + f.cache.draining.Count() }

func namesOf(backends []haproxy.Backend) map[string]bool {
	names := make(map[string]bool, len(backends))
	for _, backend := range backends {
		names[backend.Name] = true
	}
	return names
}
