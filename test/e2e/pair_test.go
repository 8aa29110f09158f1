package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/pair"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/scene"
)

// The roots of hosts with keepalived.
const (
	keepalived12 = "../../bin/debian-12-keepalived"
	keepalived13 = "../../bin/debian-13-keepalived"
)

// couple is a world with a pair of hosts that have virtual addresses, and the object that says so.
type couple struct {
	*world
	*pair.Pair
	elb *v1alpha1.EdgeLoadBalancer
	app *scene.App
}

func startCouple(t *testing.T, number int, edit ...func(*pair.Options)) *couple {
	t.Helper()
	return coupleIn(newWorld(t), number, edit...)
}

func coupleIn(w *world, number int, edit ...func(*pair.Options)) *couple {
	t := w.t
	t.Helper()
	c := &couple{world: w}
	options := pair.Options{Number: number, Roots: []string{keepalived12, keepalived13}, Host: debian.Options{PrivateKey: c.key}}
	for _, e := range edit {
		e(&options)
	}
	var err error
	c.Pair, err = pair.Start(t.Context(), options)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Logs())
		}
		_ = c.Close()
	})
	var knownHosts []string
	for _, h := range c.Hosts {
		lines, err := h.KnownHosts()
		must(t, err)
		knownHosts = append(knownHosts, lines)
	}
	_, err = scene.CreateSecret(t.Context(), c.ControlPlane, types.NamespacedName{Namespace: c.namespace, Name: "edge-ssh"}, c.key, knownHosts...)
	must(t, err)
	c.app = c.world.app("web", haproxy.ProxyV2, "web-a")
	c.elb = c.object()
	return c
}

// object returns an object whose first listener is for every address, and whose second is for the virtual addresses only.
func (c *couple) object() *v1alpha1.EdgeLoadBalancer {
	virtual := c.VirtualIP(0)
	elb := &v1alpha1.EdgeLoadBalancer{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "web"}}
	elb.Spec.SSH = v1alpha1.SSH{SecretRef: v1alpha1.SecretReference{Name: "edge-ssh"}}
	for _, h := range c.Hosts {
		elb.Spec.Hosts = append(elb.Spec.Hosts, v1alpha1.Host{Name: h.Name, Address: h.Address.String(), Adopt: true})
	}
	elb.Spec.VirtualIPs = &v1alpha1.VirtualIPs{
		Addresses: []string{virtual.IPv4.String() + "/24", virtual.IPv6.String() + "/64"}, VirtualRouterID: 33,
	}
	elb.Spec.Listeners = []v1alpha1.Listener{
		{Name: "everywhere", Bind: []v1alpha1.BindAddress{"ipv4@:443", "ipv6@:443"}, Target: "app"},
		{Name: "virtual", Bind: binds(virtual, publicPort), Target: "app"},
	}
	elb.Spec.HAProxy.MaxConnections = fewConnections
	elb.Spec.Targets = []v1alpha1.Target{{
		Name: "app", Service: &v1alpha1.ServicePort{Name: "web", Port: intOrName("websecure")}, ProxyProtocol: v1alpha1.ProxyV2,
	}}
	return elb
}

