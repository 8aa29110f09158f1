package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// waited returns what kstatus computes for a custom resource, according to its documentation: the observed generation counts before
// the conditions, of which Reconciling and Stalled count before Ready.
func waited(object *v1alpha1.EdgeLoadBalancer) string {
	is := func(kind string, status metav1.ConditionStatus) bool {
		return meta.IsStatusConditionPresentAndEqual(object.Status.Conditions, kind, status)
	}
	switch {
	case !object.DeletionTimestamp.IsZero():
		return "Terminating"
	case object.Status.ObservedGeneration != object.Generation:
		return "InProgress"
	case is(v1alpha1.ConditionReconciling, metav1.ConditionTrue):
		return "InProgress"
	case is(v1alpha1.ConditionStalled, metav1.ConditionTrue):
		return "Failed"
	case is(v1alpha1.ConditionReady, metav1.ConditionFalse), is(v1alpha1.ConditionReady, metav1.ConditionUnknown):
		return "InProgress"
	default:
		return "Current"
	}
}

func TestKstatusReportsTheStateOfAnObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.balancer("web", "a"))
	if object := w.read("web"); object.Status.ObservedGeneration != -1 || waited(object) != "InProgress" {
		t.Errorf("before the operator has seen it, it is %s with status %+v", waited(object), object.Status)
	}
	becomes := func(want string) {
		t.Helper()
		w.becomes("web", want, func(o *v1alpha1.EdgeLoadBalancer) bool { return waited(o) == want })
	}
	w.start(time.Minute)
	becomes("Current")

	w.stop()
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 1000 })
	if got := waited(w.read("web")); got != "InProgress" {
		t.Errorf("before the operator has seen its change, it is %s", got)
	}
	w.hosts.set("a", func(h *fakeHost) { h.outcome = &model.Outcome{State: model.Rejected, Message: "no room"} })
	w.start(time.Minute)
	becomes("Failed")

	w.hosts.set("a", func(h *fakeHost) { h.outcome = &model.Outcome{State: model.Unreachable, Message: "x"} })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 1001 })
	w.becomes("web", "InProgress", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return waited(o) == "InProgress" && o.Status.ObservedGeneration == o.Generation
	})
	w.hosts.set("a", func(h *fakeHost) { h.outcome = nil })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 1002 })
	becomes("Current")

	w.stop()
	w.delete(w.read("web"))
	if got := waited(w.read("web")); got != "Terminating" {
		t.Errorf("while it is deleted, it is %s", got)
	}
	w.start(time.Minute)
	w.isGone("web")
}
