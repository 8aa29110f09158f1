package driver_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/driver"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/pair"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
)

// family changes a configuration so that its virtual router, or its addresses, are of one family only.
type family struct {
	name, root string
	change     func(e *edge, index int, i *keepalived.Instance)
	// briefly leaves out the steps in which the family makes no difference.
	briefly bool
}

func bothFamilies(*edge, int, *keepalived.Instance) {}

func ipv4Only(_ *edge, _ int, i *keepalived.Instance) {
	i.Addresses = addressesOf(i.Addresses, netip.Addr.Is4)
}

// ipv6Only also sends the adverts over IPv6.
func ipv6Only(e *edge, index int, i *keepalived.Instance) {
	i.Addresses, i.Source, i.Peers = addressesOf(i.Addresses, netip.Addr.Is6), e.Hosts[index].Public.IPv6, []netip.Addr{e.Hosts[1-index].Public.IPv6}
}

func addressesOf(prefixes []netip.Prefix, keep func(netip.Addr) bool) []netip.Prefix {
	var kept []netip.Prefix
	for _, prefix := range prefixes {
		if keep(prefix.Addr()) {
			kept = append(kept, prefix)
		}
	}
	return kept
}

func TestAPairFailsOver(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	for _, family := range []family{{"both families", debian13, bothFamilies, false}, {"IPv4", debian12, ipv4Only, true}, {"IPv6", debian12, ipv6Only, true}} {
		t.Run(family.name, func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, pair.Options{Roots: []string{debian12, family.root}})
			e.family = family
			e.want(time.Second)
			for _, step := range []struct {
				name    string
				run     func(*edge)
				briefly bool
			}{
				{"it is set up", (*edge).setsUp, true},
				{"nothing is left to do", (*edge).doesNothing, true},
				{"HAProxy is reloaded", (*edge).staysInReloads, false},
				{"the configuration changes", (*edge).staysInAChange, true},
				{"maintenance", (*edge).movesForMaintenance, false},
				{"HAProxy is killed", func(e *edge) { e.survivesAKilledHAProxy(2500 * time.Millisecond) }, true},
				{"the link is cut", func(e *edge) { e.survivesACutLink(3500 * time.Millisecond) }, true},
				{"a shorter time between adverts", (*edge).shortens, true},
				{"HAProxy is killed again", func(e *edge) { e.survivesAKilledHAProxy(time.Second) }, true},
				{"the link is cut again", func(e *edge) { e.survivesACutLink(time.Second) }, true},
				{"HAProxy hangs", func(e *edge) { e.survivesAHangingHAProxy(2500 * time.Millisecond) }, false},
				{"a bad configuration", (*edge).keepsTheFormer, false},
				{"keepalived is killed", (*edge).startsAKilledKeepalived, false},
				{"the addresses are no longer wanted", (*edge).leaves, true},
			} {
				if family.briefly && !step.briefly {
					continue
				}
				if !t.Run(step.name, func(t *testing.T) { step.run(e.in(t)) }) {
					return
				}
			}
		})
	}
}

func (e *edge) setsUp() {
	for _, h := range e.hosts {
		outcome := h.mustSync()
		if outcome.Update != keepalived.UpdateStart || !outcome.Changed || len(outcome.Drift) > 0 {
			e.t.Errorf("%s was changed by %q: %+v", h.Name, outcome.Update, outcome)
		}
		if !strings.HasPrefix(outcome.Version, "2.") {
			e.t.Errorf("%s has keepalived %q", h.Name, outcome.Version)
		}
		for _, network := range outcome.Networks {
			if network.Interface != pair.Interface || (network.Prefix.Addr() != h.Public.IPv4 && network.Prefix.Addr() != h.Public.IPv6) {
				e.t.Errorf("%s has the network %v", h.Name, network)
			}
		}
		if len(outcome.Networks) != 2 {
			e.t.Errorf("%s has the networks %v", h.Name, outcome.Networks)
		}
	}
	e.awaitRoles(keepalived.Master, keepalived.Backup)
	e.requireHolder(0)
}

// doesNothing also checks that virtual addresses are no networks of their holder, and that a look is one round trip.
func (e *edge) doesNothing() {
	for _, h := range e.hosts {
		before := h.conn.commands.Load()
		if outcome := h.mustSync(); outcome.Update != "" || outcome.Changed || len(outcome.Networks) != 2 {
			e.t.Errorf("the sync of %s: %+v", h.Name, outcome)
		}
		if outcome := h.look(); outcome.State != model.Synced || outcome.Fingerprint == "" || outcome.Message != "" {
			e.t.Errorf("the look at %s: %+v", h.Name, outcome)
		}
		if n := h.conn.commands.Load() - before; n != 2 {
			e.t.Errorf("%d commands were run on %s", n, h.Name)
		}
	}
}

