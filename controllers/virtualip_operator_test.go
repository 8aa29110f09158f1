package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/model"
)

// pairOf returns a world with two hosts on one network, and the object with a virtual address on them.
func pairOf(t *testing.T, edit ...func(*v1alpha1.EdgeLoadBalancer)) (*world, *v1alpha1.EdgeLoadBalancer) {
	t.Helper()
	w := newWorld(t)
	w.keepalived.set("a", func(m *fakeMachine) { m.networks, m.role = ofNetwork("203.0.113.1/24"), keepalived.Master })
	w.keepalived.set("b", func(m *fakeMachine) { m.networks = ofNetwork("203.0.113.2/24") })
	object := w.balancer("web", "a", "b")
	object.Spec.VirtualIPs = &v1alpha1.VirtualIPs{Addresses: []string{"203.0.113.10/24"}, VirtualRouterID: 33}
	for _, e := range edit {
		e(object)
	}
	return w, object
}

// runs awaits that keepalived of a host has an instance with these peers.
func (w *world) runs(address, peers string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s has the peers %q", address, peers), func() error {
		running := w.keepalived.see(address).running
		if len(running.Instances) != 1 || strings.Trim(fmt.Sprint(running.Instances[0].Peers), "[]") != peers {
			return fmt.Errorf("it runs %+v", running)
		}
		return nil
	})
}

func held(object *v1alpha1.EdgeLoadBalancer) *metav1.Condition {
	return meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionVirtualIPsHeld)
}

func TestAPairIsBroughtToItsVirtualAddresses(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.start(time.Minute)
	w.create(object)
	w.runs("a", "203.0.113.2")
	w.runs("b", "203.0.113.1")
	got := w.becomes("web", "held by gw1", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && held(o) != nil })
	if c := held(got); c.Reason != v1alpha1.ReasonVirtualIPsHeld || c.Message != "gw1 has the virtual addresses" {
		t.Errorf("the condition is %+v", c)
	}
	if want := []string{"203.0.113.10", "198.51.100.1", "198.51.100.2"}; !slices.Equal(got.Status.Addresses, want) {
		t.Errorf("the addresses are %q, want %q", got.Status.Addresses, want)
	}
	for i, want := range []v1alpha1.HostStatus{{VirtualIPs: "MASTER", VRRPAddress: "203.0.113.1"}, {VirtualIPs: "BACKUP", VRRPAddress: "203.0.113.2"}} {
		if is := got.Status.Hosts[i]; is.VirtualIPs != want.VirtualIPs || is.VRRPAddress != want.VRRPAddress {
			t.Errorf("%s is %s at %s", is.Name, is.VirtualIPs, is.VRRPAddress)
		}
	}
	config := w.keepalived.see("a").running
	haproxy := w.hosts.see("a").running
	if config.Owner != haproxy.Owner || config.Host != haproxy.Host || config.CheckSocket != haproxy.HealthSocket.Path || config.CheckSocket == "" {
		t.Errorf("keepalived has %+v, and HAProxy %+v", config, haproxy)
	}
	w.eventReported("web", "gw1", "BecameMaster")
}

func TestTheRolesOfAPairAreReported(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.start(time.Minute)
	w.create(object)
	becomes := func(reason, text string) {
		t.Helper()
		w.becomes("web", reason, func(o *v1alpha1.EdgeLoadBalancer) bool {
			return held(o) != nil && held(o).Reason == reason && strings.Contains(held(o).Message, text)
		})
	}
	becomes(v1alpha1.ReasonVirtualIPsHeld, "gw1 has")
	w.keepalived.set("b", func(m *fakeMachine) { m.role = keepalived.Master })
	becomes(v1alpha1.ReasonSeveralMasters, "gw1, gw2 have the virtual addresses at the same time")
	w.keepalived.set("a", func(m *fakeMachine) { m.role = keepalived.Backup })
	becomes(v1alpha1.ReasonVirtualIPsHeld, "gw2 has")
	w.keepalived.set("b", func(m *fakeMachine) { m.role = keepalived.Fault })
	becomes(v1alpha1.ReasonNoMaster, "gw1 is BACKUP; gw2 is FAULT")
	w.hosts.set("b", func(h *fakeHost) { h.dialError = &model.Error{State: model.Unreachable, Message: "nothing answers"} })
	becomes(v1alpha1.ReasonProgressing, "it is not known of gw2")
	w.keepalived.set("a", func(m *fakeMachine) { m.role = keepalived.Master })
	becomes(v1alpha1.ReasonVirtualIPsHeld, "gw1 has")
}

