package pair

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/fault"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

func TestMain(m *testing.M) { lab.Main(m) }

const (
	debian12 = "../../../bin/debian-12-keepalived"
	debian13 = "../../../bin/debian-13-keepalived"
)

// port is where the hosts serve clients, and the backend listens.
const port = 8080

// checkScript succeeds if HAProxy answers, which a process that hangs does not.
const checkScript = `#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/8404 || exit 1
printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
IFS= read -r -t 2 line <&3 || exit 1
[[ $line == *" 200 "* ]]
`

// edge is a pair with configurations that were not made by the code under test.
type edge struct {
	*Pair
	t *testing.T
	// excluded are the numbers of the virtual IPs that are not in the advertisements.
	excluded []int
}

func TestAPair(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	for _, test := range []struct {
		name    string
		options Options
	}{
		{"two of Debian 12", Options{Number: 1, Roots: []string{debian12, debian12}}},
		{"three of Debian 13 and 12", Options{Number: 2, Roots: []string{debian13, debian12, debian13}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, test.options)
			for _, step := range []struct {
				name string
				run  func(*edge)
			}{
				{"the first host has the addresses", (*edge).hasOneHolder},
				{"login works on each host", (*edge).letsLogIn},
				{"a reload of keepalived loses nothing", (*edge).losesNothingInAReload},
				{"HAProxy is killed", (*edge).survivesAKilledHAProxy},
				{"HAProxy hangs", (*edge).survivesAHangingHAProxy},
				{"a link is cut", (*edge).survivesACutLink},
				{"a switch drops frames", (*edge).survivesDroppedFrames},
				{"the hosts do not hear each other", (*edge).hasTwoHoldersWhenSeparated},
				{"keepalived is killed", (*edge).survivesAKilledKeepalived},
			} {
				if !t.Run(step.name, func(t *testing.T) { step.run(e.in(t)) }) {
					return
				}
			}
		})
	}
}

func (e *edge) in(t *testing.T) *edge {
	own := *e
	own.t = t
	return &own
}

func startEdge(t *testing.T, options Options) *edge {
	t.Helper()
	backend, err := lab.StartBackend(t.Context(), lab.BackendOptions{
		Name: "pod", Addresses: lab.PodAddresses(options.Number), Port: port,
	})
	must(t, err)
	t.Cleanup(func() { must(t, backend.Close()) })
	e := &edge{Pair: startPair(t, options), t: t, excluded: []int{1}}
	for i, h := range e.Hosts {
		must(t, h.WriteFile("/etc/keepalived/check-haproxy", checkScript, 0o755))
		must(t, h.WriteFile(KeepalivedConfig, e.keepalivedConfig(i), 0o644))
		e.configureHAProxy(h, lab.PodAddresses(options.Number))
	}
	for _, h := range e.Hosts {
		must(t, h.NoRestart(t.Context(), HAProxy))
		must(t, h.Service(t.Context(), HAProxy, "restart"))
		must(t, h.Service(t.Context(), Keepalived, "start"))
		// The host with the highest priority gets the addresses, since it is the first one.
		e.awaitHolders(e.Hosts[0])
	}
	e.awaitAnswers()
	return e
}

func startPair(t *testing.T, options Options) *Pair {
	t.Helper()
	p, err := Start(t.Context(), options)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	lab.LogOnFailure(t, p)
	t.Cleanup(func() {
		for _, h := range p.Hosts {
			if t.Failed() && h.init != debian.SysV {
				log, err := h.KeepalivedLog(context.Background())
				t.Logf("keepalived of %s (%v):\n%s", h.Name, err, log)
			}
		}
	})
	return p
}

func (e *edge) configureHAProxy(h *Host, pod lab.Addresses) {
	config, err := h.ReadConfig()
	must(e.t, err)
	must(e.t, h.WriteFile(h.ConfigPath, config+fmt.Sprintf(`
frontend health
	bind 127.0.0.1:8404
	mode http
	monitor-uri /healthz
listen v4
	mode tcp
	bind ipv4@:%[1]d
	server pod %[2]s
listen v6
	mode tcp
	bind ipv6@:%[1]d v6only
	server pod %[3]s
`, port, netip.AddrPortFrom(pod.IPv4, port), netip.AddrPortFrom(pod.IPv6, port)), 0o644))
}

func (e *edge) keepalivedConfig(index int) string {
	var peers, excluded []string
	for i, h := range e.Hosts {
		if i != index {
			peers = append(peers, h.Address.String())
		}
	}
	for _, n := range e.excluded {
		excluded = append(excluded, e.VirtualIP(n).IPv4.String()+"/24", e.VirtualIP(n).IPv6.String()+"/64 preferred_lft 0")
	}
	return fmt.Sprintf(`global_defs {
	vrrp_version 3
	vrrp_garp_master_refresh 2
	script_user keepalived_script
	enable_script_security
}
vrrp_script haproxy {
	script /etc/keepalived/check-haproxy
	interval 1
	timeout 3
	fall 2
	rise 1
	init_fail
}
vrrp_instance edge {
	state BACKUP
	nopreempt
	interface %s
	virtual_router_id 51
	priority %d
	advert_int 1
	unicast_src_ip %s
	unicast_peer {
		%s
	}
	virtual_ipaddress {
		%s/24
	}
	virtual_ipaddress_excluded {
		%s/64 preferred_lft 0
		%s
	}
	track_script {
		haproxy
	}
}
`, Interface, 250-index, e.Hosts[index].Address, strings.Join(peers, "\n"), e.VirtualIP(0).IPv4, e.VirtualIP(0).IPv6,
		strings.Join(excluded, "\n"))
}