func (e *edge) staysInReloads() {
	load := e.startLoad()
	for range 10 {
		must(e.t, e.Hosts[0].Service(e.t.Context(), pair.HAProxy, "reload"))
	}
	e.requireNoLoss(load)
	e.requireHolder(0)
	e.requireNoMove()
}

// staysInAChange adds addresses, and changes the priorities and the time between adverts, on the backup first.
func (e *edge) staysInAChange() {
	load := e.startLoad()
	e.want(500*time.Millisecond, 1, 2)
	for i := range e.hosts {
		h := e.hosts[1-i]
		h.request.Config.Instances[0].Priority -= 10
		if outcome := h.look(); outcome.State != model.Pending || outcome.Fingerprint != "" {
			e.t.Errorf("before the change, the look at %s: %+v", h.Name, outcome)
		}
		if outcome := h.mustSync(); outcome.Update != keepalived.UpdateReload || len(outcome.Drift) > 0 {
			e.t.Errorf("%s was changed by %q: %v", h.Name, outcome.Update, outcome.Drift)
		}
	}
	e.awaitRoles(keepalived.Master, keepalived.Backup)
	e.requireHolder(0)
	e.want(time.Second, 1)
	for _, h := range e.hosts {
		h.mustSync()
	}
	e.requireNoLoss(load)
	e.awaitRoles(keepalived.Master, keepalived.Backup)
	e.requireHolder(0)
	e.requireNoMove()
}

func (e *edge) movesForMaintenance() {
	for index, h := range e.hosts {
		load := e.startLoad()
		h.request.Maintenance = true
		if outcome := h.mustSync(); outcome.Update != keepalived.UpdateFile || outcome.Roles["edge"] != keepalived.Fault || !strings.Contains(outcome.Message, "in maintenance") {
			e.t.Errorf("maintenance of %s: %+v", h.Name, outcome)
		}
		e.hosts[1-index].awaitRole(keepalived.Master)
		e.requireHolder(1 - index)
		h.request.Maintenance = false
		h.mustSync()
		h.awaitRole(keepalived.Backup)
		e.requireHolder(1 - index)
		if result := e.stop(load); refused(result) > 0 {
			e.t.Errorf("%d connections were refused", refused(result))
		}
	}
}

func (e *edge) survivesAKilledHAProxy(limit time.Duration) {
	master := e.master()
	load := e.startLoad()
	must(e.t, master.Kill(e.t.Context(), pair.HAProxy))
	e.other(master).awaitRole(keepalived.Master)
	if outcome := master.awaitRole(keepalived.Fault); !strings.Contains(outcome.Message, "HAProxy does not answer") || outcome.State != model.Synced {
		e.t.Errorf("%s says %+v", master.Name, outcome)
	}
	e.requireGap(load, limit)
	must(e.t, master.Service(e.t.Context(), pair.HAProxy, "start"))
	master.awaitRole(keepalived.Backup)
}

func (e *edge) survivesAHangingHAProxy(limit time.Duration) {
	master := e.master()
	load := e.startLoad()
	must(e.t, master.Freeze(e.t.Context(), pair.HAProxy))
	e.other(master).awaitRole(keepalived.Master)
	e.requireGap(load, limit)
	must(e.t, master.Thaw(e.t.Context(), pair.HAProxy))
	master.awaitRole(keepalived.Backup)
}

func (e *edge) survivesACutLink(limit time.Duration) {
	master := e.master()
	load := e.startLoad()
	must(e.t, master.CutLink(e.t.Context()))
	e.other(master).awaitRole(keepalived.Master)
	e.requireGap(load, limit)
	must(e.t, master.RestoreLink(e.t.Context()))
	master.awaitRole(keepalived.Backup)
}

func (e *edge) shortens() {
	master := e.master()
	e.want(200*time.Millisecond, 1)
	for _, h := range e.hosts {
		h.mustSync()
	}
	if e.master() != master {
		e.t.Error("the addresses moved")
	}
}

