package record

import (
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/model"
)

// Package detach decides on the removal; the task adds the generations of the objects that the host then has.
func TestATaskHasTheObjectsOfTheHostUnlessItIsLeftIdle(t *testing.T) {
	t.Parallel()
	stays, sibling, stranger := named("shop", "stays", "1"), named("shop", "sibling", "2"), named("bank", "stranger", "3")
	tests := map[string]struct {
		objects, detaching []*v1alpha1.EdgeLoadBalancer
		wantOwner          string
		wantObjects        map[types.UID]int64
		wantFrees          map[types.UID]bool
	}{
		"no object detaches": {[]*v1alpha1.EdgeLoadBalancer{stays, sibling}, nil, "c/shop",
			map[types.UID]int64{"1": 2, "2": 2}, map[types.UID]bool{}},
		"one of two detaches": {[]*v1alpha1.EdgeLoadBalancer{stays}, []*v1alpha1.EdgeLoadBalancer{sibling}, "c/shop",
			map[types.UID]int64{"1": 2}, map[types.UID]bool{"2": true}},
		"the previous owner detaches": {[]*v1alpha1.EdgeLoadBalancer{stays}, []*v1alpha1.EdgeLoadBalancer{stranger}, "c/bank",
			nil, map[types.UID]bool{"3": true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := model.NewHostID("a", 22)
			snapshot := desired.Snapshot{Cluster: "c", Objects: test.objects}
			var detaching []detach.Object
			for _, object := range test.detaching {
				detaching = append(detaching, detach.Object{EdgeLoadBalancer: object, Entry: object.Spec.Hosts[0]})
			}
			record := Host{Wanted: new(desired.Builder).Build(key, snapshot)}
			got := record.Choose(snapshot, detaching)
			if got.Host.Config.Owner != test.wantOwner || !maps.Equal(got.Objects, test.wantObjects) || !maps.Equal(got.Frees, test.wantFrees) {
				t.Errorf("owner %s, objects %v, frees %v; want %s, %v, %v",
					got.Host.Config.Owner, got.Objects, got.Frees, test.wantOwner, test.wantObjects, test.wantFrees)
			}
		})
	}
}

func TestThereIsNoTaskOnceTheLastObjectHasDetached(t *testing.T) {
	t.Parallel()
	object := named("shop", "web", uid)
	detaching := []detach.Object{{EdgeLoadBalancer: object, Entry: object.Spec.Hosts[0]}}
	record := Host{Detachments: detach.Detachments{uid: {Done: true}}}
	if got := record.Choose(desired.Snapshot{Cluster: "c"}, detaching); got != nil {
		t.Errorf("got %+v", got)
	}
}

func TestInputsChangeWithWhatAPersonCanChange(t *testing.T) {
	t.Parallel()
	base := func() *Task {
		return &Task{Objects: map[types.UID]int64{"1": 1, "2": 1}, Frees: map[types.UID]bool{}}
	}
	same := InputsOf(base(), "7", "r")
	for range 20 {
		if got := InputsOf(base(), "7", "r"); got != same {
			t.Fatalf("the same inputs are %q and %q", same, got)
		}
	}
	for name, edit := range map[string]func(*Task){
		"generation": func(task *Task) { task.Objects["2"] = 2 }, "objects": func(task *Task) { delete(task.Objects, "2") },
		"detaching": func(task *Task) { task.Frees["3"] = true }, "Secret": func(task *Task) { task.Host.Login.Secret.Name = "other" },
	} {
		changed := base()
		edit(changed)
		if InputsOf(changed, "7", "r") == same {
			t.Errorf("another %s gives the same inputs", name)
		}
	}
	if InputsOf(base(), "8", "r") == same {
		t.Error("another version of the Secret gives the same inputs")
	}
	if InputsOf(base(), "7", "s") == same {
		t.Error("other rules give the same inputs")
	}
}
