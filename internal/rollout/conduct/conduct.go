// Package conduct carries out the task of a host as its roll-outs allow: it loads the change, or keeps what the host runs; it judges a
// canary, and puts back what that ran before. What it decides by is in package rollout.
package conduct

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rollout"
)

// Conductor carries out tasks. It is safe for concurrent use, for one task of a host at a time.
type Conductor struct {
	Records *record.Store
	Slots   *rollout.Slots
	// Wanted returns what a host should run, as the cluster is now.
	Wanted func(ctx context.Context, host model.HostID) (desired.Host, error)
	Now    func() time.Time
}

// How says how a host is synced.
type How struct {
	// Keep leaves HAProxy the structure that it runs, and Watch counts the connections to servers. Back says that the host is brought
	// back to an earlier structure: that it runs another one is not somebody else's doing.
	Keep, Watch, Back bool
	// Recalled, if not nil, is set to the configuration that the host's files alone know: if it is kept, the one that it runs, else the one
	// that it ran before.
	Recalled *haproxy.Config
}

// Sync brings the host of a task to what the task wants.
type Sync func(task *record.Task, how How) model.Outcome

// Run carries out a task. The error is one of the API server.
func (c *Conductor) Run(ctx context.Context, task *record.Task, sync Sync) (record.Attempt, error) {
	known := c.Records.Get(task.Host.Key)
	if task.RuntimeOnly || task.Host.Suspend || len(task.Objects) == 0 {
		return record.Attempt{Task: task, Outcome: sync(task, How{})}, nil
	}
	if len(task.Host.Rollouts) == 0 {
		return c.atOnce(task, known, sync), nil
	}
	s := &step{
		Conductor: c, task: task, known: known, sync: sync, change: rollout.Identity(task.Host), runs: known.RunsFor(task.Host), generations: known.Proved,
	}
	return s.run(ctx)
}

// atOnce brings a host without roll-outs to what is wanted. It may have had some.
func (c *Conductor) atOnce(task *record.Task, known record.Host, sync Sync) record.Attempt {
	attempt := record.Attempt{Task: task, Outcome: sync(task, How{})}
	if known.Trial.Exists() || known.Held.Why != "" {
		attempt.Trial, attempt.Next = &rollout.Trial{}, c.Slots.Forget(task.Host.Key)
	}
	return attempt
}

// step is one task of a host with roll-outs.
type step struct {
	*Conductor
	task  *record.Task
	known record.Host
	sync  Sync
	// change is the identity of what is wanted, and runs what the host runs; nil if that is unknown.
	change string
	runs   *desired.Host
	// ran is what the host ran before that, and generations in which generations of the objects it runs what it runs, or ran that.
	ran         *desired.Host
	generations map[types.UID]int64
	// kept is the outcome for a host that was found with another structure than the wanted one.
	kept model.Outcome
}

func (s *step) run(ctx context.Context) (record.Attempt, error) {
	if trial := s.known.Trial; trial.Stops(s.change) && trial.Former != nil {
		// It may still run the change: what it ran before is put back until that is proved.
		return s.keep(trial.Former, trial.Generations, trial.Stopped()), nil
	}
	if s.runs != nil && !rollout.NeedsReload(s.task.Host, *s.runs) {
		return s.look(), nil
	}
	if s.runs == nil {
		if outcome := s.find(); !outcome.Kept {
			return s.found(outcome), nil
		}
	}
	wait, err := s.decide(ctx)
	switch {
	case err != nil:
		return record.Attempt{}, err
	case wait.Why != "":
		return s.hold(wait), nil
	default:
		return s.load(), nil
	}
}

// find syncs a host of which this operator does not know what it runs, without a reload: it may run what is wanted, since an earlier
// operator. What else it runs, or ran before, its files say.
func (s *step) find() model.Outcome {
	var config haproxy.Config
	outcome := s.sync(s.task, How{Keep: true, Recalled: &config})
	var recalled *desired.Host
	if config.Owner == s.task.Host.Config.Owner {
		host := s.task.Host
		host.Config = config
		// It may have had another name.
		host.Config.Host = s.task.Host.Config.Host
		recalled = &host
	}
	if s.generations = s.known.Reported; outcome.Kept {
		s.kept, s.runs = outcome, recalled
	} else {
		s.ran = recalled
	}
	return outcome
}

