package detach

import (
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

func TestARemovalFreesTheHostFromItsOwnersObjectsFirst(t *testing.T) {
	t.Parallel()
	type objects = []*v1alpha1.EdgeLoadBalancer
	stays, sibling, stranger := web(named("shop", "stays")), web(named("shop", "sibling")), web(named("bank", "stranger"))
	waits, done := Progress{Awaited: noon()}, Progress{Done: true}
	for name, test := range map[string]struct {
		objects, detaching objects
		before             Detachments
		wantOwner          string
		wantIdle           bool
		wantFrees          []types.UID
		wantKeeps          []string
		wantAlone          bool
	}{
		"no object detaches":             {objects: objects{stays}, wantOwner: "c/shop"},
		"one of two detaches":            {objects: objects{stays}, detaching: objects{sibling}, wantOwner: "c/shop", wantFrees: []types.UID{"sibling"}},
		"one of two has detached":        {objects: objects{stays}, detaching: objects{sibling}, before: Detachments{"sibling": done}, wantOwner: "c/shop"},
		"one of two waits":               {objects: objects{stays}, detaching: objects{sibling}, before: Detachments{"sibling": waits}, wantOwner: "c/shop", wantKeeps: []string{"sibling"}},
		"the last two detach":            {detaching: objects{stays, sibling}, wantOwner: "c/shop", wantIdle: true, wantFrees: []types.UID{"stays", "sibling"}},
		"the previous owner detaches":    {objects: objects{stays}, detaching: objects{stranger}, wantOwner: "c/bank", wantIdle: true, wantFrees: []types.UID{"stranger"}},
		"the previous owner waits":       {objects: objects{stays}, detaching: objects{stranger}, before: Detachments{"stranger": waits}, wantAlone: true},
		"the previous owner is done":     {objects: objects{stays}, detaching: objects{stranger}, before: Detachments{"stranger": done}, wantOwner: "c/shop"},
		"two owners detach, in turn":     {detaching: objects{stranger, stays}, wantOwner: "c/bank", wantIdle: true, wantFrees: []types.UID{"stranger"}},
		"the owner's, then a stranger's": {objects: objects{stays}, detaching: objects{sibling, stranger}, wantOwner: "c/shop", wantFrees: []types.UID{"sibling"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			snapshot := desired.Snapshot{Cluster: "c", Objects: test.objects}
			var detaching []Object
			for _, object := range test.detaching {
				detaching = append(detaching, Object{EdgeLoadBalancer: object, Entry: object.Spec.Hosts[0]})
			}
			got, ok := test.before.Remove(new(desired.Builder).Build(hostA(), snapshot), snapshot, detaching)
			if ok == test.wantAlone {
				t.Fatalf("left alone: %t", !ok)
			}
			if got.Host.Config.Owner != test.wantOwner || got.Idle != test.wantIdle || got.Host.Config.Idle() != (got.Host.Config.Frontends == nil) {
				t.Errorf("owner %q, idle %t; want %q, %t", got.Host.Config.Owner, got.Idle, test.wantOwner, test.wantIdle)
			}
			requireFrees(t, got, test.wantFrees)
			requireKeeps(t, got, test.wantKeeps)
		})
	}
}

func requireFrees(t *testing.T, got Removal, want []types.UID) {
	t.Helper()
	frees := map[types.UID]bool{}
	for _, id := range want {
		frees[id] = true
	}
	if len(frees)+len(got.Frees) > 0 && !maps.Equal(got.Frees, frees) {
		t.Errorf("frees %v, want %v", got.Frees, want)
	}
}

func requireKeeps(t *testing.T, got Removal, want []string) {
	t.Helper()
	if len(got.Keeps) != len(want) {
		t.Fatalf("keeps %v, want %v", got.Keeps, want)
	}
	for i, name := range want {
		if got.Keeps[i].Name != name {
			t.Errorf("keeps %s, want %s", got.Keeps[i].Name, name)
		}
	}
}

func TestAHostThatIsNoLongerInTheSpecIsReachedWithItsLastPins(t *testing.T) {
	t.Parallel()
	wanted := desired.Host{Login: desired.Login{HostKeys: []string{"ssh-ed25519 OLD"}}}
	for name, test := range map[string]struct {
		entry v1alpha1.Host
		want  string
	}{
		"the entry has pins":     {v1alpha1.Host{Address: "a", HostKeys: []string{"ssh-ed25519 NEW comment"}}, "ssh-ed25519 NEW"},
		"the entry has no pins":  {v1alpha1.Host{Address: "a"}, "ssh-ed25519 OLD"},
		"the entry is a status'": {v1alpha1.Host{Address: "a", Port: new(int32(22))}, "ssh-ed25519 OLD"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := idleHost(desired.Snapshot{Cluster: "c"}, Object{EdgeLoadBalancer: web(), Entry: test.entry}, wanted)
			if got.Login.User != "root" {
				t.Errorf("the user is %q", got.Login.User)
			}
			if len(got.Login.HostKeys) != 1 || got.Login.HostKeys[0] != test.want || !got.Config.Idle() {
				t.Errorf("the pins are %q, want %q", got.Login.HostKeys, test.want)
			}
		})
	}
}

