package driver_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/pair"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/model"
)

// run runs a shell script on the host as root.
func (h *edgeHost) run(script string) string {
	h.t.Helper()
	output, err := h.Exec(h.t.Context(), "sh", "-euc", script)
	must(h.t, err)
	return output
}

// requireFailure syncs a host, which must be in that state, say all of that, and be left as it is.
func (h *edgeHost) requireFailure(state model.State, says ...string) keepalived.Outcome {
	h.t.Helper()
	const listing = `cd /etc/keepalived; find . -name 'keepalived.conf*' ! -name '*.edgelb-former' | sort | while read -r f; do printf '%s ' "$f"; sha256sum <"$f"; done; ip -o addr show dev eth0`
	before := h.run(listing)
	outcome := h.sync()
	if outcome.State != state || outcome.Changed || outcome.Fingerprint != "" {
		h.t.Errorf("got %+v, want %s", outcome, state)
	}
	for _, want := range says {
		if !strings.Contains(outcome.Message, want) {
			h.t.Errorf("%q lacks %q", outcome.Message, want)
		}
	}
	if after := h.run(listing); after != before {
		h.t.Errorf("the host had\n%s\nand has\n%s", before, after)
	}
	return outcome
}

// A host on which something is wrong says what, and is left as it is; then it is mended.
func TestAHostSaysWhatIsWrongWithIt(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	e := startEdge(t, pair.Options{Roots: []string{debian12}})
	for _, step := range []struct {
		name string
		run  func(*edgeHost)
	}{
		{"there is no keepalived", (*edgeHost).lacksKeepalived},
		{"keepalived is too old", (*edgeHost).hasAnOldKeepalived},
		{"there is no account for the check", (*edgeHost).lacksTheAccount},
		{"the disk is full", (*edgeHost).hasNoRoom},
		{"keepalived reads another file", (*edgeHost).readsAnotherFile},
		{"the file is somebody else's", (*edgeHost).isSomebodyElses},
		{"it may be adopted", (*edgeHost).isAdopted},
		{"the file is another owner's", (*edgeHost).isAnotherOwners},
		{"the file was edited", (*edgeHost).wasEdited},
		{"keepalived refuses the file", (*edgeHost).isRefusedByKeepalived},
		{"keepalived hangs", (*edgeHost).hangs},
		{"the machine was rebooted", (*edgeHost).wasRebooted},
		{"the result is a trap", (*edgeHost).setsTraps},
		{"keepalived was killed before the host is left", (*edgeHost).isLeftAfterAKill},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(e.in(t).hosts[0]) }) {
			return
		}
	}
}

func (h *edgeHost) lacksKeepalived() {
	h.run("mv /usr/sbin/keepalived /usr/sbin/kept")
	h.requireFailure(model.Rejected, "keepalived is not installed", "install the package keepalived")
	if outcome := h.look(); outcome.State != model.Pending || len(outcome.Networks) != 2 || outcome.Version != "" {
		h.t.Errorf("the look is %+v", outcome)
	}
	config := h.request.Config
	h.request.Config = nil
	if outcome := h.sync(); outcome.State != model.Pending || len(outcome.Networks) != 2 {
		h.t.Errorf("without a configuration, the sync is %+v", outcome)
	}
	if outcome := h.look(); outcome.State != model.Pending || len(outcome.Networks) != 2 {
		h.t.Errorf("without a configuration, the look is %+v", outcome)
	}
	h.request.Config = config
	h.run("mv /usr/sbin/kept /usr/sbin/keepalived")
}

func (h *edgeHost) hasAnOldKeepalived() {
	h.run(`mv /usr/sbin/keepalived /usr/sbin/kept
printf '#!/bin/sh\nprintf "Keepalived v1.3.5 (03/19,2017)\\n" >&2\n' >/usr/sbin/keepalived
chmod 755 /usr/sbin/keepalived`)
	h.requireFailure(model.Rejected, "keepalived 1.3.5 is too old", "upgrade")
	h.run("mv /usr/sbin/kept /usr/sbin/keepalived")
}

