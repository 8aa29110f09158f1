package e2e

import (
	"net/netip"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestClientsReachTheServiceThroughEveryHostAndItSeesTheirAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw1, gw2 := w.host(), w.host()
	w.secret(gw1, gw2)
	w.app("web", haproxy.ProxyV2, "web-a", "web-b")
	elb := w.loadBalancer(gw1, gw2)
	w.create(elb)

	w.awaitReady(elb)
	w.awaitSummary(elb, "4/4")

	for _, host := range []struct{ at, from netip.Addr }{
		{gw1.Public.IPv4, w.client.Addresses.IPv4}, {gw1.Public.IPv6, w.client.Addresses.IPv6},
		{gw2.Public.IPv4, w.client.Addresses.IPv4}, {gw2.Public.IPv6, w.client.Addresses.IPv6},
	} {
		seen, err := w.get(host.at)
		if err != nil {
			t.Fatalf("through %s: %v", host.at, err)
		}
		if seen.Client.Addr() != host.from || seen.Proxy != 2 {
			t.Errorf("through %s the Service saw %s by PROXY v%d, want %s by v2", host.at, seen.Client, seen.Proxy, host.from)
		}
	}
	if got := elb.Status.Summary.Hosts; got != "2/2" {
		t.Errorf("hosts = %s, want 2/2", got)
	}
	if got := len(elb.Status.Addresses); got != 4 {
		t.Errorf("addresses = %q, want those of both hosts", elb.Status.Addresses)
	}
	for _, host := range elb.Status.Hosts {
		// The last update is the reload, or that of a pod whose endpoint was added after it.
		if host.ConfigHash == "" || host.LastReloadTime == nil || host.LastUpdate == "" || !strings.Contains(host.HAProxyVersion, ".") {
			t.Errorf("host status = %+v", host)
		}
	}
	columns, err := w.Kubectl(t.Context(), "get", "elb", "-n", w.namespace, "web")
	if err != nil || !strings.Contains(columns, "2/2") || !strings.Contains(columns, "4/4") || !strings.Contains(columns, "Synced") {
		t.Errorf("kubectl get elb prints (%v):\n%s", err, columns)
	}
	w.eventually("an event says that the hosts are synced", func() string {
		if events := w.events(elb); events["Synced"] == 0 {
			return "there are only " + strings.Join(keys(events), ", ")
		}
		return ""
	})
}

func TestEveryProxyVersionReachesAServerThatInsistsOnIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host()
	w.secret(gw)
	w.app("plain", haproxy.ProxyNone, "plain-a")
	w.app("v1", haproxy.ProxyV1, "v1-a")
	w.app("v2", haproxy.ProxyV2, "v2-a")
	elb := w.loadBalancer(gw)
	elb.Spec.Listeners, elb.Spec.Targets = nil, nil
	cases := []struct {
		service string
		version v1alpha1.ProxyProtocol
		port    int
	}{{"plain", v1alpha1.ProxyNone, 8001}, {"v1", v1alpha1.ProxyV1, 8002}, {"v2", v1alpha1.ProxyV2, 8003}}
	for _, c := range cases {
		elb.Spec.Listeners = append(elb.Spec.Listeners, v1alpha1.Listener{Name: c.service, Bind: binds(gw.Public, c.port), Target: c.service})
		elb.Spec.Targets = append(elb.Spec.Targets, v1alpha1.Target{
			Name: c.service, ProxyProtocol: c.version, Service: &v1alpha1.ServicePort{Name: c.service, Port: intOrName("443")},
		})
	}
	w.create(elb)

	w.awaitReady(elb)

	for want, c := range cases {
		seen, err := w.client.Get(t.Context(), netip.AddrPortFrom(gw.Public.IPv4, uint16(c.port)))
		if err != nil || seen.Backend != c.service+"-a" || seen.Proxy != want {
			t.Errorf("%s: got %+v, %v; want PROXY version %d", c.service, seen, err, want)
		}
	}
}

