package setup

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/host/scripts"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// machine is a root on which something runs: processes that outlive the call that started them.
type machine struct {
	*root
	init *exec.Cmd
}

// start gives the root processes of its own, and /run.
func (r *root) start() *machine {
	r.t.Helper()
	m := &machine{root: r}
	m.init = exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount", "sh", "-euc",
		`mount --make-rprivate / && mount -t proc proc "$0/proc" && mount -t tmpfs run "$0/run"
		cd "$0" && exec chroot . /bin/sh -c 'echo >/run/started; while :; do wait; sleep 1; done'`, r.path)
	m.init.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	must(r.t, m.init.Start())
	r.t.Cleanup(func() {
		_ = m.init.Process.Kill()
		_ = m.init.Wait()
	})
	m.await("the machine starts", func() bool {
		_, err := os.Stat(filepath.Join(m.proc(), "root/run/started"))
		return err == nil
	})
	return m
}

// proc is the folder of the machine's first process, as this machine sees it.
func (m *machine) proc() string {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", m.init.Process.Pid))
	return filepath.Join("/proc", strings.TrimSpace(string(children)))
}

func (m *machine) await(what string, done func() bool) {
	m.t.Helper()
	if !waiting.Until(waiting.Long, done) {
		m.t.Fatalf("it does not happen that %s", what)
	}
}

// on runs a program on the machine.
func (m *machine) on(stdin []byte, argv ...string) result {
	m.t.Helper()
	command := exec.Command("nsenter", append([]string{"--target", filepath.Base(m.proc()), "--pid", "--mount", "--root", "--wd", "env", "-i",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, argv...)...)
	command.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	_ = command.Run()
	return result{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// call is what the operator does: it runs the script that starts an installation, or says how far it is.
func (m *machine) call(packages ...string) string {
	m.t.Helper()
	job, err := scripts.Text("provision", "install-job")
	must(m.t, err)
	return m.operates("install", job, packages...)
}

// operates runs a script as the operator does, and returns what it prints.
func (m *machine) operates(name string, payload []byte, args ...string) string {
	m.t.Helper()
	call, err := scripts.NewCall(name, payload, args...)
	must(m.t, err)
	got := m.on(call.Input, "/bin/sh", "-c", scripts.CommandLine(false))
	own, ran := call.Output([]byte(got.stdout))
	if !ran || got.status != 0 {
		m.t.Fatalf("%s.sh: exit status %d: %s%s", name, got.status, got.stdout, got.stderr)
	}
	return string(own)
}

// installs calls until the installation says what is wanted.
func (m *machine) installs(want string, packages ...string) string {
	m.t.Helper()
	var said string
	m.await("the installation says "+want, func() bool {
		said = m.call(packages...)
		return strings.Contains(said, want)
	})
	return said
}

// awaitEnd waits until no installation runs.
func (m *machine) awaitEnd() {
	m.t.Helper()
	m.await("the installation ends", func() bool {
		_, err := os.Stat(m.runPath("edgelb-install/job"))
		return os.IsNotExist(err)
	})
}

// runPath returns a file of the machine, whose /run is its own.
func (m *machine) runPath(name string) string { return filepath.Join(m.proc(), "root/run", name) }

// test/e2e has hosts of both Debians that the operator itself installs, with the packages of the distribution.
func TestTheOperatorInstallsWhatAHostLacks(t *testing.T) {
	t.Parallel()
	for _, k := range kinds[1:4] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, k)
			r.without("haproxy")
			r.repository("1", "haproxy", "keepalived")
			m := r.start()
			if got := m.call("haproxy", "keepalived"); !strings.HasPrefix(got, "running ") {
				t.Errorf("it says %q", got)
			}
			m.installs("done\n", "haproxy", "keepalived")
			if !r.isInstalled("haproxy") || !r.isInstalled("keepalived") {
				t.Error("the packages are not installed")
			}
			if got := r.read("var/lib/edgelb/packages"); got != "haproxy 9.9\nkeepalived 9.9\n" {
				t.Errorf("it has recorded\n%s", got)
			}
			if got := m.on(nil, "id", "-u", keepalived.ScriptUser); got.status != 0 {
				t.Errorf("the account of keepalived's check: %s", got.stderr)
			}
			if _, err := os.Stat(filepath.Join(r.path, "usr/sbin/policy-rc.d")); err == nil {
				t.Error("services stay held back")
			}
			if _, err := os.Stat(m.runPath("edgelb-install/job")); err == nil {
				t.Error("the job is still there")
			}
		})
	}
}

func TestAnInstallationThatFailsSaysWhyAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, k)
			r.without("haproxy")
			r.repository("1")
			r.mount(filepath.Join(r.path, "opt"), "tmpfs", "size=64k,mode=755")
			m := r.start()
			before := r.files()
			said := m.installs("failed apt-get does not install haproxy: E: ", "haproxy")
			if !strings.Contains(said, "No repository of this host has it: enable the one that does") {
				t.Errorf("it says %q", said)
			}
			m.awaitEnd()
			after := r.files()
			for name, was := range before {
				if is := after[name]; is != was && !strings.HasPrefix(name, "/var/lib/apt/") && !strings.HasPrefix(name, "/var/lib/dpkg/") {
					t.Errorf("%s was %q and is %q", name, was, is)
				}
			}

			r.repository("200000", "haproxy")
			said = m.installs("No space left on device", "haproxy")
			if !strings.Contains(said, "failed apt-get does not install haproxy: ") || !strings.Contains(said, "Make room") {
				t.Errorf("it says %q", said)
			}
			must(t, unix.Mount("", filepath.Join(r.path, "opt"), "", unix.MS_REMOUNT, "size=10m,mode=755"))
			m.installs("done\n", "haproxy")
		})
	}
}

