package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// careful is a balancer whose first host is the canary.
func (w *world) careful(name string, pause time.Duration, addresses ...string) *v1alpha1.EdgeLoadBalancer {
	object := w.balancer(name, addresses...)
	object.Spec.Rollout = &v1alpha1.Rollout{Canary: "gw1", Pause: &metav1.Duration{Duration: pause}}
	return object
}

// listen changes the port of the object's listener, which needs a reload.
func listen(port int) func(*v1alpha1.EdgeLoadBalancer) {
	return func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{v1alpha1.BindAddress(fmt.Sprintf(":%d", port))}
	}
}

// portOf returns where a configuration listens; 0 for nowhere.
func portOf(config haproxy.Config) uint16 {
	if len(config.Frontends) == 0 {
		return 0
	}
	return config.Frontends[0].Binds[0].Port
}

func listensOn(port uint16) func(haproxy.Config) bool {
	return func(config haproxy.Config) bool { return portOf(config) == port }
}

func (w *world) ports(addresses ...string) []uint16 {
	var ports []uint16
	for _, address := range addresses {
		ports = append(ports, portOf(w.hosts.see(address).running))
	}
	return ports
}

func (w *world) awaitPorts(addresses []string, want ...uint16) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the hosts listen on %v", want), func() error {
		if got := w.ports(addresses...); !slices.Equal(got, want) {
			return fmt.Errorf("they listen on %v: %+v", got, w.read("web").Status)
		}
		return nil
	})
}

// awaitServers waits until each host has so many servers.
func (w *world) awaitServers(count int, addresses ...string) {
	w.t.Helper()
	for _, address := range addresses {
		w.eventually(fmt.Sprintf("%s has %d servers", address, count), func() error {
			running := w.hosts.see(address).running
			if len(running.Backends) == 1 && len(running.Backends[0].Servers) == count {
				return nil
			}
			return fmt.Errorf("it runs %+v", running)
		})
	}
}

// hostIs returns whether a host of the object is in a state, with a message that contains the text.
func hostIs(name string, state v1alpha1.HostState, text string) func(*v1alpha1.EdgeLoadBalancer) bool {
	return func(o *v1alpha1.EdgeLoadBalancer) bool {
		return slices.ContainsFunc(o.Status.Hosts, func(h v1alpha1.HostStatus) bool {
			return h.Name == name && h.State == state && strings.Contains(h.Message, text)
		})
	}
}

func TestAChangeReachesTheCanaryFirstAndTheOthersAfterThePause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	all := []string{"a", "b", "c"}
	w.create(w.careful("web", 2*time.Second, all...))
	w.awaitPorts(all, 443, 443, 443)
	w.becomes("web", "ready", isReady)

	change(w, "web", listen(8443))
	w.awaitPorts(all, 8443, 443, 443)
	proved := time.Now()
	w.becomes("web", "waiting", hostIs("gw2", v1alpha1.HostPending, "waits for the canary gw1 of EdgeLoadBalancer web, which is watched until"))
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.awaitServers(2, all...)
	if ports := w.ports(all...); ports[1] != 443 && time.Since(proved) < 1500*time.Millisecond {
		t.Errorf("during the pause the hosts listen on %v", ports)
	}
	w.awaitPorts(all, 8443, 8443, 8443)
	if took := time.Since(proved); took < 1500*time.Millisecond {
		t.Errorf("the others were changed %s after the canary", took)
	}
	w.becomes("web", "ready", isReady)
	if host := w.hosts.see("b"); host.reloads != 2 {
		t.Errorf("gw2 was reloaded %d times, want 2: once for each change", host.reloads)
	}
}