// look syncs a host that runs the wanted structure. If it is a canary that is watched, it is judged.
func (s *step) look() record.Attempt {
	trial := s.known.Trial
	outcome := s.sync(s.task, How{Watch: trial.IsWatched()})
	attempt := record.Attempt{Task: s.task, Outcome: outcome, Next: s.end(outcome)}
	switch {
	case !trial.Exists():
		return attempt
	case trial.Stops(s.change):
		attempt.Held = trial.Stopped()
		return attempt
	case !trial.IsWatched():
		// The spec is what it was before the change, or another one, which is tried by what the host runs.
		attempt.Trial = &rollout.Trial{}
		if trial.Former == nil {
			attempt.Trial = s.trialOf(outcome)
		}
		attempt.Next = append(attempt.Next, s.waiting()...)
		return attempt
	}
	trial.Change = s.change
	return s.judge(attempt, trial, false)
}

// found takes in a host that runs the wanted structure since before this operator knew it. A canary is watched nevertheless: the
// earlier operator may not have seen the end of that.
func (s *step) found(outcome model.Outcome) record.Attempt {
	attempt := record.Attempt{Task: s.task, Outcome: outcome, Next: s.end(outcome)}
	switch {
	case outcome.State != model.Synced:
	case s.known.Trial.Stops(s.change) && s.ran != nil:
		// The earlier operator did not see the end of putting that back.
		trial := s.known.Trial
		trial.Former, trial.Generations = s.ran, s.generations
		attempt = s.keep(trial.Former, trial.Generations, trial.Stopped())
		attempt.Trial = &trial
	case s.known.Trial.Stops(s.change):
		attempt.Held = s.known.Trial.Stopped()
	default:
		attempt.Trial = s.trialOf(outcome)
		attempt.Next = append(attempt.Next, s.waiting()...)
	}
	return attempt
}

// trialOf returns the trial of a canary that was found with its change; the zero Trial for another host.
func (s *step) trialOf(outcome model.Outcome) *rollout.Trial {
	pause, canary := rollout.PauseOf(s.task.Host.Key, s.task.Host.Rollouts)
	if !canary || pause == 0 {
		return &rollout.Trial{}
	}
	return &rollout.Trial{
		Change: s.change, Former: s.ran, Generations: s.generations, Found: true, Before: rollout.HealthOf(outcome), Since: s.Now(), Until: s.Now().Add(pause),
	}
}

// decide returns why the host must wait. If it need not, it has a slot of each roll-out.
func (s *step) decide(ctx context.Context) (rollout.Wait, error) {
	host := &s.task.Host
	if s.known.Trial.Stops(s.change) {
		return s.known.Trial.Stopped(), nil
	}
	wait, err := rollout.Decide(host.Key, host.Rollouts, func(key model.HostID) (rollout.Canary, error) {
		wanted, err := s.Wanted(ctx, key)
		known := s.Records.Get(key)
		return rollout.Canary{Wanted: wanted, Runs: known.RunsFor(wanted), Trial: known.Trial, Outcome: known.Outcome}, err
	})
	if err != nil {
		return rollout.Wait{}, err
	}
	if wait.Why == "" {
		return s.Slots.Begin(host.Key, host.Rollouts), nil
	}
	s.Slots.Wait(host.Key, host.Rollouts)
	return wait, nil
}

// hold keeps what the host runs, and brings it the servers, names and weights that fit. If it is not known what that is, it leaves the
// host alone.
func (s *step) hold(wait rollout.Wait) record.Attempt {
	if s.runs == nil {
		return record.Attempt{Task: s.task, Outcome: s.kept, Held: wait}
	}
	return s.keep(s.runs, s.generations, wait)
}

// keep brings the host to what it ran in those generations of the objects.
func (s *step) keep(former *desired.Host, generations map[types.UID]int64, wait rollout.Wait) record.Attempt {
	task := s.formerly(*s.task, generations)
	task.Host = rollout.Hold(*former, s.task.Host)
	back := s.runs == nil || rollout.NeedsReload(task.Host, *s.runs)
	return record.Attempt{Task: task, Outcome: s.sync(task, How{Back: back}), Held: wait}
}

// formerly returns the task as one for those generations of the objects, which frees the host from none.
func (s *step) formerly(task record.Task, generations map[types.UID]int64) *record.Task {
	task.Objects, task.Frees = generations, nil
	if len(task.Objects) == 0 {
		// A host that none of them had is not one to be freed.
		task.Objects = make(map[types.UID]int64, len(s.task.Objects))
		for object := range s.task.Objects {
			task.Objects[object] = 0
		}
	}
	return &task
}