func TestMaintenanceReachesKeepalivedOnly(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "ready", isReady)
	reloads := w.hosts.see("a").reloads
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Maintenance = true })
	got := w.becomes("web", "in maintenance", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return o.Status.Hosts[0].VirtualIPs == v1alpha1.VirtualIPFault
	})
	if !strings.Contains(got.Status.Hosts[0].Message, "in maintenance") || w.hosts.see("a").reloads != reloads {
		t.Errorf("the host is %+v, after %d reloads", got.Status.Hosts[0], w.hosts.see("a").reloads-reloads)
	}
	if last := w.keepalived.see("b").last; last.Maintenance {
		t.Error("the other host is in maintenance")
	}
}

// What keepalived cannot do must not keep endpoints from hosts.
func TestAKeepalivedThatFailsDelaysNoEndpoints(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.keepalived.set("a", func(m *fakeMachine) {
		m.failure = &keepalived.Outcome{State: model.Rejected, Message: "keepalived is not installed: install the package keepalived"}
	})
	w.start(time.Minute)
	w.create(object)
	got := w.becomes("web", "rejected", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return len(o.Status.Hosts) == 2 && o.Status.Hosts[0].State == v1alpha1.HostRejected
	})
	if !strings.Contains(got.Status.Hosts[0].Message, "keepalived: keepalived is not installed: install the package") {
		t.Errorf("the message is %q", got.Status.Hosts[0].Message)
	}
	w.setEndpoints("app", "10.1.0.7")
	w.eventually("the endpoint arrives", func() error {
		backends := w.hosts.see("a").running.Backends
		if len(backends) != 1 || len(backends[0].Servers) != 1 || backends[0].Servers[0].Addr.String() != "10.1.0.7" {
			return fmt.Errorf("it runs %+v", backends)
		}
		return nil
	})
	if syncs := w.keepalived.see("a").syncs; syncs > 2 {
		t.Errorf("the failed sync was repeated %d times in a moment", syncs)
	}
	w.keepalived.set("a", func(m *fakeMachine) { m.failure = nil })
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.VirtualRouterID = 34 })
	w.becomes("web", "ready", isReady)
}

// HAProxy refuses a file that names an account which the host does not have: it must get everything else.
func TestAHostWithoutTheAccountOfTheCheckFollowsItsSpecNevertheless(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.keepalived.set("a", func(m *fakeMachine) { m.withoutAccount = true })
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "rejected", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return len(o.Status.Hosts) == 2 && o.Status.Hosts[0].State == v1alpha1.HostRejected && o.Status.Hosts[1].State == v1alpha1.HostSynced &&
			strings.Contains(o.Status.Hosts[0].Message, "the account keepalived_script does not exist")
	})
	if socket := w.hosts.see("a").running.HealthSocket; socket.Path != "" {
		t.Errorf("HAProxy has the socket %+v", socket)
	}
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.Listeners[0].Bind = append(o.Spec.Listeners[0].Bind, ":8443")
	})
	w.eventually("the new bind is there", func() error {
		if running := w.hosts.see("a").running; len(running.Frontends) != 1 || len(running.Frontends[0].Binds) != 2 {
			return fmt.Errorf("it runs %+v", running)
		}
		return nil
	})
	w.keepalived.set("a", func(m *fakeMachine) { m.withoutAccount = false })
	w.becomes("web", "ready", isReady)
}

// A reload only because the operator was restarted would be one too many.
func TestARestartOfTheOperatorReloadsNoPair(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "ready", isReady)
	w.stop()
	before := w.hosts.see("a")
	w.start(time.Minute)
	w.eventually("the host is proved anew", func() error {
		if w.hosts.see("a").syncs < before.syncs+3 {
			return errors.New("it was not synced often enough")
		}
		return nil
	})
	if reloads := w.hosts.see("a").reloads; reloads != before.reloads {
		t.Errorf("HAProxy was reloaded %d times", reloads-before.reloads)
	}
}

