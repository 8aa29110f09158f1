package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

const (
	debian12 = "../../bin/debian-12"
	debian13 = "../../bin/debian-13"
)

// systemdVariant is a kind of host, and what makes it that kind.
type systemdVariant struct {
	name   string
	number int
	root   string
	init   Init
	// reload is how an administrator has HAProxy reloaded.
	reload []string

	wantFirstProcess string
	wantVersion      string
	wantMaster       bool
	// wantMark exists only where that init system has booted; empty for none.
	wantMark string
}

func systemdVariants() []systemdVariant {
	return []systemdVariant{{
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
	needRoot(t)
	for _, v := range systemdVariants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			h := startSystemdHost(t, SystemdHostOptions{Number: v.number, Root: v.root, Init: v.init})
			for _, test := range []struct {
				name string
				run  func(*testing.T, systemdVariant, *SystemdHost)
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

func runsItsDistribution(t *testing.T, v systemdVariant, h *SystemdHost) {
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
	if _, err := h.MasterPID(t.Context()); (err == nil) != v.wantMaster {
		t.Errorf("MasterPID: %v, want a master: %t", err, v.wantMaster)
	}
}

func hasThePackagesConfiguration(t *testing.T, _ systemdVariant, h *SystemdHost) {
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

func letsAccountsLogIn(t *testing.T, _ systemdVariant, h *SystemdHost) {
	for _, user := range []string{"root", OrdinaryUser} {
		h.User = user
		if got, err := runOverSSH(t, h, "id -un"); got != user || err != nil {
			t.Errorf("id -un says %q, %v; want %q", got, err, user)
		}
	}
}

func forwardsAfterAReload(t *testing.T, v systemdVariant, h *SystemdHost) {
	pod := PodAddresses(9000 + v.number)
	startBackend(t, BackendOptions{Name: "pod", Addresses: pod, Port: 8080})
	before, err := h.WorkerPID(t.Context())
	must(t, err)
	appendToConfig(t, h, fmt.Sprintf(
		"listen v4\n mode tcp\n bind ipv4@:443\n server pod %s\nlisten v6\n mode tcp\n bind ipv6@:443 v6only\n server pod %s\n",
		netip.AddrPortFrom(pod.IPv4, 8080), netip.AddrPortFrom(pod.IPv6, 8080)))
	_, err = h.Exec(t.Context(), v.reload...)
	must(t, err)
	// Under systemd the command may return before the worker is there.
	eventually(t, func() error {
		if after, err := h.WorkerPID(t.Context()); err != nil || after == before {
			return fmt.Errorf("after the reload the worker is %d, %v; want another than %d", after, err, before)
		}
		return nil
	})
	for _, address := range h.Public.All() {
		seen, err := Client{Addresses: ClientAddresses(v.number)}.Get(t.Context(), netip.AddrPortFrom(address, 443))
		if err != nil || seen.Backend != "pod" {
			t.Errorf("at %s answers %q, %v; want the pod", address, seen.Backend, err)
		}
	}
}

// leavesNoZombies runs after a reload, which orphans the former HAProxy where there is no master.
func leavesNoZombies(t *testing.T, _ systemdVariant, h *SystemdHost) {
	eventually(t, func() error {
		states, err := h.Exec(t.Context(), "ps", "-eo", "stat=,args=")
		if err == nil && strings.HasPrefix(states, "Z") || strings.Contains(states, "\nZ") {
			return fmt.Errorf("nobody waits for processes that have ended:\n%s", states)
		}
		return err
	})
}

func TestSudoDoesWhatTheSudoersLinesAllow(t *testing.T) {
	needRoot(t)
	for i, test := range []struct {
		name, sudoers, want string
	}{
		{"with a line", OrdinaryUser + " ALL=(root) NOPASSWD: ALL", "root"},
		{"without", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := startSystemdHost(t, SystemdHostOptions{
				Number: 40 + i, Root: debian12, Init: SysV, User: OrdinaryUser, Sudoers: test.sudoers,
			})
			got, err := runOverSSH(t, h, "sudo -n id -un 2>/dev/null")
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("sudo id -un says %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestKnownHostsHoldsTheKeyThatAHostProves(t *testing.T) {
	needRoot(t)
	h := startSystemdHost(t, SystemdHostOptions{Number: 50, Root: debian12, Init: SysV})
	_, _, key, _, _, err := ssh.ParseKnownHosts([]byte(h.KnownHosts()))
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
	needRoot(t)
	h := startSystemdHost(t, SystemdHostOptions{Number: 70, Root: debian12})
	if _, err := h.Exec(t.Context(), "sh", "-c", "read value </proc/sys/vm/swappiness && echo $value >/proc/sys/vm/swappiness"); err == nil {
		t.Error("the host can write to /proc/sys/vm")
	}
	if _, err := h.Exec(t.Context(), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind"); err != nil {
		t.Errorf("the host cannot write to its own /proc/sys/net: %v", err)
	}
}

func TestNothingOfAHostIsLeftAfterClose(t *testing.T) {
	needRoot(t)
	const number = 71
	h := startSystemdHost(t, SystemdHostOptions{Number: number, Root: debian12})
	cgroup := cgroupOf(t, h.init)
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), "overlay") {
		t.Errorf("the lab sees a mount of the host, %v:\n%s", err, mounts)
	}
	for range 2 {
		must(t, h.Close())
	}
	if left := processesOn(h.Name); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
	if _, err := os.Stat(cgroup); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", cgroup, err)
	}
	eventually(t, func() error {
		if cable, err := net.InterfaceByName(fmt.Sprint("debian", number)); err == nil {
			return fmt.Errorf("interface %s is left", cable.Name)
		}
		return nil
	})
	if left, err := filepath.Glob(filepath.Join(Dir(), h.Name+".pid*")); err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

// envVictim makes this test program one that boots a host and waits to be killed.
const envVictim = "EDGELB_LAB_TEST_VICTIM"

func TestNothingOfAHostIsLeftWhenItsLabIsKilled(t *testing.T) {
	needRoot(t)
	const name = "victim"
	if os.Getenv(envVictim) != "" {
		startSystemdHost(t, SystemdHostOptions{Number: 1, Name: name, Root: debian12})
		fmt.Println("up")
		<-t.Context().Done()
		return
	}
	victim := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	// A lab of its own: without what says that this one is there.
	victim.Env = []string{envVictim + "=1", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}
	victim.Stderr = os.Stderr
	output, err := victim.StdoutPipe()
	must(t, err)
	must(t, victim.Start())
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "up\n" {
		t.Fatalf("the victim says %q, %v", line, err)
	}
	running := processesOn(name)
	if len(running) == 0 {
		t.Fatal("the victim's host has no processes")
	}
	cgroup := cgroupOf(t, running[0])

	must(t, victim.Process.Kill())
	_ = victim.Wait()
	eventually(t, func() error {
		if left := processesOn(name); len(left) > 0 {
			return fmt.Errorf("processes left: %v", left)
		}
		if events, err := os.ReadFile(filepath.Join(cgroup, "cgroup.events")); !strings.Contains(string(events), "populated 0") {
			return fmt.Errorf("%s has processes left: %s %v", cgroup, events, err)
		}
		return nil
	})
	// Nobody was left to remove the cgroup, which is empty. The next host does.
	startSystemdHost(t, SystemdHostOptions{Number: 72, Root: debian12, Init: SysV})
	if _, err := os.Stat(cgroup); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", cgroup, err)
	}
}

func TestAHostThatCannotBootSaysWhy(t *testing.T) {
	needRoot(t)
	startSystemdHost(t, SystemdHostOptions{Number: 73, Root: debian12, Init: SysV})
	for _, test := range []struct {
		name    string
		options SystemdHostOptions
		want    string
	}{
		{"a number without an address", SystemdHostOptions{Number: 251, Root: debian12}, "1 to 250"},
		{"no root", SystemdHostOptions{Number: 74, Root: t.TempDir()}, "hack/debian-root.sh"},
		{"a number that is taken", SystemdHostOptions{Number: 73, Name: "second", Root: debian12}, "File exists"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, err := StartSystemdHost(t.Context(), test.options)
			if err == nil {
				_ = h.Close()
				t.Fatal("the host boots")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q in it", err, test.want)
			}
		})
	}
}

// needRoot skips a test that boots a Debian when it is not run by root; but not where all tests have to run.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("booting a Debian needs root, and CI has to run every test")
	}
	t.Skip("booting a Debian needs root")
}

func startSystemdHost(t *testing.T, options SystemdHostOptions) *SystemdHost {
	t.Helper()
	h, err := StartSystemdHost(t.Context(), options)
	must(t, err)
	t.Cleanup(func() { must(t, h.Close()) })
	LogOnFailure(t, h)
	return h
}

// trimmed is what a program on a host printed, without the newline at the end.
func trimmed(output string, err error) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		must(t, err)
		return strings.TrimSpace(output)
	}
}

