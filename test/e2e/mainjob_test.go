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
		if host.ConfigHash == "" || host.LastReloadTime == nil || host.LastUpdate != v1alpha1.UpdateReload || !strings.Contains(host.HAProxyVersion, ".") {
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
		target := v1alpha1.Target{Name: c.service, ProxyProtocol: c.version}
		target.Service.Name, target.Service.Port = c.service, intOrName("443")
		elb.Spec.Targets = append(elb.Spec.Targets, target)
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

func TestAnEndpointThatGoesIsGoneFromEveryHostAndOpenConnectionsStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw1, gw2 := w.host(), w.host()
	w.secret(gw1, gw2)
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw1, gw2)
	w.create(elb)
	w.awaitReady(elb)
	w.requireServed(gw1, "web-a")
	open, err := w.client.Open(t.Context(), netip.AddrPortFrom(gw1.Public.IPv6, publicPort))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()

	if err := app.AddPod(t.Context(), "web-b"); err != nil {
		t.Fatal(err)
	}
	w.awaitServed(gw1, "web-b")
	if err := app.DeletePod(t.Context(), "web-a"); err != nil {
		t.Fatal(err)
	}

	w.awaitServers(gw1, "web-b")
	w.awaitServers(gw2, "web-b")
	for range 4 {
		w.requireServed(gw1, "web-b")
		w.requireServed(gw2, "web-b")
	}
	if err := open.Ping(t.Context()); err != nil {
		t.Errorf("the open connection was cut: %v", err)
	}
}

func TestTheLastEndpointThatGoesLeavesTheFrontendAndTheStatusSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host()
	w.secret(gw)
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw)
	w.create(elb)
	w.awaitReady(elb)

	if err := app.DeletePod(t.Context(), "web-a"); err != nil {
		t.Fatal(err)
	}

	w.awaitReason(elb, v1alpha1.ReasonNoEndpoints)
	config, err := gw.ReadConfig()
	if err != nil || !strings.Contains(config, "bind ipv4@"+gw.Public.IPv4.String()) {
		t.Errorf("the frontend is gone (%v):\n%s", err, config)
	}
	if err := app.AddPod(t.Context(), "web-b"); err != nil {
		t.Fatal(err)
	}
	w.awaitReady(elb)
	w.requireServed(gw, "web-b")
}

// Terminating pods that still serve stand in while no pod is ready.
func TestTerminatingPodsServeUntilAReadyOneComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host()
	w.secret(gw)
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw)
	w.create(elb)
	w.awaitReady(elb)

	if err := w.TerminatePod(t.Context(), w.namespace, "web-a"); err != nil {
		t.Fatal(err)
	}
	if err := app.AddPod(t.Context(), "web-b"); err != nil {
		t.Fatal(err)
	}
	w.awaitServed(gw, "web-b")
	w.awaitServers(gw, "web-b")
	if err := w.SetPodReady(t.Context(), w.namespace, "web-b", false); err != nil {
		t.Fatal(err)
	}

	w.awaitServed(gw, "web-a")
}

func TestAnOperatorThatIsRestartedTouchesNoHostAndNoStatus(t *testing.T) {
	w := newWorld(t) // not parallel: it takes the operator away from all others
	gw1, gw2 := w.host(), w.host()
	w.secret(gw1, gw2)
	w.app("web", haproxy.ProxyV2, "web-a", "web-b")
	elb := w.loadBalancer(gw1, gw2)
	w.create(elb)
	w.awaitReady(elb)
	workers := []int{w.workerPID(gw1), w.workerPID(gw2)}

	if err := w.operator.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.startOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	unchanged := elb.DeepCopy()
	w.eventually("the new operator has looked at both hosts", func() string {
		synced, err := w.metric(`edgelb_host_state{`, `namespace="`+w.namespace+`"`, `state="Synced"`)
		if err != nil || synced < 2 {
			return "it has not"
		}
		return ""
	})

	if got := []int{w.workerPID(gw1), w.workerPID(gw2)}; got[0] != workers[0] || got[1] != workers[1] {
		t.Errorf("HAProxy's workers were %v and are %v: a host was reloaded", workers, got)
	}
	if err := w.refresh(elb); err != nil || elb.ResourceVersion != unchanged.ResourceVersion {
		t.Errorf("the object was written again (%v):\n%+v\nwas\n%+v", err, elb, unchanged)
	}
}

func TestAHostThatIsAwayDelaysNoOtherAndComesBackByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw1, gw2 := w.host(), w.host()
	w.secret(gw1, gw2)
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw1, gw2)
	w.create(elb)
	w.awaitReady(elb)

	gw2.StopSSH()
	if err := app.AddPod(t.Context(), "web-b"); err != nil {
		t.Fatal(err)
	}
	if err := app.DeletePod(t.Context(), "web-a"); err != nil {
		t.Fatal(err)
	}

	w.awaitServed(gw1, "web-b")
	w.awaitHost(elb, gw2.Name, v1alpha1.HostUnreachable, gw2.Address.String())
	if got := elb.Status.Summary.Hosts; got != "1/2" {
		t.Errorf("hosts = %q, want 1/2", got)
	}
	if ready := condition(elb, v1alpha1.ConditionReady); ready.Reason != string(v1alpha1.HostUnreachable) || !strings.Contains(ready.Message, gw2.Name) {
		t.Errorf("Ready = %+v", ready)
	}
	if got := len(elb.Status.Addresses); got != 4 {
		t.Errorf("addresses = %q: one was withdrawn because its host is away", elb.Status.Addresses)
	}
	w.requireServed(gw2, "web-a")

	if err := gw2.StartSSH(t.Context()); err != nil {
		t.Fatal(err)
	}

	w.awaitServed(gw2, "web-b")
	w.awaitReady(elb)
	w.eventually("the events say so, each once", func() string {
		events := w.events(elb)
		if events["Unreachable"] != 1 || events["Recovered"] != 1 {
			return strings.Join(keys(events), ", ")
		}
		return ""
	})
}