func TestAnUnhealthyCanaryStopsTheRolloutAndGetsBackWhatItRan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	all := []string{"a", "b"}
	w.create(w.careful("web", time.Second, all...))
	w.becomes("web", "ready", isReady)
	back := make(chan struct{})
	w.hosts.set("a", func(h *fakeHost) { h.unhealthy, h.hangsBack = listensOn(8443), back })

	change(w, "web", listen(8443))
	stopped := w.becomes("web", "stopped", notReady(v1alpha1.ReasonRolloutStopped))
	w.becomes("web", "rejected by the canary", hostIs("gw1", v1alpha1.HostRejected,
		"stopped the roll-out: servers of target app went down: 1, and 0 before. The host gets back what it ran before"))
	w.becomes("web", "held", hostIs("gw2", v1alpha1.HostPending, "because the roll-out was stopped at the canary gw1"))
	w.eventReported("web", "", v1alpha1.ReasonRolloutStopped)
	// All of that is known before the canary has it back.
	w.awaitPorts(all, 8443, 443)
	close(back)
	w.awaitPorts(all, 443, 443)
	if reloads := w.hosts.see("b").reloads; reloads != 1 {
		t.Errorf("gw2 was reloaded %d times", reloads)
	}
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.awaitServers(2, all...)

	// Another operator knows it from the status.
	w.stop()
	reloads := w.hosts.see("a").reloads
	w.start(time.Minute)
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2", "10.1.0.3")
	w.awaitServers(3, all...)
	w.becomes("web", "stopped", notReady(v1alpha1.ReasonRolloutStopped))
	if again := w.hosts.see("a").reloads; again != reloads {
		t.Errorf("the canary was reloaded %d times, want %d as before the restart; it was %+v", again, reloads, stopped.Status)
	}

	change(w, "web", listen(9443))
	w.awaitPorts(all, 9443, 9443)
	w.becomes("web", "ready", isReady)
}

func TestARestartedOperatorGoesOnWithARollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	all := []string{"a", "b"}
	w.create(w.careful("web", time.Minute, all...))
	w.awaitPorts([]string{"a"}, 443)
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Rollout.Pause.Duration = 100 * time.Millisecond })
	w.becomes("web", "ready", isReady)
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Rollout.Pause.Duration = time.Minute
		listen(8443)(o)
	})
	w.becomes("web", "waiting", hostIs("gw2", v1alpha1.HostPending, "which is watched until"))
	w.stop()
	w.start(time.Minute)
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.awaitServers(2, all...)
	w.awaitPorts(all, 8443, 443)
	w.becomes("web", "waiting", hostIs("gw2", v1alpha1.HostPending, "which is watched until"))

	w.hosts.set("a", func(h *fakeHost) { h.unhealthy = listensOn(8443) })
	w.becomes("web", "stopped", notReady(v1alpha1.ReasonRolloutStopped))
	w.awaitPorts(all, 443, 443)
	w.setEndpoints("app", "10.1.0.1")
	w.awaitServers(1, all...)
	if reloads := w.hosts.see("b").reloads; reloads != 1 {
		t.Errorf("gw2 was reloaded %d times", reloads)
	}
}

func TestACanaryThatRejectsAChangeStopsTheRolloutUntilItTakesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	all := []string{"a", "b"}
	w.create(w.careful("web", 100*time.Millisecond, all...))
	w.becomes("web", "ready", isReady)
	w.hosts.set("a", func(h *fakeHost) { h.rejects = listensOn(8443) })
	change(w, "web", listen(8443))
	w.becomes("web", "stopped", notReady(v1alpha1.ReasonRolloutStopped))
	w.becomes("web", "held", hostIs("gw2", v1alpha1.HostPending, "was stopped at the canary gw1 of EdgeLoadBalancer web: HAProxy refuses the configuration"))
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.awaitServers(2, "b")
	w.awaitPorts(all, 443, 443)

	// Back to what runs, which needs no reload.
	change(w, "web", listen(443))
	w.becomes("web", "ready", isReady)
	for _, address := range all {
		if reloads := w.hosts.see(address).reloads; reloads != 1 {
			t.Errorf("%s was reloaded %d times", address, reloads)
		}
	}
}

func TestNoMoreHostsAreReloadedAtATimeThanAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	all := []string{"a", "b", "c", "d", "e", "f"}
	object := w.careful("web", 0, all...)
	object.Spec.Rollout.MaxUnavailable = 2
	for _, address := range all {
		w.hosts.set(address, func(h *fakeHost) { h.reloadTime = 50 * time.Millisecond })
	}
	w.create(object)
	w.becomes("web", "ready", isReady)
	change(w, "web", listen(8443))
	w.awaitPorts(all, 8443, 8443, 8443, 8443, 8443, 8443)
	w.becomes("web", "ready", isReady)
	w.hosts.mu.Lock()
	defer w.hosts.mu.Unlock()
	if w.hosts.mostReloading > 2 {
		t.Errorf("%d hosts were reloaded at the same time", w.hosts.mostReloading)
	}
}
