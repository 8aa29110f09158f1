package rollout_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/rollout"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func id(name string) model.HostID { return model.NewHostID(name, 22) }

func object(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

// of is the roll-out of an object with that canary.
func of(name, canary string) spec.Rollout {
	return spec.Rollout{Object: object(name), CanaryName: canary, Canary: id(canary), Pause: 10 * time.Second, MaxUnavailable: 1}
}

// host is what a host runs or should run with that limit of connections, for the objects web and mail in that generation.
func host(connections int, generation int64) desired.Host {
	return desired.Host{
		Config: haproxy.Config{MaxConnections: connections, Backends: []haproxy.Backend{{Name: "shop_web_app"}}},
		Members: []desired.Member{
			{Object: object("web"), Generation: generation}, {Object: object("mail"), Generation: 1},
		},
	}
}

func ptr(h desired.Host) *desired.Host { return &h }

func TestAHostWaitsForTheCanariesOfItsRollouts(t *testing.T) {
	t.Parallel()
	wanted := host(2, 2)
	synced := model.Outcome{State: model.Synced}
	ready := rollout.Canary{Wanted: wanted, Runs: &wanted, Outcome: synced}
	outdated := rollout.Canary{Wanted: wanted, Runs: ptr(host(1, 1)), Outcome: synced}
	stopped := rollout.Canary{
		Wanted: wanted, Runs: ptr(host(1, 1)), Outcome: synced, Trial: rollout.Trial{Change: rollout.Identity(wanted), Why: "servers went down"},
	}
	with := func(c rollout.Canary, change func(*rollout.Canary)) rollout.Canary { change(&c); return c }
	for name, test := range map[string]struct {
		host     string
		rollouts []spec.Rollout
		canaries map[string]rollout.Canary
		want     string
		stopped  bool
	}{
		"the canary itself":  {host: "a", rollouts: []spec.Rollout{of("web", "a")}},
		"the canary is done": {host: "b", rollouts: []spec.Rollout{of("web", "a")}, canaries: map[string]rollout.Canary{"a": ready}},
		"the canary has another spec that needs no reload": {host: "b", rollouts: []spec.Rollout{of("web", "a")},
			canaries: map[string]rollout.Canary{"a": with(ready, func(c *rollout.Canary) { c.Runs = ptr(host(2, 1)) })}},
		"the canary does not have it yet": {host: "b", rollouts: []spec.Rollout{of("web", "a")}, canaries: map[string]rollout.Canary{"a": outdated},
			want: "waits for the canary a of EdgeLoadBalancer web, which does not have the change yet and is Synced"},
		"the canary is unreachable": {host: "b", rollouts: []spec.Rollout{of("web", "a")},
			canaries: map[string]rollout.Canary{"a": with(outdated, func(c *rollout.Canary) { c.Outcome.State = model.Unreachable })},
			want:     "does not have the change yet and is Unreachable"},
		"the canary is suspended": {host: "b", rollouts: []spec.Rollout{of("web", "a")},
			canaries: map[string]rollout.Canary{"a": with(outdated, func(c *rollout.Canary) { c.Outcome.State = model.Suspended })},
			want:     "is Suspended"},
		"the canary was not checked": {host: "b", rollouts: []spec.Rollout{of("web", "a")}, canaries: map[string]rollout.Canary{"a": {Wanted: wanted}},
			want: "does not have the change yet and is Pending"},
		"the canary became unreachable after it was done": {host: "b", rollouts: []spec.Rollout{of("web", "a")},
			canaries: map[string]rollout.Canary{"a": with(ready, func(c *rollout.Canary) { c.Outcome.State = model.Unreachable })}},
		"the canary is watched": {host: "b", rollouts: []spec.Rollout{of("web", "a")},
			canaries: map[string]rollout.Canary{"a": with(ready, func(c *rollout.Canary) {
				c.Trial = rollout.Trial{Change: "x", Until: noon()}
			})}, want: "which is watched until 12:00:00 UTC"},
		"the canary rejects it": {host: "b", rollouts: []spec.Rollout{of("web", "a")},
			canaries: map[string]rollout.Canary{"a": with(outdated, func(c *rollout.Canary) {
				c.Outcome = model.Outcome{State: model.Rejected, Message: "the disk is full"}
			})}, want: "keeps what it runs, because the roll-out was stopped at the canary a of EdgeLoadBalancer web: the disk is full", stopped: true},
		"the canary was unhealthy with it": {host: "b", rollouts: []spec.Rollout{of("web", "a")}, canaries: map[string]rollout.Canary{"a": stopped},
			want: "servers went down", stopped: true},
		"the canary was unhealthy with another change": {host: "b", rollouts: []spec.Rollout{of("web", "a")},
			canaries: map[string]rollout.Canary{"a": with(stopped, func(c *rollout.Canary) { c.Trial.Change = "another" })},
			want:     "does not have the change yet"},
		"the canary does not serve the object": {host: "b", rollouts: []spec.Rollout{of("web", "a")},
			canaries: map[string]rollout.Canary{"a": with(ready, func(c *rollout.Canary) { c.Wanted.Members = c.Wanted.Members[1:] })},
			want:     "which does not serve that object"},
		"the object has no such host": {host: "b", rollouts: []spec.Rollout{{Object: object("web"), CanaryName: "gone"}},
			want: "spec.rollout.canary of EdgeLoadBalancer web is gone, which is not in spec.hosts: correct it", stopped: true},
		"one of two canaries is outdated": {host: "c", rollouts: []spec.Rollout{of("web", "a"), of("mail", "b")},
			canaries: map[string]rollout.Canary{"a": ready, "b": outdated}, want: "waits for the canary b of EdgeLoadBalancer mail"},
		// Otherwise the two would wait for each other.
		"the canary of the older object does not wait for that of the younger": {host: "a", rollouts: []spec.Rollout{of("web", "a"), of("mail", "b")},
			canaries: map[string]rollout.Canary{"b": outdated}},
		"the canary of the younger object waits for that of the older": {host: "b", rollouts: []spec.Rollout{of("web", "a"), of("mail", "b")},
			canaries: map[string]rollout.Canary{"a": outdated}, want: "waits for the canary a of EdgeLoadBalancer web"},
		"no roll-outs": {host: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := rollout.Decide(id(test.host), test.rollouts, func(key model.HostID) (rollout.Canary, error) {
				canary, found := test.canaries[key.Address]
				if !found {
					t.Errorf("%s was asked for", key)
				}
				return canary, nil
			})
			if err != nil || !strings.Contains(got.Why, test.want) || (test.want == "") != (got.Why == "") || got.Stopped != test.stopped {
				t.Errorf("got %+v, %v, want %q, stopped: %t", got, err, test.want, test.stopped)
			}
		})
	}
}

func TestAnErrorOfTheClusterDecidesNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("the API server is away")
	_, err := rollout.Decide(id("b"), []spec.Rollout{of("web", "a")}, func(model.HostID) (rollout.Canary, error) { return rollout.Canary{}, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestTheLongestPauseOfTheObjectsOfACanaryCounts(t *testing.T) {
	t.Parallel()
	short, long := of("web", "a"), of("mail", "a")
	long.Pause = time.Minute
	for name, want := range map[string]time.Duration{"a": time.Minute, "b": 0} {
		pause, canary := rollout.PauseOf(id(name), []spec.Rollout{short, long})
		if pause != want || canary != (want > 0) {
			t.Errorf("%s: %s, canary: %t", name, pause, canary)
		}
	}
}
