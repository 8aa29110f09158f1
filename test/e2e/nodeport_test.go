package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/kube"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// nodeNumbers give nodes unique addresses, far from those of pods.
var nodeNumbers atomic.Int32

// nodeAddresses returns unused addresses for a node.
func nodeAddresses() lab.Addresses { return lab.PodAddresses(40000 + int(nodeNumbers.Add(1))) }

// byNodes is a scenario in which a host reaches the Service "web" at its node port.
type byNodes struct {
	*shaken
	service *corev1.Service
	port    uint16
}

// reachByNodes starts a host and the Service, whose only pod is web-a on its own node, and the object for them.
func (c *cluster) reachByNodes(t *testing.T, addresses v1alpha1.NodeAddressType) *byNodes {
	t.Helper()
	s := &byNodes{shaken: &shaken{scenario: &scenario{world: c.newWorld(t)}}}
	s.hosts = []*lab.EdgeHost{s.host()}
	s.layWires()
	s.app = s.world.app("web", haproxy.ProxyV2, "web-a")
	s.service = &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}
	s.update(s.service, func() { s.service.Spec.Type = corev1.ServiceTypeNodePort })
	s.port = uint16(s.service.Spec.Ports[0].NodePort)
	s.elb = s.loadBalancer(s.hosts...)
	port := int32(wirePort)
	s.elb.Spec.Hosts[0].Port = &port
	s.elb.Spec.Targets[0].Via, s.elb.Spec.Targets[0].NodeAddressType = v1alpha1.ViaNodePort, addresses
	return s
}

// answers starts a backend at the Service's node port of these addresses, until the test ends.
func (s *byNodes) answers(name string, at lab.Addresses) {
	s.t.Helper()
	backend, err := lab.StartBackend(s.t.Context(), lab.BackendOptions{Name: name, Addresses: at, Port: s.port, Proxy: haproxy.ProxyV2})
	must(s.t, err)
	s.t.Cleanup(func() { _ = backend.Close() })
}

// node creates a ready node that answers at its internal addresses.
func (s *byNodes) node(name string) *corev1.Node {
	s.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	s.create(node)
	s.t.Cleanup(func() { _ = s.Client.Delete(context.Background(), node) })
	at := nodeAddresses()
	s.answers(name, at)
	s.report(node, at, corev1.ConditionTrue)
	return node
}

// report writes the node status that a kubelet and a cloud would report.
func (s *byNodes) report(node *corev1.Node, at lab.Addresses, ready corev1.ConditionStatus) {
	s.t.Helper()
	s.eventually("report "+node.Name, func() string {
		if err := s.Client.Get(s.t.Context(), client.ObjectKeyFromObject(node), node); err != nil {
			return err.Error()
		}
		node.Status.Addresses = nil
		for _, address := range at.All() {
			node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: address.String()})
		}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Reason: "Test"}}
		if err := s.Client.Status().Update(s.t.Context(), node); err != nil {
			return err.Error()
		}
		return ""
	})
}

// becomes changes whether a node is ready.
func (s *byNodes) becomes(node *corev1.Node, ready corev1.ConditionStatus) {
	s.t.Helper()
	s.report(node, lab.Addresses{
		IPv4: netip.MustParseAddr(node.Status.Addresses[0].Address), IPv6: netip.MustParseAddr(node.Status.Addresses[1].Address),
	}, ready)
}

// exclude excludes a node from traffic.
func (s *byNodes) exclude(node *corev1.Node) {
	s.t.Helper()
	s.update(node, func() { node.Labels = map[string]string{corev1.LabelNodeExcludeBalancers: ""} })
}

// pod starts another pod of the Service on a node.
func (s *byNodes) pod(name string, node *corev1.Node) {
	s.t.Helper()
	at := nodeAddresses()
	_, err := s.CreatePod(s.t.Context(), kube.Pod{
		Namespace: s.namespace, Name: name, Labels: map[string]string{"app": "web"}, Node: node.Name,
		IPs: at.All(), Ports: map[string]int32{"websecure": 8443},
	})
	must(s.t, err)
}

