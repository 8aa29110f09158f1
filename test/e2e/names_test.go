package e2e

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
)

// namesPort is where hosts route by name.
const namesPort = 8445

// byName creates an object for the scenario's hosts that routes these names to its own Service, whose only pod has the object's
// name.
func (s *scenario) byName(name string, names ...v1alpha1.Hostname) *v1alpha1.EdgeLoadBalancer {
	s.t.Helper()
	s.world.app(name, haproxy.ProxyNone, name)
	elb := s.beside(name, namesPort)
	elb.Spec.Targets[0].Service.Name, elb.Spec.Targets[0].ProxyProtocol = name, v1alpha1.ProxyNone
	for i := range elb.Spec.Listeners {
		l := &elb.Spec.Listeners[i]
		l.Protocol, l.Target = v1alpha1.ProtocolHTTP, ""
		l.Routes = []v1alpha1.Route{{Hostnames: names, Target: "app"}}
	}
	return elb
}

// leads waits until every host routes requests for the name to the backend, over both families.
func (s *scenario) leads(name, backend string) {
	s.t.Helper()
	s.answers(name, func(seen lab.Seen, err error) string {
		if err != nil {
			return err.Error()
		}
		if seen.Backend != backend {
			return "it leads to " + seen.Backend + " instead of " + backend
		}
		return ""
	})
}

// fails waits until every host answers requests for the name with that status.
func (s *scenario) fails(name, status string) {
	s.t.Helper()
	s.answers(name, func(seen lab.Seen, err error) string {
		if err == nil {
			return "it leads to " + seen.Backend
		}
		if !strings.Contains(err.Error(), status) {
			return err.Error() + " instead of " + status
		}
		return ""
	})
}

func (s *scenario) answers(name string, problem func(lab.Seen, error) string) {
	s.t.Helper()
	visitor := s.client
	visitor.Host = name
	for _, host := range s.hosts {
		for _, at := range host.Public.All() {
			s.eventually("a request for "+name+" at "+at.String(), func() string {
				return problem(visitor.Get(s.t.Context(), netip.AddrPortFrom(at, namesPort)))
			})
		}
	}
}

// older waits until the next created object is younger than this one: creation times are in whole seconds.
func (w *world) older(elb *v1alpha1.EdgeLoadBalancer) {
	w.t.Helper()
	w.eventually(elb.Name+" is older than what follows", func() string {
		if time.Since(elb.CreationTimestamp.Time) < time.Second {
			return "it is as old as that"
		}
		return ""
	})
}

func TestNamesOfTwoObjectsAreServedOnOnePort(t *testing.T) {
	t.Parallel()
	s := serving(t, 2)
	first := s.byName("first", "a.example.com", "Shared.Example.com")
	s.create(first)
	s.awaitReady(first)
	s.older(first)
	second := s.byName("second", "b.example.com.", "*.wild.example.com", "**.Deep.example.com", "shared.example.com")
	s.create(second)

	s.leads("a.example.com", "first")
	s.leads("b.example.com", "second")
	s.leads("any.wild.example.com", "second")
	s.leads("shared.example.com", "first")
	s.fails("deep.any.wild.example.com", "404")
	s.leads("any.number.of.deep.example.com", "second")
	s.awaitReason(second, v1alpha1.ReasonNameConflict)
	accepted := condition(second, v1alpha1.ConditionAccepted)
	if accepted.Status != metav1.ConditionFalse || !strings.Contains(accepted.Message, "first") || !strings.Contains(accepted.Message, "shared.example.com") {
		t.Errorf("accepted = %+v, want it to say that first has shared.example.com", accepted)
	}
	s.awaitReady(first)
	s.awaitReady(s.elb)

	// Names are added, moved and removed without a reload.
	workers := []int{s.workerPID(s.gw1()), s.workerPID(s.gw2())}
	s.route(second, "b.example.com", "new.example.com", "**.new.example.com")
	s.leads("new.example.com", "second")
	s.leads("any.number.of.new.example.com", "second")
	s.fails("any.number.of.deep.example.com", "404")
	s.fails("any.wild.example.com", "404")
	s.awaitReady(second)
	s.route(second, "new.example.com")
	s.fails("b.example.com", "404")
	s.route(first, "a.example.com", "b.example.com", "shared.example.com")
	s.leads("b.example.com", "first")
	s.awaitReady(first)
	if now := []int{s.workerPID(s.gw1()), s.workerPID(s.gw2())}; now[0] != workers[0] || now[1] != workers[1] {
		t.Errorf("the workers are %v after changes of names, want %v still", now, workers)
	}

	s.delete(first)
	s.route(second, "new.example.com", "shared.example.com")
	s.leads("shared.example.com", "second")
	s.fails("a.example.com", "404")
	s.awaitReady(second)
	s.requireServed(s.gw1(), "web-a")
}

