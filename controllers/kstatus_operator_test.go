package controllers

import (
	"testing"
	"time"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// waited returns what kstatus computes for the object, as Flux does.
func waited(t *testing.T, object *v1alpha1.EdgeLoadBalancer) kstatus.Status {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	result, err := kstatus.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}

func TestKstatusReportsTheStateOfAnObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.balancer("web", "a"))
	if object := w.read("web"); object.Status.ObservedGeneration != -1 || waited(t, object) != kstatus.InProgressStatus {
		t.Errorf("before the operator has seen it, it is %s with status %+v", waited(t, object), object.Status)
	}
	becomes := func(want kstatus.Status) {
		t.Helper()
		w.becomes("web", want.String(), func(o *v1alpha1.EdgeLoadBalancer) bool { return waited(t, o) == want })
	}
	w.start(time.Minute)
	becomes(kstatus.CurrentStatus)

	w.stop()
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 1000 })
	if got := waited(t, w.read("web")); got != kstatus.InProgressStatus {
		t.Errorf("before the operator has seen its change, it is %s", got)
	}
	w.hosts.set("a", func(h *fakeHost) { h.outcome = &model.Outcome{State: model.Rejected, Message: "no room"} })
	w.start(time.Minute)
	becomes(kstatus.FailedStatus)

	w.hosts.set("a", func(h *fakeHost) { h.outcome = &model.Outcome{State: model.Unreachable, Message: "x"} })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 1001 })
	w.becomes("web", "InProgress", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return waited(t, o) == kstatus.InProgressStatus && o.Status.ObservedGeneration == o.Generation
	})
	w.hosts.set("a", func(h *fakeHost) { h.outcome = nil })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 1002 })
	becomes(kstatus.CurrentStatus)

	w.stop()
	w.delete(w.read("web"))
	if got := waited(t, w.read("web")); got != kstatus.TerminatingStatus {
		t.Errorf("while it is deleted, it is %s", got)
	}
	w.start(time.Minute)
	w.isGone("web")
}
