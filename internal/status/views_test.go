package status

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status/fit"
)

// nothing is the record of a host of which nothing is known.
func nothing(model.HostID) record.Host { return record.Host{} }

// printedHosts returns hosts such as "gw1 root@a:22", with a "-" before those that are being removed.
func printedHosts(hosts []v1alpha1.HostStatus) string {
	var all []string
	for _, host := range hosts {
		mark := ""
		if host.Removing {
			mark = "-"
		}
		all = append(all, fmt.Sprintf("%s%s %s@%s:%d", mark, host.Name, host.User, host.Address, host.Port))
	}
	return strings.Join(all, ", ")
}

func TestHostsAreListedInTheOrderOfTheSpecAndThenThoseThatAreBeingRemoved(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*v1alpha1.EdgeLoadBalancer)
		want string
	}{
		"nothing changes":          {func(*v1alpha1.EdgeLoadBalancer) {}, "gw1 root@a:22, gw2 root@b:22"},
		"another order":            {func(o *v1alpha1.EdgeLoadBalancer) { slices.Reverse(o.Spec.Hosts) }, "gw2 root@b:22, gw1 root@a:22"},
		"another name":             {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Name = "edge" }, "edge root@a:22, gw2 root@b:22"},
		"names that are exchanged": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Name, o.Spec.Hosts[1].Name = "gw2", "gw1" }, "gw2 root@a:22, gw1 root@b:22"},
		"another user":             {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.SSH.User = "edgelb" }, "gw1 edgelb@a:22, gw2 edgelb@b:22"},
		"a user of one host's":     {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[1].User = "admin" }, "gw1 root@a:22, gw2 admin@b:22"},
		"one host less":            {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[1:] }, "gw2 root@b:22, -gw1 root@a:22"},
		"no host":                  {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = nil }, "-gw1 root@a:22, -gw2 root@b:22"},
		"another port":             {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.SSH.Port = 2222 }, "gw1 root@a:2222, gw2 root@b:2222, -gw1@a:22 root@a:22, -gw2@b:22 root@b:22"},
		"another spelling":         {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "A" }, "gw1 root@A:22, gw2 root@b:22"},
		"a removed host keeps its user": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts, o.Spec.SSH.User = o.Spec.Hosts[:1], "new" },
			"gw1 new@a:22, -gw2 root@b:22"},
		"a new host takes the name": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "c" },
			"gw1 root@c:22, gw2 root@b:22, -gw1@a:22 root@a:22"},
		"the object is deleted": {func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = seconds(noon()) }, "-gw1 root@a:22, -gw2 root@b:22"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, synced(), synced())
			test.edit(object)
			status := Summarize(object, ViewsOf(object, nothing), noon())
			if got := printedHosts(status.Hosts); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			object.Status = status
			if got := printedHosts(Summarize(object, ViewsOf(object, nothing), noon()).Hosts); got != test.want {
				t.Errorf("the next time it is %s, want %s", got, test.want)
			}
		})
	}
}

// The object and its status are shared with the cluster's cache.
func TestWhatTheClusterHasIsNotChanged(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(object, synced(), synced())
	object.Spec.Hosts = object.Spec.Hosts[:1]
	before := object.DeepCopy()
	known := failing(model.Unreachable, "x")
	known.DriftedAt, known.ReloadedAt = noon().Add(time.Hour), noon().Add(time.Hour)
	after := Summarize(object, ViewsOf(object, only("a", known)), noon().Add(time.Hour))
	_, _ = fit.Shortened(after), IsRoutine(object.Status, after)
	if !reflect.DeepEqual(object, before) {
		t.Errorf("got %+v, want %+v", object, before)
	}
	if previous := object.Status.Hosts[0]; previous.LastReloadTime == after.Hosts[0].LastReloadTime {
		t.Error("both statuses have the same time in memory")
	}
}