// hasOneHolder also proves that the advertisements were heard: the other hosts would be masters without them.
func (e *edge) hasOneHolder() {
	e.awaitHolders(e.Hosts[0])
	for i, h := range e.Hosts[1:] {
		e.awaitBackup(h)
		log, err := h.KeepalivedLog(e.t.Context())
		must(e.t, err)
		if strings.Contains(log, "Entering MASTER STATE") {
			e.t.Errorf("keepalived of host %d says\n%s", i+2, log)
		}
	}
}

func (e *edge) letsLogIn() {
	for _, h := range e.Hosts {
		client, err := h.DialSSH(e.t.Context())
		must(e.t, err)
		session, err := client.NewSession()
		must(e.t, err)
		output, err := session.Output("hostname")
		if strings.TrimSpace(string(output)) != h.Name || err != nil {
			e.t.Errorf("hostname of %s says %q, %v", h.Name, output, err)
		}
		must(e.t, client.Close())
	}
}

func (e *edge) losesNothingInAReload() {
	holder := e.holder()
	load := e.startLoad()
	for _, excluded := range [][]int{{1, 2}, {1}} {
		e.excluded = excluded
		for i, h := range e.Hosts {
			must(e.t, h.WriteFile(KeepalivedConfig, e.keepalivedConfig(i), 0o644))
			must(e.t, h.Service(e.t.Context(), Keepalived, "reload"))
		}
		lab.Eventually(e.t, func() error {
			holds, err := holder.Holds(e.VirtualIP(2).IPv6)
			if want := slices.Contains(excluded, 2); err == nil && holds != want {
				err = fmt.Errorf("%s holds an address that was added or removed: %t, want %t", holder.Name, holds, want)
			}
			return err
		})
	}
	e.requireNoLoss(load)
	e.awaitHolders(holder)
}

func (e *edge) survivesAKilledHAProxy() {
	holder := e.holder()
	load := e.startLoad()
	must(e.t, holder.Kill(e.t.Context(), HAProxy))
	e.awaitAnotherHolder(holder)
	if result := e.stopLoad(load); sumOf(result, func(r lab.LoadResult) int { return r.Refused }) == 0 {
		e.t.Errorf("the load noticed nothing: %s", result)
	}
	must(e.t, holder.Service(e.t.Context(), HAProxy, "start"))
	e.awaitBackup(holder)
}

func (e *edge) survivesAHangingHAProxy() {
	holder := e.holder()
	load := e.startLoad()
	must(e.t, holder.Freeze(e.t.Context(), HAProxy))
	e.awaitAnotherHolder(holder)
	e.stopLoad(load)
	must(e.t, holder.Thaw(e.t.Context(), HAProxy))
	e.awaitBackup(holder)
}

func (e *edge) survivesACutLink() {
	holder := e.holder()
	load := e.startLoad()
	must(e.t, holder.CutLink(e.t.Context()))
	e.awaitAnotherHolder(holder)
	if err := holder.AnswersSSH(shortly(e.t)); err == nil {
		e.t.Error("sshd of the host without a link answers")
	}
	e.stopLoad(load)
	must(e.t, holder.RestoreLink(e.t.Context()))
	lab.Eventually(e.t, func() error { return holder.AnswersSSH(e.t.Context()) })
	e.awaitBackup(holder)
}

// survivesDroppedFrames differs from a cut link in that the former holder keeps the addresses.
func (e *edge) survivesDroppedFrames() {
	holder := e.holder()
	load := e.startLoad()
	must(e.t, holder.DropFrames(e.t.Context()))
	e.awaitHolderCount(2)
	e.awaitAnswers()
	if err := holder.AnswersSSH(shortly(e.t)); err == nil {
		e.t.Error("sshd of the host whose frames are dropped answers")
	}
	must(e.t, holder.PassFrames(e.t.Context()))
	e.awaitHolderCount(1)
	e.awaitAnswers()
	e.stopLoad(load)
}

func (e *edge) hasTwoHoldersWhenSeparated() {
	load := e.startLoad()
	must(e.t, e.Separate(e.t.Context()))
	e.awaitHolders(e.Hosts...)
	for _, h := range e.Hosts {
		for _, address := range h.Public.All() {
			_, err := e.Client().Get(e.t.Context(), netip.AddrPortFrom(address, port))
			must(e.t, err)
		}
		must(e.t, h.AnswersSSH(e.t.Context()))
	}
	e.awaitAnswers()
	must(e.t, e.Rejoin(e.t.Context()))
	// Of several masters, the one with the highest priority stays.
	e.awaitHolders(e.Hosts[0])
	e.awaitAnswers()
	e.stopLoad(load)
}

