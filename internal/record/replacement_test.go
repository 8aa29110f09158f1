package record

import (
	"maps"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/model"
)

func TestAHostServesAnObjectOnceAllOfItsGenerationIsProved(t *testing.T) {
	t.Parallel()
	proved := func(generation int64) Host { return Host{Proved: map[types.UID]int64{uid: generation}} }
	short := proved(2)
	short.Wanted.Members = []desired.Member{{Object: spec.NameOf(twoHosts()), Frontends: []string{"shop_web_https"}}}
	short.Outcome = model.Outcome{State: model.Synced, BindFailures: []model.BindFailure{{Frontend: "shop_web_https"}}}
	unreachable := proved(2)
	unreachable.Outcome.State = model.Unreachable
	for name, test := range map[string]struct {
		host Host
		want bool
	}{
		"proved": {proved(2), true}, "proved, and unreachable since": {unreachable, true}, "not checked": {Host{}, false},
		"proved for the previous spec": {proved(1), false}, "bind failure": {short, false},
	} {
		if got := test.host.Serves(twoHosts()); got != test.want {
			t.Errorf("%s: serves is %t, want %t", name, got, test.want)
		}
	}
}

// builtFor is the record of a host that was built and proved with these objects, which differ in their binds.
func builtFor(key model.HostID, objects ...*v1alpha1.EdgeLoadBalancer) Host {
	var record Host
	record.Rebuild(new(desired.Builder).Build(key, desired.Snapshot{Cluster: "c", Objects: objects}), objects, nil, noon())
	task := record.Choose(desired.Snapshot{Cluster: "c", Objects: objects}, nil)
	record.Apply(Attempt{Task: task, Outcome: model.Outcome{State: model.Synced}}, noon(), 0)
	return record
}

func bound(object *v1alpha1.EdgeLoadBalancer, bind v1alpha1.BindAddress) *v1alpha1.EdgeLoadBalancer {
	object.Spec.Listeners = []v1alpha1.Listener{{Name: "https", Bind: []v1alpha1.BindAddress{bind}, Target: "app"}}
	object.Spec.Targets = []v1alpha1.Target{{Name: "app", Service: &v1alpha1.ServicePort{Name: "app"}}}
	object.Default()
	return object
}

func TestASharedHostServesAnObjectThatAwaitsItsDetachment(t *testing.T) {
	t.Parallel()
	key := model.NewHostID("a", 22)
	stays, detaches := bound(named("shop", "stays", "1"), ":1"), bound(named("shop", "detaches", "2"), ":2")
	record := builtFor(key, stays, detaches)
	snapshot := desired.Snapshot{Cluster: "c", Objects: []*v1alpha1.EdgeLoadBalancer{stays}}
	detaching := detach.Object{EdgeLoadBalancer: bound(named("shop", "detaches", "2"), ":2"), Entry: detaches.Spec.Hosts[0], Served: true, Awaits: true}
	detaching.Generation = 3
	for i, step := range []struct {
		after         time.Duration
		awaits        bool
		wantFrontends int
		wantObjects   map[types.UID]int64
		wantFrees     map[types.UID]bool
		wantWait      time.Duration
	}{
		{0, true, 2, map[types.UID]int64{"1": 2, "2": 2}, map[types.UID]bool{}, detach.ReplacementPoll},
		{5 * time.Second, true, 2, map[types.UID]int64{"1": 2, "2": 2}, map[types.UID]bool{}, detach.ReplacementPoll},
		{6 * time.Second, false, 1, map[types.UID]int64{"1": 2}, map[types.UID]bool{"2": true}, time.Minute},
	} {
		detaching.Awaits = step.awaits
		record.Rebuild(new(desired.Builder).Build(key, snapshot), snapshot.Objects, []detach.Object{detaching}, noon().Add(step.after))
		task := record.Choose(snapshot, []detach.Object{detaching})
		if len(task.Host.Config.Frontends) != step.wantFrontends || !maps.Equal(task.Objects, step.wantObjects) ||
			!maps.Equal(task.Frees, step.wantFrees) {
			t.Errorf("step %d: %d frontends, objects %v, frees %v", i, len(task.Host.Config.Frontends), task.Objects, task.Frees)
		}
		if got := record.Detachments.Await(time.Minute); got != step.wantWait {
			t.Errorf("step %d: the next sync is after %s, want %s", i, got, step.wantWait)
		}
		record.Apply(Attempt{Task: task, Outcome: model.Outcome{State: model.Synced}}, noon(), 0)
		if !record.Detachments["2"].Done && !record.MayHave("2") {
			t.Errorf("step %d: the host is reported not to have what it serves", i)
		}
	}
	if !record.Detachments["2"].Done {
		t.Errorf("the detachment is %+v", record.Detachments["2"])
	}
}

func TestAHostIsLeftAloneWhileItsOnlyObjectAwaitsItsDetachment(t *testing.T) {
	t.Parallel()
	key := model.NewHostID("a", 22)
	detaches, next := bound(named("shop", "detaches", "1"), ":1"), bound(named("bank", "next", "2"), ":1")
	detaching := []detach.Object{{EdgeLoadBalancer: detaches, Entry: detaches.Spec.Hosts[0], Served: true, Awaits: true}}
	for name, objects := range map[string][]*v1alpha1.EdgeLoadBalancer{"no next owner": nil, "the next owner waits": {next}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := builtFor(key, detaches)
			snapshot := desired.Snapshot{Cluster: "c", Objects: objects}
			record.Rebuild(new(desired.Builder).Build(key, snapshot), objects, detaching, noon())
			if task := record.Choose(snapshot, detaching); task != nil {
				t.Errorf("got %+v", task)
			}
			if got := record.Detachments.Await(0); got != detach.ReplacementPoll {
				t.Errorf("the next sync is after %s", got)
			}
			record.Rebuild(new(desired.Builder).Build(key, snapshot), objects, detaching, noon().Add(detach.ReplacementGrace))
			if task := record.Choose(snapshot, detaching); task == nil || !task.Frees["1"] || len(task.Objects) != 0 {
				t.Errorf("after the replacement grace: %+v", task)
			}
		})
	}
}

func TestARenamedMachineIsRecordedAtItsPreviousName(t *testing.T) {
	t.Parallel()
	store := NewStore()
	previous, other := model.NewHostID("a", 22), model.NewHostID("b", 22)
	for _, key := range []model.HostID{previous, other} {
		store.Update(key, func(r *Host) { r.Detachments = detach.Detachments{"2": {Since: noon()}} })
	}
	before := store.Get(previous)
	store.Moved("a:22", map[types.UID]int64{"1": 1, "2": 4})
	want := detach.Detachments{"1": {Moved: true}, "2": {Since: noon(), Moved: true}}
	if got := store.Get(previous).Detachments; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if before.Detachments["2"].Moved || store.Get(other).Detachments["2"].Moved {
		t.Error("a copy of the record, or another host, was changed")
	}
	store.Moved("c:22", map[types.UID]int64{"1": 1})
	if got := store.Get(model.NewHostID("c", 22)); got.Detachments != nil {
		t.Errorf("an unknown host has got a record: %+v", got)
	}
}
