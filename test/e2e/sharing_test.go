package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/status"
)

// beside returns another object for the same hosts and Service, with its listeners on another port.
func (s *scenario) beside(name string, port int) *v1alpha1.EdgeLoadBalancer {
	elb := s.loadBalancer(s.hosts...)
	elb.Name = name
	for i, host := range s.hosts {
		elb.Spec.Listeners[i].Bind = binds(host.Public, port)
	}
	return elb
}

// clients starts clients on a port of a host, and returns a function that stops them and fails if they have lost a connection.
func (w *world) clients(host *lab.EdgeHost, port uint16) (stop func()) {
	w.t.Helper()
	load := fault.Load{Rate: 50, LongLived: 4}
	for _, at := range host.Public.All() {
		load.At = append(load.At, netip.AddrPortFrom(at, port))
	}
	traffic, err := fault.StartTraffic(w.t.Context(), w.client, load)
	must(w.t, err)
	return func() {
		w.t.Helper()
		result := traffic.Stop()
		w.t.Log(result)
		if result.Lost+result.Cut > 0 {
			w.t.Errorf("connections were lost: %s", result)
		}
	}
}

// requireClosed fails if a client still reaches the port.
func (w *world) requireClosed(host *lab.EdgeHost, port uint16) {
	w.t.Helper()
	if seen, err := w.client.Get(w.t.Context(), netip.AddrPortFrom(host.Public.IPv4, port)); err == nil {
		w.t.Errorf("port %d of %s still leads to %s", port, host.Name, seen.Backend)
	}
}

// touched returns a value that changes when a host's file is written or its HAProxy is reloaded.
func (w *world) touched(host *lab.EdgeHost) string {
	w.t.Helper()
	file, err := os.Stat(host.Path(host.ConfigPath))
	must(w.t, err)
	return fmt.Sprintf("file of %s, worker %d", file.ModTime(), w.workerPID(host))
}

// atRest returns touched, once the file has the latest endpoints: the slice with the IPv4 addresses may be created after the
// other.
func (s *scenario) atRest(host *lab.EdgeHost) string {
	s.t.Helper()
	s.eventually("the file has the server", func() string {
		if config, err := host.ReadConfig(); err != nil || !strings.Contains(config, "server web-a ") || strings.Contains(config, "server web-a [") {
			return config
		}
		return ""
	})
	return s.touched(host)
}

// grow waits until the object is older than the next created one: creation times are in whole seconds.
func (w *world) grow(elb *v1alpha1.EdgeLoadBalancer) {
	w.t.Helper()
	w.eventually("a second passes", func() string {
		if time.Since(elb.CreationTimestamp.Time) < time.Second {
			return "it has not"
		}
		return ""
	})
}

// otherAddress makes the host's sshd answer at a second address as well, until the wire is closed, and returns the spec's entry for
// it.
func (s *scenario) otherAddress(host *lab.EdgeHost, name string) (v1alpha1.Host, *fault.Wire) {
	s.t.Helper()
	wire, err := fault.Lay(s.t.Context(), netip.AddrPortFrom(host.Public.IPv4, wirePort), netip.AddrPortFrom(host.Address, host.Port))
	must(s.t, err)
	s.t.Cleanup(wire.Close)
	keys, err := host.HostKeys()
	must(s.t, err)
	return v1alpha1.Host{Name: name, Address: host.Public.IPv4.String(), Port: new(int32(wirePort)), User: host.User, HostKeys: keys}, wire
}

func TestObjectsOfASharedHostAreAddedAndRemovedWithoutLossForOthers(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	s.grow(s.elb)

	stop := s.clients(s.gw1(), publicPort)
	younger := s.beside("younger", secondPort)
	s.create(younger)
	s.awaitReady(younger)
	s.delete(younger)
	stop()
	s.requireClosed(s.gw1(), secondPort)

	younger = s.beside("younger", secondPort)
	s.create(younger)
	s.awaitReady(younger)
	stop = s.clients(s.gw1(), secondPort)
	s.delete(s.elb)
	stop()
	s.requireClosed(s.gw1(), publicPort)

	s.delete(younger)
	if config, err := s.gw1().ReadConfig(); err != nil || strings.Contains(config, "frontend") {
		t.Errorf("the host still has (%v):\n%s", err, config)
	}
}

