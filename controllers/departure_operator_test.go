package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/status"
)

func TestADeletedObjectIsGoneWhenItsHostsAreClean(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a", "b"))
	w.delete(w.becomes("web", "ready", isReady))
	w.isGone("web")
	for _, address := range []string{"a", "b"} {
		if host := w.hosts.see(address); len(host.running.Frontends) != 0 || host.reloads != 2 {
			t.Errorf("host %s runs %+v after %d reloads", address, host.running, host.reloads)
		}
	}
	w.eventually("the connection is closed", func() error {
		if w.hosts.see("a").forgotten == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

func TestADeletedObjectDoesNotRemoveTheListenersOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("stays", "a"))
	w.becomes("stays", "ready", isReady)
	second := w.balancer("deleted", "a")
	second.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{":8443"}
	w.create(second)
	w.delete(w.becomes("deleted", "ready", isReady))
	w.isGone("deleted")
	frontends := w.hosts.see("a").running.Frontends
	if len(frontends) != 1 || !strings.Contains(frontends[0].Name, "stays") {
		t.Errorf("frontends %+v", frontends)
	}
}

func TestAnObjectThatIsReplacedWithoutItsFinalizerKeepsItsListeners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("stays", "a"))
	w.becomes("stays", "ready", isReady)
	second := w.balancer("web", "a")
	second.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{":8443"}
	w.create(second)
	w.becomes("web", "ready", isReady)
	before := w.hosts.see("a")
	for range 20 {
		change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Finalizers = nil })
		w.becomes("web", "held again", index.IsHeld)
	}
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.eventually("the host follows", func() error {
		if running := w.hosts.see("a").running; len(running.Backends) == 0 || len(running.Backends[0].Servers) != 2 {
			return fmt.Errorf("it runs %+v", running)
		}
		return nil
	})
	if after := w.hosts.see("a"); after.changes != before.changes+1 || len(after.running.Frontends) != 2 {
		t.Errorf("the host was changed %d times and runs %+v", after.changes-before.changes, after.running.Frontends)
	}
}

func TestADeletedObjectGivesUpOnAnUnreachableHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(3 * time.Second)
	w.create(w.balancer("web", "a", "b"))
	object := w.becomes("web", "ready", isReady)
	w.hosts.set("b", func(h *fakeHost) { h.dialError = unreachable("nothing answers at b:22") })
	w.delete(object)
	waiting := w.becomes("web", "Deleting", notReady(v1alpha1.ReasonDeleting))
	if len(waiting.Status.Hosts) == 0 || waiting.Status.Hosts[len(waiting.Status.Hosts)-1].State != v1alpha1.HostPending {
		t.Errorf("hosts while it waits: %+v", waiting.Status.Hosts)
	}
	w.isGone("web")
	w.eventReported("web", "gw2", status.EventLeftBehind)
	note := w.note("web", status.EventLeftBehind)
	for _, want := range []string{"b:22", w.namespace + "_web_", "/etc/haproxy/haproxy.cfg", "nothing answers"} {
		if !strings.Contains(note, want) {
			t.Errorf("the note does not say %q: %s", want, note)
		}
	}
	if count := w.events("web", "gw1")[status.EventLeftBehind]; count != 0 {
		t.Error("the clean host is reported as left behind")
	}
}

// note returns the note of an event about the object.
func (w *world) note(name, reason string) string {
	w.t.Helper()
	var list eventsv1.EventList
	if err := w.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range list.Items {
		if e.Regarding.Name == name && e.Reason == reason {
			return e.Note
		}
	}
	return ""
}

func TestAnObjectThatNeverReachedItsHostsIsDeletedAtOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]func(w *world, object *v1alpha1.EdgeLoadBalancer){
		"unreachable": func(w *world, _ *v1alpha1.EdgeLoadBalancer) {
			w.hosts.set("a", func(h *fakeHost) { h.dialError = unreachable("no such host") })
		},
		"no Secret": func(_ *world, object *v1alpha1.EdgeLoadBalancer) { object.Spec.SSH.SecretRef.Name = "nowhere" },
		"rejected": func(w *world, _ *v1alpha1.EdgeLoadBalancer) {
			w.hosts.set("a", func(h *fakeHost) { h.outcome = &model.Outcome{State: model.Rejected, Message: "no HAProxy here"} })
		},
		"another owner": func(w *world, _ *v1alpha1.EdgeLoadBalancer) {
			w.hosts.set("a", func(h *fakeHost) { h.outcome = &model.Outcome{State: model.Refused, Message: "not ours"} })
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			object := w.balancer("web", "a")
			prepare(w, object)
			w.start(time.Hour)
			w.create(object)
			w.delete(w.becomes("web", "failing", func(o *v1alpha1.EdgeLoadBalancer) bool {
				return len(o.Status.Hosts) == 1 && o.Status.Hosts[0].ConsecutiveErrors > 0
			}))
			w.isGone("web")
		})
	}
}