func TestADeletedEndpointIsRemovedFromEveryHostAndOpenConnectionsStay(t *testing.T) {
	t.Parallel()
	s := serving(t, 2)
	s.requireServed(s.gw1(), "web-a")
	open, err := s.client.Open(t.Context(), netip.AddrPortFrom(s.gw1().Public.IPv6, publicPort))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()

	must(t, s.app.AddPod(t.Context(), "web-b"))
	s.awaitServed(s.gw1(), "web-b")
	must(t, s.app.DeletePod(t.Context(), "web-a"))

	s.awaitServers(s.gw1(), "web-b")
	s.awaitServers(s.gw2(), "web-b")
	for range 4 {
		s.requireServed(s.gw1(), "web-b")
		s.requireServed(s.gw2(), "web-b")
	}
	if err := open.Ping(t.Context()); err != nil {
		t.Errorf("the open connection was cut: %v", err)
	}
	open.Close()
	s.awaitNoOthers(s.gw1(), "web-b")
	s.awaitNoOthers(s.gw2(), "web-b")
}

func TestWithoutEndpointsTheFrontendStaysAndTheStatusSaysSo(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)

	must(t, s.app.DeletePod(t.Context(), "web-a"))

	s.awaitReason(s.elb, v1alpha1.ReasonNoEndpoints)
	config, err := s.gw1().ReadConfig()
	if err != nil || !strings.Contains(config, "bind ipv4@"+s.gw1().Public.IPv4.String()) {
		t.Errorf("the frontend is gone (%v):\n%s", err, config)
	}
	must(t, s.app.AddPod(t.Context(), "web-b"))
	s.awaitReady(s.elb)
	s.requireServed(s.gw1(), "web-b")
}

// Terminating pods that still serve are used while no pod is ready.
func TestTerminatingPodsServeUntilAReadyOneComes(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)

	must(t, s.TerminatePod(t.Context(), s.namespace, "web-a"))
	must(t, s.app.AddPod(t.Context(), "web-b"))
	s.awaitServed(s.gw1(), "web-b")
	s.awaitServers(s.gw1(), "web-b")
	must(t, s.SetPodReady(t.Context(), s.namespace, "web-b", false))

	s.awaitServed(s.gw1(), "web-a")
}

func TestARestartedOperatorChangesNoHostAndNoStatus(t *testing.T) {
	s := serving(t, 2) // not parallel: it stops the operator of all tests
	workers := []int{s.workerPID(s.gw1()), s.workerPID(s.gw2())}

	must(t, s.operator.Stop())
	must(t, s.startOperator(t.Context()))
	unchanged := s.elb.DeepCopy()
	s.eventually("the new operator has checked both hosts", func() string {
		synced, err := s.metric(`edgelb_host_state{`, `namespace="`+s.namespace+`"`, `state="Synced"`)
		if err != nil || synced < 2 {
			return "it has not"
		}
		return ""
	})

	if got := []int{s.workerPID(s.gw1()), s.workerPID(s.gw2())}; got[0] != workers[0] || got[1] != workers[1] {
		t.Errorf("HAProxy's workers were %v and are %v: a host was reloaded", workers, got)
	}
	if err := s.refresh(s.elb); err != nil || s.elb.ResourceVersion != unchanged.ResourceVersion {
		t.Errorf("the object was written again (%v):\n%+v\nwas\n%+v", err, s.elb, unchanged)
	}
}

func TestAnUnreachableHostDelaysNoOtherAndRecovers(t *testing.T) {
	t.Parallel()
	s := serving(t, 2)

	s.gw2().StopSSH()
	must(t, s.app.AddPod(t.Context(), "web-b"))
	must(t, s.app.DeletePod(t.Context(), "web-a"))

	s.awaitServed(s.gw1(), "web-b")
	s.awaitHost(s.elb, s.gw2().Name, v1alpha1.HostUnreachable, s.gw2().Address.String())
	if got := s.elb.Status.Summary.Hosts; got != "1/2" {
		t.Errorf("hosts = %q, want 1/2", got)
	}
	if ready := condition(s.elb, v1alpha1.ConditionReady); ready.Reason != string(v1alpha1.HostUnreachable) || !strings.Contains(ready.Message, s.gw2().Name) {
		t.Errorf("Ready = %+v", ready)
	}
	if got := len(s.elb.Status.Addresses); got != 4 {
		t.Errorf("addresses = %q: one was withdrawn because its host is away", s.elb.Status.Addresses)
	}
	s.requireServed(s.gw2(), "web-a")

	must(t, s.gw2().StartSSH(t.Context()))

	s.awaitServed(s.gw2(), "web-b")
	s.awaitReady(s.elb)
	s.eventually("the events say so, each once", func() string {
		events := s.events(s.elb)
		if events["Unreachable"] != 1 || events["Recovered"] != 1 {
			return strings.Join(keys(events), ", ")
		}
		return ""
	})
}