func TestAnInstallationWaitsForALockedPackageManagerAndIsNeverStartedTwice(t *testing.T) {
	t.Parallel()
	r := newRoot(t, debian12)
	r.without("haproxy")
	r.repository("1", "haproxy")
	m := r.start()
	held := r.lock()
	said := m.installs("apt-get is locked, waiting up to 300 s: E: Could not get lock", "haproxy")
	for range 3 {
		again := m.call("haproxy")
		if pidOf(again) != pidOf(said) {
			t.Errorf("it says %q after %q", again, said)
		}
	}
	must(t, held.Close())
	m.installs("done\n", "haproxy")
}

// pidOf returns the process of "running SECONDS PID WHAT".
func pidOf(said string) string { return append(strings.Fields(said), "", "", "")[2] }

func TestAnInstallationThatWasKilledIsStartedAgain(t *testing.T) {
	t.Parallel()
	r := newRoot(t, debian12)
	r.without("haproxy")
	r.repository("1", "haproxy")
	m := r.start()
	held := r.lock()
	said := m.installs("is locked", "haproxy")
	if got := m.on(nil, "/bin/sh", "-c", "kill -KILL "+pidOf(said)); got.status != 0 {
		t.Fatal(got.stderr)
	}
	if got := m.on(nil, "/bin/sh", "-c", "! /usr/sbin/policy-rc.d haproxy.service start"); got.status == 0 {
		t.Error("after that, services stay held back")
	}
	must(t, held.Close())
	m.installs("done\n", "haproxy")
	if _, err := os.Stat(filepath.Join(r.path, "usr/sbin/policy-rc.d")); err == nil {
		t.Error("what holds services back is still there")
	}
}

func TestNoPackageThatAHostHasIsUpgraded(t *testing.T) {
	t.Parallel()
	r := newRoot(t, debian12)
	r.without("haproxy")
	r.repository("1", "haproxy", "sudo")
	r.script(`sed -i '/^Package: haproxy/,/^$/s/^Version: .*/&\nDepends: sudo (>= 9.9)/' srv/repository/Packages`)
	m := r.start()
	said := m.installs("failed ", "haproxy")
	if !strings.Contains(said, "apt-get would have to upgrade sudo") || !strings.Contains(said, "run apt-get install haproxy on the host") {
		t.Errorf("it says %q", said)
	}
}

// Neither Fedora nor openSUSE nor Alpine can be had here: the programs are stand-ins, and so are those of SELinux.
func TestEachPackageManagerInstallsForTheOperator(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind    kind
		want    string
		version string
	}{
		"dnf":    {kinds[2], "-y --setopt=exit_on_lock=True --setopt=install_weak_deps=False install haproxy", "rpm"},
		"zypper": {kinds[2], "--non-interactive install --no-recommends haproxy", "rpm"},
		"apk":    {kinds[4], "add --no-cache haproxy", "apk"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, test.kind)
			r.remove("usr/sbin/haproxy", "usr/bin/apt-get")
			r.write("usr/bin/rpm", 0o755, "#!/bin/sh\nprintf 2.8.3-1\n")
			r.write("usr/bin/selinuxenabled", 0o755, "#!/bin/sh\n")
			r.write("usr/bin/restorecon", 0o755, "#!/bin/sh\necho \"$*\" >>/var/restored\n")
			r.write("usr/bin/"+name, 0o755, "#!/bin/sh\ncase $* in info*) echo haproxy-2.8.3-1; exit ;; esac\necho \"$*\" >>/var/calls\n"+
				"echo '#!/bin/sh' >/usr/sbin/haproxy; chmod +x /usr/sbin/haproxy\n")
			m := r.start()
			m.installs("done\n", "haproxy")
			if got := r.read("var/calls"); got != test.want+"\n" {
				t.Errorf("%s was called as\n%swant\n%s", name, got, test.want)
			}
			if got := r.read("var/lib/edgelb/packages"); got != "haproxy 2.8.3-1\n" {
				t.Errorf("it has recorded\n%s", got)
			}
			if got := r.read("var/restored"); !strings.Contains(got, "-R /etc/haproxy\n") {
				t.Errorf("the labels are restored of\n%s", got)
			}
		})
	}
}

func TestTheSetUpScriptAndTheOperatorInstallInTheSameWay(t *testing.T) {
	t.Parallel()
	own, err := scripts.Text("provision")
	must(t, err)
	script, err := os.ReadFile("../../hack/edge-host-setup.sh")
	must(t, err)
	_, shared, _ := strings.Cut(string(own), "\n\n")
	_, there, _ := strings.Cut(string(script), "# begin of provision.sh\n")
	there, _, found := strings.Cut(there, "# end of provision.sh\n")
	if !found || there != shared {
		t.Error("hack/edge-host-setup.sh does not have the lines of internal/host/scripts/provision.sh: copy them between its marks")
	}
}
