package debian

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

func TestMain(m *testing.M) { lab.Main(m) }

const (
	debian12 = "../../../bin/debian-12"
	debian13 = "../../../bin/debian-13"
)

// variant is a kind of host, and its properties.
type variant struct {
	name   string
	number int
	root   string
	init   Init
	// reload is the command with which an administrator reloads HAProxy.
	reload []string

	wantFirstProcess string
	wantVersion      string
	wantMaster       bool
	// wantMark exists only if that init system has booted; empty for none.
	wantMark string
}

func variants() []variant {
	return []variant{{
		name: "Debian 12 with systemd", number: 11, root: debian12, init: Systemd, reload: []string{"systemctl", "reload", "haproxy"},
		wantFirstProcess: "systemd", wantVersion: "2.6.", wantMaster: true, wantMark: "/run/systemd/system",
	}, {
		name: "Debian 13 with systemd", number: 12, root: debian13, init: Systemd, reload: []string{"systemctl", "reload", "haproxy"},
		wantFirstProcess: "systemd", wantVersion: "3.0.", wantMaster: true, wantMark: "/run/systemd/system",
	}, {
		name: "Debian 12 with SysV init", number: 13, root: debian12, init: SysV, reload: []string{"/etc/init.d/haproxy", "reload"},
		wantFirstProcess: "init", wantVersion: "2.6.",
	}, {
		name: "Debian 12 with OpenRC", number: 14, root: debian12, init: OpenRC, reload: []string{"rc-service", "haproxy", "reload"},
		wantFirstProcess: "init", wantVersion: "2.6.", wantMark: "/run/openrc",
	}}
}

func TestDebianHosts(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, Options{Number: v.number, Root: v.root, Init: v.init})
			for _, test := range []struct {
				name string
				run  func(*testing.T, variant, *Host)
			}{
				{"run the init system and the HAProxy of their distribution", runsItsDistribution},
				{"have the configuration of the package", hasThePackagesConfiguration},
				{"let root and the account log in", letsAccountsLogIn},
				{"forward clients to pods after a reload", forwardsAfterAReload},
				{"leave no zombies", leavesNoZombies},
			} {
				t.Run(test.name, func(t *testing.T) { test.run(t, v, h) })
			}
		})
	}
}

func runsItsDistribution(t *testing.T, v variant, h *Host) {
	if got := trimmed(h.Exec(t.Context(), "cat", "/proc/1/comm"))(t); got != v.wantFirstProcess {
		t.Errorf("the first process is %q, want %q", got, v.wantFirstProcess)
	}
	for _, mark := range []string{"/run/systemd/system", "/run/openrc"} {
		_, err := os.Stat(h.Path(mark))
		if got, want := err == nil, mark == v.wantMark; got != want {
			t.Errorf("%s exists: %t, want %t", mark, got, want)
		}
	}
	info, err := h.Info(t.Context())
	must(t, err)
	if !strings.HasPrefix(info["Version"], v.wantVersion) {
		t.Errorf("HAProxy's version is %q, want %s…", info["Version"], v.wantVersion)
	}
	if _, err := os.Stat(h.Path("/run/haproxy-master.sock")); (err == nil) != v.wantMaster {
		t.Errorf("the master's socket: %v, want one: %t", err, v.wantMaster)
	}
	if _, err := h.MasterPID(t.Context()); (err == nil) != v.wantMaster {
		t.Errorf("MasterPID: %v, want a master: %t", err, v.wantMaster)
	}
	if worker, err := h.WorkerPID(t.Context()); err != nil || strconv.Itoa(worker) != info["Pid"] {
		t.Errorf("WorkerPID is %d, %v; want %s, which serves", worker, err, info["Pid"])
	}
}

func hasThePackagesConfiguration(t *testing.T, _ variant, h *Host) {
	config, err := h.ReadConfig()
	must(t, err)
	if want := trimmed(h.Exec(t.Context(), "cat", h.ConfigPath))(t); strings.TrimSpace(config) != want {
		t.Errorf("ReadConfig is %q, but the host has %q", config, want)
	}
	sum := strings.Fields(trimmed(h.Exec(t.Context(), "md5sum", h.ConfigPath))(t))[0]
	files := trimmed(h.Exec(t.Context(), "dpkg-query", "--show", "--showformat", "${Conffiles}", "haproxy"))(t)
	if want := h.ConfigPath + " " + sum; !strings.Contains(files, want) {
		t.Errorf("the package's files are %s, want %q among them", files, want)
	}
}

func letsAccountsLogIn(t *testing.T, _ variant, h *Host) {
	for _, user := range []string{"root", OrdinaryUser} {
		h.User = user
		if got, err := runOverSSH(t, h, "id -un"); got != user || err != nil {
			t.Errorf("id -un says %q, %v; want %q", got, err, user)
		}
	}
}

