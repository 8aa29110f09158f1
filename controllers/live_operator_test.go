package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
)

// serves waits until the only backend of a host has this many servers.
func (w *world) serves(address string, servers int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s has %d servers", address, servers), func() error {
		if backends := w.hosts.see(address).running.Backends; len(backends) != 1 || len(backends[0].Servers) != servers {
			return fmt.Errorf("it runs %+v", backends)
		}
		return nil
	})
}

func TestEndpointsFollowAtOnceWhenAnotherChangeFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	full := model.Outcome{State: model.Rejected, Message: "the disk is full", Live: true}
	w.hosts.set("a", func(h *fakeHost) { h.outcome = &full })
	failed := time.Now()
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.HAProxy.MaxConnections = 4000 })
	w.eventually("servers are brought in line", func() error {
		if !w.hosts.see("a").last.RuntimeOnly {
			return errors.New("not yet")
		}
		return nil
	})
	if took := time.Since(failed); took > waiting.Of(7*time.Second) {
		t.Errorf("it took %s", took)
	}
}

func TestEndpointsFollowOnAFailedHostAndItsTargetIsAvailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	full := model.Outcome{State: model.Rejected, Message: "the disk is full", Live: true}
	w.hosts.set("a", func(h *fakeHost) { h.outcome = &full })
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
	object := w.becomes("web", "available", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return meta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionTargetsAvailable) && o.Status.Hosts[0].ServersUp == 3
	})

	if host := object.Status.Hosts[0]; host.State != v1alpha1.HostRejected || host.ObservedGeneration == object.Generation {
		t.Errorf("host %+v, want it to keep reporting its failure", host)
	}
	// The next full attempt comes 8 to 10 s after the failure, and is neither delayed nor brought forward.
	if last := w.hosts.see("a").last; !last.RuntimeOnly && time.Since(failed) < 7*time.Second {
		t.Errorf("the last request is %+v", last)
	}
	w.hosts.set("a", func(h *fakeHost) { h.outcome = nil })
	w.becomes("web", "ready", isReady)
	if took := time.Since(failed); took > waiting.Of(15*time.Second) {
		t.Errorf("it took %s", took)
	}
}

// A Secret that becomes invalid does not stop updates on a connected host.
func TestEndpointsFollowWhileTheSecretIsInvalid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil  func(secret *corev1.Secret)
		reason string
	}{
		"a key that the host refuses": {func(s *corev1.Secret) { s.Data["ssh-privatekey"] = []byte("wrong") }, string(v1alpha1.HostUnauthorized)},
		"no key":                      {func(s *corev1.Secret) { delete(s.Data, "ssh-privatekey") }, v1alpha1.ReasonSecretInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start(time.Minute)
			w.create(w.balancer("web", "a"))
			w.becomes("web", "ready", isReady)
			change(w, "edge-ssh", test.spoil)
			object := w.becomes("web", "reported", notReady(test.reason))
			if message := object.Status.Hosts[0].Message; !strings.Contains(message, "endpoints follow over the connection that is open") {
				t.Errorf("it says %q", message)
			}

			connects := w.hosts.see("a").connects
			w.setEndpoints("app", "10.1.0.1", "10.1.0.2", "10.1.0.3")

			w.serves("a", 3)
			if host := w.hosts.see("a"); !host.last.RuntimeOnly || host.connects != connects {
				t.Errorf("the last request is %+v, after %d logins more", host.last, host.connects-connects)
			}
			change(w, "edge-ssh", func(s *corev1.Secret) { s.Data = map[string][]byte{"ssh-privatekey": []byte("right")} })
			w.becomes("web", "ready", isReady)
		})
	}
}

// A host that is no longer trusted is disconnected at once.
func TestNothingFollowsOnAHostThatIsTrustedNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	change(w, "edge-ssh", func(s *corev1.Secret) {
		s.Data["ssh-privatekey"], s.Data["known_hosts"] = []byte("wrong"), []byte("revoked")
	})
	object := w.becomes("web", "reported", notReady(string(v1alpha1.HostUnauthorized)))
	if message := object.Status.Hosts[0].Message; strings.Contains(message, "endpoints follow") {
		t.Errorf("it says %q", message)
	}
}

// A deleted object frees its hosts even when a new login would fail.
func TestADeletedObjectFreesItsHostsWhileTheSecretIsInvalid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Hour)
	w.create(w.balancer("web", "a"))
	w.becomes("web", "ready", isReady)
	change(w, "edge-ssh", func(s *corev1.Secret) { delete(s.Data, "ssh-privatekey") })
	w.becomes("web", "reported", notReady(v1alpha1.ReasonSecretInvalid))

	w.delete(&v1alpha1.EdgeLoadBalancer{ObjectMeta: w.meta("web")})

	w.eventually("the host is idle", func() error {
		if running := w.hosts.see("a").running; !running.Idle() {
			return fmt.Errorf("it runs %+v", running.Frontends)
		}
		return nil
	})
}
