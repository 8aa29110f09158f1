package record

import (
	"net/netip"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/model"
)

// wantsVirtual is a host with the virtual addresses of shop/web, and its configuration of keepalived with that priority.
func wantsVirtual(priority int) *desired.Host {
	return &desired.Host{
		Config: haproxy.Config{Owner: "c/shop", Host: "a:22", HealthSocket: haproxy.HealthSocket{Path: "/run/h.sock", User: "s"}},
		Virtual: virtualips.Virtual{
			Config:    &keepalived.Config{Instances: []keepalived.Instance{{Name: "shop.web", Priority: priority, Source: netip.MustParseAddr("192.0.2.1")}}},
			Instances: map[string]string{"shop/web": "shop.web"},
		},
	}
}

func roles(role keepalived.Role) keepalived.Outcome {
	return keepalived.Outcome{State: model.Synced, Roles: map[string]keepalived.Role{"shop.web": role}, Networks: []keepalived.Network{{Interface: "eth0"}}}
}

func TestOnlyWhatIsNewIsOrderedAgain(t *testing.T) {
	t.Parallel()
	var v Virtual
	if v.Order(&desired.Host{}, false) || v.Task != nil {
		t.Error("a host without virtual addresses has a task")
	}
	if !v.Order(wantsVirtual(250), true) || v.Order(wantsVirtual(250), true) {
		t.Error("the same was ordered twice, or not once")
	}
	v.Sync(v.Wanted(), keepalived.Outcome{State: model.Rejected}, noon())
	if !v.RetryAt.After(noon()) {
		t.Error("a failed sync is tried again at once")
	}
	if !v.Order(wantsVirtual(100), true) || !v.RetryAt.IsZero() || v.Failures != 0 {
		t.Error("what is wanted has changed, and is not tried at once")
	}
	maintenance := wantsVirtual(100)
	maintenance.Virtual.Maintenance = true
	adopt := wantsVirtual(100)
	adopt.Adopt = true
	socket := wantsVirtual(100)
	socket.Adopt, socket.Config.HealthSocket.Path = true, "/run/other.sock"
	for _, order := range []struct {
		name   string
		change *desired.Host
	}{{"maintenance", maintenance}, {"adopt", adopt}, {"another socket", socket}} {
		name, change := order.name, order.change
		if !v.Order(change, true) {
			t.Errorf("%s is not new", name)
		}
	}
}

func TestAHostIsLeftOnceAndThenForgotten(t *testing.T) {
	t.Parallel()
	var v Virtual
	v.Order(wantsVirtual(250), true)
	v.Sync(v.Wanted(), roles(keepalived.Master), noon())
	idle := &desired.Host{Config: haproxy.Config{Owner: "c/shop", Host: "a:22"}}
	// The objects say no more that the host may have virtual addresses, and it is known that it does.
	if !v.Order(idle, false) || v.Task == nil {
		t.Fatal("a host that has virtual addresses is not left")
	}
	if got := v.Wanted(); got == nil || !got.Idle() || got.Owner != "c/shop" || got.Host != "a:22" {
		t.Errorf("wanted is %+v", got)
	}
	if v.Left(idle.Virtual) {
		t.Error("it is left before anything was done")
	}
	v.Sync(v.Wanted(), keepalived.Outcome{State: model.Rejected}, noon())
	if v.Left(idle.Virtual) {
		t.Error("it is left although that failed")
	}
	v.Sync(v.Wanted(), keepalived.Outcome{State: model.Synced}, noon())
	if !v.Left(idle.Virtual) || v.Left(wantsVirtual(1).Virtual) {
		t.Error("it is not left, or for something else")
	}
	if v.Order(idle, false) || v.Task != nil || v.Networks == nil {
		t.Errorf("it is not forgotten, or with its networks: %+v", v)
	}
}

func TestWhatIsNotKnownYetIsNotWanted(t *testing.T) {
	t.Parallel()
	unknown := wantsVirtual(250)
	unknown.Virtual.Config, unknown.Virtual.Waits = nil, "the networks of the host are not known yet"
	v := Virtual{}
	v.Order(unknown, true)
	if v.Wanted() != nil || v.Left(unknown.Virtual) {
		t.Error("keepalived would be changed")
	}
	if (Virtual{}).Wanted() != nil || (Virtual{}).RoleOf("shop/web") != "" {
		t.Error("a host without a task wants something")
	}
	if _, found := v.InstanceOf("shop/web"); found {
		t.Error("an instance is proved")
	}
}