// No other test has nodes with addresses.
func TestTrafficFollowsTheEligibleNodes(t *testing.T) {
	t.Parallel()
	s := sharedCluster(t).reachByNodes(t, v1alpha1.NodeInternalIP)
	a, b := s.node("gamma"), s.node("beta")
	s.create(s.elb)
	s.awaitReady(s.elb)
	s.awaitServers(s.gw1(), "beta", "gamma")
	s.awaitSummary(s.elb, "2/2")
	worker := s.workerPID(s.gw1())
	s.startTraffic(s.gw1())

	c := s.node("alpha")
	s.awaitServers(s.gw1(), "alpha", "beta", "gamma")
	s.becomes(b, corev1.ConditionFalse)
	s.awaitServers(s.gw1(), "alpha", "gamma")
	s.exclude(a)
	s.awaitServers(s.gw1(), "alpha")
	s.becomes(c, corev1.ConditionUnknown)
	// No node is ready: eligible nodes that are not ready serve nevertheless.
	s.awaitServers(s.gw1(), "alpha", "beta")
	must(t, s.Client.Delete(t.Context(), b))
	s.awaitServers(s.gw1(), "alpha")
	s.awaitServed(s.gw1(), "alpha")

	elsewhere := nodeAddresses()
	s.answers("alpha, elsewhere", elsewhere)
	s.report(c, elsewhere, corev1.ConditionTrue)
	s.awaitServed(s.gw1(), "alpha, elsewhere")
	s.awaitReady(s.elb)
	if after := s.workerPID(s.gw1()); after != worker {
		t.Errorf("HAProxy was reloaded: worker %d is now %d", worker, after)
	}
	s.staysOnNodes(a, c)
}

// staysOnNodes makes the Service's traffic local to the two remaining nodes.
func (s *byNodes) staysOnNodes(a, c *corev1.Node) {
	s.t.Helper()
	s.update(a, func() { a.Labels = nil })
	s.awaitServers(s.gw1(), c.Name, a.Name)
	s.pod("web-c", c)
	s.update(s.service, func() { s.service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal })
	s.awaitServers(s.gw1(), c.Name)
	s.pod("web-d", a)
	s.awaitServers(s.gw1(), c.Name, a.Name)
	must(s.t, s.DeletePod(s.t.Context(), s.namespace, "web-c"))
	s.awaitServers(s.gw1(), a.Name)
	s.awaitServed(s.gw1(), a.Name)
}

func TestATargetWhoseNodesCannotBeReachedKeepsItsServersAndSaysWhy(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	s.update(s.elb, func() { s.elb.Spec.Targets[0].Via = v1alpha1.ViaNodePort })
	s.awaitReason(s.elb, v1alpha1.ReasonNoNodePort)
	s.requireServed(s.gw1(), "web-a")
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}
	s.update(service, func() { service.Spec.Type = corev1.ServiceTypeNodePort })
	s.awaitReason(s.elb, v1alpha1.ReasonNoNodes)
	s.requireServed(s.gw1(), "web-a")
	s.awaitServers(s.gw1(), "web-a")
}

// behindARouter returns a scenario in which the host reaches the Service at the operator's own address, with backends at that address
// and at the router's next one.
func (c *cluster) behindARouter(t *testing.T) (s *byNodes, latter netip.Addr) {
	t.Helper()
	s = c.reachByNodes(t, v1alpha1.NodeEgress)
	previous, next := lab.ClientAddresses(int(clientNumbers.Add(1))), lab.ClientAddresses(int(clientNumbers.Add(1)))
	s.answers("previous", previous)
	s.answers("latter", next)
	s.wires[0].ComeFrom(previous.IPv4)
	s.create(s.elb)
	s.awaitReady(s.elb)
	s.awaitServers(s.gw1(), "egress")
	s.awaitServed(s.gw1(), "previous")
	s.requireServed(s.gw1(), "previous")
	s.startTraffic(s.gw1())
	return s, next.IPv4
}