func (h *edgeHost) lacksTheAccount() {
	entry := h.run("grep '^keepalived_script:' /etc/passwd")
	h.run("sed -i '/^keepalived_script:/d' /etc/passwd")
	h.requireFailure(model.Rejected, "the account keepalived_script does not exist", "hack/edge-host-setup.sh", "useradd --system")
	h.run("cat >>/etc/passwd <<'END'\n" + entry + "END")
}

func (h *edgeHost) hasNoRoom() {
	h.run("mount -t tmpfs -o size=4k tmpfs /etc/keepalived; head -c 4096 /dev/zero >/etc/keepalived/large || true")
	h.requireFailure(model.Rejected, "files cannot be written", "No space left", "make room")
	h.run("umount /etc/keepalived")
}

// readsAnotherFile starts a keepalived that does not read the file: the start is undone.
func (h *edgeHost) readsAnotherFile() {
	h.run(`printf 'DAEMON_ARGS="-f /etc/keepalived/keepalived.conf.sample.other"\n' >/etc/default/keepalived`)
	h.requireFailure(model.Rejected, "keepalived does not run its check", "its log: ", "keepalived was stopped again")
	h.run("rm /etc/default/keepalived")
}

// byHand is a configuration that a person has made for the same virtual router.
func (h *edgeHost) byHand() string {
	i := h.request.Config.Instances[0]
	return fmt.Sprintf(`! Configuration File for keepalived
vrrp_instance VI_1 {
	state MASTER
	interface eth0 # the only one
	virtual_router_id %d
	priority 100
	advert_int 1
	virtual_ipaddress {
		%s
	}
	virtual_ipaddress_excluded { %s }
}
`, i.RouterID, i.Addresses[0], i.Addresses[1])
}

func (h *edgeHost) isSomebodyElses() {
	must(h.t, h.WriteFile(pair.KeepalivedConfig, h.byHand(), 0o644))
	must(h.t, h.Service(h.t.Context(), pair.Keepalived, "start"))
	address := h.request.Config.Instances[0].Addresses[0].Addr()
	lab.Eventually(h.t, func() error {
		if holds, err := h.Holds(address); err != nil || !holds {
			return fmt.Errorf("%s is not there: %v", address, err)
		}
		return nil
	})
	outcome := h.requireFailure(model.Refused, "is left alone: it was written by somebody else", "set adopt: true", "keepalived.conf.before-edgelb")
	// What the other file makes virtual is no network of the host, even if nothing is known of what is wanted.
	h.request.Config, outcome.Networks = nil, h.look().Networks
	if len(outcome.Networks) != 2 || outcome.Networks[0].Prefix.Addr() != h.Address {
		h.t.Errorf("the networks are %v", outcome.Networks)
	}
	h.request.Config = h.wanted()
	h.request.NoAdopt = "a policy forbids adopt"
	h.requireFailure(model.Refused, "a policy forbids adopt")
	h.request.NoAdopt = ""
	h.request.Adopt, h.request.Suspend = true, true
	h.requireFailure(model.Suspended, "suspended; would reload keepalived: the configuration was not edgelb's")
	h.request.Suspend = false
}

// isAdopted expects that the addresses stay, since the virtual router is the same one.
func (h *edgeHost) isAdopted() {
	outcome := h.mustSync()
	if outcome.Update != keepalived.UpdateReload || len(outcome.Drift) > 0 {
		h.t.Errorf("got %+v", outcome)
	}
	h.awaitRole(keepalived.Master)
	if got := h.run("cat /etc/keepalived/keepalived.conf.before-edgelb"); got != h.byHand() {
		h.t.Errorf("the former file is kept as\n%s", got)
	}
	h.request.Adopt = false
}

