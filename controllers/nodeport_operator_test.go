package controllers

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
)

// atNodePort gives Service app a node port, and returns it.
func (w *world) atNodePort() int32 {
	w.t.Helper()
	change(w, "app", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort })
	service := &corev1.Service{}
	if err := w.Get(w.t.Context(), w.key("app"), service); err != nil {
		w.t.Fatal(err)
	}
	return service.Spec.Ports[0].NodePort
}

// byNodes makes an object reach its target by nodes.
func byNodes(object *v1alpha1.EdgeLoadBalancer, addresses v1alpha1.NodeAddressType) *v1alpha1.EdgeLoadBalancer {
	object.Spec.Targets[0].Via, object.Spec.Targets[0].NodeAddressType = v1alpha1.ViaNodePort, addresses
	return object
}

// sends waits until the only backend of a host has these servers, each as "name address:port".
func (w *world) sends(address string, servers ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s sends to %s", address, servers), func() error {
		var got []string
		for _, backend := range w.hosts.see(address).running.Backends {
			for _, s := range backend.Servers {
				got = append(got, s.Name+" "+netip.AddrPortFrom(s.Addr, s.Port).String())
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(servers) {
			return fmt.Errorf("it sends to %s", got)
		}
		return nil
	})
}

func TestATargetFollowsTheEgressAddressThatItsHostReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts.set("a", func(h *fakeHost) { h.egress = netip.MustParseAddr("203.0.113.5") })
	w.hosts.set("b", func(h *fakeHost) { h.egress = netip.MustParseAddr("2001:db8::5") })
	port := w.atNodePort()
	w.start(time.Minute)

	w.create(byNodes(w.balancer("web", "a", "b"), v1alpha1.NodeEgress))
	w.becomes("web", "ready", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && o.Status.Summary.Servers == "2/2" })

	w.sends("a", fmt.Sprintf("egress 203.0.113.5:%d", port))
	w.sends("b", fmt.Sprintf("egress [2001:db8::5]:%d", port))
	before := w.hosts.see("a").reloads
	changed := time.Now()
	w.hosts.set("a", func(h *fakeHost) { h.egress = netip.MustParseAddr("203.0.113.6") })
	w.hosts.signals.Down(model.NewHostID("a", 22))
	w.sends("a", fmt.Sprintf("egress 203.0.113.6:%d", port))
	if took := time.Since(changed); took > waiting.Of(5*time.Second) {
		t.Errorf("it took %s", took)
	}
	if reloads := w.hosts.see("a").reloads - before; reloads != 0 {
		t.Errorf("the host was reloaded %d times", reloads)
	}
	if events := w.events("web", ""); len(events) != 0 {
		t.Errorf("events are %v", events)
	}
}

// Before it has asked the host, the operator does not know the address; a server that the host already has is kept meanwhile.
func TestAHostThatReportsNoEgressAddressIsReportedToTheObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.atNodePort()
	w.start(time.Minute)
	w.create(byNodes(w.balancer("web", "a"), v1alpha1.NodeEgress))
	w.eventually("the host is brought to what is wanted", func() error {
		if w.hosts.see("a").syncs == 0 {
			return fmt.Errorf("it was not reached yet")
		}
		return nil
	})
	// Any sync will do.
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.becomes("web", "NoNodes", notReady(v1alpha1.ReasonNoNodes))
	if backend := w.hosts.see("a").running.Backends[0]; !backend.KeepServers {
		t.Errorf("backend %+v, want it to keep the servers that it has", backend)
	}
}
