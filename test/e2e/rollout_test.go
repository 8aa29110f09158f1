package e2e

import (
	"net/netip"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// careful gives the object a roll-out whose canary is its first host.
func careful(pause time.Duration) func(*v1alpha1.EdgeLoadBalancer) {
	return func(elb *v1alpha1.EdgeLoadBalancer) {
		elb.Spec.Rollout = &v1alpha1.Rollout{Canary: elb.Spec.Hosts[0].Name, Pause: &metav1.Duration{Duration: pause}}
	}
}

// load starts clients of the hosts, which must lose nothing until the test ends.
func (s *scenario) load(hosts ...*lab.EdgeHost) {
	s.t.Helper()
	var at []netip.AddrPort
	for _, host := range hosts {
		for _, address := range host.Public.All() {
			at = append(at, netip.AddrPortFrom(address, publicPort))
		}
	}
	s.startTraffic(at...)
}

// workers returns the worker of each host.
func (s *scenario) workers() []int {
	s.t.Helper()
	var pids []int
	for _, host := range s.hosts {
		pids = append(pids, s.workerPID(host))
	}
	return pids
}

// requireWorkers fails unless each host from the first one on has the worker of before.
func (s *scenario) requireWorkers(before []int, first int) {
	s.t.Helper()
	for i, pid := range s.workers() {
		if i >= first && pid != before[i] {
			s.t.Errorf("%s was reloaded: its worker is %d and was %d", s.hosts[i].Name, pid, before[i])
		}
	}
}

// awaitOtherWorkers waits until each host has another worker than before, and returns when it was first seen.
func (s *scenario) awaitOtherWorkers(before []int) []time.Time {
	s.t.Helper()
	seen := make([]time.Time, len(s.hosts))
	s.eventually("all hosts are reloaded", func() string {
		for i, host := range s.hosts {
			if pid := s.workerPID(host); seen[i].IsZero() && pid != before[i] {
				seen[i] = time.Now()
			}
		}
		for i, at := range seen {
			if at.IsZero() {
				return s.hosts[i].Name + " is not"
			}
		}
		return ""
	})
	return seen
}

// awaitStopped waits until the roll-out was stopped, which must take no longer than that.
func (s *scenario) awaitStopped(since time.Time, most time.Duration) {
	s.t.Helper()
	s.awaitReason(s.elb, v1alpha1.ReasonRolloutStopped)
	took := time.Since(since)
	s.t.Logf("the roll-out was stopped after %s", took.Round(time.Millisecond))
	if limit := waiting.Of(most); took > limit {
		s.t.Errorf("the roll-out was stopped after %s, want %s at most", took, limit)
	}
}

func TestAChangeReachesTheCanaryFirst(t *testing.T) {
	t.Parallel()
	const pause = 3 * time.Second
	s := serving(t, 3, careful(pause))
	s.load(s.hosts...)
	before := s.workers()
	s.update(s.elb, func() { s.elb.Spec.HAProxy.MaxConnections = fewConnections - 100 })
	seen := s.awaitOtherWorkers(before)
	for i, at := range seen[1:] {
		// A look at the hosts takes some time, too.
		if after := at.Sub(seen[0]); after < pause-time.Second {
			t.Errorf("%s was reloaded %s after the canary", s.hosts[i+1].Name, after)
		}
	}
	s.awaitReady(s.elb)
}

func TestACanaryThatRejectsAChangeCostsNoConnection(t *testing.T) {
	t.Parallel()
	s := serving(t, 3, careful(time.Second))
	s.load(s.hosts...)
	before := s.workers()
	good := s.elb.Spec.Listeners[0].Bind
	began := time.Now()
	s.update(s.elb, func() {
		s.elb.Spec.HAProxy.MaxConnections = fewConnections - 100
		s.elb.Spec.Listeners[0].Bind = []v1alpha1.BindAddress{"ipv4@203.0.113.200:8443"}
	})
	s.awaitStopped(began, 2*time.Second)
	s.awaitHost(s.elb, s.gw1().Name, v1alpha1.HostRejected, "203.0.113.200")
	for _, host := range s.hosts[1:] {
		s.awaitHost(s.elb, host.Name, v1alpha1.HostPending, "the roll-out was stopped at the canary "+s.gw1().Name)
	}
	must(t, s.app.AddPod(t.Context(), "web-b"))
	for _, host := range s.hosts {
		s.awaitServers(host, "web-a", "web-b")
	}
	s.requireWorkers(before, 0)
	if events := s.events(s.elb); events[v1alpha1.ReasonRolloutStopped] != 1 {
		t.Errorf("events: %q", keys(events))
	}

	s.update(s.elb, func() { s.elb.Spec.Listeners[0].Bind = good })
	s.awaitOtherWorkers(before)
	s.awaitReady(s.elb)
}

func TestAnUnhealthyCanaryGetsBackWhatItRan(t *testing.T) {
	t.Parallel()
	s := serving(t, 2, careful(5*time.Second))
	s.load(s.gw2())
	before := s.workers()
	began := time.Now()
	// Nothing listens there: each health check fails.
	s.update(s.elb, func() {
		s.elb.Spec.Targets[0].HealthCheck = v1alpha1.HealthCheck{
			Interval: &metav1.Duration{Duration: 200 * time.Millisecond}, Rise: 1, Fall: 1, Port: new(int32(1)),
		}
	})
	s.awaitStopped(began, 3*time.Second)
	s.awaitHost(s.elb, s.gw1().Name, v1alpha1.HostRejected, "servers of target app went down: 1, and 0 before. The host gets back what it ran before")
	s.awaitServed(s.gw1(), "web-a")
	must(t, s.app.AddPod(t.Context(), "web-b"))
	for _, host := range s.hosts {
		s.awaitServers(host, "web-a", "web-b")
	}
	s.requireWorkers(before, 1)
	// It is not tried again.
	canary := s.workerPID(s.gw1())
	s.awaitHost(s.elb, s.gw2().Name, v1alpha1.HostPending, "the roll-out was stopped at the canary "+s.gw1().Name)
	if now := s.workerPID(s.gw1()); now != canary {
		t.Errorf("the canary was reloaded again: its worker is %d and was %d", now, canary)
	}

	s.update(s.elb, func() { s.elb.Spec.Targets[0].HealthCheck = v1alpha1.HealthCheck{} })
	s.awaitReady(s.elb)
	s.requireWorkers([]int{canary, before[1]}, 0)
	if host := s.elb.Status.Hosts[0]; host.StoppedRollout != "" {
		t.Errorf("the status still has the stopped roll-out: %+v", host)
	}
}