func (h *edgeHost) isAnotherOwners() {
	h.run("sed -i 's,^# owner: .*,# owner: other/ns,' /etc/keepalived/keepalived.conf")
	outcome := h.requireFailure(model.Refused, "it belongs to another namespace")
	if outcome.Owner != "other/ns" || strings.Contains(outcome.Message, "other/ns") {
		h.t.Errorf("got %+v", outcome)
	}
	if outcome := h.look(); outcome.State != model.Refused {
		h.t.Errorf("the look is %+v", outcome)
	}
	idle := *h.request.Config
	idle.Instances, h.request.Config = nil, &idle
	if outcome := h.sync(); outcome.Update != "" || outcome.State != model.Synced {
		h.t.Errorf("another owner's file is touched: %+v", outcome)
	}
	h.request.Config = h.wanted()
	h.run("sed -i 's,^# owner: .*,# owner: test/ns,' /etc/keepalived/keepalived.conf")
	h.mustSync()
}

func (h *edgeHost) wasEdited() {
	h.run("sed -i 's/priority .*/priority 7/' /etc/keepalived/keepalived.conf; printf '# edited\n' >>/etc/keepalived/edgelb/check-*.sh")
	if outcome := h.look(); outcome.State != model.Drifted || !strings.Contains(outcome.Message, "the file was edited") {
		h.t.Errorf("the look is %+v", outcome)
	}
	h.request.ReportDrift = true
	h.requireFailure(model.Drifted, "drift of keepalived detected: the file was edited", "spec.driftPolicy: Repair")
	h.request.ReportDrift = false
	if outcome := h.mustSync(); outcome.Update != keepalived.UpdateReload || len(outcome.Drift) == 0 {
		h.t.Errorf("the repair is %+v", outcome)
	}
	h.awaitRole(keepalived.Master)
	if edited := h.run("grep -c '^# edited$' /etc/keepalived/edgelb/check-*.sh || true"); edited != "0\n" {
		h.t.Errorf("the check still has %q", edited)
	}
}

func (h *edgeHost) isRefusedByKeepalived() {
	h.run(`mv /usr/sbin/keepalived /usr/sbin/kept
printf '#!/bin/sh\ncase "$*" in *-t*) printf "Unknown keyword %%s in %%s\\n" nopreempt "$3" >&2; exit 5;; esac\nexec /usr/sbin/kept "$@"\n' >/usr/sbin/keepalived
chmod 755 /usr/sbin/keepalived`)
	h.request.Config.Instances[0].Priority--
	h.requireFailure(model.Rejected, "keepalived refuses the configuration: Unknown keyword nopreempt in /etc/keepalived/keepalived.conf;", "still runs its former configuration")
	h.run(`printf '#!/bin/sh\ncase "$*" in *-t*) exit 143;; esac\nexec /usr/sbin/kept "$@"\n' >/usr/sbin/keepalived`)
	h.requireFailure(model.Rejected, "keepalived 2.2.7 ended while it checked the configuration", "upgrade keepalived, or allow unshare --pid")
	h.run("mv /usr/sbin/kept /usr/sbin/keepalived")
	h.request.Config.Instances[0].Priority++
	h.mustSync()
}

// hangs has keepalived not load a file that passed its check: the former one is put back.
func (h *edgeHost) hangs() {
	must(h.t, h.Freeze(h.t.Context(), pair.Keepalived))
	h.request.Config.Instances[0].Priority--
	h.requireFailure(model.Rejected, "keepalived does not run its check", "former configuration was restored, and keepalived does not run it either")
	must(h.t, h.Thaw(h.t.Context(), pair.Keepalived))
	h.request.Config.Instances[0].Priority++
	h.mustSync()
	h.awaitRole(keepalived.Master)
}

func (h *edgeHost) wasRebooted() {
	h.run("rm -r /run/edgelb-keepalived; systemctl disable keepalived")
	if outcome := h.look(); outcome.State != model.Pending {
		h.t.Errorf("the look is %+v", outcome)
	}
	outcome := h.mustSync()
	if outcome.Update != keepalived.UpdateFile || len(outcome.Drift) > 0 || len(outcome.Reasons) != 2 {
		h.t.Errorf("got %+v", outcome)
	}
	if enabled := h.run("systemctl is-enabled keepalived"); enabled != "enabled\n" {
		h.t.Errorf("keepalived is %s", enabled)
	}
}

