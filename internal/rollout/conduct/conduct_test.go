package conduct_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rollout"
	"github.com/edgelb/edgelb/internal/rollout/conduct"
)

const uid = types.UID("1234")

func id(name string) model.HostID { return model.NewHostID(name, 22) }

// stage is a fleet of hosts of one object whose canary is a. Its hosts take everything unless they answer otherwise.
type stage struct {
	*conduct.Conductor
	t       *testing.T
	now     time.Time
	wanted  int
	broken  error
	answers map[string]func(task *record.Task, how conduct.How) model.Outcome
	// runs are the limits of connections that the hosts run, and ran those that they ran before, if their files say it.
	runs, ran map[string]int
	hows      []conduct.How
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC), wanted: 1, runs: map[string]int{}, ran: map[string]int{}}
	s.answers = map[string]func(*record.Task, conduct.How) model.Outcome{}
	s.Conductor = &conduct.Conductor{
		Records: record.NewStore(), Slots: rollout.NewSlots(), Now: func() time.Time { return s.now },
		Wanted: func(_ context.Context, host model.HostID) (desired.Host, error) {
			return s.host(host.Address), s.broken
		},
	}
	return s
}

// host is what a host should run.
func (s *stage) host(name string) desired.Host {
	object := types.NamespacedName{Namespace: "shop", Name: "web"}
	return desired.Host{
		Key: id(name), Config: haproxy.Config{Owner: "test/shop", MaxConnections: s.wanted},
		Members:  []desired.Member{{Object: object, Generation: int64(s.wanted)}},
		Rollouts: []spec.Rollout{{Object: object, CanaryName: "a", Canary: id("a"), Pause: 10 * time.Second, MaxUnavailable: 1}},
	}
}

