package controllers

import (
	"fmt"
	"sync/atomic"
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
			w.note(key, noon())
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
		{func() {}, 0}, {func() { w.note(key, noon()) }, 60 * time.Millisecond}, {func() { w.forget(key) }, 0},
	} {
		step.do()
		if got := w.rest(key, noon().Add(40*time.Millisecond)); got != step.want {
			t.Errorf("step %d: rests for %s, want %s", i, got, step.want)
		}
	}
}

// A change of endpoints changes every host that serves them.
func TestAnObjectIsNotWrittenOncePerHostWhenEndpointsChange(t *testing.T) {
	t.Parallel()
	const hosts = 200
	w := newWorld(t)
	w.startWith(Options{RemovalTimeout: time.Minute, HostsAtOnce: hosts})
	var addresses []string
	for i := range hosts {
		address := fmt.Sprintf("h%03d", i)
		addresses = append(addresses, address)
		w.hosts.set(address, func(h *fakeHost) { h.latency = time.Duration(i) * 10 * time.Millisecond })
	}
	w.create(w.balancer("web", addresses...))
	w.becomes("web", "ready", isReady)
	var writes atomic.Int64
	w.watch("web", func() { writes.Add(1) })
	began := time.Now()
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.becomes("web", "changed", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return o.Status.Summary.Servers == fmt.Sprintf("%d/%d", 2*hosts, 2*hosts)
	})
	took := time.Since(began)
	t.Logf("%d writes for a change of %d hosts in %s", writes.Load(), hosts, took)
	if most := int64(took/time.Second) + 1; writes.Load() > most {
		t.Errorf("%d writes in %s, want at most %d", writes.Load(), took, most)
	}
}
