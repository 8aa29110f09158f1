package record

import (
	"net/netip"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// reachedFrom is the task of a host that was built with the address, and uses it.
func reachedFrom(address netip.Addr) *Task {
	task := &Task{Host: desired.Host{UsesEgress: true, Egress: address}}
	task.Inputs = InputsOf(task, "7", "r")
	return task
}

func TestANewEgressAddressIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	previous, found := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("203.0.113.6")
	unused := &Task{Host: desired.Host{Egress: previous}}
	for name, test := range map[string]struct {
		task       *Task
		outcome    model.Outcome
		wantWait   time.Duration
		wantEgress netip.Addr
	}{
		"the first":                   {reachedFrom(netip.Addr{}), model.Outcome{State: model.Synced, Egress: found}, time.Millisecond, found},
		"another":                     {reachedFrom(previous), model.Outcome{State: model.Synced, Egress: found}, time.Millisecond, found},
		"another, of a failure":       {reachedFrom(previous), model.Outcome{State: model.Rejected, Egress: found}, time.Millisecond, found},
		"the same":                    {reachedFrom(previous), model.Outcome{State: model.Synced, Egress: previous}, 30 * time.Second, previous},
		"the host does not report it": {reachedFrom(previous), model.Outcome{State: model.Synced}, 30 * time.Second, previous},
		"the host is unreachable":     {reachedFrom(previous), model.Outcome{State: model.Unreachable}, time.Second, previous},
		"another, which is unused":    {unused, model.Outcome{State: model.Synced, Egress: found}, 30 * time.Second, found},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := Host{Egress: test.task.Host.Egress}
			attempt := Attempt{Task: test.task, Outcome: test.outcome}
			host.Apply(attempt, noon(), 0)
			if wait := host.Wait(attempt, noon()); wait != test.wantWait || host.Egress != test.wantEgress {
				t.Errorf("%s is used after %s, want %s after %s", host.Egress, wait, test.wantEgress, test.wantWait)
			}
		})
	}
}

func TestAHostBuiltWithoutItsEgressAddressIsNotProved(t *testing.T) {
	t.Parallel()
	found := netip.MustParseAddr("203.0.113.6")
	var host Host
	for _, step := range []struct {
		builtWith  netip.Addr
		wantProved bool
	}{{netip.Addr{}, false}, {found, true}} {
		task := reachedFrom(step.builtWith)
		task.Objects = map[types.UID]int64{uid: 3}
		host.Apply(Attempt{Task: task, Outcome: model.Outcome{
			State: model.Synced, Egress: found, Fingerprint: "f", Reasons: []string{"the host is new"},
		}}, noon(), 0)
		if proved := host.Proved[uid] == 3; proved != step.wantProved || !host.MayHave(uid) {
			t.Errorf("built with %s: proved is %t, want %t, and it may have the object: %t",
				step.builtWith, proved, step.wantProved, host.MayHave(uid))
		}
	}
}

// A HAProxy that does not run cannot report the server that it had. The attempt that fails because of that finds out the address.
func TestAFailedHostIsRetriedAtOnceWithANewEgressAddress(t *testing.T) {
	t.Parallel()
	found := netip.MustParseAddr("203.0.113.6")
	var host Host
	host.Apply(Attempt{Task: reachedFrom(netip.Addr{}), Outcome: model.Outcome{State: model.Rejected, Egress: found}}, noon(), 0)
	if wait := host.HoldOff(reachedFrom(netip.Addr{}).Inputs, noon()); wait == 0 {
		t.Error("it is retried with the inputs of the failure")
	}
	if wait := host.HoldOff(reachedFrom(found).Inputs, noon()); wait != 0 {
		t.Errorf("it is left alone for %s", wait)
	}
}

func TestAProvedHostWithoutAnEgressAddressHidesIt(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddr("203.0.113.5")
	for name, test := range map[string]struct {
		host       Host
		wantHidden bool
	}{
		"never reached":            {Host{}, false},
		"proved, and reported":     {Host{ProvedAt: noon(), Egress: address}, false},
		"proved, and not reported": {Host{ProvedAt: noon()}, true},
	} {
		if egress, hidden := test.host.ReachedFrom(); hidden != test.wantHidden || egress != test.host.Egress {
			t.Errorf("%s: got %s, hidden: %t", name, egress, hidden)
		}
	}
}
