package status

import (
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// What is routine is written less often; whatever a person waits for must not be.
func TestOnlyServersAndTheirProofsAreRoutine(t *testing.T) {
	t.Parallel()
	host := func(edit func(*v1alpha1.HostStatus)) func(*v1alpha1.EdgeLoadBalancerStatus) {
		return func(s *v1alpha1.EdgeLoadBalancerStatus) { edit(&s.Hosts[1]) }
	}
	for name, test := range map[string]struct {
		edit func(*v1alpha1.EdgeLoadBalancerStatus)
		want bool
	}{
		"nothing":       {func(*v1alpha1.EdgeLoadBalancerStatus) {}, true},
		"servers":       {host(func(h *v1alpha1.HostStatus) { h.ServersUp, h.Servers = 1, 9 }), true},
		"their sum":     {func(s *v1alpha1.EdgeLoadBalancerStatus) { s.Summary.Servers = "1/9" }, true},
		"a fingerprint": {host(func(h *v1alpha1.HostStatus) { h.ConfigHash = "f01" }), true},
		"a runtime update": {host(func(h *v1alpha1.HostStatus) {
			h.LastUpdate, h.LastSyncTime = v1alpha1.UpdateRuntime, seconds(noon().Add(time.Hour))
		}), true},
		"a reload":              {host(func(h *v1alpha1.HostStatus) { h.LastReloadTime = seconds(noon().Add(time.Hour)) }), false},
		"a drift":               {host(func(h *v1alpha1.HostStatus) { h.LastDriftTime = seconds(noon()) }), false},
		"a state":               {host(func(h *v1alpha1.HostStatus) { h.State = v1alpha1.HostUnreachable }), false},
		"a message":             {host(func(h *v1alpha1.HostStatus) { h.Message = "x" }), false},
		"failures":              {host(func(h *v1alpha1.HostStatus) { h.ConsecutiveErrors = 1 }), false},
		"a generation":          {host(func(h *v1alpha1.HostStatus) { h.ObservedGeneration = 3 }), false},
		"a version of HAProxy":  {host(func(h *v1alpha1.HostStatus) { h.HAProxyVersion = "3.0" }), false},
		"a host's name":         {host(func(h *v1alpha1.HostStatus) { h.Name = "edge" }), false},
		"the end of a removal":  {host(func(h *v1alpha1.HostStatus) { h.Removing = true }), false},
		"a host more":           {func(s *v1alpha1.EdgeLoadBalancerStatus) { s.Hosts = append(s.Hosts, v1alpha1.HostStatus{}) }, false},
		"a host less":           {func(s *v1alpha1.EdgeLoadBalancerStatus) { s.Hosts = s.Hosts[:1] }, false},
		"a condition":           {func(s *v1alpha1.EdgeLoadBalancerStatus) { s.Conditions[0].Status = metav1.ConditionFalse }, false},
		"a condition's message": {func(s *v1alpha1.EdgeLoadBalancerStatus) { s.Conditions[0].Message = "x" }, false},
		"an address":            {func(s *v1alpha1.EdgeLoadBalancerStatus) { s.Addresses = nil }, false},
		"the spec's generation": {func(s *v1alpha1.EdgeLoadBalancerStatus) { s.ObservedGeneration = 3 }, false},
		"the hosts' sum":        {func(s *v1alpha1.EdgeLoadBalancerStatus) { s.Summary.Hosts = "1/2" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := summarized(twoHosts(), synced(), synced())
			after := *before.DeepCopy()
			test.edit(&after)
			keptBefore, keptAfter := before.DeepCopy(), after.DeepCopy()
			if IsRoutine(before, after) != test.want || IsRoutine(after, before) != test.want {
				t.Errorf("it is routine: %t and %t, want %t", IsRoutine(before, after), IsRoutine(after, before), test.want)
			}
			if !reflect.DeepEqual(before, *keptBefore) || !reflect.DeepEqual(after, *keptAfter) {
				t.Error("a status was changed")
			}
		})
	}
}

func TestTheSummaryIsWhatKubectlPrints(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Spec.Listeners = []v1alpha1.Listener{
		{Name: "https", Bind: []v1alpha1.BindAddress{"*:443", ":8443"}}, {Name: "names", Bind: []v1alpha1.BindAddress{"*:443", ":80"}},
	}
	got := summarized(object, synced(), failing(model.Unreachable, "x")).Summary
	want := v1alpha1.Summary{Hosts: "1/2", Servers: "2/3", Binds: "*:443,:8443,:80", NotSynced: "gw2", Addresses: "192.0.2.1,192.0.2.9,192.0.2.2"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	older := synced()
	older.Tried = map[types.UID]int64{uid: 1}
	if got := summarized(object, older, synced()).Summary; got.Hosts != "1/2" || got.NotSynced != "gw1" || got.Servers != "4/6" {
		t.Errorf("with a host of the previous spec: %+v", got)
	}
}

// The metrics report what the status would say now, whether it was written or not.
func TestSamplesAreWhatTheStatusWouldSayNow(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	down := model.DownServers{Backend: "shop_web_app", Check: "L4CON", Count: 1}
	others := model.DownServers{Backend: "shop_other_app", Check: "L4CON", Count: 7}
	known := withServers(2, down, others)
	known.OldWorkers, known.FailedReloads = 3, 4
	known.ProvedAt, known.Proved = noon(), map[types.UID]int64{uid: 2}
	anothers := known
	anothers.Proved = map[types.UID]int64{"another": 1}
	anothers.Servers = map[string]model.ServerCount{"shop_other_app": {Up: 1, Total: 1}}
	records := func(id model.HostID) record.Host {
		if id == model.NewHostID("a", 22) {
			return known
		}
		return anothers
	}
	samples, status := SamplesOf(object, records), Summarize(object, ViewsOf(object, records), noon())
	if len(samples) != 2 || !reflect.DeepEqual(samples[0].Host, status.Hosts[0]) || !reflect.DeepEqual(samples[1].Host, status.Hosts[1]) {
		t.Fatalf("samples %+v, want those of %+v", samples, status.Hosts)
	}
	first := samples[0]
	if first.OldWorkers != 3 || first.FailedReloads != 4 || !first.ProvedAt.Equal(noon()) ||
		!reflect.DeepEqual(first.Down, []Down{{Target: "app", Check: "L4CON", Count: 1}}) ||
		!reflect.DeepEqual(first.Targets, map[string]model.ServerCount{"app": {Up: 2, Total: 10}}) {
		t.Errorf("the first is %+v", first)
	}
	if second := samples[1]; !second.ProvedAt.IsZero() || len(second.Targets) > 0 {
		t.Errorf("of a host that another object has proved: %+v", second)
	}
	object.Spec.Hosts = object.Spec.Hosts[:1]
	object.Status = status
	if removed := SamplesOf(object, records)[1].Host; !removed.Removing || removed.Name != "gw2" {
		t.Errorf("of a host that is being removed: %+v", removed)
	}
}
