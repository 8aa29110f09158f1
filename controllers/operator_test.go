package controllers

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers/signals"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/status"
)

func isReady(object *v1alpha1.EdgeLoadBalancer) bool {
	return object.Status.ObservedGeneration == object.Generation &&
		meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady)
}

// notReady reports whether an object is not ready for a reason.
func notReady(reason string) func(*v1alpha1.EdgeLoadBalancer) bool {
	return func(object *v1alpha1.EdgeLoadBalancer) bool {
		ready := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == reason
	}
}

func unreachable(message string) *model.Error {
	return &model.Error{State: model.Unreachable, Message: message}
}

func TestAnObjectBecomesReadyWhenItsHostsAreProved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a", "b"))
	object := w.becomes("web", "ready", isReady)

	status := object.Status
	if got, want := status.Summary, (v1alpha1.Summary{Hosts: "2/2", Servers: "2/2", Addresses: "198.51.100.1,198.51.100.2",
		Binds: ":443"}); got != want {
		t.Errorf("summary %+v, want %+v", got, want)
	}
	if got, want := fmt.Sprint(status.Addresses), "[198.51.100.1 198.51.100.2]"; got != want {
		t.Errorf("addresses %s, want %s", got, want)
	}
	first := status.Hosts[0]
	if first.State != v1alpha1.HostSynced || first.ObservedGeneration != 1 || first.ConfigHash == "" || first.HAProxyVersion != "2.6.12" ||
		first.LastReloadTime == nil || first.LastSyncTime == nil || first.LastUpdate != v1alpha1.UpdateReload {
		t.Errorf("first host %+v", first)
	}
	if request := w.hosts.see("a").last; request.Login != "root" || request.ConfigPath != "/etc/haproxy/haproxy.cfg" {
		t.Errorf("request %+v", request)
	}
	w.eventReported("web", "gw1", v1alpha1.ReasonSynced)
	w.eventReported("web", "gw2", v1alpha1.ReasonSynced)
}

func TestAHostThatHangsDoesNotDelayTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("dead", func(h *fakeHost) { h.hang = make(chan struct{}) })
	w.start(time.Minute)
	w.create(w.balancer("web", "dead", "alive"))
	object := w.becomes("web", "half synced", func(o *v1alpha1.EdgeLoadBalancer) bool { return o.Status.Summary.Hosts == "1/2" })
	if object.Status.Hosts[1].State != v1alpha1.HostSynced {
		t.Errorf("second host %+v", object.Status.Hosts[1])
	}
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.becomes("web", "changed", func(o *v1alpha1.EdgeLoadBalancer) bool { return o.Status.Hosts[1].Servers == 2 })
	if connects := w.hosts.see("dead").connects; connects != 1 {
		t.Errorf("the host that hangs was worked on %d times at once", connects)
	}
}

func TestHundredsOfHostsThatHangDoNotDelayAnother(t *testing.T) {
	t.Parallel()
	const dead = 400
	w := newWorld(t)
	w.startWith(Options{RemovalTimeout: time.Minute})
	hang := make(chan struct{})
	object := w.balancer("dead")
	for i := range dead {
		address := fmt.Sprintf("dead%d", i)
		w.hosts.set(address, func(h *fakeHost) { h.hang = hang })
		object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{Name: address, Address: address})
	}
	w.create(object)
	w.eventually("all of them hang", func() error {
		for i := range dead {
			if w.hosts.see(fmt.Sprintf("dead%d", i)).connects == 0 {
				return fmt.Errorf("number %d is not dialled", i)
			}
		}
		return nil
	})
	w.create(w.balancer("web", "alive"))
	w.becomes("web", "ready", isReady)
}

func TestRetriesAfterAnAPIErrorBeginSoonAndAreBounded(t *testing.T) {
	t.Parallel()
	retries := apiRetries[string]()
	var waits []time.Duration
	for range 12 {
		waits = append(waits, retries.When("web"))
	}
	if waits[0] != 100*time.Millisecond || waits[1] != 200*time.Millisecond || waits[11] != longestAPIRetry {
		t.Errorf("waits %v", waits)
	}
}

func TestAnUnreachableHostIsRetriedUntilItRecovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("b", func(h *fakeHost) { h.dialError = unreachable("nothing answers at b:22") })
	w.start(time.Minute)
	w.create(w.balancer("web", "a", "b"))
	object := w.becomes("web", "Unreachable", notReady("Unreachable"))
	if got, want := object.Status.Hosts[1].Message, "nothing answers at b:22; next try within 30s"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if len(object.Status.Addresses) != 2 {
		t.Errorf("addresses %v: that of an unreachable host was withdrawn", object.Status.Addresses)
	}
	if !meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReconciling) {
		t.Error("Reconciling is not True although the operator retries")
	}
	w.eventReported("web", "gw2", "Unreachable")
	w.hosts.set("b", func(h *fakeHost) { h.dialError = nil })
	w.becomes("web", "ready", isReady)
	w.eventReported("web", "gw2", status.EventRecovered)
	if count := w.events("web", "gw2")["Unreachable"]; count != 1 {
		t.Errorf("Unreachable was reported %d times", count)
	}
}

