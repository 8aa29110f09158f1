package controllers

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/edge"
)

// serves waits until the only backend of a host has so many servers.
func (w *world) serves(address string, servers int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s has %d servers", address, servers), func() error {
		if backends := w.hosts.see(address).running.Backends; len(backends) != 1 || len(backends[0].Servers) != servers {
			return fmt.Errorf("it runs %+v", backends)
		}
		return nil
	})
}

func TestEndpointsThatChangeTogetherWithWhatAHostCannotHaveFollowAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	full := edge.Outcome{State: edge.Rejected, Message: "the disk is full", Live: true}
	w.hosts.set("a", func(h *fakeHost) { h.sick = &full })
	failed := time.Now()
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 4000 })
	w.eventually("servers are brought in line", func() error {
		if !w.hosts.see("a").last.RuntimeOnly {
			return errors.New("not yet")
		}
		return nil
	})
	if took := time.Since(failed); took > 7*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestEndpointsFollowOnAHostThatFailsAndItsTargetIsAvailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	full := edge.Outcome{State: edge.Rejected, Message: "the disk is full", Live: true}
	w.hosts.set("a", func(h *fakeHost) { h.sick = &full })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 4000 })
	failed := time.Now()
	w.becomes("web", "Rejected", notReady(string(v1alpha1.HostRejected)))

	w.setEndpoints("app")
	w.serves("a", 0)
	w.becomes("web", "without endpoints", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return meta.IsStatusConditionFalse(o.Status.Conditions, v1alpha1.ConditionTargetsAvailable)
	})
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2", "10.1.0.3")
	w.serves("a", 3)
	told := w.becomes("web", "available", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return meta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionTargetsAvailable) && o.Status.Hosts[0].ServersUp == 3
	})

	if host := told.Status.Hosts[0]; host.State != v1alpha1.HostRejected || host.ObservedGeneration == told.Generation {
		t.Errorf("host %+v, want it to tell its failure still", host)
	}
	// The next try of everything comes 8 to 10 s after the failure, and is neither put off nor brought forward.
	if last := w.hosts.see("a").last; !last.RuntimeOnly && time.Since(failed) < 7*time.Second {
		t.Errorf("the last request is %+v", last)
	}
	w.hosts.set("a", func(h *fakeHost) { h.sick = nil })
	w.becomes("web", "ready", isReady)
	if took := time.Since(failed); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
}