// survivesAKilledKeepalived shows what keepalived leaves behind: its addresses.
func (e *edge) survivesAKilledKeepalived() {
	holder := e.holder()
	must(e.t, holder.Kill(e.t.Context(), Keepalived))
	e.awaitHolderCount(2)
	must(e.t, holder.Service(e.t.Context(), Keepalived, "start"))
	e.awaitHolderCount(1)
	e.awaitAnswers()
	must(e.t, e.holder().Service(e.t.Context(), Keepalived, "stop"))
	e.awaitHolderCount(1)
	e.awaitAnswers()
}

// holder returns the only host that has the addresses.
func (e *edge) holder() *Host {
	e.t.Helper()
	e.awaitHolderCount(1)
	holders, err := e.Holders(e.VirtualIP(0).IPv4)
	must(e.t, err)
	return holders[0]
}

// awaitHolders waits until these hosts, and no others, have all virtual IPs.
func (e *edge) awaitHolders(want ...*Host) {
	e.t.Helper()
	e.await(func(address netip.Addr, holders []*Host) error {
		if !slices.Equal(holders, want) {
			return fmt.Errorf("%s is on %s, want %s", address, names(holders), names(want))
		}
		return nil
	})
}

func (e *edge) awaitHolderCount(want int) {
	e.t.Helper()
	e.await(func(address netip.Addr, holders []*Host) error {
		if len(holders) != want {
			return fmt.Errorf("%s is on %s, want it on %d hosts", address, names(holders), want)
		}
		return nil
	})
}

// awaitAnotherHolder waits until another host has the addresses, and answers.
func (e *edge) awaitAnotherHolder(former *Host) {
	e.t.Helper()
	e.await(func(address netip.Addr, holders []*Host) error {
		if len(holders) != 1 || holders[0] == former {
			return fmt.Errorf("%s is on %s, want it on another host than %s", address, names(holders), former.Name)
		}
		return nil
	})
	e.awaitAnswers()
}

func (e *edge) await(check func(netip.Addr, []*Host) error) {
	e.t.Helper()
	lab.Eventually(e.t, func() error {
		var failed error
		for _, address := range e.virtual() {
			holders, err := e.Holders(address)
			failed = errors.Join(failed, err)
			if err == nil {
				failed = errors.Join(failed, check(address, holders))
			}
		}
		return failed
	})
}

// awaitBackup waits until keepalived of a host can take over again, and checks that it has not.
func (e *edge) awaitBackup(h *Host) {
	e.t.Helper()
	lab.Eventually(e.t, func() error {
		log, err := h.KeepalivedLog(e.t.Context())
		if err != nil {
			return err
		}
		states := strings.Split(log, "Entering ")
		if last := states[len(states)-1]; !strings.HasPrefix(last, "BACKUP STATE") {
			return fmt.Errorf("keepalived of %s last entered %s", h.Name, last)
		}
		return nil
	})
	if holder := e.holder(); holder == h {
		e.t.Errorf("%s took the addresses back", h.Name)
	}
}

func (e *edge) awaitAnswers() {
	e.t.Helper()
	for _, address := range e.virtual() {
		lab.Eventually(e.t, func() error {
			_, err := e.Client().Get(e.t.Context(), netip.AddrPortFrom(address, port))
			return err
		})
	}
}

// virtual returns the addresses that always are virtual IPs.
func (e *edge) virtual() []netip.Addr { return append(e.VirtualIP(0).All(), e.VirtualIP(1).All()...) }

func (e *edge) startLoad() *fault.Traffic {
	e.t.Helper()
	load := fault.Load{Rate: 50}
	for _, address := range e.VirtualIP(0).All() {
		load.At = append(load.At, netip.AddrPortFrom(address, port))
	}
	traffic, err := fault.StartTraffic(e.t.Context(), e.Client(), load)
	must(e.t, err)
	return traffic
}

// stopLoad checks that the load went on.
func (e *edge) stopLoad(load *fault.Traffic) fault.Result {
	e.t.Helper()
	e.awaitAnswers()
	result := load.Stop()
	e.t.Log(result)
	for _, address := range e.VirtualIP(0).All() {
		if of := result.ByAddress[netip.AddrPortFrom(address, port)]; of.OK == 0 {
			e.t.Errorf("%s did not answer the load", address)
		}
	}
	return result
}

func (e *edge) requireNoLoss(load *fault.Traffic) {
	e.t.Helper()
	if result := e.stopLoad(load); result.Lost > 0 {
		e.t.Error("connections were lost")
	}
}

func sumOf(result fault.Result, count func(lab.LoadResult) int) int {
	sum := 0
	for _, r := range result.ByAddress {
		sum += count(r)
	}
	return sum
}

func names(hosts []*Host) []string {
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
	}
	return names
}

// shortly returns a context in which nothing answers that is out of reach.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