func TestEndpointChangesDoNotTriggerConnectionsToAFailedHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("a", func(h *fakeHost) { h.dialError = &model.Error{State: model.Untrusted, Message: "another key"} })
	w.start(time.Minute)
	w.create(w.balancer("web", "a", "b"))
	w.becomes("web", "Untrusted", notReady("Untrusted"))
	for i := range 5 {
		w.setEndpoints("app", fmt.Sprintf("10.1.0.%d", i+2))
	}
	w.eventually("the other host follows", func() error {
		if running := w.hosts.see("b").running; len(running.Backends) != 1 || running.Backends[0].Servers[0].Addr.String() != "10.1.0.6" {
			return fmt.Errorf("it runs %+v", running)
		}
		return nil
	})
	if connects := w.hosts.see("a").connects; connects != 1 {
		t.Errorf("the failed host was dialled %d times, want 1", connects)
	}
	object := w.read("web")
	if !meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Error("Stalled is not True although a person must act")
	}
}

func TestNewContentOfTheSecretIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("a", func(h *fakeHost) { h.privateKey = "new" })
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "Unauthorized", notReady("Unauthorized"))
	change(w, "edge-ssh", func(s *corev1.Secret) { s.Data["ssh-privatekey"] = []byte("new") })
	w.becomes("web", "ready", isReady)
}

func TestMissingAndInvalidSecretsAreReportedAndWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	object := w.balancer("web", "a")
	object.Spec.SSH.SecretRef.Name = "late"
	w.create(object)
	w.becomes("web", "SecretNotFound", notReady(v1alpha1.ReasonSecretNotFound))
	w.eventReported("web", "", v1alpha1.ReasonSecretNotFound)
	w.create(&corev1.Secret{ObjectMeta: w.meta("late")})
	w.becomes("web", "SecretInvalid", notReady(v1alpha1.ReasonSecretInvalid))
	change(w, "late", func(s *corev1.Secret) { s.Data = map[string][]byte{"ssh-privatekey": []byte("right")} })
	w.becomes("web", "ready", isReady)
}

func TestAChangeOfTheSpecIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("a", func(h *fakeHost) { h.outcome = &model.Outcome{State: model.Rejected, Message: "port 443 is in use"} })
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "Rejected", notReady("Rejected"))
	w.hosts.set("a", func(h *fakeHost) { h.outcome = nil })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{":8443"} })
	w.becomes("web", "ready", isReady)
}

func TestAMissingServiceIsReportedUntilItExists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	object := w.balancer("web", "a")
	object.Spec.Targets[0].Service.Name = "late"
	w.create(object)
	w.becomes("web", "ServiceNotFound", notReady(v1alpha1.ReasonServiceNotFound))
	w.eventReported("web", "", v1alpha1.ReasonServiceNotFound)
	w.addService("late")
	w.becomes("web", "NoEndpoints", notReady(v1alpha1.ReasonNoEndpoints))
	w.setEndpoints("late", "10.1.0.9")
	w.becomes("web", "ready", isReady)
}

func TestSlicesAffectOnlyTheHostsWithListenersForThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addService("other", "10.2.0.1")
	w.start(time.Minute)
	object := w.balancer("web", "a", "b")
	object.Spec.Listeners[0].Hosts = []string{"gw1"}
	object.Spec.Listeners = append(object.Spec.Listeners, v1alpha1.Listener{
		Name: "other", Bind: []v1alpha1.BindAddress{":8443"}, Target: "other", Hosts: []string{"gw2"},
	})
	target := *object.Spec.Targets[0].DeepCopy()
	target.Name, target.Service.Name = "other", "other"
	object.Spec.Targets = append(object.Spec.Targets, target)
	w.create(object)
	w.becomes("web", "ready", isReady)
	before := w.hosts.see("a").syncs
	w.setEndpoints("other", "10.2.0.1", "10.2.0.2")
	w.becomes("web", "changed", func(o *v1alpha1.EdgeLoadBalancer) bool { return o.Status.Hosts[1].Servers == 2 })
	if after := w.hosts.see("a").syncs; after != before {
		t.Errorf("the other host was checked %d times", after-before)
	}
}

func TestAnIdleObjectIsNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("b", func(h *fakeHost) { h.dialError = unreachable("nothing answers at b:22") })
	w.start(time.Minute)
	w.create(w.balancer("web", "a", "b"))
	w.becomes("web", "counted", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return o.Status.Summary.Hosts == "1/2" && o.Status.Hosts[1].ConsecutiveErrors == 2
	})
	before, checks := w.read("web").ResourceVersion, w.hosts.see("a").syncs
	w.eventually("both hosts are checked again", func() error {
		w.hosts.signals.Down(model.NewHostID("a", 22))
		if w.hosts.see("a").syncs < checks+3 || w.hosts.see("b").connects < 3 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if after := w.read("web").ResourceVersion; after != before {
		t.Errorf("resourceVersion went from %s to %s", before, after)
	}
}

func TestALostConnectionIsRestoredAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	w.hosts.set("a", func(h *fakeHost) { h.dialError = unreachable("gone") })
	w.hosts.signals.Down(model.NewHostID("a", 22))
	w.becomes("web", "Unreachable", notReady("Unreachable"))
}

func TestSyncsOfAHostThatClosesEveryConnectionAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	before, began := w.hosts.see("a").syncs, time.Now()
	for time.Since(began) < 2*time.Second {
		checks := w.hosts.see("a").syncs
		w.hosts.signals.Down(model.NewHostID("a", 22))
		w.eventually("it is checked again", func() error {
			if w.hosts.see("a").syncs == checks {
				return fmt.Errorf("not yet")
			}
			return nil
		})
	}
	took := time.Since(began)
	if checks := w.hosts.see("a").syncs - before; checks > int(took/signals.DownInterval)+2 {
		t.Errorf("it was checked %d times in %s", checks, took)
	}
}

func TestARestartedOperatorDoesNotChangeHostsOrStatusOrRepeatEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("b", func(h *fakeHost) { h.dialError = &model.Error{State: model.Untrusted, Message: "another key"} })
	w.start(time.Minute)
	w.create(w.balancer("web", "a", "b"))
	before := w.becomes("web", "half synced", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return o.Status.Summary.Hosts == "1/2" && o.Status.Hosts[1].State == v1alpha1.HostUntrusted
	})
	w.eventReported("web", "gw2", "Untrusted")
	w.stop()
	checks, dials := w.hosts.see("a").syncs, w.hosts.see("b").connects
	w.start(time.Minute)
	w.eventually("the hosts are checked again", func() error {
		if w.hosts.see("a").syncs == checks || w.hosts.see("b").connects == dials {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	// A reported change proves that the new operator has written the status; it may not have reported anything else before.
	w.hosts.set("a", func(h *fakeHost) { h.dialError = unreachable("gone") })
	w.hosts.signals.Down(model.NewHostID("a", 22))
	w.eventReported("web", "gw1", "Unreachable")
	after := w.read("web")
	if after.Status.Hosts[1].State != before.Status.Hosts[1].State || w.hosts.see("a").reloads != 1 {
		t.Errorf("status %+v after %d reloads", after.Status, w.hosts.see("a").reloads)
	}
	if events := w.events("web", "gw2"); events["Untrusted"] != 1 {
		t.Errorf("events are %v", events)
	}
}

func TestASuspendedObjectChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	object := w.balancer("web", "a")
	object.Spec.Suspend = true
	w.create(object)
	suspended := w.becomes("web", "Suspended", notReady(v1alpha1.ReasonSuspended))
	if got := suspended.Status.Hosts[0]; got.State != v1alpha1.HostSuspended || got.Message != "would reload" {
		t.Errorf("host %+v", got)
	}
	if host := w.hosts.see("a"); !host.last.Suspend || host.reloads != 0 {
		t.Errorf("host %+v", host)
	}
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend = false })
	w.becomes("web", "ready", isReady)
}

func TestTheConflictIsReportedToTheYoungerObjectOfAnotherSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("older", "a"))
	older := w.becomes("older", "ready", isReady)
	w.create(&corev1.Secret{ObjectMeta: w.meta("second"), Data: map[string][]byte{"ssh-privatekey": []byte("right")}})
	w.passes(time.Second, older.CreationTimestamp.Time)
	younger := w.balancer("younger", "a")
	younger.Spec.SSH.SecretRef.Name = "second"
	w.create(younger)
	w.becomes("younger", "HostConflict", notReady(v1alpha1.ReasonHostConflict))
	w.delete(w.read("younger"))
	w.isGone("younger")
	if host := w.hosts.see("a"); len(host.running.Frontends) != 1 || !isReady(w.read("older")) {
		t.Errorf("the older object's host runs %+v", host.running)
	}
	var list v1alpha1.EdgeLoadBalancerList
	if err := w.List(t.Context(), &list, client.InNamespace(w.namespace)); err != nil || len(list.Items) != 1 {
		t.Errorf("%d objects are left, error %v", len(list.Items), err)
	}
}
