package controllers

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

func TestTheTimeFromATriggerToTheProofIsMeasuredOncePerHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a", "b"))
	w.becomes("web", "ready", isReady)
	const observed, counted = "edgelb_network_programming_duration_seconds{}", "edgelb_programming_duration_seconds{runtime}"
	before := values(t, w.registry)
	steps := []struct {
		trigger     time.Time
		wantNetwork float64
	}{
		{time.Now(), 2},
		{time.Time{}, 2}, // as it was
		{time.Now().Add(time.Millisecond), 4},
		{time.Now().Add(-time.Hour), 4}, // from before the start
	}
	for i, step := range steps {
		change(w, "app-1", func(slice *discoveryv1.EndpointSlice) {
			slice.Endpoints = endpoints(fmt.Sprintf("10.1.1.%d", i+1))
			if !step.trigger.IsZero() {
				slice.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: step.trigger.UTC().Format(time.RFC3339Nano)}
			}
		})
		w.eventually("both hosts are proved", func() error {
			if got := values(t, w.registry)[counted] - before[counted]; got != float64(2*(i+1)) {
				return fmt.Errorf("%v are", got)
			}
			return nil
		})
		if got := values(t, w.registry)[observed]; got != step.wantNetwork {
			t.Errorf("step %d: observed %v, want %v", i, got, step.wantNetwork)
		}
	}
}

func TestHostsOfBothServicesAreQueuedWhenASliceMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addService("other")
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	second := w.balancer("second", "b")
	second.Spec.Targets[0].Service.Name = "other"
	w.create(second)
	w.becomes("web", "ready", isReady)
	w.becomes("second", "without endpoints", notReady("NoEndpoints"))
	change(w, "app-1", func(slice *discoveryv1.EndpointSlice) { slice.Labels[discoveryv1.LabelServiceName] = "other" })
	w.becomes("second", "ready", isReady)
	w.becomes("web", "without endpoints", notReady("NoEndpoints"))
	w.delete(&discoveryv1.EndpointSlice{ObjectMeta: w.meta("app-1")})
	w.becomes("second", "without endpoints", notReady("NoEndpoints"))
}