// setsTraps is what the account of the check can do with its result: none of it hangs a sync, or shows a file of root's.
func (h *edgeHost) setsTraps() {
	for name, trap := range map[string]string{
		"a pipe to which nobody writes": "mkfifo /run/edgelb-keepalived/check",
		"a link to a file of root's":    "ln -s /etc/shadow /run/edgelb-keepalived/check",
		"an endless device":             "ln -s /dev/zero /run/edgelb-keepalived/check",
		"a folder":                      "mkdir /run/edgelb-keepalived/check",
		"a large file":                  "head -c 1000000 /dev/zero >/run/edgelb-keepalived/check",
		"lines of other facts":          `printf 'process 1\nuid 0\ncheck x\n' >/run/edgelb-keepalived/check`,
	} {
		// The check, one run of which may still go on, would replace it.
		must(h.t, h.Freeze(h.t.Context(), pair.Keepalived))
		h.run("pkill -KILL -u keepalived_script || true; while pgrep -u keepalived_script -r R,S,D >/dev/null; do sleep 0.05; done; rm -rf /run/edgelb-keepalived/check; " + trap)
		outcome := h.look()
		if outcome.State == model.Synced || outcome.Fingerprint != "" || len(outcome.Networks) != 2 {
			h.t.Errorf("%s: the look is %+v", name, outcome)
		}
		h.run("rm -rf /run/edgelb-keepalived/check")
		must(h.t, h.Thaw(h.t.Context(), pair.Keepalived))
	}
	h.mustSync()
	h.awaitRole(keepalived.Master)
}

func (h *edgeHost) isLeftAfterAKill() {
	must(h.t, h.Kill(h.t.Context(), pair.Keepalived))
	lab.Eventually(h.t, func() error {
		if outcome := h.look(); !strings.Contains(outcome.Message, "keepalived does not run") {
			return fmt.Errorf("the look is %+v", outcome)
		}
		return nil
	})
	addresses := h.request.Config.Instances[0].Addresses
	idle := *h.request.Config
	idle.Instances, h.request.Config = nil, &idle
	h.mustSync()
	for _, prefix := range addresses {
		if holds, err := h.Holds(prefix.Addr()); holds || err != nil {
			h.t.Errorf("%s is still there: %v", prefix, err)
		}
	}
	if left := h.run("ls /etc/keepalived"); left != "keepalived.conf.before-edgelb\nkeepalived.conf.sample\n" {
		h.t.Errorf("what is left is %q", left)
	}
}

// wanted returns the configuration of the host anew.
func (h *edgeHost) wanted() *keepalived.Config { return h.edge.config(0, time.Second) }

func TestMaintenanceNeedsNoGoodConfiguration(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	e := startEdge(t, pair.Options{Roots: []string{debian12}})
	h := e.hosts[0]
	h.mustSync()
	h.awaitRole(keepalived.Master)
	h.request.Config.Instances[0].Interface, h.request.Maintenance = "eth9", true
	if outcome := h.sync(); outcome.State != model.Rejected || !strings.Contains(outcome.Message, "the interface eth9 does not exist") {
		t.Errorf("got %+v", outcome)
	}
	address := h.request.Config.Instances[0].Addresses[0].Addr()
	lab.Eventually(t, func() error {
		if holds, err := h.Holds(address); err != nil || holds {
			return fmt.Errorf("the host holds %s: %v", address, err)
		}
		return nil
	})
	e.want(time.Second)
	h.request.Maintenance = false
	h.mustSync()
	h.awaitRole(keepalived.Master)
}