// sync runs the task of a host and records the result.
func (s *stage) sync(name string, change ...func(*record.Task)) record.Attempt {
	s.t.Helper()
	task := &record.Task{Host: s.host(name), Objects: map[types.UID]int64{uid: int64(s.wanted)}}
	for _, change := range change {
		change(task)
	}
	attempt, err := s.Run(s.t.Context(), task, func(task *record.Task, how conduct.How) model.Outcome {
		s.hows = append(s.hows, how)
		if answer := s.answers[name]; answer != nil {
			return answer(task, how)
		}
		return s.take(task, how)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Records.Update(id(name), func(r *record.Host) { r.Wanted = task.Host; r.Apply(attempt, s.now, 0) })
	return attempt
}

// take is a host that takes what is wanted.
func (s *stage) take(task *record.Task, how conduct.How) model.Outcome {
	name, want := task.Host.Key.Address, task.Host.Config.MaxConnections
	if s.runs[name] == want {
		s.recall(how, s.ran[name])
		return model.Outcome{State: model.Synced}
	}
	if how.Keep {
		s.recall(how, s.runs[name])
		return model.Outcome{State: model.Pending, Kept: true}
	}
	s.runs[name] = want
	return model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateReload, Reasons: []string{"settings changed"}}
}

// recall answers what a host's files know. A stage whose hosts never ran anything else has old files, which say nothing.
func (s *stage) recall(how conduct.How, limit int) {
	if how.Recalled != nil && limit > 0 && len(s.ran) > 0 {
		*how.Recalled = haproxy.Config{Owner: "test/shop", MaxConnections: limit}
	}
}

// settled is a stage on which all hosts run the first generation, and the canary was watched.
func settled(t *testing.T) *stage {
	t.Helper()
	s := newStage(t)
	s.sync("a")
	s.now = s.now.Add(10 * time.Second)
	s.sync("a")
	s.sync("b")
	s.sync("c")
	s.requireRuns(1, 1, 1)
	return s
}

func (s *stage) requireRuns(want ...int) {
	s.t.Helper()
	if got := []int{s.runs["a"], s.runs["b"], s.runs["c"]}; !slices.Equal(got, want) {
		s.t.Fatalf("the hosts run %v, want %v", got, want)
	}
}

func requireHeld(t *testing.T, attempt record.Attempt, text string, stopped bool) {
	t.Helper()
	if !strings.Contains(attempt.Held.Why, text) || attempt.Held.Stopped != stopped {
		t.Errorf("held: %+v, want %q", attempt.Held, text)
	}
}

func TestAHostFollowsTheCanaryAfterThePause(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted = 2
	requireHeld(t, s.sync("b"), "does not have the change yet", false)
	s.sync("a")
	s.requireRuns(2, 1, 1)
	requireHeld(t, s.sync("b"), "is watched until 12:00:20 UTC", false)
	s.now = s.now.Add(10 * time.Second)
	if next := s.sync("a").Next; !slices.Equal(next, []model.HostID{id("b")}) {
		t.Errorf("after the pause come %v", next)
	}
	s.sync("b")
	s.sync("c")
	s.requireRuns(2, 2, 2)
}

func TestACanaryThatChangesAgainDuringThePauseGetsBackTheLastGoodState(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted = 2
	s.sync("a")
	s.wanted = 3
	s.sync("a")
	s.requireRuns(3, 1, 1)
	s.answers["a"] = func(task *record.Task, how conduct.How) model.Outcome {
		outcome := s.take(task, how)
		if s.runs["a"] == 3 {
			outcome.FailedReloads = 1
		}
		return outcome
	}
	stopped := s.sync("a")
	requireHeld(t, stopped, "reloads of HAProxy failed: 1. The host gets back what it ran before", true)
	// It is known before the host has it back, and the host is due at once.
	if s.requireRuns(3, 1, 1); !slices.Contains(stopped.Next, id("a")) || stopped.Task.Objects[uid] != 1 {
		t.Errorf("then come %v, and it is recorded in generation %d", stopped.Next, stopped.Task.Objects[uid])
	}
	back := s.sync("a")
	s.requireRuns(1, 1, 1)
	if back.Task.Objects[uid] != 1 || !s.hows[len(s.hows)-1].Back {
		t.Errorf("it is recorded in generation %d, by %+v", back.Task.Objects[uid], s.hows)
	}
	requireHeld(t, s.sync("b"), "was stopped at the canary a", true)
	requireHeld(t, s.sync("a"), "stopped the roll-out", true)
	s.requireRuns(1, 1, 1)

	// Back to what runs.
	s.wanted = 1
	if attempt := s.sync("a"); attempt.Held.Why != "" || s.Records.Get(id("a")).Trial.Exists() {
		t.Errorf("after the spec was put back: %+v, trial %+v", attempt.Held, s.Records.Get(id("a")).Trial)
	}
}

func TestAPutBackThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted = 2
	s.sync("a")
	fails := true
	s.answers["a"] = func(task *record.Task, how conduct.How) model.Outcome {
		if how.Back && fails {
			return model.Outcome{State: model.Unreachable, Message: "the connection broke"}
		}
		outcome := s.take(task, how)
		if s.runs["a"] == 2 {
			outcome.FailedReloads = 1
		}
		return outcome
	}
	s.sync("a")
	if back := s.sync("a"); back.Outcome.State != model.Unreachable || back.Held.Why == "" {
		t.Errorf("got %+v", back)
	}
	s.requireRuns(2, 1, 1)
	fails = false
	s.sync("a")
	s.requireRuns(1, 1, 1)
}

func TestASpecThatIsPutBackDuringThePauseEndsTheTrial(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted = 2
	s.sync("a")
	s.wanted = 1
	s.sync("a")
	if trial := s.Records.Get(id("a")).Trial; trial.Exists() {
		t.Errorf("the trial is %+v", trial)
	}
	s.requireRuns(1, 1, 1)
}

func TestAReloadThatFailedIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted = 2
	tries := 0
	s.answers["a"] = func(task *record.Task, how conduct.How) model.Outcome {
		if task.Host.Config.MaxConnections == 2 && !how.Keep {
			tries++
			return model.Outcome{State: model.Rejected, ReloadFailed: true, Message: "the new worker did not start"}
		}
		return s.take(task, how)
	}
	requireHeld(t, s.sync("a"), "stopped the roll-out: the new worker did not start", true)
	s.sync("a")
	if tries != 1 {
		t.Errorf("it was tried %d times", tries)
	}
}

func TestAHostWhoseChangeHasFailedHoldsItsPlace(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted = 2
	s.sync("a")
	s.now = s.now.Add(10 * time.Second)
	s.sync("a")
	rejects := true
	s.answers["b"] = func(task *record.Task, how conduct.How) model.Outcome {
		if rejects {
			return model.Outcome{State: model.Rejected, Message: "the disk is full"}
		}
		return s.take(task, how)
	}
	s.sync("b")
	requireHeld(t, s.sync("c"), "and b:22 is being changed, or its change has failed", false)
	rejects = false
	if next := s.sync("b").Next; !slices.Contains(next, id("c")) {
		t.Errorf("then come %v", next)
	}
	s.sync("c")
	s.requireRuns(2, 2, 2)
}

func TestWhatAnotherOperatorBeganIsWatchedAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.wanted, s.runs = 2, map[string]int{"a": 2, "b": 1, "c": 2}
	requireHeld(t, s.sync("b"), "does not have the change yet and is Pending", false)
	s.sync("a")
	requireHeld(t, s.sync("b"), "is watched until 12:00:10 UTC", false)
	s.sync("c")
	s.requireRuns(2, 1, 2)
	s.answers["a"] = func(*record.Task, conduct.How) model.Outcome {
		return model.Outcome{State: model.Synced, FailedReloads: 1}
	}
	requireHeld(t, s.sync("a"), "nothing is known that it ran before", true)
	requireHeld(t, s.sync("b"), "was stopped at the canary a", true)
	// Another spec is tried.
	s.wanted = 3
	delete(s.answers, "a")
	s.sync("a")
	s.requireRuns(3, 1, 2)
}

// restarted is a stage with another operator, which knows of its hosts what the status says.
func restarted(t *testing.T, s *stage) *stage {
	t.Helper()
	next := newStage(t)
	next.now, next.wanted, next.runs, next.ran = s.now, s.wanted, s.runs, s.ran
	for name, limit := range s.runs {
		next.Records.Update(id(name), func(r *record.Host) { r.Reported = map[types.UID]int64{uid: int64(limit)} })
	}
	return next
}

func TestAfterARestartAHostThatWaitsRunsWhatItsFileSays(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted, s.ran = 2, map[string]int{"a": 1}
	s.sync("a")
	s = restarted(t, s)
	s.sync("a")
	waits := s.sync("b")
	requireHeld(t, waits, "is watched until", false)
	if waits.Outcome.State != model.Synced || waits.Task.Host.Config.MaxConnections != 1 || waits.Task.Objects[uid] != 1 {
		t.Errorf("it is synced to %+v: %+v", waits.Task, waits.Outcome)
	}
	s.requireRuns(2, 1, 1)
	s.now = s.now.Add(10 * time.Second)
	s.sync("a")
	s.sync("b")
	s.sync("c")
	s.requireRuns(2, 2, 2)
}

func TestAfterARestartAnUnhealthyCanaryGetsBackWhatItsFormerFileSays(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted, s.ran = 2, map[string]int{"a": 1}
	s.sync("a")
	s = restarted(t, s)
	unhealthy := func(task *record.Task, how conduct.How) model.Outcome {
		outcome := s.take(task, how)
		if s.runs["a"] == 2 {
			outcome.FailedReloads = 1
		}
		return outcome
	}
	s.sync("a")
	s.sync("b")
	s.answers["a"] = unhealthy
	requireHeld(t, s.sync("a"), "reloads of HAProxy failed: 1. The host gets back what it ran before", true)
	s.sync("a")
	s.requireRuns(1, 1, 1)
	requireHeld(t, s.sync("b"), "was stopped at the canary a", true)

	// A third operator that finds the stopped change still on the canary puts it back as well.
	change := s.Records.Get(id("a")).Trial.Change
	s.runs["a"] = 2
	s = restarted(t, s)
	s.Records.Update(id("a"), func(r *record.Host) { r.Trial = rollout.Recalled(change, "stopped the roll-out: it failed") })
	back := s.sync("a")
	requireHeld(t, back, "it failed", true)
	s.requireRuns(1, 1, 1)
	requireHeld(t, s.sync("a"), "it failed", true)
	s.requireRuns(1, 1, 1)
}