func TestAHostMayHaveTheListenersOfTheObjectIfItEverGotThem(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	for name, test := range map[string]struct {
		view HostView
		want bool
	}{
		"nothing is known":        {HostView{}, false},
		"never reached":           {HostView{previous: &v1alpha1.HostStatus{State: v1alpha1.HostUnreachable}}, false},
		"proved before a restart": {HostView{previous: &v1alpha1.HostStatus{ObservedGeneration: 1}}, true},
		"proved since":            {HostView{record: record.Host{Proved: map[types.UID]int64{uid: 2}}}, true},
		"attempted":               {HostView{record: record.Host{Attempted: map[types.UID]int64{uid: 2}}}, true},
		"another object's":        {HostView{record: record.Host{Proved: map[types.UID]int64{"another": 2}}}, false},
		"attempted, and reported": {HostView{previous: &v1alpha1.HostStatus{}, record: record.Host{Attempted: map[types.UID]int64{uid: 2}}}, true},
	} {
		if got := test.view.mayHave(object); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

// While hosts are being removed the object is not finished, although all that it wants is there.
func TestAnObjectIsReadyAndReconcilingWhileAHostIsBeingRemoved(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(object, synced(), synced())
	object.Spec.Hosts = object.Spec.Hosts[:1]
	status := summarized(object, synced(), synced())
	for kind, want := range map[string]string{
		v1alpha1.ConditionReady: "True Synced", v1alpha1.ConditionHostsSynced: "True Synced",
		v1alpha1.ConditionReconciling: "True Progressing", v1alpha1.ConditionStalled: "False Progressing",
	} {
		if got := conditionOf(status, kind); got != want {
			t.Errorf("%s is %s, want %s", kind, got, want)
		}
	}
	if got, want := messageOf(status, v1alpha1.ConditionReconciling), "the configuration is being removed from gw2"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	if status.Summary.Hosts != "1/1" || status.Summary.NotSynced != "gw2" {
		t.Errorf("summary %+v", status.Summary)
	}
	object.DeletionTimestamp = seconds(noon())
	if got, want := messageOf(summarized(object, synced(), synced()), v1alpha1.ConditionReady), "the configuration is being removed from gw1, gw2"; got != want {
		t.Errorf("of a deleted object it says %q, want %q", got, want)
	}
}

func TestARemovedHostOfWhichNothingIsKnownSaysNoMore(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.DeletionTimestamp = seconds(noon())
	known := failing(model.Unreachable, "")
	known.Detachments = detach.Detachments{uid: {Since: noon(), Tried: true}, "another": {Delayed: true}}
	if got := summarized(object, known, synced()).Hosts[0].Message; got != "is being removed" {
		t.Errorf("it says %q", got)
	}
}

// A host that was away when the operator started is not waited for as if the spec were new; after a change of the spec it is.
func TestAfterAStartTheLastStatusOfThisSpecCounts(t *testing.T) {
	t.Parallel()
	secretGone := failing(model.Pending, "no Secret")
	secretGone.Reason = v1alpha1.ReasonSecretNotFound
	for name, test := range map[string]struct {
		before    record.Host
		edit      func(*v1alpha1.EdgeLoadBalancer)
		wantHosts string
	}{
		"it was synced":             {synced(), func(*v1alpha1.EdgeLoadBalancer) {}, "True Synced"},
		"it was unreachable":        {failing(model.Unreachable, "x"), func(*v1alpha1.EdgeLoadBalancer) {}, "False Unreachable"},
		"it had no Secret":          {secretGone, func(*v1alpha1.EdgeLoadBalancer) {}, "False SecretNotFound"},
		"it was not checked":        {record.Host{}, func(*v1alpha1.EdgeLoadBalancer) {}, "Unknown Progressing"},
		"the spec changed":          {failing(model.Unreachable, "x"), func(o *v1alpha1.EdgeLoadBalancer) { o.Generation = 3 }, "Unknown Progressing"},
		"the spec changed, synced":  {synced(), func(o *v1alpha1.EdgeLoadBalancer) { o.Generation = 3 }, "Unknown Progressing"},
		"the host is another":       {failing(model.Unreachable, "x"), func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[1].Address = "c" }, "Unknown Progressing"},
		"the conditions were lost":  {failing(model.Unreachable, "x"), func(o *v1alpha1.EdgeLoadBalancer) { o.Status.Conditions = nil }, "False Unreachable"},
		"so they were, of a Secret": {secretGone, func(o *v1alpha1.EdgeLoadBalancer) { o.Status.Conditions = nil }, "Unknown Progressing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, synced(), test.before)
			test.edit(object)
			if got := conditionOf(Summarize(object, ViewsOf(object, nothing), noon()), v1alpha1.ConditionHostsSynced); got != test.wantHosts {
				t.Errorf("hosts are %s, want %s", got, test.wantHosts)
			}
		})
	}
}