func runOverSSH(t *testing.T, h *SystemdHost, command string) (string, error) {
	t.Helper()
	client, err := h.DialSSH(t.Context())
	must(t, err)
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	must(t, err)
	output, err := session.Output(command)
	return strings.TrimSpace(string(output)), err
}

func appendToConfig(t *testing.T, h *SystemdHost, text string) {
	t.Helper()
	file, err := os.OpenFile(h.Path(h.ConfigPath), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteString(text)
	must(t, errors.Join(err, file.Close()))
}

// cgroupOf is the directory of the topmost cgroup of the lab's that a process is in.
func cgroupOf(t *testing.T, pid int) string {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	must(t, err)
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	_, path, _ := strings.Cut(string(content), "0::/")
	top, _, _ := strings.Cut(path, "/")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[2] == "cgroup2" {
			dir := filepath.Join(fields[1], strings.TrimSpace(top))
			if _, err := os.Stat(dir); err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	t.Fatal("no cgroup2 is mounted")
	return ""
}

// processesOn are the processes whose root directory is that of a host of that name.
func processesOn(name string) []int {
	roots, err := filepath.Glob("/proc/[0-9]*/root/etc/hostname")
	if err != nil {
		return nil
	}
	var pids []int
	for _, root := range roots {
		// The process may have ended since.
		content, _ := os.ReadFile(root)
		var pid int
		if _, err := fmt.Sscanf(root, "/proc/%d/", &pid); err == nil && string(content) == name+"\n" {
			pids = append(pids, pid)
		}
	}
	return pids
}