// keepsTheFormer wants what keepalived refuses, or what the host cannot have.
func (e *edge) keepsTheFormer() {
	load := e.startLoad()
	master := e.master()
	good := e.hosts[0].request.Config
	for name, test := range map[string]struct {
		spoil func(*keepalived.Instance)
		says  []string
	}{
		"an interface that does not exist": {func(i *keepalived.Instance) { i.Interface = "eth9" },
			[]string{"the interface eth9 does not exist on the host, which has eth0, lo", "spec.virtualIPs.interface"}},
		"a source that the host has not": {func(i *keepalived.Instance) {
			i.Source, i.Peers = netip.MustParseAddr("192.0.2.77"), nil
		}, []string{"the address 192.0.2.77", "is not on its interface eth0"}},
		"a configuration that is not valid": {func(i *keepalived.Instance) { i.RouterID = 256 },
			[]string{"cannot be written", "the virtual router ID 256 is not between 1 and 255"}},
	} {
		for _, h := range e.hosts {
			config := *h.request.Config
			config.Instances = append([]keepalived.Instance(nil), config.Instances...)
			test.spoil(&config.Instances[0])
			request := h.request
			request.Config = &config
			outcome := driver.Sync(e.t.Context(), h.conn, &h.cache, request)
			for _, want := range test.says {
				if !strings.Contains(outcome.Message, want) {
					e.t.Errorf("%s on %s: %q lacks %q", name, h.Name, outcome.Message, want)
				}
			}
			if outcome.State != model.Rejected || outcome.Fingerprint != "" || outcome.Changed {
				e.t.Errorf("%s on %s: %+v", name, h.Name, outcome)
			}
		}
	}
	if e.hosts[0].request.Config != good {
		e.t.Fatal("the test has changed what is wanted")
	}
	for _, h := range e.hosts {
		if outcome := h.mustSync(); outcome.Update != "" {
			e.t.Errorf("%s had to be changed: %+v", h.Name, outcome)
		}
	}
	if e.master() != master {
		e.t.Error("the addresses moved")
	}
	e.requireNoLoss(load)
}

// startsAKilledKeepalived also sees what a killed keepalived leaves behind.
func (e *edge) startsAKilledKeepalived() {
	master := e.master()
	must(e.t, master.Kill(e.t.Context(), pair.Keepalived))
	e.other(master).awaitRole(keepalived.Master)
	outcome := master.look()
	if outcome.State != model.Drifted || outcome.Roles["edge"] != keepalived.Fault || !strings.Contains(outcome.Message, "keepalived does not run") {
		e.t.Errorf("the look at %s: %+v", master.Name, outcome)
	}
	master.request.ReportDrift = true
	if outcome := master.sync(); outcome.State != model.Drifted || outcome.Update != "" {
		e.t.Errorf("the sync of %s that reports drift: %+v", master.Name, outcome)
	}
	master.request.ReportDrift = false
	if outcome := master.mustSync(); outcome.Update != keepalived.UpdateStart || len(outcome.Drift) == 0 {
		e.t.Errorf("the sync of %s: %+v", master.Name, outcome)
	}
	master.awaitRole(keepalived.Backup)
}

func (e *edge) leaves() {
	for _, h := range e.hosts {
		addresses := h.request.Config.Instances[0].Addresses
		h.request.Config = &keepalived.Config{Owner: "test/ns", Host: h.Name + ":22"}
		if outcome := h.mustSync(); outcome.Update != keepalived.UpdateStop || !outcome.Changed || len(outcome.Roles) > 0 {
			e.t.Errorf("the sync of %s: %+v", h.Name, outcome)
		}
		if outcome := h.mustSync(); outcome.Update != "" {
			e.t.Errorf("another sync of %s: %+v", h.Name, outcome)
		}
		for _, prefix := range addresses {
			if holds, err := h.Holds(prefix.Addr()); holds || err != nil {
				e.t.Errorf("%s still has %s: %v", h.Name, prefix, err)
			}
		}
		left, err := h.Exec(e.t.Context(), "find", "/etc/keepalived", "/run/edgelb-keepalived", "/var/lib/edgelb-keepalived", "-name", "*edgelb*", "-o", "-name", "keepalived.conf")
		if left != "" {
			e.t.Errorf("%s still has %s (%v)", h.Name, left, err)
		}
		if state, _ := h.Exec(e.t.Context(), "systemctl", "is-active", "keepalived"); strings.TrimSpace(state) == "active" {
			e.t.Errorf("keepalived of %s is %s", h.Name, state)
		}
	}
}

// requireNoLoss ends the load, of which every connection must have been answered.
func (e *edge) requireNoLoss(load *fault.Traffic) {
	e.t.Helper()
	if result := e.stop(load); result.Lost > 0 {
		e.t.Errorf("%d connections were lost", result.Lost)
	}
}

// requireGap waits until all addresses answer, and compares the longest time without an answer.
func (e *edge) requireGap(load *fault.Traffic, limit time.Duration) {
	e.t.Helper()
	result := e.stop(load)
	if limit = waiting.Of(limit); result.LongestGap > limit {
		e.t.Errorf("the addresses did not answer for %s, want at most %s", result.LongestGap, limit)
	}
}

// stop ends the load when all addresses answer.
func (e *edge) stop(load *fault.Traffic) fault.Result {
	e.t.Helper()
	for _, at := range e.servedAt() {
		lab.Eventually(e.t, func() error {
			_, err := e.Client().Get(e.t.Context(), at)
			return err
		})
	}
	result := load.Stop()
	e.t.Log(result)
	return result
}

func refused(result fault.Result) int {
	n := 0
	for _, r := range result.ByAddress {
		n += r.Refused
	}
	return n
}
