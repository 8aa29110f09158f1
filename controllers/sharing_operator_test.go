package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/edge"
)

func TestBindThatAHostCannotTakeHoldsUpNoOtherObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.hosts.set("a", func(h *fakeHost) {
		h.sick = &edge.Outcome{State: edge.Synced, Fingerprint: "f00", Unserved: []edge.Unserved{
			{Frontend: w.namespace + "_short_https", Bind: "ipv4@:443", Why: "somebody already listens there"},
		}}
	})
	w.create(w.balancer("short", "a"))
	second := w.balancer("web", "a")
	second.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{":8443"}
	w.create(second)
	short := w.becomes("short", "Rejected", notReady(string(v1alpha1.HostRejected)))
	if host := short.Status.Hosts[0]; host.State != v1alpha1.HostRejected || !strings.Contains(host.Message, "listener https does not get bind ipv4@:443: somebody") {
		t.Errorf("host %+v", host)
	}
	w.eventTold("short", "gw1", string(v1alpha1.HostRejected))
	w.becomes("web", "ready", isReady)
	w.hosts.set("a", func(h *fakeHost) { h.sick = nil })
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.becomes("short", "ready", isReady)
	w.eventTold("short", "gw1", "Recovered")
}