func TestABindOfTwoObjectsStaysWithTheOlderOne(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	s.grow(s.elb)
	before := s.atRest(s.gw1())

	younger := s.beside("younger", publicPort)
	s.create(younger)

	s.awaitReason(younger, v1alpha1.ReasonBindConflict)
	accepted := condition(younger, v1alpha1.ConditionAccepted)
	if accepted.Status != metav1.ConditionFalse || !strings.Contains(accepted.Message, "older EdgeLoadBalancer "+s.namespace+"/web") {
		t.Errorf("Accepted is %s: %s", accepted.Status, accepted.Message)
	}
	s.awaitReady(s.elb)
	s.requireServed(s.gw1(), "web-a")
	if config, err := s.gw1().ReadConfig(); err != nil || strings.Contains(config, "_younger_https") {
		t.Errorf("the host has a listener of the younger object (%v, was %s):\n%s", err, before, config)
	}
}

func TestAHostIsSharedWithinANamespaceAndWithOneSecretOnly(t *testing.T) {
	t.Parallel()
	for name, estrange := range map[string]func(w *world, younger *v1alpha1.EdgeLoadBalancer){
		"another Secret":    func(_ *world, younger *v1alpha1.EdgeLoadBalancer) { younger.Spec.SSH.SecretRef.Name = "other-ssh" },
		"another namespace": func(w *world, younger *v1alpha1.EdgeLoadBalancer) { younger.Namespace = w.newWorld(w.t).namespace },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serving(t, 1)
			s.grow(s.elb)
			before := s.atRest(s.gw1())

			younger := s.beside("younger", secondPort)
			estrange(s.world, younger)
			s.create(younger)

			s.awaitReason(younger, v1alpha1.ReasonHostConflict)
			message := condition(younger, v1alpha1.ConditionReady).Message
			if named := strings.Contains(message, s.namespace); named != (younger.Namespace == s.namespace) {
				t.Errorf("an object of namespace %s gets: %s", younger.Namespace, message)
			}
			s.eventually("the log names the elder", func() string {
				log, err := os.ReadFile(s.operator.LogPath())
				must(t, err)
				for line := range strings.Lines(string(log)) {
					if strings.Contains(line, "Object cannot have a host") && strings.Contains(line, younger.Namespace) && strings.Contains(line, s.namespace) {
						return ""
					}
				}
				return "it does not"
			})
			s.delete(younger)
			if after := s.touched(s.gw1()); after != before {
				t.Errorf("the host was touched: %s, and before %s", after, before)
			}
			s.awaitReady(s.elb)
			s.requireServed(s.gw1(), "web-a")
		})
	}
}

// Both clusters have a namespace with the same name: they differ only in the cluster.
func TestAHostOfAnotherClusterIsRefusedAndItsOwnerIsOnlyInTheLog(t *testing.T) {
	other := ownCluster(t, "--cluster-id=second")
	s := serving(t, 1)
	system := &corev1.Namespace{}
	must(t, s.Client.Get(t.Context(), client.ObjectKey{Name: metav1.NamespaceSystem}, system))
	w := &world{cluster: other, t: t, namespace: s.namespace, client: s.client, key: s.key}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})
	w.secret(s.gw1())
	w.app("web", haproxy.ProxyV2, "web-of-second")
	before := s.atRest(s.gw1())

	rival := w.loadBalancer(s.gw1())
	w.create(rival)

	refused := w.awaitHost(rival, s.gw1().Name, v1alpha1.HostRefused, "the edgelb of another cluster")
	if owner := string(system.UID); strings.Contains(refused.Message, owner) {
		t.Errorf("the message names the owner: %s", refused.Message)
	}
	s.eventually("the log names the owner", func() string {
		log, err := os.ReadFile(other.operator.LogPath())
		must(t, err)
		if owner := string(system.UID) + "/" + s.namespace; !strings.Contains(string(log), owner) {
			return string(log)
		}
		return ""
	})
	w.delete(rival)
	if after := s.touched(s.gw1()); after != before {
		t.Errorf("the host was touched: %s, and before %s", after, before)
	}
	s.awaitReady(s.elb)
	s.requireServed(s.gw1(), "web-a")
}

