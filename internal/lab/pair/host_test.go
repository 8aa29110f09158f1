package pair

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// multicast is the configuration of a pair without unicast peers and scripts; its holes are the priority and the addresses.
const multicast = `vrrp_instance edge {
	state BACKUP
	interface eth0
	virtual_router_id 52
	priority %d
	advert_int 1
	virtual_ipaddress {
		%s/24
	}
	virtual_ipaddress_excluded {
		%s/64 preferred_lft 0
	}
}
`

func TestServicesStartReloadAndStopUnderEachInitSystem(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	for i, test := range []struct {
		init  debian.Init
		roots []string
	}{
		{debian.SysV, []string{debian12, debian12}},
		{debian.OpenRC, []string{debian12}},
		{debian.Systemd, []string{debian13}},
	} {
		t.Run(string(test.init), func(t *testing.T) {
			t.Parallel()
			p := startPair(t, Options{
				Number: 20 + i, Roots: test.roots, Host: debian.Options{Init: test.init}, WithoutScriptUser: true,
			})
			configure := func(service string, excluded lab.Addresses) {
				t.Helper()
				for i, h := range p.Hosts {
					must(t, h.WriteFile(KeepalivedConfig, fmt.Sprintf(multicast, 250-i, p.VirtualIP(0).IPv4, excluded.IPv6), 0o644))
					must(t, h.Service(t.Context(), Keepalived, service))
				}
				// keepalived of the second host hears the first one: multicast passes the segment.
				awaitHolding(t, p, excluded, p.Hosts[0])
			}
			configure("restart", p.VirtualIP(1))
			configure("reload", p.VirtualIP(2))
			for i, h := range p.Hosts {
				must(t, h.Service(t.Context(), Keepalived, "stop"))
				awaitHolding(t, p, p.VirtualIP(2), p.Hosts[i+1:min(i+2, len(p.Hosts))]...)
			}
			if _, err := p.Hosts[0].Exec(t.Context(), "id", ScriptUser); err == nil {
				t.Errorf("the host has the account %s", ScriptUser)
			}
		})
	}
}

func TestKeepalivedsCheckConfigurations(t *testing.T) {
	programs.NeedRoot(t, "checking a configuration of keepalived")
	t.Parallel()
	good := fmt.Sprintf(multicast, 100, "192.0.2.1", "2001:db8::1")
	good = strings.Replace(good, Interface, "segment40", 1)
	// keepalived does not take the loopback interface, which is the only one of the lab.
	s := segment{number: 40}
	must(t, s.setUp(t.Context()))
	t.Cleanup(func() { must(t, s.remove(context.Background())) })
	found := programs.Keepaliveds(t)
	if len(found) < 2 {
		t.Errorf("found only %v, want also that of Debian 13; run make debian-roots", found)
	}
	for _, program := range found {
		for config, want := range map[string]int{good: 0, good + "nonsense\n": 5} {
			file := filepath.Join(t.TempDir(), "keepalived.conf")
			must(t, os.WriteFile(file, []byte(config), 0o600))
			// Without a PID namespace of its own, keepalived 2.2.7 kills itself where it has a script user.
			check := exec.CommandContext(t.Context(), "unshare", "--pid", "--fork", program, "-t", "-f", file)
			output, _ := check.CombinedOutput()
			if got := check.ProcessState.ExitCode(); got != want {
				t.Errorf("%s exits with %d, want %d:\n%s", program, got, want, output)
			}
		}
	}
}

func awaitHolding(t *testing.T, p *Pair, address lab.Addresses, want ...*Host) {
	t.Helper()
	lab.Eventually(t, func() error {
		holders, err := p.Holders(address.IPv6)
		if err == nil && !slices.Equal(holders, want) {
			err = fmt.Errorf("%s is on %s, want %s", address.IPv6, names(holders), names(want))
		}
		return err
	})
}

func TestSystemdStartsAKilledHAProxyUnlessItMustNot(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	p := startPair(t, Options{Number: 30, Roots: []string{debian13}})
	h := p.Hosts[0]
	state := func() string {
		output, _ := h.Exec(t.Context(), "systemctl", "show", "--property", "ActiveState,NRestarts", HAProxy)
		return output
	}
	must(t, h.Kill(t.Context(), HAProxy))
	awaitState(t, state, "ActiveState=active", "NRestarts=1")
	must(t, h.NoRestart(t.Context(), HAProxy))
	must(t, h.Kill(t.Context(), HAProxy))
	awaitState(t, state, "ActiveState=failed")
	must(t, h.Service(t.Context(), HAProxy, "start"))
	awaitState(t, state, "ActiveState=active")
}

