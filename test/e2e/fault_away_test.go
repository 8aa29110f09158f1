package e2e

import (
	"net/netip"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// leastDelay is the minimum time by which a host that does not answer could delay another one: its connectTimeout.
const leastDelay = 5 * time.Second

// changeInterval is the interval of changes while a host is unavailable.
const changeInterval = 3 * time.Second

// frozen suspends sshd and all its sessions on the third host for a minute. This must not delay changes of the others.
func frozen(t *testing.T) {
	const lasts = time.Minute
	s := sharedCluster(t).shake(t, 3)
	s.hosts[2].Freeze()
	over := time.After(lasts)
	ticker := time.NewTicker(changeInterval)
	defer ticker.Stop()
	var slowest time.Duration
	for away := true; away; {
		s.changeEndpoints()
		took := s.within(leastDelay, "the other hosts follow", func() string {
			return s.notLiveOn(s.gw1(), s.gw2())
		})
		slowest = max(slowest, took)
		select {
		case <-ticker.C:
		case <-over:
			away = false
		}
	}
	t.Logf("the slowest change of the others took %s", slowest.Round(time.Millisecond))
	s.awaitHost(s.elb, s.hosts[2].Name, v1alpha1.HostUnreachable, "")
	s.hosts[2].Thaw()
	// The retry interval of an unavailable host is at most 30 s.
	took := s.settle(45 * time.Second)
	t.Logf("right %s after the host was back", took.Round(time.Millisecond))
}

// droppedPackets silently drops the packets between the operator and a Debian: nothing is acknowledged, and no connection is
// accepted. The operator uses IPv6, clients use IPv4.
func droppedPackets(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	w := sharedCluster(t).newWorld(t)
	host := w.debian(debian.Options{Root: "bin/debian-13"})
	app := w.app("web", haproxy.ProxyV2, "web-a")
	elb := w.onDebian(host)
	pins, err := host.HostKeys()
	must(t, err)
	w.update(elb, func() {
		elb.Spec.Hosts[0].Address, elb.Spec.Hosts[0].HostKeys = host.Public.IPv6.String(), pins
	})
	w.awaitReady(elb)
	w.awaitDebian(host, "web-a")
	w.startTraffic(netip.AddrPortFrom(host.Public.IPv4, 443))
	undo, err := fault.DropPackets(t.Context(), host)
	must(t, err)

	must(t, app.AddPod(t.Context(), "web-b"))
	w.awaitHost(elb, host.Name, v1alpha1.HostUnreachable, "")
	must(t, undo(t.Context()))

	took := w.within(45*time.Second, "the host follows", func() string {
		if err := w.refresh(elb); err != nil || condition(elb, v1alpha1.ConditionReady).Status != metav1.ConditionTrue {
			return describe(elb)
		}
		return ""
	})
	t.Logf("right %s after the packets arrived again", took.Round(time.Millisecond))
	w.awaitServers(host, "web-a", "web-b")
}

// blackHoleInApply makes the change with each host's wire black-holed from a different step on, until the status says that all
// hosts are unreachable.
func blackHoleInApply(do change) func(*testing.T) {
	return func(t *testing.T) {
		const hosts = 5
		s := sharedCluster(t).shake(t, hosts)
		steps := s.steps(do, mostSteps)
		for i, wire := range s.wires {
			// A cut at the last step has no effect: nothing follows.
			wire.At(steps[i*(len(steps)-1)/hosts], wire.BlackHole)
		}
		do(s)
		for _, host := range s.hosts {
			s.awaitHost(s.elb, host.Name, v1alpha1.HostUnreachable, "")
		}
		for _, wire := range s.wires {
			wire.At(0, nil)
			wire.Mend()
		}
		took := s.settle(45 * time.Second)
		t.Logf("right %s after the wire was repaired", took.Round(time.Millisecond))
	}
}

// stall is the duration of a stall that must not count as the end of a connection.
const stall = 2 * time.Second

// stallFor stops forwarding for a while.
func stallFor(wire *fault.Wire) {
	wire.BlackHole()
	time.AfterFunc(stall, wire.Mend)
}

// sshdRestarted restarts sshd, which ends every session, while a change is made.
func sshdRestarted(t *testing.T) {
	s := sharedCluster(t).shake(t, 1)
	for _, do := range []change{
		(*shaken).changeEndpoints, (*shaken).changeListeners, (*shaken).changeEndpoints, (*shaken).changeListeners,
	} {
		do(s)
		s.gw1().StopSSH()
		must(t, s.gw1().StartSSH(t.Context()))
		s.recovers("after sshd was restarted")
	}
}