// requireLatter waits until the next address of the router serves, and fails if HAProxy was reloaded for that.
func (s *byNodes) requireLatter(within time.Duration, worker int) {
	s.t.Helper()
	took := s.within(within, "the latter serves", func() string {
		seen, err := s.get(s.gw1().Public.IPv4)
		switch {
		case err != nil:
			return err.Error()
		case seen.Backend != "latter":
			return "it is " + seen.Backend
		}
		return ""
	})
	s.t.Logf("after %s", took.Round(time.Millisecond))
	s.awaitReady(s.elb)
	if after := s.workerPID(s.gw1()); after != worker {
		s.t.Errorf("HAProxy was reloaded: worker %d is now %d", worker, after)
	}
	if events := keys(s.events(s.elb)); slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, v1alpha1.ReasonNoNodes) }) {
		s.t.Errorf("the events are %q", events)
	}
}

// The router changes the source address of the operator's connections, which ends them.
func TestATargetFollowsTheOperatorsOwnAddress(t *testing.T) {
	t.Parallel()
	s, latter := sharedCluster(t).behindARouter(t)
	worker := s.workerPID(s.gw1())
	s.wires[0].ComeFrom(latter)
	s.wires[0].Cut()
	s.requireLatter(10*time.Second, worker)
}

// restartedElsewhere starts an operator at another address than the previous one. It knows neither address: the server is kept until
// the host has reported the new one.
func restartedElsewhere(t *testing.T) {
	c := ownCluster(t)
	s, latter := c.behindARouter(t)
	worker := s.workerPID(s.gw1())
	c.operator.Kill()
	_ = c.operator.Close()
	s.wires[0].ComeFrom(latter)
	c.restartOperator(t)
	s.requireLatter(recovery, worker)
}

// sudo hides sshd's environment from the commands it runs, but the operator must still learn the address.
func TestTheOperatorsOwnAddressIsLearntFromARealDebian(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	for name, options := range map[string]debian.Options{
		"as root, of Debian 12":     {Root: "bin/debian-12"},
		"through sudo of Debian 12": {Root: "bin/debian-12", User: debian.OrdinaryUser, Sudoers: sudoers},
		"through sudo of Debian 13": {Root: "bin/debian-13", User: debian.OrdinaryUser, Sudoers: sudoers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			host := w.debian(options)
			w.app("web", haproxy.ProxyV2, "web-a")
			service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}}
			w.update(service, func() { service.Spec.Type = corev1.ServiceTypeNodePort })
			elb := w.onDebian(host)
			w.awaitReady(elb)
			w.awaitDebian(host, "web-a")
			router := lab.Addresses{IPv4: w.seenFrom(host), IPv6: nodeAddresses().IPv6}
			backend, err := lab.StartBackend(t.Context(), lab.BackendOptions{
				Name: "router", Addresses: router, Port: uint16(service.Spec.Ports[0].NodePort), Proxy: haproxy.ProxyV2,
			})
			must(t, err)
			t.Cleanup(func() { _ = backend.Close() })

			w.update(elb, func() {
				elb.Spec.Targets[0].Via, elb.Spec.Targets[0].NodeAddressType = v1alpha1.ViaNodePort, v1alpha1.NodeEgress
			})

			w.awaitReady(elb)
			w.awaitServers(host, "egress")
			w.awaitDebian(host, "router")
		})
	}
}

// seenFrom returns the source address that a host sees for logins from the lab.
func (w *world) seenFrom(host *debian.Host) netip.Addr {
	w.t.Helper()
	client, err := host.DialSSH(w.t.Context())
	must(w.t, err)
	defer client.Close()
	session, err := client.NewSession()
	must(w.t, err)
	output, err := session.Output(`echo "${SSH_CLIENT%% *}"`)
	must(w.t, err)
	return netip.MustParseAddr(strings.TrimSpace(string(output)))
}
