package balancing_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// host is a Debian whose HAProxy runs as its package configures it: as a master and a worker in a chroot without privileges.
type host struct {
	*debian.Host
	t *testing.T
	// gateway is the address at which the host finds the test's servers; the host's own is the next one.
	gateway netip.Addr
}

const (
	hostSocket = "/run/haproxy/admin.sock"
	hostState  = "/var/lib/haproxy/edgelb-state"
	hostPort   = 7000
)

// hostNumbers gives every host addresses of its own.
var hostNumbers atomic.Int32

// onEachDebian runs a test on a host with HAProxy 2.6 and on one with 3.0.
func onEachDebian(t *testing.T, test func(t *testing.T, h host)) {
	t.Helper()
	programs.NeedRoot(t, "booting a Debian")
	for _, name := range []string{"debian-12", "debian-13"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			number := int(hostNumbers.Add(1))
			booted, err := debian.Start(t.Context(), debian.Options{Number: number, Root: filepath.Join("../../../bin", name)})
			must(t, err)
			t.Cleanup(func() { must(t, booted.Close()) })
			lab.LogOnFailure(t, booted)
			test(t, host{Host: booted, t: t, gateway: netip.AddrFrom4([4]byte{10, 99, byte(number), 1})})
		})
	}
}

// load writes the file for these backends and makes HAProxy load it.
func (h host) load(backends ...haproxy.Backend) {
	h.t.Helper()
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), hostPort)
	_, withoutResolvConf := os.Stat(h.Path("/etc/resolv.conf"))
	file, err := cfg.Render(config(at, hostSocket, backends...), cfg.Platform{
		User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", StateFile: hostState, Syslog: true, ResolvConf: withoutResolvConf == nil,
	})
	must(h.t, err)
	must(h.t, os.WriteFile(h.Path(h.ConfigPath), file.Text, 0o644))
	h.reload()
	info, err := h.Info(h.t.Context())
	must(h.t, err)
	if got, _ := cfg.ParseDescription(info["description"]); got != file.Structure {
		h.t.Fatalf("after the reload HAProxy runs %q, want structure %s", info["description"], file.Structure)
	}
}

// reload reloads HAProxy and waits until another worker serves.
func (h host) reload() {
	h.t.Helper()
	before, err := h.WorkerPID(h.t.Context())
	must(h.t, err)
	_, err = h.Exec(h.t.Context(), "systemctl", "reload", "haproxy")
	must(h.t, err)
	lab.Eventually(h.t, func() error {
		worker, err := h.WorkerPID(h.t.Context())
		if err == nil && worker == before {
			err = fmt.Errorf("the former worker %d serves", before)
		}
		if err == nil {
			_, err = h.Info(h.t.Context())
		}
		return err
	})
}

// servers returns HAProxy's servers by name.
func (h host) servers() map[string]runtime.Server {
	h.t.Helper()
	all, err := runtime.ParseServersState([]byte(h.ask(runtime.ShowServersState)))
	must(h.t, err)
	byName := map[string]runtime.Server{}
	for _, s := range all {
		byName[s.Name] = s
	}
	return byName
}

func (h host) ask(command string) string {
	h.t.Helper()
	answer, err := h.Ask(h.t.Context(), command)
	must(h.t, err)
	return answer
}

// greeter starts a server that the host reaches at an address of the lab.
func (h host) greeter(name string, at netip.Addr) haproxy.Server {
	h.t.Helper()
	return h.greeterAt(name, netip.AddrPortFrom(at, 0))
}

func (h host) greeterAt(name string, at netip.AddrPort) haproxy.Server {
	h.t.Helper()
	listener, err := net.Listen("tcp", at.String())
	must(h.t, err)
	accept.Each(h.t, listener, func(conn net.Conn) { _, _ = fmt.Fprintln(conn, name) })
	return server(name, listener)
}

// meets returns the server that a client meets.
func (h host) meets(client netip.Addr) string {
	h.t.Helper()
	conn := dial(h.t, client.String(), netip.AddrPortFrom(h.Address, hostPort))
	defer conn.Close()
	return greeting(h.t, conn)
}

// Clients come in another order after the reload, because HAProxy would restart its round robin.
func TestClientsStickToTheirServersAfterAReload(t *testing.T) {
	t.Parallel()
	onEachDebian(t, func(t *testing.T, h host) {
		b := haproxy.Backend{Name: "be", Balance: haproxy.RoundRobin, Affinity: haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}}
		for _, name := range []string{"a", "b", "c"} {
			b.Servers = append(b.Servers, h.greeter(name, h.gateway))
		}
		h.load(b)
		// HAProxy 2.6 passes nothing on before it has given up waiting for data itself.
		lab.Eventually(t, func() error {
			if peers := h.ask("show peers"); strings.Contains(peers, "resync_timeout=") && !strings.Contains(peers, "resync_timeout=<") {
				return fmt.Errorf("HAProxy waits to be handed over what the former worker knows: %s", peers)
			}
			return nil
		})
		var clients []netip.Addr
		want := map[netip.Addr]string{}
		for n := range 6 {
			at := netip.AddrFrom4([4]byte{100, 64, 7, byte(n + 1)})
			clients, want[at] = append(clients, at), h.meets(at)
		}
		for range 3 {
			h.reload()
			lab.Eventually(t, func() error {
				if table := h.ask("show table be"); strings.Count(table, " key=") != len(clients) {
					return fmt.Errorf("of %d clients HAProxy knows %s", len(clients), table)
				}
				return nil
			})
			slices.Reverse(clients)
			for _, at := range clients {
				if got := h.meets(at); got != want[at] {
					t.Errorf("after a reload %s meets %s, want %s as before", at, got, want[at])
				}
			}
		}
	})
}

// speaker connects to a unix socket and says hello as a peer does; a name of /proc/net/unix that begins with @ is abstract.
const speaker = `use IO::Socket::UNIX; my $name = shift; $name =~ tr/@/\0/ if $name =~ /^@/;
my $s = IO::Socket::UNIX->new(Peer => $name) or die "connect: $!"; $s->autoflush(1);
print $s "HAProxyS 2.1\nedgelb\nedgelb 1 1\n"; print scalar <$s>;`

// Whoever connects as a peer can read and write the table of clients.
func TestOnlyHAProxysAccountReachesWhatIsKnownOfClients(t *testing.T) {
	t.Parallel()
	onEachDebian(t, func(t *testing.T, h host) {
		h.load(haproxy.Backend{
			Name: "be", Balance: haproxy.RoundRobin, Affinity: haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour},
			Servers: []haproxy.Server{h.greeter("a", h.gateway)},
		})
		// The kernel lists the sockets of the whole host, and a file under the name that HAProxy bound before it was renamed.
		listed, err := h.Exec(t.Context(), "sed", "-n", `s/.* \([^ ]*edgelb-peers[^.]*\).*/\1/p`, "/proc/net/unix")
		must(t, err)
		for _, name := range strings.Fields(listed) {
			for account, want := range map[string]bool{"haproxy": true, "nobody": false, "edgelb": false} {
				answer, err := h.Exec(t.Context(), "setpriv", "--reuid", account, "--regid", "nogroup", "--clear-groups", "perl", "-e", speaker, name)
				if got := strings.HasPrefix(answer, "200"); got != want {
					t.Errorf("%s gets %q, %v of %s, want an answer: %v", account, answer, err, name, want)
				}
			}
		}
		if len(listed) == 0 {
			t.Error("HAProxy has no socket for peers")
		}
	})
}