func TestAHostWithoutAPlaceForTheAddressesSaysSo(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t, func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Interface = "eth7" })
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "rejected", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return len(o.Status.Hosts) == 2 && o.Status.Hosts[0].State == v1alpha1.HostRejected &&
			strings.Contains(o.Status.Hosts[0].Message, "the host has no interface eth7 with an address")
	})
	if syncs := w.keepalived.see("a").syncs; syncs > 0 {
		t.Error("keepalived was changed")
	}
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Interface = "eth0" })
	w.becomes("web", "ready", isReady)
}

// Clients must not reach a host that has the address and no listener any more.
func TestAHostGivesUpItsAddressesBeforeHAProxyLosesItsListeners(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "ready", isReady)
	frontends := make(chan int, 2)
	for _, address := range []string{"a", "b"} {
		w.keepalived.set(address, func(m *fakeMachine) {
			m.left = func() { frontends <- len(w.hosts.see(address).running.Frontends) }
		})
	}
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = o.Spec.Hosts[1:] })
	w.eventually("a is idle", func() error { return idle(w, "a") })
	if n := <-frontends; n != 1 {
		t.Errorf("a had %d listeners when it gave up its addresses", n)
	}
	w.runs("b", "")
	if err := w.Delete(t.Context(), w.read("web")); err != nil {
		t.Fatal(err)
	}
	w.eventually("b is idle", func() error { return idle(w, "b") })
	if n := <-frontends; n != 1 {
		t.Errorf("b had %d listeners when it gave up its addresses", n)
	}
}

func idle(w *world, address string) error {
	if !w.hosts.see(address).running.Idle() || !w.keepalived.see(address).running.Idle() {
		return errors.New("it is not idle")
	}
	return nil
}

func TestVirtualAddressesThatAreWantedNoMoreLeaveTheHosts(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "ready", isReady)
	// The operator does not see the change itself.
	w.stop()
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs = nil })
	w.start(time.Minute)
	w.becomes("web", "without virtual addresses", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return isReady(o) && held(o) == nil && !slices.ContainsFunc(o.Status.Hosts, func(h v1alpha1.HostStatus) bool { return h.VirtualIPs != "" || h.VRRPAddress != "" })
	})
	for _, address := range []string{"a", "b"} {
		if running := w.keepalived.see(address).running; !running.Idle() || w.hosts.see(address).running.HealthSocket.Path != "" {
			t.Errorf("%s runs %+v", address, running)
		}
	}
}

// A host that is away when the operator starts must stay a peer of the others: it may have the addresses.
func TestAHostThatIsAwayAtTheStartStaysAPeer(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "ready", isReady)
	w.stop()
	w.hosts.set("b", func(h *fakeHost) { h.dialError = &model.Error{State: model.Unreachable, Message: "nothing answers"} })
	syncs := w.keepalived.see("a").syncs
	w.start(time.Minute)
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts[0].Priority = new(int32(9)) })
	w.eventually("a has the new priority", func() error {
		running := w.keepalived.see("a").running
		if running.Instances[0].Priority != 9 {
			return fmt.Errorf("it has %+v", running)
		}
		return nil
	})
	w.runs("a", "203.0.113.2")
	if w.keepalived.see("a").syncs == syncs {
		t.Error("nothing was synced")
	}
}

func TestAHostThatIsNewAndAwayIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t)
	w.hosts.set("b", func(h *fakeHost) { h.dialError = &model.Error{State: model.Unreachable, Message: "nothing answers"} })
	w.start(time.Minute)
	w.create(object)
	w.runs("a", "")
	w.hosts.set("b", func(h *fakeHost) { h.dialError = nil })
	w.runs("a", "203.0.113.2")
	w.runs("b", "203.0.113.1")
}

