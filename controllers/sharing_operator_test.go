package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/status"
)

func TestABindFailureDelaysNoOtherObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.hosts.set("a", func(h *fakeHost) {
		h.outcome = &model.Outcome{State: model.Synced, Fingerprint: "f00", BindFailures: []model.BindFailure{
			{Frontend: w.namespace + "_failing_https", Bind: "ipv4@:443", Why: "nginx already listens there"},
		}}
	})
	w.create(w.balancer("failing", "a"))
	second := w.balancer("web", "a")
	second.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{":8443"}
	w.create(second)
	failing := w.becomes("failing", "Rejected", notReady(string(v1alpha1.HostRejected)))
	if host := failing.Status.Hosts[0]; host.State != v1alpha1.HostRejected ||
		!strings.Contains(host.Message, "listener https does not get bind ipv4@:443: nginx") {
		t.Errorf("host %+v", host)
	}
	w.eventReported("failing", "gw1", string(v1alpha1.HostRejected))
	w.becomes("web", "ready", isReady)
	w.hosts.set("a", func(h *fakeHost) { h.outcome = nil })
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.becomes("failing", "ready", isReady)
	w.eventReported("failing", "gw1", "Recovered")
}

func TestAReplacedHostServesUntilItsReplacementDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The removal timeout must not expire meanwhile.
	w.start(300 * time.Millisecond)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	ready := make(chan struct{})
	w.hosts.set("b", func(h *fakeHost) { h.hang = ready })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "b" })
	begun := time.Now()
	w.becomes("web", "being replaced", func(o *v1alpha1.EdgeLoadBalancer) bool { return len(o.Status.Hosts) == 2 })
	w.passes(time.Second, begun)
	if host := w.hosts.see("a"); len(host.running.Frontends) != 1 {
		t.Errorf("the host that serves runs %+v", host.running)
	}
	close(ready)
	w.becomes("web", "moved", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && len(o.Status.Hosts) == 1 })
	if host := w.hosts.see("a"); len(host.running.Frontends) != 0 {
		t.Errorf("the previous host runs %+v", host.running)
	}
	if count := w.events("web", "gw1@a:22")[status.EventLeftBehind]; count != 0 {
		t.Error("the previous host is reported as left behind")
	}
}

func TestAReplacedSharedHostServesUntilItsReplacementDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	second := w.balancer("mail", "a")
	second.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{":8443"}
	w.create(second)
	w.becomes("web", "ready", isReady)
	w.becomes("mail", "ready", isReady)
	ready := make(chan struct{})
	w.hosts.set("b", func(h *fakeHost) { h.hang = ready })
	change(w, "mail", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "b" })
	w.becomes("mail", "being replaced", func(o *v1alpha1.EdgeLoadBalancer) bool { return len(o.Status.Hosts) == 2 })
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.eventually("the object that stays has its endpoints", func() error {
		for _, backend := range w.hosts.see("a").running.Backends {
			if strings.Contains(backend.Name, "_web_") && len(backend.Servers) == 2 {
				return nil
			}
		}
		return fmt.Errorf("the host runs %+v", w.hosts.see("a").running)
	})
	if frontends := w.hosts.see("a").running.Frontends; len(frontends) != 2 {
		t.Errorf("the host that serves has the frontends %+v", frontends)
	}
	close(ready)
	w.becomes("mail", "moved", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && len(o.Status.Hosts) == 1 })
	if frontends := w.hosts.see("a").running.Frontends; len(frontends) != 1 || !strings.Contains(frontends[0].Name, "_web_") {
		t.Errorf("the previous host has the frontends %+v", frontends)
	}
}

func TestARenamedMachineIsNotReportedAsLeftBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Hour)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	w.hosts.set("a", func(h *fakeHost) { h.dialError = unreachable("nothing answers at a:22") })
	w.hosts.set("b", func(h *fakeHost) {
		h.outcome = &model.Outcome{State: model.Synced, Fingerprint: "f00", Changed: true, Update: model.UpdateFile, RenamedFrom: "a:22"}
	})
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "b" })
	w.becomes("web", "moved", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && len(o.Status.Hosts) == 1 })
	if count := w.events("web", "gw1@a:22")[status.EventLeftBehind]; count != 0 {
		t.Error("the previous host is reported as left behind")
	}
}