func forwardsAfterAReload(t *testing.T, v variant, h *Host) {
	pod := lab.PodAddresses(9000 + v.number)
	backend, err := lab.StartBackend(t.Context(), lab.BackendOptions{Name: "pod", Addresses: pod, Port: 8080})
	must(t, err)
	t.Cleanup(func() { must(t, backend.Close()) })
	before, err := h.WorkerPID(t.Context())
	must(t, err)
	appendToConfig(t, h, fmt.Sprintf(
		"listen v4\n mode tcp\n bind ipv4@:443\n server pod %s\nlisten v6\n mode tcp\n bind ipv6@:443 v6only\n server pod %s\n",
		netip.AddrPortFrom(pod.IPv4, 8080), netip.AddrPortFrom(pod.IPv6, 8080)))
	_, err = h.Exec(t.Context(), v.reload...)
	must(t, err)
	// Under systemd the command may return before the worker runs.
	lab.Eventually(t, func() error {
		if after, err := h.WorkerPID(t.Context()); err != nil || after == before {
			return fmt.Errorf("after the reload the worker is %d, %v; want another than %d", after, err, before)
		}
		return nil
	})
	for _, address := range h.Public.All() {
		seen, err := lab.Client{Addresses: lab.ClientAddresses(v.number)}.Get(t.Context(), netip.AddrPortFrom(address, 443))
		if err != nil || seen.Backend != "pod" {
			t.Errorf("at %s answers %q, %v; want the pod", address, seen.Backend, err)
		}
	}
}

// leavesNoZombies runs after a reload, which orphans the previous HAProxy if there is no master.
func leavesNoZombies(t *testing.T, _ variant, h *Host) {
	lab.Eventually(t, func() error {
		states, err := h.Exec(t.Context(), "ps", "-eo", "stat=,args=")
		if err == nil && strings.HasPrefix(states, "Z") || strings.Contains(states, "\nZ") {
			return fmt.Errorf("zombies are left:\n%s", states)
		}
		return err
	})
}

func TestSudoDoesWhatTheSudoersLinesAllow(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	for i, test := range []struct {
		name, sudoers, want string
	}{
		{"with a line", OrdinaryUser + " ALL=(root) NOPASSWD: ALL", "root"},
		{"without", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, Options{
				Number: 40 + i, Root: debian12, Init: SysV, User: OrdinaryUser, Sudoers: test.sudoers,
			})
			got, err := runOverSSH(t, h, "sudo -n id -un 2>/dev/null")
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("sudo id -un says %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestKnownHostsHasTheHostsKey(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	h := startHost(t, Options{Number: 50, Root: debian12, Init: SysV})
	lines, err := h.KnownHosts()
	must(t, err)
	_, _, key, _, _, err := ssh.ParseKnownHosts([]byte(lines))
	must(t, err)
	proved := make(chan ssh.PublicKey, 1)
	config := &ssh.ClientConfig{HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
		proved <- key
		return nil
	}}
	if client, err := ssh.Dial("tcp", netip.AddrPortFrom(h.Address, h.Port).String(), config); err == nil {
		t.Error("a login without a key is accepted")
		_ = client.Close()
	}
	if got := <-proved; string(got.Marshal()) != string(key.Marshal()) {
		t.Errorf("the host proves %s, known_hosts has %s", ssh.FingerprintSHA256(got), ssh.FingerprintSHA256(key))
	}
}

func TestAHostCannotChangeTheMachinesKernelButItsOwnNetwork(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	h := startHost(t, Options{Number: 70, Root: debian12})
	if _, err := h.Exec(t.Context(), "sh", "-c", "read value </proc/sys/vm/swappiness && echo $value >/proc/sys/vm/swappiness"); err == nil {
		t.Error("the host can write to /proc/sys/vm")
	}
	if _, err := h.Exec(t.Context(), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind"); err != nil {
		t.Errorf("the host cannot write to its own /proc/sys/net: %v", err)
	}
}

func startHost(t *testing.T, options Options) *Host {
	t.Helper()
	h, err := Start(t.Context(), options)
	must(t, err)
	t.Cleanup(func() { must(t, h.Close()) })
	lab.LogOnFailure(t, h)
	return h
}

// trimmed returns the output of a program on a host, without the trailing newline.
func trimmed(output string, err error) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		must(t, err)
		return strings.TrimSpace(output)
	}
}

func runOverSSH(t *testing.T, h *Host, command string) (string, error) {
	t.Helper()
	client, err := h.DialSSH(t.Context())
	must(t, err)
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	must(t, err)
	output, err := session.Output(command)
	return strings.TrimSpace(string(output)), err
}

func appendToConfig(t *testing.T, h *Host, text string) {
	t.Helper()
	file, err := os.OpenFile(h.Path(h.ConfigPath), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteString(text)
	must(t, errors.Join(err, file.Close()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
