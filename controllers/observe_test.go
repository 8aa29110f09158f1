package controllers

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestASyncKnowsWhichOtherHostsItsNamespaceWants(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	w.start(time.Hour, other.namespace)
	w.create(w.balancer("web", "a", "b"))
	other.create(other.balancer("web", "c"))
	w.becomes("web", "ready", isReady)
	other.becomes("web", "ready", isReady)
	wants := w.hosts.see("a").last.Wants
	for host, want := range map[string]bool{"a:22": true, "b:22": true, "b:2222": false, "c:22": false, "d:22": false} {
		if got := wants(host); got != want {
			t.Errorf("%s is wanted: %t, want %t", host, got, want)
		}
	}
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[:1] })
	w.becomes("web", "without the host", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && len(o.Status.Hosts) == 1 })
	if wants("b:22") {
		t.Error("a host that is no longer in the spec is wanted")
	}
}