func TestRetainedAndSuspendedObjectsDoNotChangeTheirHosts(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*v1alpha1.EdgeLoadBalancer){
		"retained":  func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.DeletionPolicy = v1alpha1.DeletionRetain },
		"suspended": func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend = true },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start(time.Hour)
			w.create(w.balancer("web", "a"))
			w.becomes("web", "ready", isReady)
			change(w, "web", edit)
			w.delete(w.read("web"))
			w.isGone("web")
			w.eventReported("web", "", status.EventRetained)
			if host := w.hosts.see("a"); len(host.running.Frontends) != 1 || host.reloads != 1 {
				t.Errorf("the host runs %+v after %d reloads", host.running, host.reloads)
			}
		})
	}
}

func TestASharedHostDoesNotKeepTheListenersOfARetainedObjectAndReportsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("stays", "shared"))
	second := w.balancer("deleted", "own", "shared")
	second.Spec.DeletionPolicy = v1alpha1.DeletionRetain
	second.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{":8443"}
	w.create(second)
	w.becomes("stays", "ready", isReady)
	w.delete(w.becomes("deleted", "ready", isReady))
	w.isGone("deleted")
	w.eventReported("deleted", "gw2", status.EventNotRetained)
	w.eventReported("deleted", "", status.EventRetained)
	if note := w.note("deleted", status.EventRetained); !strings.Contains(note, "stay on gw1,") {
		t.Errorf("the note is %q", note)
	}
	w.eventually("the shared host is free from it", func() error {
		if frontends := w.hosts.see("shared").running.Frontends; len(frontends) != 1 {
			return fmt.Errorf("it runs %+v", frontends)
		}
		return nil
	})
	if frontends := w.hosts.see("own").running.Frontends; len(frontends) != 1 {
		t.Errorf("its own host runs %+v", frontends)
	}
}

func TestAHostRemovedFromTheSpecIsFreedAndThenForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Hour)
	object := w.balancer("web", "a", "b")
	object.Spec.Hosts[1].User = "edge"
	object.Spec.Hosts[1].HostKeys = []string{"ssh-ed25519 AAAA"}
	w.create(object)
	w.becomes("web", "ready", isReady)
	w.hosts.set("b", func(h *fakeHost) { h.dialError = unreachable("nothing answers at b:22") })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[:1] })
	removing := w.becomes("web", "removing", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return isReady(o) && len(o.Status.Hosts) == 2 && strings.HasPrefix(o.Status.Hosts[1].Message, "is being removed: nothing answers")
	})
	if removing.Status.Hosts[1].State != v1alpha1.HostPending || removing.Status.Summary.Hosts != "1/1" {
		t.Errorf("status %+v", removing.Status)
	}
	w.hosts.set("b", func(h *fakeHost) { h.dialError = nil })
	w.becomes("web", "without the host", func(o *v1alpha1.EdgeLoadBalancer) bool { return len(o.Status.Hosts) == 1 })
	host := w.hosts.see("b")
	if len(host.running.Frontends) != 0 || host.users[len(host.users)-1] != "edge" || fmt.Sprint(host.pins) != "[ssh-ed25519 AAAA]" {
		t.Errorf("host %+v", host)
	}
}

func TestAnObjectThatWasDeletedWithoutARunningOperatorIsRemovedFromItsHosts(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	w := newWorld(t)
	w.start(timeout)
	w.create(w.balancer("web", "a"))
	object := w.becomes("web", "ready", isReady)
	w.stop()
	w.delete(object)
	deleted := w.read("web").DeletionTimestamp
	w.passes(2*timeout, deleted.Time)
	w.start(timeout)
	w.isGone("web")
	if host := w.hosts.see("a"); len(host.running.Frontends) != 0 {
		t.Errorf("the host runs %+v", host.running)
	}
}

