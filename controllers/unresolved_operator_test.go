package controllers

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
)

// A host is checked every 30 s if nothing is known to change there.
func TestAnUnresolvedNameIsReportedWithinSecondsAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	object := w.balancer("web", "a")
	object.Spec.Targets[0].Service, object.Spec.Targets[0].Addresses = nil, []v1alpha1.TargetAddress{{Address: "App.example.com", Port: 443}}
	backend := w.namespace + "_web_app"
	w.hosts.set("a", func(h *fakeHost) {
		h.outcome = &model.Outcome{
			State: model.Synced, Fingerprint: "f", Servers: map[string]model.ServerCount{backend: {Total: 1}},
			UnresolvedNames: []model.UnresolvedName{{Backend: backend, DNSName: "app.example.com"}},
		}
	})
	w.create(object)
	var wasReady atomic.Bool
	w.watch("web", func() {
		var seen v1alpha1.EdgeLoadBalancer
		if err := w.Get(w.t.Context(), w.key("web"), &seen); err == nil && isReady(&seen) {
			wasReady.Store(true)
		}
	})
	began := time.Now()
	w.becomes("web", "not ready because of a name", notReady(v1alpha1.ReasonAddressNotFound))
	if took := time.Since(began); took > waiting.Of(10*time.Second) || wasReady.Load() {
		t.Errorf("the name is reported after %s; it was ready before: %t", took, wasReady.Load())
	}

	w.hosts.set("a", func(h *fakeHost) { h.outcome = nil })
	began = time.Now()
	w.becomes("web", "ready", isReady)
	if took := time.Since(began); took > waiting.Of(15*time.Second) {
		t.Errorf("its end is reported after %s", took)
	}
}