func TestAMachineThatIsNamedTwiceIsKeptUnderItsFirstName(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	before := s.atRest(s.gw1())
	duplicate, _ := s.otherAddress(s.gw1(), "duplicate")

	s.update(s.elb, func() {
		s.elb.Spec.Hosts = append(s.elb.Spec.Hosts, duplicate)
		s.elb.Spec.Listeners[0].Hosts = append(s.elb.Spec.Listeners[0].Hosts, duplicate.Name)
	})

	first := fmt.Sprintf("this machine is already kept as host %q", netip.AddrPortFrom(s.gw1().Address, s.gw1().Port))
	s.awaitHost(s.elb, duplicate.Name, v1alpha1.HostRefused, first)
	notes := 0
	s.eventually("it was tried several times", func() string {
		notes++
		s.setSecret("note", []byte(fmt.Sprint(notes)))
		if host := s.awaitHost(s.elb, duplicate.Name, v1alpha1.HostRefused, first); host.ConsecutiveErrors < 4 {
			return fmt.Sprintf("%d times", host.ConsecutiveErrors)
		}
		return ""
	})
	s.awaitHost(s.elb, s.gw1().Name, v1alpha1.HostSynced, "")
	if after := s.touched(s.gw1()); after != before {
		t.Errorf("the machine was touched: %s, and before %s", after, before)
	}

	s.update(s.elb, func() {
		s.elb.Spec.Hosts, s.elb.Spec.Listeners[0].Hosts = s.elb.Spec.Hosts[:1], s.elb.Spec.Listeners[0].Hosts[:1]
	})
	s.awaitReady(s.elb)
	s.awaitAlone(s.gw1().Name)
	if after := s.touched(s.gw1()); after != before {
		t.Errorf("the machine was touched: %s, and before %s", after, before)
	}
}

func TestAMachineThatIsNamedTwiceFromTheStartServesUnderOneName(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	s.delete(s.elb)
	duplicate, _ := s.otherAddress(s.gw1(), "duplicate")
	again := s.loadBalancer(s.gw1())
	again.Spec.Hosts = append(again.Spec.Hosts, duplicate)
	again.Spec.Listeners[0].Hosts = append(again.Spec.Listeners[0].Hosts, duplicate.Name)
	s.create(again)

	s.eventually("one name is Synced and the other Refused", func() string {
		if err := s.refresh(again); err != nil {
			return err.Error()
		}
		states := map[v1alpha1.HostState]int{}
		for _, host := range again.Status.Hosts {
			states[host.State]++
		}
		if states[v1alpha1.HostSynced] != 1 || states[v1alpha1.HostRefused] != 1 {
			return describe(again)
		}
		return ""
	})
	s.requireServed(s.gw1(), "web-a")
}

// awaitAlone waits until the object is Ready and its status has that host alone.
func (s *scenario) awaitAlone(name string) v1alpha1.HostStatus {
	s.t.Helper()
	s.awaitReady(s.elb)
	s.eventually("the status has "+name+" alone", func() string {
		if err := s.refresh(s.elb); err != nil {
			return err.Error()
		}
		if hosts := s.elb.Status.Hosts; len(hosts) != 1 || hosts[0].Name != name || hosts[0].State != v1alpha1.HostSynced {
			return describe(s.elb)
		}
		return ""
	})
	return s.elb.Status.Hosts[0]
}

func TestAMachineWithANewAddressKeepsServing(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	worker := s.workerPID(s.gw1())
	first := s.elb.Spec.Hosts[0]
	second, wire := s.otherAddress(s.gw1(), first.Name)
	stop := s.clients(s.gw1(), publicPort)

	s.moveTo(second)
	// Nothing answers at the remaining address now.
	wire.Close()
	s.moveTo(first)

	stop()
	if s.workerPID(s.gw1()) != worker {
		t.Error("HAProxy was reloaded")
	}
	if events := s.events(s.elb); events[status.EventLeftBehind] != 0 {
		t.Errorf("LeftBehind is reported: %v", events)
	}
}