func TestAPairFailsOver(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "booting a Debian")
	c := startCouple(t, 1)
	c.notifies()
	c.create(c.elb)
	c.awaitReady(c.elb)
	c.awaitAnswers()
	first := c.master()
	c.awaitRole(first, v1alpha1.VirtualIPMaster)
	c.awaitRole(c.other(first), v1alpha1.VirtualIPBackup)
	c.awaitTold(first)

	for role, want := range map[string]float64{"MASTER": 1, "BACKUP": 0, "FAULT": 0} {
		got, err := c.metric("edgelb_host_virtual_ips", fmt.Sprintf("namespace=%q", c.namespace), fmt.Sprintf("host=%q", first.Name), fmt.Sprintf("role=%q", role))
		if err != nil || got != want {
			t.Errorf("the metric of role %s is %v (%v), want %v", role, got, err, want)
		}
	}

	load := c.startLoad()
	c.update(c.elb, func() { c.entry(first).Maintenance = true })
	c.awaitMaster(c.other(first))
	c.awaitRole(first, v1alpha1.VirtualIPFault)
	c.requireNoneRefused(load)
	c.awaitTold(c.other(first))

	c.update(c.elb, func() { c.entry(first).Maintenance = false })
	c.awaitRole(first, v1alpha1.VirtualIPBackup)
	c.awaitReady(c.elb)

	second := c.other(first)
	c.refuses(first)
	must(t, second.NoRestart(t.Context(), pair.HAProxy))
	must(t, second.Kill(t.Context(), pair.HAProxy))
	c.awaitMaster(first)
	c.awaitAnswers()
	c.awaitRefused(first)
	c.requireUntold()
}

func (c *couple) entry(h *pair.Host) *v1alpha1.Host {
	i := slices.IndexFunc(c.elb.Spec.Hosts, func(host v1alpha1.Host) bool { return host.Name == h.Name })
	return &c.elb.Spec.Hosts[i]
}

func (c *couple) other(h *pair.Host) *pair.Host {
	if c.Hosts[0] == h {
		return c.Hosts[1]
	}
	return c.Hosts[0]
}

// master awaits the host that has both virtual addresses alone.
func (c *couple) master() *pair.Host {
	c.t.Helper()
	var master *pair.Host
	c.eventually("one host has the virtual addresses", func() string {
		var holders []*pair.Host
		for _, address := range c.VirtualIP(0).All() {
			of, err := c.Holders(address)
			if err != nil {
				return err.Error()
			}
			holders = append(holders, of...)
		}
		if len(holders) != 2 || holders[0] != holders[1] {
			return fmt.Sprintf("%d hold them", len(holders))
		}
		master = holders[0]
		return ""
	})
	return master
}

func (c *couple) awaitMaster(h *pair.Host) {
	c.t.Helper()
	c.eventually(h.Name+" has the virtual addresses", func() string {
		if is := c.master(); is != h {
			return is.Name + " has them"
		}
		return ""
	})
	c.awaitRole(h, v1alpha1.VirtualIPMaster)
}

// awaitRole awaits what the status says of a host.
func (c *couple) awaitRole(h *pair.Host, role v1alpha1.VirtualIPRole) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%s is %s in the status", h.Name, role), func() string {
		if err := c.refresh(c.elb); err != nil {
			return err.Error()
		}
		for _, host := range c.elb.Status.Hosts {
			if host.Name == h.Name && host.VirtualIPs == role {
				return ""
			}
		}
		return fmt.Sprintf("%+v", c.elb.Status.Hosts)
	})
}

// awaitAnswers awaits an answer on each listener of each virtual address.
func (c *couple) awaitAnswers() {
	c.t.Helper()
	for _, address := range c.VirtualIP(0).All() {
		for _, port := range []uint16{443, publicPort} {
			c.eventually(fmt.Sprintf("%s port %d answers", address, port), func() string {
				_, err := c.Client().Get(c.t.Context(), netip.AddrPortFrom(address, port))
				if err != nil {
					return err.Error()
				}
				return ""
			})
		}
	}
}

func (c *couple) startLoad() *fault.Traffic {
	c.t.Helper()
	load := fault.Load{Rate: 50}
	for _, address := range c.VirtualIP(0).All() {
		load.At = append(load.At, netip.AddrPortFrom(address, publicPort))
	}
	traffic, err := fault.StartTraffic(c.t.Context(), c.Client(), load)
	must(c.t, err)
	return traffic
}

// requireNoneRefused ends the load. A connection that is open at the moment in which the address moves is cut.
func (c *couple) requireNoneRefused(load *fault.Traffic) {
	c.t.Helper()
	c.awaitAnswers()
	result := load.Stop()
	c.t.Log(result)
	for at, of := range result.ByAddress {
		if of.OK == 0 || of.Refused > 0 {
			c.t.Errorf("%s: %+v", at, of)
		}
	}
}

