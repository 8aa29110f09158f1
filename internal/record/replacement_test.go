package record

import (
	"maps"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

func TestADetachmentAwaitsTheReplacementsButNotForLong(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) time.Time { return noon().Add(-d) }
	suspended := twoHosts()
	suspended.Spec.Suspend = true
	for name, test := range map[string]struct {
		before Detachment
		object *v1alpha1.EdgeLoadBalancer
		awaits bool
		want   Detachment
	}{
		"they do not serve yet": {Detachment{}, twoHosts(), true, Detachment{Awaited: noon()}},
		"they still do not": {Detachment{Awaited: ago(9 * time.Second)}, twoHosts(), true,
			Detachment{Awaited: ago(9 * time.Second)}},
		"they do not in time": {Detachment{Awaited: ago(10 * time.Second)}, twoHosts(), true, Detachment{Since: noon()}},
		"they serve":          {Detachment{Awaited: ago(time.Second)}, twoHosts(), false, Detachment{Since: noon()}},
		"they serve at once":  {Detachment{}, twoHosts(), false, Detachment{Since: noon()}},
		"new ones after the removal began": {Detachment{Since: ago(time.Second), Tried: true}, twoHosts(), true,
			Detachment{Since: ago(time.Second), Tried: true}},
		"they do not serve while suspended":    {Detachment{Awaited: ago(time.Second)}, suspended, true, Detachment{Delayed: true}},
		"they do not serve after a suspension": {Detachment{Delayed: true}, twoHosts(), true, Detachment{Delayed: true, Awaited: noon()}},
		"the machine was renamed": {Detachment{Awaited: ago(time.Second), Moved: true}, twoHosts(), false,
			Detachment{Since: noon(), Moved: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := Host{Detachments: map[types.UID]Detachment{uid: test.before}}
			after := detachingNow(record, []Detaching{{Object: test.object, Served: true, Awaits: test.awaits}}, noon())
			if after[uid] != test.want {
				t.Errorf("got %+v, want %+v", after[uid], test.want)
			}
		})
	}
}

func TestAnObjectAwaitsTheProofOfEveryHostOfItsSpec(t *testing.T) {
	t.Parallel()
	proved := func(generation int64) Host { return Host{Proved: map[types.UID]int64{uid: generation}} }
	short := proved(2)
	short.Wanted.Members = []desired.Member{{Object: NameOf(twoHosts()), Frontends: []string{"shop_web_https"}}}
	short.Outcome = model.Outcome{State: model.Synced, BindFailures: []model.BindFailure{{Frontend: "shop_web_https"}}}
	unreachable := proved(2)
	unreachable.Outcome.State = model.Unreachable
	for name, test := range map[string]struct {
		second  Host
		deleted bool
		want    bool
	}{
		"proved": {second: proved(2)}, "proved, and unreachable since": {second: unreachable}, "not checked": {second: Host{}, want: true},
		"proved for the previous spec": {second: proved(1), want: true}, "bind failure": {second: short, want: true},
		"not checked, of a deleted object": {second: Host{}, deleted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			if test.deleted {
				object.DeletionTimestamp = deletedAt()
			}
			got := MustAwait(object, func(key model.HostID) Host {
				if key == model.NewHostID("b", 22) {
					return test.second
				}
				return proved(2)
			})
			if got != test.want {
				t.Errorf("awaits is %t, want %t", got, test.want)
			}
		})
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
	return object
}

func TestASharedHostServesAnObjectThatAwaitsItsDetachment(t *testing.T) {
	t.Parallel()
	key := model.NewHostID("a", 22)
	stays, detaches := bound(named("shop", "stays", "1"), ":1"), bound(named("shop", "detaches", "2"), ":2")
	record := builtFor(key, stays, detaches)
	snapshot := desired.Snapshot{Cluster: "c", Objects: []*v1alpha1.EdgeLoadBalancer{stays}}
	detaching := Detaching{Object: bound(named("shop", "detaches", "2"), ":2"), Entry: detaches.Spec.Hosts[0], Served: true, Awaits: true}
	detaching.Object.Generation = 3
	for i, step := range []struct {
		after         time.Duration
		awaits        bool
		wantFrontends int
		wantObjects   map[types.UID]int64
		wantFrees     map[types.UID]bool
		wantWait      time.Duration
	}{
		{0, true, 2, map[types.UID]int64{"1": 2, "2": 2}, map[types.UID]bool{}, replacementPoll},
		{5 * time.Second, true, 2, map[types.UID]int64{"1": 2, "2": 2}, map[types.UID]bool{}, replacementPoll},
		{6 * time.Second, false, 1, map[types.UID]int64{"1": 2}, map[types.UID]bool{"2": true}, time.Minute},
	} {
		detaching.Awaits = step.awaits
		record.Rebuild(new(desired.Builder).Build(key, snapshot), snapshot.Objects, []Detaching{detaching}, noon().Add(step.after))
		task := record.Choose(snapshot, []Detaching{detaching})
		if len(task.Host.Config.Frontends) != step.wantFrontends || !maps.Equal(task.Objects, step.wantObjects) ||
			!maps.Equal(task.Frees, step.wantFrees) {
			t.Errorf("step %d: %d frontends, objects %v, frees %v", i, len(task.Host.Config.Frontends), task.Objects, task.Frees)
		}
		if got := record.Await(time.Minute); got != step.wantWait {
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
	detaching := []Detaching{{Object: detaches, Entry: detaches.Spec.Hosts[0], Served: true, Awaits: true}}
	for name, objects := range map[string][]*v1alpha1.EdgeLoadBalancer{"no next owner": nil, "the next owner waits": {next}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := builtFor(key, detaches)
			snapshot := desired.Snapshot{Cluster: "c", Objects: objects}
			record.Rebuild(new(desired.Builder).Build(key, snapshot), objects, detaching, noon())
			if task := record.Choose(snapshot, detaching); task != nil {
				t.Errorf("got %+v", task)
			}
			if got := record.Await(0); got != replacementPoll {
				t.Errorf("the next sync is after %s", got)
			}
			record.Rebuild(new(desired.Builder).Build(key, snapshot), objects, detaching, noon().Add(replacementGrace))
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
		store.Update(key, func(r *Host) { r.Detachments = map[types.UID]Detachment{"2": {Since: noon()}} })
	}
	before := store.Get(previous)
	store.Moved("a:22", map[types.UID]int64{"1": 1, "2": 4})
	want := map[types.UID]Detachment{"1": {Moved: true}, "2": {Since: noon(), Moved: true}}
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