func TestARoleIsSettledWhenItWasFoundTwice(t *testing.T) {
	t.Parallel()
	var v Virtual
	v.Order(wantsVirtual(250), true)
	for i, step := range []struct {
		role    keepalived.Role
		settled bool
		after   time.Duration
	}{
		{keepalived.Backup, false, settleInterval}, {keepalived.Backup, true, VirtualLookInterval},
		{keepalived.Master, false, settleInterval}, {keepalived.Master, true, VirtualLookInterval}, {keepalived.Master, true, VirtualLookInterval},
	} {
		before := v
		v.Look(roles(step.role), noon())
		if v.Settled != step.settled || v.LookAfter() != step.after || v.RoleOf("shop/web") != step.role {
			t.Errorf("step %d: %+v", i, v)
		}
		if v.isReportedLike(before) != (i == 4) {
			t.Errorf("step %d is reported: %t", i, !v.isReportedLike(before))
		}
	}
	v.Lose(noon())
	if v.RoleOf("shop/web") != "" || v.Settled || v.Networks == nil || v.LookAfter() != VirtualLookInterval {
		t.Errorf("a host that is away: %+v", v)
	}
	if v.RoleOf("shop/other") != "" {
		t.Error("another object has a role")
	}
}

func TestFailedSyncsOfKeepalivedAreTriedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	var v Virtual
	v.Order(wantsVirtual(250), true)
	var last time.Duration
	for i := range 4 {
		v.Sync(v.Wanted(), keepalived.Outcome{State: model.Rejected}, noon())
		if wait := v.RetryAt.Sub(noon()); wait <= last || v.Failures != i+1 {
			t.Errorf("after %d failures it waits for %s, and before for %s", v.Failures, wait, last)
		} else {
			last = wait
		}
	}
	v.Sync(v.Wanted(), roles(keepalived.Backup), noon())
	instance, found := v.InstanceOf("shop/web")
	if v.Failures != 0 || !found || instance.Source.String() != "192.0.2.1" {
		t.Errorf("after a success: %+v", v)
	}
	if !v.RetryAt.IsZero() {
		t.Error("what somebody changes after a success is not repaired at once")
	}
	v.Sync(v.Wanted(), keepalived.Outcome{State: model.Suspended}, noon())
	if v.Failures != 0 || !v.RetryAt.After(noon()) {
		t.Errorf("a suspended host has failed %d times, and is tried again at %s", v.Failures, v.RetryAt)
	}
}

// A sync that failed may have put something on the host.
func TestAHostOfWhichNothingIsProvedIsLeftAsWell(t *testing.T) {
	t.Parallel()
	var v Virtual
	v.Order(wantsVirtual(250), true)
	v.Sync(v.Wanted(), keepalived.Outcome{State: model.Rejected}, noon())
	if !v.Order(&desired.Host{}, false) || v.Task == nil || !v.Wanted().Idle() {
		t.Errorf("it is not left: %+v", v)
	}
}

func TestWhileAFailedSyncWaitsItsFailureIsReported(t *testing.T) {
	t.Parallel()
	var v Virtual
	v.Order(wantsVirtual(250), true)
	v.Sync(v.Wanted(), keepalived.Outcome{State: model.Rejected, Message: "it is full"}, noon())
	for state, want := range map[model.State]model.State{
		model.Pending: model.Rejected, model.Drifted: model.Rejected, model.Unreachable: model.Unreachable, model.Synced: model.Synced,
	} {
		looked := v
		looked.Look(keepalived.Outcome{State: state, Message: "it is " + string(state), Roles: roles(keepalived.Backup).Roles}, noon())
		if looked.Outcome.State != want || (want == model.Rejected) != (looked.Outcome.Message == "it is full") || looked.RoleOf("shop/web") != keepalived.Backup {
			t.Errorf("after a look that says %s: %+v", state, looked.Outcome)
		}
	}
}

// Without the socket that keepalived's check asks, no host would take the addresses.
func TestWhenKeepalivedIsSynced(t *testing.T) {
	t.Parallel()
	wanted, idle := wantsVirtual(250), &desired.Host{}
	unknown := wantsVirtual(250)
	unknown.Virtual.Config = nil
	without := wantsVirtual(250)
	without.Config.HealthSocket = haproxy.HealthSocket{}
	pending, synced := keepalived.Outcome{State: model.Pending}, keepalived.Outcome{State: model.Synced}
	for name, test := range map[string]struct {
		task, runs *desired.Host
		look       keepalived.Outcome
		retryAt    time.Time
		want       bool
	}{
		"HAProxy has the socket":                      {wanted, wanted, pending, time.Time{}, true},
		"nothing was proved of HAProxy":               {wanted, nil, pending, time.Time{}, false},
		"HAProxy has no socket":                       {wanted, idle, pending, time.Time{}, false},
		"HAProxy has none, since no account is there": {without, without, pending, time.Time{}, true},
		"it is as it should be":                       {wanted, wanted, synced, time.Time{}, false},
		"what is wanted is not known":                 {unknown, unknown, pending, time.Time{}, false},
		"it has just failed":                          {wanted, wanted, pending, noon().Add(time.Second), false},
		"it failed long ago":                          {wanted, wanted, pending, noon(), true},
		"leaving waits for nothing":                   {idle, nil, pending, time.Time{}, true},
	} {
		r := Host{Runs: test.runs}
		r.Virtual.Order(test.task, true)
		r.Virtual.RetryAt = test.retryAt
		if got := r.MustSyncVirtual(test.look, noon()); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