func awaitState(t *testing.T, state func() string, want ...string) {
	t.Helper()
	lab.Eventually(t, func() error {
		got := state()
		for _, each := range want {
			if !strings.Contains(got, each) {
				return fmt.Errorf("the service's state is %q, want %s", got, want)
			}
		}
		return nil
	})
}

func TestSignalsToAProgramThatDoesNotRunAreErrors(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	h := startPair(t, Options{Number: 31, Roots: []string{debian12}, Host: debian.Options{Init: debian.SysV}}).Hosts[0]
	for name, err := range map[string]error{
		"Kill":    h.Kill(t.Context(), Keepalived),
		"Freeze":  h.Freeze(t.Context(), Keepalived),
		"Thaw":    h.Thaw(t.Context(), Keepalived),
		"Service": h.Service(t.Context(), "no-such-service", "start"),
	} {
		if err == nil {
			t.Errorf("%s of what does not run reports success", name)
		}
	}
}

func TestNothingOfAPairIsLeftAfterClose(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	options := Options{Number: 32, Roots: []string{debian12, debian13}}
	for range 2 {
		p := startPair(t, options)
		for range 2 {
			must(t, p.Close())
		}
		interfaces, err := net.Interfaces()
		must(t, err)
		for _, i := range interfaces {
			if strings.HasPrefix(i.Name, "segment32") {
				t.Errorf("interface %s is left", i.Name)
			}
		}
		for _, h := range p.Hosts {
			if _, err := os.Stat(h.NetworkNamespace()); err == nil {
				t.Errorf("the first process of %s is left", h.Name)
			}
		}
	}
}

func TestAPairThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "usr/sbin")
	must(t, os.MkdirAll(broken, 0o755))
	must(t, os.WriteFile(filepath.Join(broken, "keepalived"), nil, 0o755))
	for _, test := range []struct {
		name    string
		options Options
		want    string
	}{
		{"a number without addresses", Options{Number: 251, Roots: []string{debian12}}, "1 to 250"},
		{"no host", Options{Number: 33}, "1 to 50 hosts"},
		{"a root without keepalived", Options{Number: 33, Roots: []string{"../../../bin/debian-12"}}, "hack/keepalived-root.sh"},
		{"a host that does not boot", Options{Number: 33, Roots: []string{filepath.Dir(filepath.Dir(broken)), debian12}}, "hack/debian-root.sh"},
	} {
		p, err := Start(t.Context(), test.options)
		if err == nil {
			_ = p.Close()
			t.Fatalf("%s: it starts", test.name)
		}
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %q, want %q in it", test.name, err, test.want)
		}
		if left, err := net.InterfaceByName("segment33"); err == nil {
			t.Errorf("%s: interface %s is left", test.name, left.Name)
		}
	}
	first := startPair(t, Options{Number: 33, Roots: []string{debian12}, Host: debian.Options{Init: debian.SysV}})
	if _, err := Start(t.Context(), Options{Number: 33, Roots: []string{debian12}}); err == nil || !strings.Contains(err.Error(), "File exists") {
		t.Errorf("a number that is taken: %v", err)
	}
	must(t, first.Hosts[0].AnswersSSH(t.Context()))
}

func TestTheAddressesOfAHostThatIsGoneAreAnError(t *testing.T) {
	t.Parallel()
	h := &Host{Host: &debian.Host{Host: lab.Host{Name: "gone"}}}
	if _, err := h.Addresses(); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("addresses of a host that is gone: %v", err)
	}
	if _, err := (&Pair{Hosts: []*Host{h}}).Holders(lab.PodAddresses(1).IPv4); err == nil {
		t.Error("holders among hosts that are gone")
	}
}

func TestVirtualIPsAreAddressesOfTheSegment(t *testing.T) {
	t.Parallel()
	p := &Pair{segment: segment{number: 7}}
	if got := p.VirtualIP(3); got.IPv4.String() != "10.98.7.103" || got.IPv6.String() != "fd00:98:7::103" {
		t.Errorf("got %s", got.All())
	}
	if got := p.segment.link(0); got.Name != "segment7-1" || got.Host.IPv4.String() != "10.98.7.2/24" ||
		got.Host.LinkLocal().String() != "fe80::2/64" || got.Gateway.IPv6.String() != "fd00:98:7::1/64" {
		t.Errorf("got %+v", got)
	}
}