// A spec that has no jump host any more, or another one, has not its pins either.
func TestAHostIsFreedThroughItsFormerJumpHostWithTheLastPins(t *testing.T) {
	t.Parallel()
	former := v1alpha1.HostStatus{Name: "gw1", Address: "a", Port: 22, JumpHost: "jump@bastion:2222"}
	wanted := desired.Host{Login: desired.Login{Jump: desired.Jump{Host: model.NewHostID("bastion", 2222), User: "jump", HostKeys: []string{"ssh-ed25519 OLD"}}}}
	for name, test := range map[string]struct {
		jump *v1alpha1.JumpHost
		want string
	}{
		"there is none any more": {nil, "ssh-ed25519 OLD"},
		"there is another one":   {&v1alpha1.JumpHost{Address: "other", HostKeys: []string{"ssh-ed25519 NEW"}}, "ssh-ed25519 OLD"},
		"it has another pin":     {&v1alpha1.JumpHost{Address: "bastion", Port: 2222, User: "jump", HostKeys: []string{"ssh-ed25519 NEW"}}, "ssh-ed25519 NEW"},
	} {
		object := web()
		object.Spec.SSH.JumpHost = test.jump
		o := Object{EdgeLoadBalancer: spec.ReachedAs(object, &former), Entry: v1alpha1.Host{Address: "a"}}
		jump := idleHost(desired.Snapshot{Cluster: "c"}, o, wanted).Login.Jump
		if jump.Host != wanted.Login.Jump.Host || jump.User != "jump" || len(jump.HostKeys) != 1 || jump.HostKeys[0] != test.want {
			t.Errorf("%s: it is reached through %+v, want the pin %q", name, jump, test.want)
		}
	}
}

func TestADetachmentIsDoneWhenTheHostIsProvedOrHasAnotherOwner(t *testing.T) {
	t.Parallel()
	before := Detachments{"x": {Since: noon()}, "other": {Since: noon()}}
	for name, test := range map[string]struct {
		state  model.State
		reason string
		want   Progress
	}{
		"proved":                         {model.Synced, "", Progress{Since: noon(), Tried: true, Done: true}},
		"another owner's":                {model.Refused, "", Progress{Since: noon(), Tried: true, Done: true}},
		"forbidden, and may still serve": {model.Refused, v1alpha1.ReasonPolicyViolation, Progress{Since: noon(), Tried: true}},
		"suspended":                      {model.Suspended, "", Progress{Since: noon()}},
		"unreachable":                    {model.Unreachable, "", Progress{Since: noon(), Tried: true}},
		"rejected":                       {model.Rejected, "", Progress{Since: noon(), Tried: true}},
	} {
		after := before.After(map[types.UID]bool{"x": true}, test.state, test.reason)
		if after["x"] != test.want || after["other"] != (Progress{Since: noon()}) {
			t.Errorf("%s: %+v, want %+v and the other one as before", name, after, test.want)
		}
	}
	if tried := (Detachments{"x": {Tried: true}}).After(map[types.UID]bool{"x": true}, model.Suspended, ""); !tried["x"].Tried {
		t.Error("a suspended host was tried before, and is not any more")
	}
}

func TestARenamedMachineHasNothingLeftUnderItsPreviousName(t *testing.T) {
	t.Parallel()
	before := Detachments{"2": {Since: noon()}, "3": {Since: noon()}}
	after := before.Moved(map[types.UID]int64{"1": 1, "2": 4})
	want := Detachments{"1": {Moved: true}, "2": {Since: noon(), Moved: true}, "3": {Since: noon()}}
	if !maps.Equal(after, want) || before["2"].Moved {
		t.Errorf("got %v, want %v; and before %v", after, want, before)
	}
}