// What a canary ran before it was found may be of long ago.
func TestAfterARestartACanaryThatTriesAnotherChangeGetsBackWhatItRan(t *testing.T) {
	t.Parallel()
	for _, othersWait := range []bool{false, true} {
		s := newStage(t)
		s.wanted, s.runs, s.ran = 2, map[string]int{"a": 2, "b": 2, "c": 2}, map[string]int{"a": 1}
		if othersWait {
			s.runs["b"], s.runs["c"] = 1, 1
		}
		s.sync("a")
		s.sync("b")
		s.wanted = 3
		s.answers["a"] = func(task *record.Task, how conduct.How) model.Outcome {
			if task.Host.Config.MaxConnections == 3 {
				return model.Outcome{State: model.Rejected, ReloadFailed: true, Message: "the new worker did not start"}
			}
			return s.take(task, how)
		}
		requireHeld(t, s.sync("a"), "stopped the roll-out", true)
		if want := map[bool]int{false: 2, true: 1}[othersWait]; s.runs["a"] != want {
			t.Errorf("others wait: %v, and it runs %d, want %d", othersWait, s.runs["a"], want)
		}
	}
}

func TestAfterARestartACanaryIsJudgedByHowItWasFound(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.wanted, s.runs, s.ran = 2, map[string]int{"a": 1, "b": 1, "c": 1}, map[string]int{"a": 0}
	down := []model.DownServers{{Backend: "app", Count: 1}}
	s.answers["a"] = func(task *record.Task, how conduct.How) model.Outcome {
		outcome := s.take(task, how)
		outcome.Servers, outcome.Down = map[string]model.ServerCount{"app": {Up: 1, Total: 2}}, down
		return outcome
	}
	if loaded := s.sync("a"); loaded.Held.Why != "" {
		t.Errorf("a server that was down before stops the roll-out: %+v", loaded.Held)
	}
	down[0].Count = 2
	requireHeld(t, s.sync("a"), "servers of target app went down: 2, and 1 before. The host gets back what it ran before", true)
	s.sync("a")
	s.requireRuns(1, 1, 1)
}

func TestWhatIsNoChangeOfTheStructureWaitsForNothing(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted = 2
	s.sync("a")
	for name, change := range map[string]func(*record.Task){
		"only servers":     func(task *record.Task) { task.RuntimeOnly = true },
		"suspended":        func(task *record.Task) { task.Host.Suspend = true },
		"freed":            func(task *record.Task) { task.Objects = nil },
		"without roll-out": func(task *record.Task) { task.Host.Rollouts = nil },
	} {
		s.hows = nil
		if attempt := s.sync("b", change); attempt.Held.Why != "" || len(s.hows) != 1 || s.hows[0] != (conduct.How{}) {
			t.Errorf("%s: %+v, synced by %+v", name, attempt.Held, s.hows)
		}
	}
}

func TestAnErrorOfTheClusterLeavesTheHostAlone(t *testing.T) {
	t.Parallel()
	s := settled(t)
	s.wanted, s.broken = 2, errors.New("the API server is away")
	task := &record.Task{Host: s.host("b"), Objects: map[types.UID]int64{uid: 2}}
	_, err := s.Run(t.Context(), task, s.take)
	if !errors.Is(err, s.broken) {
		t.Errorf("got %v", err)
	}
	s.requireRuns(1, 1, 1)
}