func TestAfterDeletionTheHostsAreIdle(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)

	s.delete(s.elb)

	config, err := s.gw1().ReadConfig()
	if err != nil || strings.Contains(config, "frontend") {
		t.Errorf("the host still has (%v):\n%s", err, config)
	}
	if _, err := s.get(s.gw1().Public.IPv4); err == nil {
		t.Error("the host still listens")
	}
}

func TestDeletionPolicyRetainDoesNotChangeHosts(t *testing.T) {
	t.Parallel()
	s := serving(t, 1, func(elb *v1alpha1.EdgeLoadBalancer) { elb.Spec.DeletionPolicy = v1alpha1.DeletionRetain })

	s.delete(s.elb)

	s.requireServed(s.gw1(), "web-a")
}

func TestDeletionSkipsAnUnreachableHostAndReportsIt(t *testing.T) {
	t.Parallel()
	s := serving(t, 2)
	s.gw2().StopSSH()

	s.delete(s.elb)

	if config, err := s.gw1().ReadConfig(); err != nil || strings.Contains(config, "frontend") {
		t.Errorf("the host that is there was not cleaned (%v):\n%s", err, config)
	}
	s.eventually("an event names the host", func() string {
		list, err := s.Kubectl(t.Context(), "get", "events", "-n", s.namespace)
		if err != nil || !strings.Contains(list, s.gw2().Name) || !strings.Contains(list, "haproxy.cfg") {
			return list
		}
		return ""
	})
}

func TestTheDeletionOfANamespaceIsNotBlocked(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)

	if _, err := s.Kubectl(t.Context(), "delete", "namespace", s.namespace, "--wait=false"); err != nil {
		t.Fatal(err)
	}
	// Pods are removed first, and there is no kubelet to end them.
	must(t, s.app.DeletePod(t.Context(), "web-a"))

	s.eventually("the object is gone", func() string {
		if err := s.refresh(s.elb); client.IgnoreNotFound(err) != nil || err == nil {
			deletion, _ := s.Kubectl(t.Context(), "get", "namespace", s.namespace, "-o", "yaml")
			return describe(s.elb) + deletion
		}
		return ""
	})
	s.eventually("the host is idle", func() string {
		if config, err := s.gw1().ReadConfig(); err != nil || strings.Contains(config, "frontend") {
			return config
		}
		return ""
	})
}

func TestASuspendedObjectChangesNothingAndSaysWhatItWould(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	s.update(s.elb, func() { s.elb.Spec.Suspend = true })
	s.awaitHost(s.elb, s.gw1().Name, v1alpha1.HostSuspended, "")
	worker := s.workerPID(s.gw1())

	must(t, s.app.AddPod(t.Context(), "web-b"))

	s.awaitHost(s.elb, s.gw1().Name, v1alpha1.HostSuspended, "server web-b added")
	if s.workerPID(s.gw1()) != worker {
		t.Error("the host was reloaded")
	}
	s.update(s.elb, func() { s.elb.Spec.Suspend = false })
	s.awaitReady(s.elb)
	s.awaitServed(s.gw1(), "web-b")
}

func TestAHostRemovedFromTheSpecIsCleaned(t *testing.T) {
	t.Parallel()
	s := serving(t, 2)

	s.update(s.elb, func() { s.elb.Spec.Hosts, s.elb.Spec.Listeners = s.elb.Spec.Hosts[:1], s.elb.Spec.Listeners[:1] })

	s.eventually("the host is idle and has left the status", func() string {
		config, err := s.gw2().ReadConfig()
		if refreshErr := s.refresh(s.elb); err != nil || refreshErr != nil || strings.Contains(config, "frontend") || len(s.elb.Status.Hosts) != 1 {
			return describe(s.elb)
		}
		return ""
	})
	s.awaitReady(s.elb)
	s.requireServed(s.gw1(), "web-a")
}

func TestProgrammingTimeIsMeasured(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)

	must(t, s.app.AddPod(t.Context(), "web-b"))

	s.awaitServed(s.gw1(), "web-b")
	s.eventually("the time was measured", func() string {
		if count, err := s.metric("edgelb_programming_duration_seconds_count{"); err != nil || count == 0 {
			return "there is no measurement"
		}
		return ""
	})
}
