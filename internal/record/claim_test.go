package record

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

func TestStatesThatMakeAnOwnerAble(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before  bool
		outcome model.State
		want    bool
	}{
		"the host is proved":                    {false, model.Synced, true},
		"the host is suspended":                 {false, model.Suspended, true},
		"the host has drifted":                  {false, model.Drifted, true},
		"the login works and the rest fails":    {false, model.Rejected, true},
		"the Secret is missing":                 {true, model.Pending, false},
		"the host's key is unknown":             {true, model.Untrusted, false},
		"the login is refused":                  {true, model.Unauthorized, false},
		"the file has another owner":            {true, model.Refused, false},
		"the host is unreachable after a login": {true, model.Unreachable, true},
		"the host was never reachable":          {false, model.Unreachable, false},
		"an unknown state":                      {true, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim := Claim{Able: test.before}.after(model.Outcome{State: test.outcome}, "i", noon(), 0)
			if claim.Able != test.want {
				t.Errorf("able is %v", claim.Able)
			}
		})
	}
}

func TestAnOwnerIsTriedLessOftenAndAtOnceAfterAChange(t *testing.T) {
	t.Parallel()
	refused := model.Outcome{State: model.Unauthorized}
	first := Claim{}.after(refused, "i", noon(), 0)
	second := first.after(refused, "i", noon(), 0)
	if first.HoldOff("i", noon()) != 30*time.Second || second.HoldOff("i", noon()) != time.Minute {
		t.Errorf("waits %s and %s", first.HoldOff("i", noon()), second.HoldOff("i", noon()))
	}
	if second.HoldOff("other", noon()) != 0 || second.HoldOff("i", noon().Add(time.Hour)) != 0 {
		t.Error("it waits although the Secret has changed, or the retry is due")
	}
	if unreachable := second.after(model.Outcome{State: model.Unreachable}, "i", noon(), 0); unreachable.HoldOff("i", noon()) != time.Second {
		t.Errorf("after another outcome it waits %s", unreachable.HoldOff("i", noon()))
	}
}

func TestAHostIsContestedWhileItsOwnerCannotLogIn(t *testing.T) {
	t.Parallel()
	first, second := named("shop", "web", "1"), named("bank", "web", "2")
	key := spec.IDOf(&first.Spec.SSH, &first.Spec.Hosts[0])
	both := desired.Snapshot{Cluster: "prod", Objects: []*v1alpha1.EdgeLoadBalancer{first, second}}
	var host Host
	rebuild := func(objects ...*v1alpha1.EdgeLoadBalancer) spec.Owner {
		snapshot := desired.Snapshot{Cluster: "prod", Objects: objects, Able: host.Able()}
		host.Rebuild(new(desired.Builder).Build(key, snapshot), objects, nil, noon())
		return host.Wanted.Login.Secret
	}
	try := func(namespace string, state model.State) {
		owner := spec.Owner{Namespace: namespace, Name: "edge-ssh"}
		task := LookAs(new(desired.Builder).Build(key, both.OnlyOf(owner)), both.Objects)
		if !task.Host.Suspend || len(task.Objects) != 1 || task.Objects[types.UID("1")]+task.Objects[types.UID("2")] != 2 {
			t.Errorf("the task to check as %s is %+v", namespace, task)
		}
		host.Try(Attempt{Task: task, Outcome: model.Outcome{State: state}}, noon(), 0)
	}
	want := func(owner string, contested bool) {
		t.Helper()
		if got := rebuild(both.Objects...); got.Namespace != owner || host.IsContested() != contested {
			t.Errorf("the host is %s's and contested: %v; want %s's, %v", got.Namespace, host.IsContested(), owner, contested)
		}
	}
	want("shop", false)
	try("shop", model.Pending)
	want("shop", true)
	try("bank", model.Unauthorized)
	want("shop", true)
	try("bank", model.Suspended)
	want("bank", false)
	try("bank", model.Unreachable)
	want("bank", false)
	try("shop", model.Synced)
	want("shop", false)
	if rebuild(second).Namespace != "bank" || len(host.Claims) != 1 {
		t.Errorf("without the other object, the claims are %+v", host.Claims)
	}
}