func TestAHostRemovedFromTheSpecIsGivenUpAfterTheTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(2 * time.Second)
	w.create(w.balancer("web", "a", "b"))
	w.becomes("web", "ready", isReady)
	w.hosts.set("b", func(h *fakeHost) { h.dialError = unreachable("nothing answers at b:22") })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[:1] })
	w.becomes("web", "without the host", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && len(o.Status.Hosts) == 1 })
	w.eventReported("web", "gw2", status.EventLeftBehind)
}

func TestAHostRemovedFromASuspendedSpecIsFreedWhenTheObjectResumes(t *testing.T) {
	t.Parallel()
	const timeout = 500 * time.Millisecond
	w := newWorld(t)
	w.start(timeout)
	w.create(w.balancer("web", "a", "b"))
	w.becomes("web", "ready", isReady)
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend, o.Spec.Hosts = true, o.Spec.Hosts[:1] })
	w.becomes("web", "Suspended", notReady(v1alpha1.ReasonSuspended))
	w.passes(3*timeout, time.Now())
	if status := w.read("web").Status; len(status.Hosts) != 2 {
		t.Errorf("hosts while suspended: %+v", status.Hosts)
	}
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend = false })
	w.becomes("web", "without the host", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && len(o.Status.Hosts) == 1 })
	if host := w.hosts.see("b"); len(host.running.Frontends) != 0 {
		t.Errorf("the host runs %+v", host.running)
	}
}

func TestAHostMayGetANewAddressUnderItsName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Hour)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Address = "b" })
	w.becomes("web", "moved", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return isReady(o) && len(o.Status.Hosts) == 1 && o.Status.Hosts[0].Address == "b"
	})
	if host := w.hosts.see("a"); len(host.running.Frontends) != 0 {
		t.Errorf("the previous host runs %+v", host.running)
	}
}

func TestADeletedNamespaceRemovesItsObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Hour)
	w.create(w.balancer("web", "a"))
	object := w.becomes("web", "ready", isReady)
	namespace := &corev1.Namespace{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: w.namespace}, namespace); err != nil {
		t.Fatal(err)
	}
	w.delete(namespace)
	// What the namespace controller does, in the hardest order: the Secret first.
	w.delete(&corev1.Secret{ObjectMeta: w.meta("edge-ssh")})
	w.delete(object)
	w.isGone("web")
	if host := w.hosts.see("a"); len(host.running.Frontends) != 0 {
		t.Errorf("the host runs %+v", host.running)
	}
}

func TestSecretOfAnotherNamespaceIsNeverOfferedToAHost(t *testing.T) {
	t.Parallel()
	first, second := newWorld(t), newWorld(t)
	first.start(time.Hour, second.namespace)
	first.create(first.balancer("web", "shared"))
	older := first.becomes("web", "ready", isReady)
	first.passes(time.Second, older.CreationTimestamp.Time)
	stranger := second.balancer("web", "shared")
	stranger.Spec.SSH.User = "stranger"
	second.create(stranger)
	second.delete(second.becomes("web", "HostConflict", notReady(v1alpha1.ReasonHostConflict)))
	second.isGone("web")
	if host := first.hosts.see("shared"); slices.Contains(host.users, "stranger") || host.reloads != 1 {
		t.Errorf("logged in were %v, after %d reloads", host.users, host.reloads)
	}
}

func TestAHostIsFreedFromItsOwnerBeforeTheNextOneGetsIt(t *testing.T) {
	t.Parallel()
	first, second := newWorld(t), newWorld(t)
	// One operator for both namespaces.
	first.start(time.Hour, second.namespace)
	first.create(first.balancer("web", "shared"))
	older := first.becomes("web", "ready", isReady)
	first.passes(time.Second, older.CreationTimestamp.Time)
	second.create(second.balancer("web", "shared"))
	second.becomes("web", "HostConflict", notReady(v1alpha1.ReasonHostConflict))
	first.delete(older)
	first.isGone("web")
	second.becomes("web", "ready", isReady)
	host := first.hosts.see("shared")
	if host.running.Owner != "test/"+second.namespace || host.reloads != 3 {
		t.Errorf("owner %s after %d reloads, want that of the second namespace, with an idle host between", host.running.Owner, host.reloads)
	}
}