func TestAnAccountNeedsSudo(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	for name, test := range map[string]struct {
		sudoers string
		// says is empty if it works.
		says []string
	}{
		"it may":                         {debian.OrdinaryUser + " ALL=(root) NOPASSWD: /bin/sh\n", nil},
		"sudo asks for a password":       {debian.OrdinaryUser + " ALL=(root) /bin/sh\n", []string{"edgelb may not write beside /etc/keepalived/keepalived.conf", "NOPASSWD: /bin/sh"}},
		"it is not among sudoers at all": {"", []string{"edgelb may not write beside /etc/keepalived/keepalived.conf", "NOPASSWD: /bin/sh"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, pair.Options{Roots: []string{debian12}, Host: debian.Options{User: debian.OrdinaryUser, Sudoers: test.sudoers}})
			h := e.hosts[0]
			if test.says != nil {
				h.requireFailure(model.Unauthorized, test.says...)
				return
			}
			h.mustSync()
			h.awaitRole(keepalived.Master)
			before := h.conn.commands.Load()
			if outcome := h.look(); outcome.State != model.Synced || h.conn.commands.Load() != before+1 {
				t.Errorf("after %d commands the look is %+v", h.conn.commands.Load()-before, outcome)
			}
			h.run("echo '# by hand' >>" + pair.KeepalivedConfig)
			if outcome := h.look(); outcome.State != model.Drifted || h.conn.commands.Load() != before+3 {
				t.Errorf("after %d commands and an edit the look is %+v", h.conn.commands.Load()-before, outcome)
			}
		})
	}
}

// A host without a peer holds its addresses, and sends adverts to nobody.
func TestEveryServiceManagerStartsReloadsAndStopsKeepalived(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	for _, init := range []debian.Init{debian.SysV, debian.OpenRC} {
		t.Run(string(init), func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, pair.Options{Roots: []string{debian12}, Host: debian.Options{Init: init}})
			h := e.hosts[0]
			if outcome := h.mustSync(); outcome.Update != keepalived.UpdateStart {
				t.Errorf("got %+v", outcome)
			}
			h.awaitRole(keepalived.Master)
			e.want(time.Second, 1)
			if outcome := h.mustSync(); outcome.Update != keepalived.UpdateReload {
				t.Errorf("got %+v", outcome)
			}
			h.awaitRole(keepalived.Master)
			e.requireHolder(0)
			e.leaves()
		})
	}
}

// A stranger on the network has the same virtual router ID, and other addresses.
func TestAStrangerWithTheSameVirtualRouterIsNamed(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	e := startEdge(t, pair.Options{Roots: []string{debian12, debian13}})
	h, stranger := e.hosts[0], e.hosts[1]
	i := &h.request.Config.Instances[0]
	i.Multicast, i.Peers = true, nil
	h.mustSync()
	h.awaitRole(keepalived.Master)
	other := stranger.request.Config.Instances[0]
	other.Addresses = []netip.Prefix{netip.PrefixFrom(e.VirtualIP(7).IPv4, 24), netip.PrefixFrom(e.VirtualIP(7).IPv6, 64)}
	stranger.request.Config.Instances[0] = other
	must(t, stranger.WriteFile(pair.KeepalivedConfig, stranger.byHand(), 0o644))
	must(t, stranger.Service(t.Context(), pair.Keepalived, "start"))
	// The log is that of a few seconds.
	lab.Eventually(t, func() error {
		outcome := h.sync()
		const want = "edge: another router in the network of eth0 has the virtual router ID 51"
		if looked := h.look(); outcome.State != model.Synced || !strings.Contains(outcome.Message, want) || looked.Message != outcome.Message {
			return fmt.Errorf("got %+v and, at a look, %+v", outcome, looked)
		}
		return nil
	})
	must(t, stranger.Service(t.Context(), pair.Keepalived, "stop"))
	lab.Eventually(t, func() error {
		if outcome := h.sync(); outcome.Message != "" {
			return fmt.Errorf("got %+v", outcome)
		}
		return nil
	})
}