// load brings the change to the host, which has its slots.
func (s *step) load() record.Attempt {
	host := &s.task.Host
	pause, canary := rollout.PauseOf(host.Key, host.Rollouts)
	outcome := s.sync(s.task, How{Watch: canary})
	attempt := record.Attempt{Task: s.task, Outcome: outcome, Next: s.end(outcome)}
	if !canary {
		return attempt
	}
	trial := s.begin(outcome)
	switch {
	case outcome.State == model.Synced && trial.Former != nil && !rollout.NeedsReload(*host, *trial.Former):
		// It runs again what it ran before the trial.
		attempt.Trial = &rollout.Trial{}
		attempt.Next = append(attempt.Next, s.waiting()...)
		return attempt
	case outcome.State == model.Synced:
		trial.Since, trial.Until = s.Now(), s.Now().Add(pause)
		return s.judge(attempt, trial, true)
	case outcome.ReloadFailed, outcome.State == model.Rejected && s.known.Trial.IsWatched() && trial.Former != nil:
		return s.stop(attempt, trial, outcome.Message)
	case outcome.State == model.Rejected:
		// The host has loaded nothing, and tries again: what is wrong may be the host's.
		attempt.Next = append(attempt.Next, s.waiting()...)
	}
	return attempt
}

// begin returns the trial of the change. A change that follows another one which is still watched can be taken back only together with
// that. One that was found may be of long ago if no host waits for it.
func (s *step) begin(outcome model.Outcome) rollout.Trial {
	before := s.known.Health()
	if s.kept.Kept {
		before = rollout.HealthOf(s.kept)
	}
	before.Traffic = outcome.TrafficBefore
	trial := rollout.Trial{Change: s.change, Former: s.runs, Generations: s.generations, Before: before}
	if earlier := s.known.Trial; earlier.IsWatched() && earlier.Former != nil && !(earlier.Found && len(s.waiting()) == 0) {
		trial.Former, trial.Generations, trial.Before = earlier.Former, earlier.Generations, earlier.Before
	}
	return trial
}

// judge ends the trial if the canary is unhealthy, or was watched for long enough.
func (s *step) judge(attempt record.Attempt, trial rollout.Trial, reloaded bool) record.Attempt {
	attempt.Trial = &trial
	waiting := s.waiting()
	if trial.Found && len(waiting) == 0 {
		// There may be no roll-out.
	} else if why := trial.Judge(attempt.Outcome, reloaded, s.elsewhere(waiting)); why != "" {
		return s.stop(attempt, trial, why)
	}
	if attempt.Outcome.State == model.Synced && !s.Now().Before(trial.Until) {
		attempt.Trial = &rollout.Trial{}
		attempt.Next = append(attempt.Next, waiting...)
	}
	return attempt
}

// stop stops the roll-out. What the canary ran before is put back: at once if it rejects the change, which costs no reload then, else by
// its next sync, which is due now. So everybody knows of the stop before that.
func (s *step) stop(attempt record.Attempt, trial rollout.Trial, why string) record.Attempt {
	next := append(append(attempt.Next, s.Slots.End(s.task.Host.Key, s.task.Host.Rollouts)...), s.waiting()...)
	switch {
	case trial.Former == nil:
		trial.Why = why + ". The host keeps this, since nothing is known that it ran before. Correct the spec; the same one is not tried again"
		attempt.Held = trial.Stopped()
	case attempt.Outcome.State == model.Synced:
		trial.Why = why + givenBack
		attempt.Task, attempt.Held = s.formerly(*s.task, trial.Generations), trial.Stopped()
		next = append(next, s.task.Host.Key)
	default:
		trial.Why = why + givenBack
		s.runs = nil
		attempt = s.keep(trial.Former, trial.Generations, trial.Stopped())
	}
	attempt.Trial, attempt.Next = &trial, next
	return attempt
}

const givenBack = ". The host gets back what it ran before. Correct the spec; the same one is not tried again"

// end gives back the slots of the host, unless the change has failed or its result is unknown.
func (s *step) end(outcome model.Outcome) []model.HostID {
	unknown := outcome.State == model.Unreachable && outcome.Update != ""
	if outcome.State == model.Rejected || unknown {
		return nil
	}
	return s.Slots.End(s.task.Host.Key, s.task.Host.Rollouts)
}

func (s *step) waiting() []model.HostID { return s.Slots.Waiting(s.task.Host.Rollouts) }

// elsewhere returns what the hosts that wait say of servers.
func (s *step) elsewhere(waiting []model.HostID) rollout.Elsewhere {
	var records []record.Host
	for _, host := range waiting {
		records = append(records, s.Records.Get(host))
	}
	return func(backend string) (down int, known bool) {
		for _, r := range records {
			if _, found := r.Servers[backend]; !found || r.Outcome.State == model.Unreachable {
				continue
			}
			is := rollout.DownBy(r.Down)[backend]
			if !known || is < down {
				down, known = is, true
			}
		}
		return down, known
	}
}