// moveTo changes the spec's entry of the only host, and waits until the status has that name only.
func (s *scenario) moveTo(entry v1alpha1.Host) {
	s.t.Helper()
	s.update(s.elb, func() { s.elb.Spec.Hosts[0] = entry })
	if host := s.awaitAlone(entry.Name); host.Address != entry.Address || host.Port != *entry.Port {
		s.t.Errorf("the status is about %s:%d", host.Address, host.Port)
	}
	config, err := s.gw1().ReadConfig()
	if want := fmt.Sprintf("# host: %s:%d\n", entry.Address, *entry.Port); err != nil || !strings.Contains(config, want) {
		s.t.Errorf("the file does not say %q (%v):\n%s", want, err, config)
	}
}

func TestAHostThatIsReplacedServesUntilTheOtherDoes(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	next := s.host()
	s.update(s.secret, func() { s.secret.Data["known_hosts"] = append(knownHosts(s), knownHostsOf(t, next)...) })
	next.StopSSH()
	stop := s.clients(s.gw1(), publicPort)

	s.update(s.elb, func() {
		replaced := s.loadBalancer(next)
		s.elb.Spec.Hosts, s.elb.Spec.Listeners = replaced.Spec.Hosts, replaced.Spec.Listeners
	})
	s.eventually("the next host was tried in vain for a while", func() string {
		if host := s.awaitHost(s.elb, next.Name, v1alpha1.HostUnreachable, ""); host.ConsecutiveErrors < 2 {
			return fmt.Sprintf("%d times", host.ConsecutiveErrors)
		}
		return ""
	})
	stop()
	must(t, next.StartSSH(t.Context()))

	s.awaitAlone(next.Name)
	s.requireServed(next, "web-a")
	s.eventually("the previous host is idle", func() string {
		if config, err := s.gw1().ReadConfig(); err != nil || strings.Contains(config, "frontend") {
			return config
		}
		return ""
	})
	if count := s.events(s.elb)[status.EventLeftBehind]; count != 0 {
		t.Error("LeftBehind is reported")
	}
}

func knownHostsOf(t *testing.T, host *lab.EdgeHost) string {
	t.Helper()
	lines, err := host.KnownHosts()
	must(t, err)
	return lines
}

func TestABindThatAHostCannotTakeHoldsUpNoOtherObject(t *testing.T) {
	t.Parallel()
	s := serving(t, 1)
	stranger, err := net.Listen("tcp", netip.AddrPortFrom(s.gw1().Public.IPv4, secondPort).String())
	must(t, err)
	t.Cleanup(func() { stranger.Close() })
	stop := s.clients(s.gw1(), publicPort)

	short := s.beside("short", secondPort)
	s.create(short)

	listener := "listener " + short.Spec.Listeners[0].Name
	host := s.awaitHost(short, s.gw1().Name, v1alpha1.HostRejected, listener)
	for _, want := range []string{stranger.Addr().String(), "already listens", "Everything else is served"} {
		if !strings.Contains(host.Message, want) {
			t.Errorf("the message does not say %q: %s", want, host.Message)
		}
	}
	s.eventually("the bind that is free is served", func() string {
		if _, err := s.client.Get(t.Context(), netip.AddrPortFrom(s.gw1().Public.IPv6, secondPort)); err != nil {
			return err.Error()
		}
		return ""
	})
	s.awaitReady(s.elb)
	worker := s.workerPID(s.gw1())
	must(t, s.app.AddPod(t.Context(), "web-b"))
	s.awaitServed(s.gw1(), "web-b")
	s.awaitReady(s.elb)
	if s.workerPID(s.gw1()) != worker {
		t.Error("the host was reloaded for an endpoint")
	}

	must(t, stranger.Close())
	s.awaitReady(short)
	stop()
}
