package e2e

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/scene"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// The client load in each test of a fault, on all hosts together: half of it over IPv4 and half over IPv6.
const (
	newConnections = 60 // a second
	longLived      = 20
)

// secondPort is the port of the listener that changeListeners adds and removes.
const secondPort = 9443

// wirePort is where the operator reaches a host's sshd through its wire.
const wirePort = 2222

// shaken is a scenario for faults: the operator reaches the hosts through wires, the Service has endpoints that the test adds
// and removes, besides its pods web-a and web-b, and clients are running.
type shaken struct {
	*scenario
	wires []*fault.Wire
	// extra is the EndpointSlice with the endpoints that are added and removed.
	extra *discoveryv1.EndpointSlice
	// servers are the names that every host must have.
	servers []string
}

// stable returns the pods that serve from the beginning to the end.
func stable() []string { return []string{"web-a", "web-b"} }

// shake returns when that many hosts serve and clients are running on all of them. Their results are checked when the test ends.
func (c *cluster) shake(t *testing.T, hosts int, options ...func(*lab.EdgeHostOptions)) *shaken {
	t.Helper()
	s := c.quiet(t, hosts, options...)
	s.startTraffic(s.hosts...)
	return s
}

// quiet is shake without clients.
func (c *cluster) quiet(t *testing.T, hosts int, options ...func(*lab.EdgeHostOptions)) *shaken {
	t.Helper()
	s := &shaken{scenario: &scenario{world: c.newWorld(t)}, servers: stable()}
	for range hosts {
		s.hosts = append(s.hosts, s.host(options...))
	}
	s.layWires()
	s.app = s.world.app("web", haproxy.ProxyV2, stable()...)
	s.createExtra()
	s.elb = s.loadBalancer(s.hosts...)
	port := int32(wirePort)
	for i := range s.elb.Spec.Hosts {
		s.elb.Spec.Hosts[i].Port = &port
	}
	s.create(s.elb)
	s.settle(patience)
	return s
}

// layWires starts a wire to each host, and creates the Secret with the hosts' keys for the wires.
func (s *shaken) layWires() {
	s.t.Helper()
	var known []string
	for _, host := range s.hosts {
		wire, err := fault.Lay(s.t.Context(), netip.AddrPortFrom(host.Address, wirePort), netip.AddrPortFrom(host.Address, host.Port))
		must(s.t, err)
		s.t.Cleanup(wire.Close)
		s.wires = append(s.wires, wire)
		keys, err := host.HostKeys()
		must(s.t, err)
		known = append(known, knownHostsLines(host, keys)...)
	}
	var err error
	s.secret, err = scene.CreateSecret(s.t.Context(), s.ControlPlane, types.NamespacedName{Namespace: s.namespace, Name: "edge-ssh"}, s.key, known...)
	must(s.t, err)
}

// knownHostsLines returns the lines of a known_hosts file for these keys of a host behind its wire.
func knownHostsLines(host *lab.EdgeHost, keys []string) []string {
	var lines []string
	for _, key := range keys {
		lines = append(lines, fmt.Sprintf("[%s]:%d %s", host.Address, wirePort, key))
	}
	return lines
}

// extraNumbers give the extra endpoints unique addresses, far from those of pods.
var extraNumbers atomic.Int32

// maxExtra is the number of extra endpoints.
const maxExtra = 4

// createExtra creates the empty EndpointSlice, and starts the backends of its endpoints: they keep answering whether or not they
// are in the slice, so that only a host can lose a connection.
func (s *shaken) createExtra() {
	s.t.Helper()
	port, name := int32(8443), "websecure"
	s.extra = &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web-extra", Labels: map[string]string{
			discoveryv1.LabelServiceName: "web", discoveryv1.LabelManagedBy: "fault.edgelb.io",
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for i := range maxExtra {
		addresses := lab.PodAddresses(50000 + int(extraNumbers.Add(1)))
		backend, err := lab.StartBackend(s.t.Context(), lab.BackendOptions{
			Name: extraName(i), Addresses: addresses, Port: uint16(port), Proxy: haproxy.ProxyV2,
		})
		must(s.t, err)
		s.t.Cleanup(func() { _ = backend.Close() })
		s.extra.Endpoints = append(s.extra.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{addresses.IPv4.String()},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: s.namespace, Name: extraName(i)},
		})
	}
	s.setReady(0)
	s.create(s.extra)
}