// route routes exactly these names to the object's Service.
func (s *scenario) route(elb *v1alpha1.EdgeLoadBalancer, names ...v1alpha1.Hostname) {
	s.t.Helper()
	s.update(elb, func() {
		for i := range elb.Spec.Listeners {
			elb.Spec.Listeners[i].Routes[0].Hostnames = names
		}
	})
}

func TestAnUnresolvedNameDelaysNoOther(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	elb := s.byName("names", "good.example.com")
	elb.Spec.Targets = append(elb.Spec.Targets,
		v1alpha1.Target{Name: "unresolved", Addresses: []v1alpha1.TargetAddress{{Address: "nowhere.invalid", Port: 80}}},
		v1alpha1.Target{Name: "missing", Service: &v1alpha1.ServicePort{Name: "nobody", Port: intOrName("80")}},
	)
	for i := range elb.Spec.Listeners {
		elb.Spec.Listeners[i].Routes = append(elb.Spec.Listeners[i].Routes,
			v1alpha1.Route{Hostnames: []v1alpha1.Hostname{"unresolved.example.com"}, Target: "unresolved"},
			v1alpha1.Route{Hostnames: []v1alpha1.Hostname{"missing.example.com"}, Target: "missing"})
	}
	s.create(elb)

	s.leads("good.example.com", "names")
	s.fails("unresolved.example.com", "503")
	s.fails("missing.example.com", "503")
	s.awaitReason(elb, v1alpha1.ReasonServiceNotFound)

	// The Service is created, and the name that stays unresolved does not delay it.
	s.world.app("nobody", haproxy.ProxyNone, "late")
	s.update(elb, func() { elb.Spec.Targets[2].Service.Port = intOrName("websecure") })
	s.leads("missing.example.com", "late")
	s.awaitSummary(elb, "2/3")
	s.awaitReason(elb, v1alpha1.ReasonAddressNotFound)
	targets := condition(elb, v1alpha1.ConditionTargetsAvailable)
	want := "target unresolved: host " + s.gw1().Name + " finds no address for nowhere.invalid"
	if targets.Status != metav1.ConditionFalse || !strings.Contains(targets.Message, want) {
		t.Errorf("targets = %+v, want %q", targets, want)
	}
	s.requireServed(s.gw1(), "web-a")

	// A Service that also has an address is available.
	s.update(elb, func() {
		elb.Spec.Targets[1].Addresses = append(elb.Spec.Targets[1].Addresses, v1alpha1.TargetAddress{Address: "127.0.0.1", Port: 80})
	})
	s.awaitReady(elb)
}

func TestConnectionsUseAFallbackWhileATargetHasNoServer(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	elb := s.byName("names", "app.example.com")
	other := s.world.app("other", haproxy.ProxyV1, "spare")
	elb.Spec.Targets[0].Fallback = "other"
	elb.Spec.Targets = append(elb.Spec.Targets, v1alpha1.Target{
		Name: "other", Service: &v1alpha1.ServicePort{Name: other.Name, Port: intOrName("websecure")}, ProxyProtocol: v1alpha1.ProxyV1,
	})
	s.create(elb)
	s.awaitReady(elb)
	s.leads("app.example.com", "names")

	must(t, s.SetPodReady(t.Context(), s.namespace, "names", false))
	s.leads("app.example.com", "spare")
	must(t, s.SetPodReady(t.Context(), s.namespace, "names", true))
	s.leads("app.example.com", "names")
}