func (c *couple) held() *metav1.Condition {
	return meta.FindStatusCondition(c.elb.Status.Conditions, v1alpha1.ConditionVirtualIPsHeld)
}

func (c *couple) awaitHeld(reason, text string) {
	c.t.Helper()
	c.eventually("the condition is "+reason, func() string {
		if err := c.refresh(c.elb); err != nil {
			return err.Error()
		}
		held := c.held()
		if held == nil || held.Reason != reason || !strings.Contains(held.Message, text) {
			return fmt.Sprintf("%+v", held)
		}
		return ""
	})
}

func TestTwoMastersAreReportedAndHealingLeavesOne(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "booting a Debian")
	c := startCouple(t, 2)
	c.create(c.elb)
	c.awaitReady(c.elb)
	c.master()
	c.awaitHeld(v1alpha1.ReasonVirtualIPsHeld, " has the virtual addresses")
	began := time.Now()
	must(t, c.Separate(t.Context()))
	c.awaitHeld(v1alpha1.ReasonSeveralMasters, "they do not hear each other")
	t.Logf("two masters were reported after %s", time.Since(began).Round(time.Millisecond))
	must(t, c.Rejoin(t.Context()))
	c.awaitHeld(v1alpha1.ReasonVirtualIPsHeld, " has the virtual addresses")
	c.master()
}

// HAProxy refuses a file that names an account which the host does not have.
func TestAPairWithoutTheAccountOfTheCheckServesAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "booting a Debian")
	c := startCouple(t, 4, func(o *pair.Options) { o.WithoutScriptUser = true })
	c.create(c.elb)
	for _, h := range c.Hosts {
		status := c.awaitHost(c.elb, h.Name, v1alpha1.HostRejected, pair.ScriptUser)
		if status.ConfigHash == "" {
			t.Errorf("nothing was proved of HAProxy on %s: %s", h.Name, status.Message)
		}
		c.eventually(h.Name+" serves on its own address", func() string {
			if _, err := c.Client().Get(t.Context(), netip.AddrPortFrom(h.Address, 443)); err != nil {
				return err.Error()
			}
			return ""
		})
		_, err := h.Exec(t.Context(), "useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", pair.ScriptUser)
		must(t, err)
	}
	c.awaitReady(c.elb)
	c.master()
	c.awaitAnswers()
}

func TestVirtualAddressesLeaveWithTheirObject(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "booting a Debian")
	c := startCouple(t, 3)
	c.create(c.elb)
	c.awaitReady(c.elb)
	master := c.master()

	c.update(c.elb, func() {
		c.elb.Spec.Hosts = slices.DeleteFunc(c.elb.Spec.Hosts, func(h v1alpha1.Host) bool { return h.Name == master.Name })
	})
	c.awaitMaster(c.other(master))
	c.requireLeft(master)
	c.delete(c.elb)
	c.requireLeft(c.other(master))
}

// requireLeft requires that nothing of edgelb's is left on the host but HAProxy's idle file.
func (c *couple) requireLeft(h *pair.Host) {
	c.t.Helper()
	c.eventually(h.Name+" is left", func() string {
		for _, address := range c.VirtualIP(0).All() {
			if holds, err := h.Holds(address); err != nil || holds {
				return fmt.Sprintf("%s is still there (%v)", address, err)
			}
		}
		output, err := h.Exec(context.Background(), "sh", "-c",
			"ls -d /etc/keepalived/keepalived.conf /etc/keepalived/*edgelb* /run/*edgelb-keepalived*; pgrep keepalived; ip -o address show to 169.254.112.0/24; echo end")
		if err != nil || strings.TrimSpace(string(output)) != "end" {
			return fmt.Sprintf("%s %v", output, err)
		}
		return ""
	})
}