func TestADeletedObjectLeavesItsHostsIdle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host()
	w.secret(gw)
	w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw)
	w.create(elb)
	w.awaitReady(elb)

	w.delete(elb)

	config, err := gw.ReadConfig()
	if err != nil || strings.Contains(config, "frontend") {
		t.Errorf("the host still has (%v):\n%s", err, config)
	}
	if _, err := w.get(gw.Public.IPv4); err == nil {
		t.Error("the host still listens")
	}
}

func TestDeletionPolicyRetainLeavesHostsAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host()
	w.secret(gw)
	w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw)
	elb.Spec.DeletionPolicy = v1alpha1.DeletionRetain
	w.create(elb)
	w.awaitReady(elb)

	w.delete(elb)

	w.requireServed(gw, "web-a")
}

func TestDeletionGivesUpAHostThatIsAwayAndSaysWhatStaysBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw1, gw2 := w.host(), w.host()
	w.secret(gw1, gw2)
	w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw1, gw2)
	w.create(elb)
	w.awaitReady(elb)
	gw2.StopSSH()

	w.delete(elb)

	if config, err := gw1.ReadConfig(); err != nil || strings.Contains(config, "frontend") {
		t.Errorf("the host that is there was not cleaned (%v):\n%s", err, config)
	}
	w.eventually("an event names the host", func() string {
		list, err := w.Kubectl(t.Context(), "get", "events", "-n", w.namespace)
		if err != nil || !strings.Contains(list, gw2.Name) || !strings.Contains(list, "haproxy.cfg") {
			return list
		}
		return ""
	})
}

func TestANamespaceThatIsDeletedIsNotHeldUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host()
	w.secret(gw)
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw)
	w.create(elb)
	w.awaitReady(elb)

	if _, err := w.Kubectl(t.Context(), "delete", "namespace", w.namespace, "--wait=false"); err != nil {
		t.Fatal(err)
	}
	// Pods go first, and there is no kubelet to end them.
	must(t, app.DeletePod(t.Context(), "web-a"))

	w.eventually("the object is gone", func() string {
		if err := w.refresh(elb); client.IgnoreNotFound(err) != nil || err == nil {
			deletion, _ := w.Kubectl(t.Context(), "get", "namespace", w.namespace, "-o", "yaml")
			return describe(elb) + deletion
		}
		return ""
	})
	w.eventually("the host is idle", func() string {
		if config, err := gw.ReadConfig(); err != nil || strings.Contains(config, "frontend") {
			return config
		}
		return ""
	})
}

func TestASuspendedObjectChangesNothingAndSaysWhatItWould(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host()
	w.secret(gw)
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw)
	w.create(elb)
	w.awaitReady(elb)
	w.update(elb, func() { elb.Spec.Suspend = true })
	w.awaitHost(elb, gw.Name, v1alpha1.HostSuspended, "")
	worker := w.workerPID(gw)

	if err := app.AddPod(t.Context(), "web-b"); err != nil {
		t.Fatal(err)
	}

	w.awaitHost(elb, gw.Name, v1alpha1.HostSuspended, "server web-b added")
	if w.workerPID(gw) != worker {
		t.Error("the host was reloaded")
	}
	w.update(elb, func() { elb.Spec.Suspend = false })
	w.awaitReady(elb)
	w.awaitServed(gw, "web-b")
}

func TestAHostThatLeavesTheSpecIsCleaned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw1, gw2 := w.host(), w.host()
	w.secret(gw1, gw2)
	w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw1, gw2)
	w.create(elb)
	w.awaitReady(elb)

	w.update(elb, func() { elb.Spec.Hosts, elb.Spec.Listeners = elb.Spec.Hosts[:1], elb.Spec.Listeners[:1] })

	w.eventually("the host is idle and has left the status", func() string {
		config, err := gw2.ReadConfig()
		if refreshErr := w.refresh(elb); err != nil || refreshErr != nil || strings.Contains(config, "frontend") || len(elb.Status.Hosts) != 1 {
			return describe(elb)
		}
		return ""
	})
	w.awaitReady(elb)
	w.requireServed(gw1, "web-a")
}

func TestProgrammingTimeIsMeasured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gw := w.host()
	w.secret(gw)
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.loadBalancer(gw)
	w.create(elb)
	w.awaitReady(elb)

	if err := app.AddPod(t.Context(), "web-b"); err != nil {
		t.Fatal(err)
	}

	w.awaitServed(gw, "web-b")
	w.eventually("the time was measured", func() string {
		if count, err := w.metric("edgelb_programming_duration_seconds_count{"); err != nil || count == 0 {
			return "there is no measurement"
		}
		return ""
	})
}