func TestAVirtualAddressThatNoPolicyAllowsIsOnNoHost(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t, func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.VirtualIPs.Addresses = []string{"203.0.113.10/24", "203.0.113.254/24"}
	})
	w.allow("virtual", v1alpha1.EdgePolicySpec{VirtualAddresses: []v1alpha1.AllowedNetwork{"203.0.113.8/29"}})
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "reported", func(o *v1alpha1.EdgeLoadBalancer) bool {
		accepted := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionAccepted)
		return accepted != nil && accepted.Reason == v1alpha1.ReasonPolicyViolation && strings.Contains(accepted.Message, "203.0.113.254") &&
			strings.Contains(accepted.Message, "spec.virtualAddresses") && held(o) != nil && held(o).Status == metav1.ConditionTrue
	})
	for _, address := range []string{"a", "b"} {
		if has := fmt.Sprint(w.keepalived.see(address).running.Instances[0].Addresses); has != "[203.0.113.10/24]" {
			t.Errorf("%s has %s", address, has)
		}
	}
	change(w, "web", func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.VirtualIPs.Addresses = []string{"203.0.113.254/24"} })
	w.eventually("nobody has any address", func() error {
		for _, address := range []string{"a", "b"} {
			if running := w.keepalived.see(address).running; !running.Idle() {
				return fmt.Errorf("%s runs %+v", address, running)
			}
		}
		return nil
	})
}

func TestANotifyCommandNeedsAPolicyAndASecretOfItsType(t *testing.T) {
	t.Parallel()
	w, object := pairOf(t, func(o *v1alpha1.EdgeLoadBalancer) {
		o.Spec.VirtualIPs.NotifyCommand, o.Spec.VirtualIPs.NotifySecretRef = "/bin/sh assign", &v1alpha1.SecretReference{Name: "hcloud"}
	})
	secret := func(kind corev1.SecretType) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "hcloud"}, Type: kind, StringData: map[string]string{"token": "s3cret"}}
	}
	w.start(time.Minute)
	w.create(object)
	w.becomes("web", "forbidden", func(o *v1alpha1.EdgeLoadBalancer) bool {
		accepted := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionAccepted)
		return accepted != nil && accepted.Reason == v1alpha1.ReasonPolicyViolation && strings.Contains(accepted.Message, "spec.virtualIPs.notifyCommand")
	})
	w.runs("a", "203.0.113.2")
	if last := w.keepalived.see("a").last; last.Config.Instances[0].Notify != (keepalived.Notify{}) || len(last.Secrets) > 0 {
		t.Errorf("the host gets %+v", last)
	}
	w.allow("command", v1alpha1.EdgePolicySpec{AllowedFields: []v1alpha1.AllowedField{v1alpha1.FieldNotifyCommand}})
	gets := func(what, trouble, token string) {
		t.Helper()
		w.eventually(what, func() error {
			for _, got := range w.keepalived.see("a").looked.Secrets {
				if strings.Contains(got.Trouble, trouble) && (got.Trouble == "") == (trouble == "") && string(got.Files["token"]) == token {
					return nil
				}
			}
			return fmt.Errorf("the host gets %+v", w.keepalived.see("a").looked.Secrets)
		})
	}
	gets("the Secret is missing", "does not exist: create it, with the type edgelb.io/notify", "")
	if err := w.Create(t.Context(), secret(corev1.SecretTypeOpaque)); err != nil {
		t.Fatal(err)
	}
	gets("the Secret has another type", "does not have the type edgelb.io/notify", "")
	if err := errors.Join(w.Delete(t.Context(), secret("")), w.Create(t.Context(), secret(v1alpha1.SecretTypeNotify))); err != nil {
		t.Fatal(err)
	}
	gets("the Secret arrives", "", "s3cret")
	w.keepalived.set("a", func(m *fakeMachine) {
		m.notices = map[string]keepalived.Notice{w.namespace + ".web": {Trouble: "notifyCommand failed with exit status 22: correct it"}}
	})
	w.becomes("web", "not told", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return held(o) != nil && held(o).Reason == v1alpha1.ReasonNotifyFailed && strings.Contains(held(o).Message, "exit status 22")
	})
	w.eventReported("web", "", v1alpha1.ReasonNotifyFailed)
	w.keepalived.set("a", func(m *fakeMachine) { m.notices = nil })
	w.becomes("web", "ready", isReady)
}
