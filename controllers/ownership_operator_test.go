package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// squatted returns two namespaces. The squatter's object names the same host and is older than what is created next. The operator
// works for both. The object logs in as the user "squatter".
func squatted(t *testing.T, prepare func(squatter *world, object *v1alpha1.EdgeLoadBalancer)) (owner, squatter *world) {
	t.Helper()
	owner, squatter = newWorld(t), newWorld(t)
	squatter.hosts = owner.hosts
	object := squatter.balancer("squat", "a")
	object.Spec.SSH.User = "squatter"
	prepare(squatter, object)
	squatter.create(object)
	owner.passes(time.Second, squatter.read("squat").CreationTimestamp.Time)
	return owner, squatter
}

func (w *world) setKey(key string) {
	w.t.Helper()
	change(w, "edge-ssh", func(s *corev1.Secret) { s.Data["ssh-privatekey"] = []byte(key) })
}

func TestWhoCannotLogInKeepsNobodyOutOfAHost(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(squatter *world, object *v1alpha1.EdgeLoadBalancer){
		"no Secret":    func(_ *world, o *v1alpha1.EdgeLoadBalancer) { o.Spec.SSH.SecretRef.Name = "no-such" },
		"an empty one": func(w *world, _ *v1alpha1.EdgeLoadBalancer) { w.setKey("") },
		"a wrong key":  func(w *world, _ *v1alpha1.EdgeLoadBalancer) { w.setKey("wrong") },
		"never answered": func(w *world, _ *v1alpha1.EdgeLoadBalancer) {
			w.hosts.set("a", func(h *fakeHost) { h.unreachableFor = "squatter" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owner, squatter := squatted(t, prepare)
			owner.start(time.Minute, squatter.namespace)
			squatter.becomes("squat", "tried without success", func(o *v1alpha1.EdgeLoadBalancer) bool {
				return !isReady(o) && len(o.Status.Hosts) == 1 && o.Status.Hosts[0].Message != "" && o.Status.Hosts[0].ConsecutiveErrors > 0
			})
			for range 2 {
				owner.create(owner.balancer("web", "a"))
				owner.becomes("web", "ready", isReady)
				squatter.becomes("squat", "HostConflict", notReady(v1alpha1.ReasonHostConflict))
				owner.delete(owner.read("web"))
				owner.isGone("web")
			}
		})
	}
}

func TestTheOwnerOfAHostKeepsItAfterARestart(t *testing.T) {
	t.Parallel()
	owner, squatter := squatted(t, func(*world, *v1alpha1.EdgeLoadBalancer) {})
	squatter.setKey("wrong")
	owner.start(time.Minute, squatter.namespace)
	owner.create(owner.balancer("web", "a"))
	owner.becomes("web", "ready", isReady)
	owner.stop()
	// Although it could log in now.
	squatter.setKey("right")
	before := owner.hosts.see("a")
	owner.start(time.Minute, squatter.namespace)
	owner.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	owner.becomes("web", "changed", func(o *v1alpha1.EdgeLoadBalancer) bool { return o.Status.Hosts[0].Servers == 2 })
	after := owner.hosts.see("a")
	if slices.Contains(after.users[len(before.users):], "squatter") || after.reloads != before.reloads {
		t.Errorf("logins after the restart: %v; %d reloads, and before %d", after.users[len(before.users):], after.reloads, before.reloads)
	}
}

func TestTheFileOnTheHostDecidesBetweenTwoWhoCanLogIn(t *testing.T) {
	t.Parallel()
	owner, squatter := squatted(t, func(*world, *v1alpha1.EdgeLoadBalancer) {})
	owner.hosts.set("a", func(h *fakeHost) {
		h.running = haproxy.Config{Owner: "test/" + owner.namespace, Frontends: []haproxy.Frontend{{Name: "previous"}}}
	})
	owner.create(owner.balancer("web", "a"))
	owner.start(time.Minute, squatter.namespace)
	owner.becomes("web", "ready", isReady)
	squatter.becomes("squat", "HostConflict", notReady(v1alpha1.ReasonHostConflict))
	if got, want := owner.hosts.see("a").running.Owner, "test/"+owner.namespace; got != want {
		t.Errorf("the host is %s's, want %s's", got, want)
	}
}

func TestTheRivalsOfAnOwnerThatCannotLogInAreTriedRarely(t *testing.T) {
	t.Parallel()
	owner, rival := newWorld(t), newWorld(t)
	rival.hosts = owner.hosts
	owner.start(time.Minute, rival.namespace)
	owner.create(owner.balancer("web", "a"))
	owner.passes(time.Second, owner.becomes("web", "ready", isReady).CreationTimestamp.Time)
	object := rival.balancer("rival", "a")
	object.Spec.SSH.User = "rival"
	rival.create(object)
	rival.becomes("rival", "HostConflict", notReady(v1alpha1.ReasonHostConflict))
	if users := owner.hosts.see("a").users; slices.Contains(users, "rival") {
		t.Errorf("logins %v, although the owner can log in", users)
	}

	// While the previous connection is open, no other owner is tried.
	change(owner, "edge-ssh", func(s *corev1.Secret) {
		s.Data["ssh-privatekey"], s.Data["known_hosts"] = []byte("wrong"), []byte("revoked")
	})
	owner.becomes("web", string(v1alpha1.HostUnauthorized), notReady(string(v1alpha1.HostUnauthorized)))
	owner.eventually("the rival has tried", func() error {
		if users := owner.hosts.see("a").users; !slices.Contains(users, "rival") {
			return fmt.Errorf("logins %v", users)
		}
		return nil
	})
	for i := range 5 {
		owner.setEndpoints("app", fmt.Sprintf("10.1.0.%d", i+1))
	}
	// The file is the owner's, so the host stays with it, and its own failure is reported to it.
	owner.becomes("web", string(v1alpha1.HostUnauthorized), notReady(string(v1alpha1.HostUnauthorized)))
	rival.becomes("rival", "HostConflict", notReady(v1alpha1.ReasonHostConflict))
	tries := 0
	for _, user := range owner.hosts.see("a").users {
		if user == "rival" {
			tries++
		}
	}
	if tries > 2 {
		t.Errorf("the rival tried %d times", tries)
	}
	change(owner, "edge-ssh", func(s *corev1.Secret) {
		s.Data["ssh-privatekey"], s.Data["known_hosts"] = []byte("right"), nil
	})
	owner.becomes("web", "ready", isReady)
}

func TestHostsThatLogInAndHangDelayNoOtherNamespace(t *testing.T) {
	t.Parallel()
	owner, slow := newWorld(t), newWorld(t)
	slow.hosts = owner.hosts
	release := make(chan struct{})
	object := slow.balancer("slow")
	const hosts = 200
	for i := range hosts {
		address := fmt.Sprintf("slow%d", i)
		owner.hosts.set(address, func(h *fakeHost) { h.hangs = release })
		object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{Name: address, Address: address})
	}
	owner.startWith(Options{RemovalTimeout: time.Minute, HostsAtOnce: 64}, slow.namespace)
	t.Cleanup(func() { close(release) })
	owner.create(owner.balancer("web", "a"))
	owner.becomes("web", "ready", isReady)
	slow.create(object)
	slow.eventually("as many hang as may", func() error {
		if hanging := owner.hosts.hanging.Load(); hanging < 4 {
			return fmt.Errorf("%d hang", hanging)
		}
		return nil
	})
	owner.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	owner.becomes("web", "changed", func(o *v1alpha1.EdgeLoadBalancer) bool { return o.Status.Hosts[0].Servers == 2 })
	// A new host is not synced yet, just as those are not.
	owner.create(owner.balancer("new", "b"))
	owner.becomes("new", "ready", isReady)
	if hanging := owner.hosts.hanging.Load(); hanging != 4 {
		t.Errorf("%d hosts hang at once, want the share of one namespace", hanging)
	}
}