func extraName(i int) string { return fmt.Sprintf("extra-%d", i) }

// setReady makes the first count extra endpoints ready, and the others not, in memory.
func (s *shaken) setReady(count int) {
	s.servers = stable()
	for i := range s.extra.Endpoints {
		ready := i < count
		s.extra.Endpoints[i].Conditions.Ready = &ready
		if ready {
			s.servers = append(s.servers, extraName(i))
		}
	}
	slices.Sort(s.servers)
}

// endpoints makes count extra endpoints ready.
func (s *shaken) endpoints(count int) {
	s.t.Helper()
	s.update(s.extra, func() { s.setReady(count) })
}

// changeEndpoints adds an endpoint, or removes it again: a change for a runtime update.
func (s *shaken) changeEndpoints() {
	s.t.Helper()
	count := 1
	if len(s.servers) > len(stable()) {
		count = 0
	}
	s.endpoints(count)
}

// changeListeners adds a port to every host, or removes it again: a change that requires a reload.
func (s *shaken) changeListeners() {
	s.t.Helper()
	s.update(s.elb, func() {
		if added := len(s.elb.Spec.Listeners) > len(s.hosts); added {
			s.elb.Spec.Listeners = s.elb.Spec.Listeners[:len(s.hosts)]
			return
		}
		for _, host := range s.hosts {
			s.elb.Spec.Listeners = append(s.elb.Spec.Listeners, v1alpha1.Listener{
				Name: "second-" + host.Name, Hosts: []string{host.Name}, Target: "app", Bind: binds(host.Public, secondPort),
			})
		}
	})
}

// startTraffic starts the clients of these hosts.
func (s *shaken) startTraffic(hosts ...*lab.EdgeHost) {
	s.t.Helper()
	var at []netip.AddrPort
	for _, host := range hosts {
		for _, address := range host.Public.All() {
			at = append(at, netip.AddrPortFrom(address, publicPort))
		}
	}
	s.world.startTraffic(at...)
}

// startTraffic starts clients of these addresses, and fails the test when it ends if they have lost anything.
func (w *world) startTraffic(at ...netip.AddrPort) {
	w.t.Helper()
	traffic, err := fault.StartTraffic(w.t.Context(), w.client, fault.Load{
		Rate: atLeast(newConnections, len(at)), LongLived: atLeast(longLived, len(at)), At: at,
	})
	must(w.t, err)
	w.t.Cleanup(func() {
		result := traffic.Stop()
		w.t.Log(result)
		if result.Lost+result.Cut > 0 {
			w.t.Errorf("connections were lost that nothing should have touched: %s", result)
		}
	})
}

// atLeast returns how many each of the parts must take so that together they have the whole.
func atLeast(whole, parts int) int { return (whole + parts - 1) / parts }

// settle waits until every host is correct: its HAProxy has exactly the servers, it listens where it must, the file says the same,
// and the object is Ready. It returns how long that took.
func (s *shaken) settle(within time.Duration) time.Duration {
	s.t.Helper()
	return s.within(within, "everything is right again", s.wrong)
}

// within waits until check returns nothing, as eventually does, with its own deadline. It returns how long that took.
func (w *world) within(deadline time.Duration, what string, check func() string) time.Duration {
	w.t.Helper()
	took, problem := await(deadline, check)
	if problem != "" {
		w.t.Fatalf("waited %s: %s: %s", deadline, what, problem)
	}
	return took
}

