package publish

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestRoutineUpdatesAreWrittenOncePerSecondAndAnythingElseSoon(t *testing.T) {
	t.Parallel()
	status := func(edit func(*v1alpha1.HostStatus)) v1alpha1.EdgeLoadBalancerStatus {
		host := v1alpha1.HostStatus{Name: "gw1", State: v1alpha1.HostSynced, ConfigHash: "f1", Servers: 1, ServersUp: 1}
		edit(&host)
		return v1alpha1.EdgeLoadBalancerStatus{Hosts: []v1alpha1.HostStatus{host}, Summary: v1alpha1.Summary{Servers: fmt.Sprint(host.Servers)}}
	}
	object := twoHosts()
	object.Status = status(func(*v1alpha1.HostStatus) {})
	key := client.ObjectKeyFromObject(object)
	for name, test := range map[string]struct {
		edit     func(*v1alpha1.HostStatus)
		after    time.Duration
		wantWait time.Duration
	}{
		"nothing": {func(*v1alpha1.HostStatus) {}, 0, 0},
		"servers": {func(h *v1alpha1.HostStatus) {
			at := metav1.NewTime(noon())
			h.ConfigHash, h.Servers, h.ServersUp, h.LastUpdate, h.LastSyncTime = "f2", 2, 2, v1alpha1.UpdateRuntime, &at
		}, 300 * time.Millisecond, 700 * time.Millisecond},
		"servers, a second later": {func(h *v1alpha1.HostStatus) { h.Servers = 2 }, time.Second, 0},
		"a state":                 {func(h *v1alpha1.HostStatus) { h.State, h.Servers = v1alpha1.HostUnreachable, 2 }, 300 * time.Millisecond, 0},
		"a generation":            {func(h *v1alpha1.HostStatus) { h.ObservedGeneration = 2 }, 300 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWrites()
			if got := w.tooEarly(object, status(test.edit), noon()); got != 0 {
				t.Errorf("the first one waits %s", got)
			}
			w.note(key, write{end: noon()})
			if got := w.tooEarly(object, status(test.edit), noon().Add(test.after)); got != test.wantWait {
				t.Errorf("waits %s, want %s", got, test.wantWait)
			}
		})
	}
}

func TestAnObjectRestsAfterItWasWritten(t *testing.T) {
	t.Parallel()
	w, key := newWrites(), client.ObjectKeyFromObject(twoHosts())
	for i, step := range []struct {
		do   func()
		want time.Duration
	}{
		{func() {}, 0},
		{func() { w.note(key, write{end: noon(), took: time.Millisecond}) }, 60 * time.Millisecond},
		{func() { w.note(key, write{end: noon(), took: 100 * time.Millisecond}) }, 360 * time.Millisecond},
		{func() { w.note(key, write{end: noon(), took: time.Minute}) }, 1960 * time.Millisecond},
		{func() { w.forget(key) }, 0},
	} {
		step.do()
		if got := w.rest(key, noon().Add(40*time.Millisecond)); got != step.want {
			t.Errorf("step %d: rests for %s, want %s", i, got, step.want)
		}
	}
}