func TestAHostStatusKeepsWhatAFailureSaysNothingOf(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(object, synced(), synced())
	newer := failing(model.Rejected, "the file was refused")
	newer.Outcome.HAProxyVersion = "3.0.1"
	got := summarized(object, newer, synced()).Hosts[0]
	if got.HAProxyVersion != "3.0.1" || got.ConfigHash != "f00" || got.Servers != 3 || got.LastUpdate != v1alpha1.UpdateReload {
		t.Errorf("host %+v", got)
	}
	counted := failing(model.Rejected, "the file was refused")
	counted.Outcome.Servers = map[string]model.ServerCount{"shop_web_app": {Up: 0, Total: 5}, "shop_other_app": {Up: 9, Total: 9}}
	if got := summarized(object, counted, synced()).Hosts[0]; got.ServersUp != 0 || got.Servers != 5 {
		t.Errorf("%d of %d servers are up, want 0 of 5", got.ServersUp, got.Servers)
	}
	stranger := counted
	stranger.Wanted.Members = nil
	if got := summarized(object, stranger, synced()).Hosts[0]; got.Servers != 3 {
		t.Errorf("%d servers of an object that is no member", got.Servers)
	}
}

// A drift that was repaired between two starts of the operator is another one, and so is one after a repair.
func TestADriftIsANewOneUnlessItWasLeft(t *testing.T) {
	t.Parallel()
	at := func(state model.State, hour int) record.Host {
		known := failing(state, "")
		if hour > 0 {
			known.DriftedAt = noon().Add(time.Duration(hour) * time.Hour)
		}
		return known
	}
	for name, test := range map[string]struct {
		before, now record.Host
		wantHour    int
	}{
		"the first":                 {at(model.Synced, 0), at(model.Drifted, 2), 2},
		"one that was left":         {at(model.Drifted, 1), at(model.Drifted, 2), 1},
		"one after a repair":        {at(model.Synced, 1), at(model.Drifted, 2), 2},
		"a repair of one left":      {at(model.Drifted, 1), at(model.Synced, 2), 2},
		"none since":                {at(model.Synced, 1), at(model.Synced, 0), 1},
		"none since, and one left":  {at(model.Drifted, 1), at(model.Drifted, 0), 1},
		"the host was away between": {at(model.Unreachable, 1), at(model.Drifted, 2), 2},
	} {
		object := twoHosts()
		object.Status = summarized(object, test.before, synced())
		got := summarized(object, test.now, synced()).Hosts[0].LastDriftTime
		if want := noon().Add(time.Duration(test.wantHour) * time.Hour); got == nil || !got.Time.Equal(want) {
			t.Errorf("%s: it is of %s, want %s", name, got, want)
		}
	}
}

// A deletion is a new generation: whoever waits for it must see that each condition is of it, even if nothing else changes.
func TestEachConditionOfADeletedObjectIsOfTheDeletion(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(object, synced(), seeking(0, time.Minute, "nope.invalid"))
	object.DeletionTimestamp, object.Generation = seconds(noon()), 3
	status := summarized(object, synced(), synced())
	for _, condition := range status.Conditions {
		if condition.ObservedGeneration != 3 {
			t.Errorf("%s is of generation %d", condition.Type, condition.ObservedGeneration)
		}
	}
	if got := conditionOf(status, v1alpha1.ConditionTargetsAvailable); status.ObservedGeneration != 3 || got != "False AddressNotFound" {
		t.Errorf("the status is of generation %d, and targets are %s", status.ObservedGeneration, got)
	}
}

// What another cluster said was read, but no host was proved to have it yet.
func TestTargetsAreUnknownUntilWhatWasReadIsProved(t *testing.T) {
	t.Parallel()
	known := synced()
	known.Problems = []desired.Problem{problem(v1alpha1.ReasonProgressing, "cluster east is being read")}
	if got := conditionOf(summarized(twoHosts(), known, synced()), v1alpha1.ConditionTargetsAvailable); got != "Unknown Progressing" {
		t.Errorf("targets are %s", got)
	}
}
