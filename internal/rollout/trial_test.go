package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/rollout"
)

// nowhere says that no other host is known.
func nowhere(string) (int, bool) { return 0, false }

func elsewhere(down int) rollout.Elsewhere { return func(string) (int, bool) { return down, true } }

func down(count int) []model.DownServers {
	return []model.DownServers{{Backend: "shop_web_app", Count: count}}
}

func traffic(connections, failed int) map[string]model.Traffic {
	return map[string]model.Traffic{"shop_web_app": {Connections: connections, Failed: failed}}
}

func TestACanaryIsJudgedByWhatHasBecomeWorse(t *testing.T) {
	t.Parallel()
	servers := map[string]model.ServerCount{"shop_web_app": {Up: 1, Total: 3}}
	before := rollout.Health{Servers: servers}
	wasDown := rollout.Health{Servers: servers, Down: map[string]int{"shop_web_app": 1}}
	failing := rollout.Health{Servers: servers, Traffic: traffic(1000, 100)}
	bind := model.BindFailure{Frontend: "shop_web_https", Bind: "ipv4@:443", Why: "nginx already listens there"}
	synced := func(change func(*model.Outcome)) model.Outcome {
		outcome := model.Outcome{State: model.Synced, Servers: servers}
		if change != nil {
			change(&outcome)
		}
		return outcome
	}
	withDown := func(count int) model.Outcome { return synced(func(o *model.Outcome) { o.Down = down(count) }) }
	withTraffic := func(connections, failed int) model.Outcome {
		return synced(func(o *model.Outcome) { o.Traffic = traffic(connections, failed) })
	}
	for name, test := range map[string]struct {
		trial     rollout.Trial
		outcome   model.Outcome
		reloaded  bool
		elsewhere rollout.Elsewhere
		want      string
	}{
		"all is well":                      {trial: rollout.Trial{Before: before}, outcome: synced(nil)},
		"a server went down":               {trial: rollout.Trial{Before: before}, outcome: withDown(1), want: "servers of target app went down: 1, and 0 before"},
		"it was down before":               {trial: rollout.Trial{Before: wasDown}, outcome: withDown(1)},
		"another one went down":            {trial: rollout.Trial{Before: wasDown}, outcome: withDown(2), want: "went down: 2, and 1 before"},
		"it is down elsewhere":             {trial: rollout.Trial{Before: before}, outcome: withDown(1), elsewhere: elsewhere(1)},
		"more are down than else":          {trial: rollout.Trial{Before: before}, outcome: withDown(2), elsewhere: elsewhere(1), want: "went down: 2, and 1"},
		"a server of a new target is down": {trial: rollout.Trial{}, outcome: withDown(2)},
		"all servers of a new target are down": {trial: rollout.Trial{}, outcome: synced(func(o *model.Outcome) {
			o.Servers, o.Down = map[string]model.ServerCount{"shop_web_app": {Total: 3}}, down(3)
		}), want: "went down: 3, and 0 before"},
		"found with a server down, and nothing known of others": {trial: rollout.Trial{Found: true, Before: before}, outcome: withDown(1), elsewhere: nowhere},
		"found with a server down that is up elsewhere":         {trial: rollout.Trial{Found: true, Before: before}, outcome: withDown(1), elsewhere: elsewhere(0), want: "went down"},

		"a reload failed":           {trial: rollout.Trial{}, outcome: synced(func(o *model.Outcome) { o.FailedReloads = 1 }), want: "reloads of HAProxy failed: 1"},
		"a reload had failed":       {trial: rollout.Trial{Before: rollout.Health{FailedReloads: 1}}, outcome: synced(func(o *model.Outcome) { o.FailedReloads = 1 })},
		"it was loaded":             {trial: rollout.Trial{}, outcome: synced(func(o *model.Outcome) { o.Update, o.Reasons = model.UpdateReload, []string{"x"} }), reloaded: true},
		"it had to be loaded again": {trial: rollout.Trial{}, outcome: synced(func(o *model.Outcome) { o.Update, o.Reasons = model.UpdateReload, []string{"HAProxy does not run"} }), want: "HAProxy did not go on with it: HAProxy does not run"},
		"HAProxy does not answer":   {trial: rollout.Trial{}, outcome: model.Outcome{State: model.Rejected, Message: "the socket does not respond"}, want: "the socket does not respond"},
		"the host is unreachable":   {trial: rollout.Trial{}, outcome: model.Outcome{State: model.Unreachable, Down: down(3)}},

		"a bind is lost":     {trial: rollout.Trial{}, outcome: synced(func(o *model.Outcome) { o.BindFailures = []model.BindFailure{bind} }), want: "the host cannot take bind ipv4@:443: nginx already listens there"},
		"a bind was lost":    {trial: rollout.Trial{Before: rollout.Health{Binds: []model.BindFailure{bind}}}, outcome: synced(func(o *model.Outcome) { o.BindFailures = []model.BindFailure{bind} })},
		"found without bind": {trial: rollout.Trial{Found: true}, outcome: synced(func(o *model.Outcome) { o.BindFailures = []model.BindFailure{bind} })},

		"few connections fail":         {trial: rollout.Trial{Before: before}, outcome: withTraffic(4, 4)},
		"connections fail":             {trial: rollout.Trial{Before: before}, outcome: withTraffic(100, 5), want: "connections to target app fail: 5 of 100, and 0 of 0 before"},
		"a small share fails":          {trial: rollout.Trial{Before: before}, outcome: withTraffic(1000, 10)},
		"as many fail as before":       {trial: rollout.Trial{Before: failing}, outcome: withTraffic(100, 11)},
		"more fail than before":        {trial: rollout.Trial{Before: failing}, outcome: withTraffic(100, 12), want: "fail: 12 of 100, and 100 of 1000 before"},
		"found with failing ones":      {trial: rollout.Trial{Found: true}, outcome: withTraffic(100, 50)},
		"failures without connections": {trial: rollout.Trial{Before: before}, outcome: withTraffic(0, 5), want: "fail: 5 of 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			others := test.elsewhere
			if others == nil {
				others = nowhere
			}
			got := test.trial.Judge(test.outcome, test.reloaded, others)
			if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestACanaryThatIsWatchedIsLookedAtOften(t *testing.T) {
	t.Parallel()
	watched := rollout.Trial{Change: "x", Until: noon().Add(10 * time.Second)}
	for name, test := range map[string]struct {
		trial rollout.Trial
		wait  time.Duration
		want  time.Duration
	}{
		"no trial":             {rollout.Trial{}, 30 * time.Second, 30 * time.Second},
		"watched":              {watched, 30 * time.Second, 500 * time.Millisecond},
		"due earlier":          {watched, time.Millisecond, time.Millisecond},
		"the end is near":      {rollout.Trial{Change: "x", Until: noon().Add(time.Second / 4)}, time.Minute, time.Second / 4},
		"the end has passed":   {rollout.Trial{Change: "x", Until: noon().Add(-time.Second)}, time.Minute, time.Millisecond},
		"the roll-out stopped": {rollout.Trial{Change: "x", Why: "y"}, 30 * time.Second, 30 * time.Second},
	} {
		if got := test.trial.Await(test.wait, noon()); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestAStoppedRolloutIsRecalledFromTheStatus(t *testing.T) {
	t.Parallel()
	stopped := rollout.Trial{Change: "x", Why: "servers went down"}
	for message, want := range map[string]string{
		stopped.Stopped().Why: "servers went down", "another message": "another message", "": "an earlier operator did not say why",
	} {
		if got := rollout.Recalled("x", message); !got.Stops("x") || got.Stops("y") || got.IsWatched() || got.Why != want {
			t.Errorf("%q: %+v", message, got)
		}
	}
}