// await waits until check returns nothing, and returns how long that took, or the last result if it took too long.
func await(deadline time.Duration, check func() string) (took time.Duration, problem string) {
	begin := time.Now()
	for {
		problem = check()
		took = time.Since(begin)
		if problem == "" || took > waiting.Of(deadline) {
			return took, problem
		}
		time.Sleep(waiting.Pause(begin))
	}
}

// wrong returns what is not correct yet; empty if everything is.
func (s *shaken) wrong() string {
	for i := range s.hosts {
		if problem := s.wrongOn(i); problem != "" {
			return problem
		}
	}
	return s.notReady()
}

// notReady returns why the object is not Ready with every host Synced; empty if it is.
func (s *shaken) notReady() string {
	if err := s.refresh(s.elb); err != nil {
		return err.Error()
	}
	ready := condition(s.elb, v1alpha1.ConditionReady)
	if ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != s.elb.Generation {
		return describe(s.elb)
	}
	for _, host := range s.elb.Status.Hosts {
		if host.State != v1alpha1.HostSynced {
			return describe(s.elb)
		}
	}
	return ""
}

// wrongOn returns what is not correct yet on a host.
func (s *shaken) wrongOn(i int) string {
	host := s.hosts[i]
	if live := s.live(host); live != strings.Join(s.servers, " ") {
		return fmt.Sprintf("%s has the servers %s, and should have %s", host.Name, live, s.servers)
	}
	config, err := host.ReadConfig()
	if err != nil {
		return err.Error()
	}
	if file := strings.Join(serversIn(config), " "); file != strings.Join(s.servers, " ") {
		return fmt.Sprintf("the file of %s has the servers %s, and should have %s", host.Name, file, s.servers)
	}
	if wanted := s.wants(host, secondPort); wanted != strings.Contains(config, fmt.Sprintf(":%d", secondPort)) {
		return fmt.Sprintf("port %d in the file of %s: wanted is %t:\n%s", secondPort, host.Name, wanted, config)
	}
	for _, port := range []int{publicPort, secondPort} {
		_, err := s.client.Get(s.t.Context(), netip.AddrPortFrom(host.Public.IPv4, uint16(port)))
		if wanted := s.wants(host, port); wanted != (err == nil) {
			return fmt.Sprintf("a client of %s at port %d gets %v, and the port is wanted: %t", host.Name, port, err, wanted)
		}
	}
	return ""
}

// wants reports whether the object has a listener on the port for the host.
func (s *shaken) wants(host *lab.EdgeHost, port int) bool {
	return slices.ContainsFunc(s.elb.Spec.Listeners, func(l v1alpha1.Listener) bool {
		return slices.Contains(l.Hosts, host.Name) && strings.HasSuffix(string(l.Bind[0]), fmt.Sprintf(":%d", port))
	})
}

// live returns the servers of a host's HAProxy, or why they are unknown.
func (s *shaken) live(host asked) string {
	answer, err := host.Ask(s.t.Context(), runtime.ShowServersState)
	if err != nil {
		return err.Error()
	}
	servers, err := runtime.ParseServersState([]byte(answer))
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, server := range servers {
		names = append(names, server.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// notLive returns on which host HAProxy has wrong servers; empty if none has.
func (s *shaken) notLive() string { return s.notLiveOn(s.hosts...) }

func (s *shaken) notLiveOn(hosts ...*lab.EdgeHost) string {
	for _, host := range hosts {
		if live := s.live(host); live != strings.Join(s.servers, " ") {
			return fmt.Sprintf("%s has the servers %s, and should have %s", host.Name, live, s.servers)
		}
	}
	return ""
}

// serverLine is a server in a haproxy.cfg.
var serverLine = regexp.MustCompile(`(?m)^\s+server (\S+) `)

// serversIn returns the names of the servers in a haproxy.cfg.
func serversIn(config string) []string {
	var names []string
	for _, match := range serverLine.FindAllStringSubmatch(config, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return names
}
