package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// repository makes apt of the root know these packages, and no others. Each has a program of its name, and as much else as is said.
func (r *root) repository(size string, packages ...string) {
	r.t.Helper()
	r.remove("etc/apt/sources.list*", "etc/apt/sources.list.d/*")
	r.write("etc/apt/sources.list", 0o644, "deb [trusted=yes] file:/srv/repository ./\n")
	r.write("srv/repository/Packages", 0o644, "")
	for _, name := range packages {
		r.write("srv/"+name+"/DEBIAN/control", 0o644, "Package: "+name+"\nVersion: 9.9\nArchitecture: all\nMaintainer: nobody\nDescription: a test\n")
		r.write("srv/"+name+"/usr/sbin/"+name, 0o755, "#!/bin/sh\n")
		r.script(fmt.Sprintf(`mkdir -p srv/%[1]s/opt && head -c %[2]s /dev/zero >srv/%[1]s/opt/%[1]s
			dpkg-deb --build srv/%[1]s srv/repository/%[1]s.deb >/dev/null
			{ cat srv/%[1]s/DEBIAN/control; echo "Filename: ./%[1]s.deb"; stat -c 'Size: %%s' srv/repository/%[1]s.deb
			sha256sum srv/repository/%[1]s.deb | sed 's/\([^ ]*\).*/SHA256: \1/'; echo; } >>srv/repository/Packages`, name, size))
	}
}

// without removes packages of the distribution, but not their configuration.
func (r *root) without(packages ...string) {
	r.t.Helper()
	r.script("SUDO_FORCE_REMOVE=yes dpkg --force-depends --remove " + strings.Join(packages, " ") + " >/dev/null 2>&1")
}

func (r *root) isInstalled(name string) bool {
	return r.run("dpkg-query", "-W", "-f", "${db:Status-Status}", name).stdout == "installed"
}

func TestPackagesAreInstalledAndTakenBack(t *testing.T) {
	t.Parallel()
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, k)
			key, _ := newKey(t)
			r.without("haproxy")
			r.repository("1", "haproxy", "keepalived")
			if got := r.succeeds("--key", key); !strings.Contains(got.stderr, "note: haproxy is not installed. Install it, or add --install") {
				t.Errorf("without --install it says\n%s", got.stderr)
			}
			r.fails(1, []string{"missing: the package haproxy", "missing: the package keepalived"}, "--check", "--install", "--keepalived")
			if r.isInstalled("haproxy") {
				t.Error("--check installs packages")
			}
			r.succeeds("--install", "--keepalived")
			if !r.isInstalled("haproxy") || !r.isInstalled("keepalived") {
				t.Error("the packages are not installed")
			}
			r.succeeds("--check", "--install", "--keepalived")
			if got := r.succeeds("--install", "--keepalived"); strings.Contains(got.stderr, "installing") {
				t.Errorf("the second run says\n%s", got.stderr)
			}
			r.succeeds("--remove")
			if r.isInstalled("haproxy") || r.isInstalled("keepalived") || !r.isInstalled("sudo") {
				t.Error("not the packages that were installed are removed")
			}

			r.succeeds("--key", key, "--install")
			r.succeeds("--remove", "--keep-packages")
			if !r.isInstalled("haproxy") {
				t.Error("--keep-packages does not keep them")
			}
			r.succeeds("--remove")
			if !r.isInstalled("haproxy") {
				t.Error("a package that was kept is removed later")
			}
		})
	}
}

func TestSudoIsInstalledWhereItIsMissing(t *testing.T) {
	t.Parallel()
	r := newRoot(t, debian12)
	key, _ := newKey(t)
	r.without("sudo")
	r.repository("1")
	r.fails(1, []string{"missing: sudo is to be installed, which --install does"}, "--check", "--key", key)
	r.fails(1, []string{"apt-get does not install sudo: E: ", "No repository of this host has it"}, "--key", key, "--install")
	if _, err := os.Stat(filepath.Join(r.path, "home/edgelb")); err == nil {
		t.Error("an account without use is created")
	}
}

func TestPackagesThatCannotBeInstalledSayWhy(t *testing.T) {
	t.Parallel()
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, k)
			key, _ := newKey(t)
			r.without("haproxy")
			r.repository("1")
			r.fails(1, []string{"apt-get does not install haproxy: E: ", "No repository of this host has it: enable the one that does"}, "--key", key, "--install")

			r.write("etc/apt/sources.list", 0o644, "deb [trusted=yes] http://127.0.0.1:1/debian ./\n")
			r.fails(1, []string{"apt-get does not install haproxy: E: ", "No repository of this host has it"}, "--key", key, "--install")

			r.repository("200000", "haproxy")
			r.mount(filepath.Join(r.path, "opt"), "tmpfs", "size=64k,mode=755")
			r.fails(1, []string{"apt-get does not install haproxy: ", "No space left on device", "Make room"}, "--key", key, "--install")
			must(t, unix.Mount("", filepath.Join(r.path, "opt"), "", unix.MS_REMOUNT, "size=10m,mode=755"))
			r.succeeds("--key", key, "--install")
		})
	}
}

// lock locks the package manager as it does itself.
func (r *root) lock() *os.File {
	r.t.Helper()
	held, err := os.OpenFile(filepath.Join(r.path, "var/lib/dpkg/lock-frontend"), os.O_RDWR|os.O_CREATE, 0o640)
	must(r.t, err)
	must(r.t, unix.FcntlFlock(held.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	return held
}

func TestALockedPackageManagerIsWaitedForButNotForEver(t *testing.T) {
	t.Parallel()
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, k)
			key, _ := newKey(t)
			r.without("haproxy")
			r.repository("1", "haproxy")
			held := r.lock()
			r.fails(1, []string{"apt-get is locked, waiting up to 1 s: E: Could not get lock", "apt-get is still locked after 1 s: E: Could not get lock"},
				"--key", key, "--install", "--wait", "1")

			r.watch = func(said string) {
				if strings.Contains(said, "apt-get is locked, waiting up to 60 s") && held != nil {
					must(t, held.Close())
					held = nil
				}
			}
			r.succeeds("--key", key, "--install", "--wait", "60")
			if held != nil {
				t.Error("it did not wait")
			}
		})
	}
}

// Neither Fedora nor openSUSE nor Alpine can be had here: the programs are stand-ins, which are locked at first and note how they are
// called.
func TestEachPackageManagerIsCalledInItsOwnWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind                            kind
		locked, missing, install, reset string
	}{
		"dnf": {kinds[2], "Existing lock /var/run/dnf.pid: another copy is running as pid 7.", "No match for argument: haproxy",
			"-y --setopt=exit_on_lock=True --setopt=install_weak_deps=False install haproxy", "-y --setopt=exit_on_lock=True remove haproxy"},
		"zypper": {kinds[2], "System management is locked by the application with pid 7 (zypper).", "'haproxy' not found in package names. Trying capabilities.",
			"--non-interactive install --no-recommends haproxy", "--non-interactive remove haproxy"},
		"apk": {kinds[4], "ERROR: Unable to lock database: temporary error (try again later)", "ERROR: unable to select packages:\n  haproxy (no such package):",
			"add --no-cache haproxy", "del haproxy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, test.kind)
			key, _ := newKey(t)
			r.remove("usr/sbin/haproxy", "usr/bin/apt-get")
			standIn := func(words string, status int, always bool) {
				r.remove("tmp/calls")
				once := "[ -e /tmp/calls ] || "
				if always {
					once = ""
				}
				r.write("usr/bin/"+name, 0o755, fmt.Sprintf("#!/bin/sh\n%s{ echo \"%s\" >&2; echo \"$*\" >>/tmp/calls; exit %d; }\n"+
					"echo \"$*\" >>/tmp/calls\ncase $* in *add*|*install*) echo '#!/bin/sh' >/usr/sbin/haproxy; chmod +x /usr/sbin/haproxy ;; esac\n", once, words, status))
			}
			standIn(test.missing, 1, true)
			r.fails(1, []string{name + " does not install haproxy: ", "No repository of this host has it"}, "--key", key, "--install")
			standIn(test.locked, 7, true)
			r.fails(1, []string{name + " is still locked after 1 s: " + test.locked}, "--key", key, "--install", "--wait", "1")
			standIn(test.locked, 7, false)
			r.succeeds("--key", key, "--install")
			if got, want := r.read("tmp/calls"), test.install+"\n"+test.install+"\n"; got != want {
				t.Errorf("%s was called as\n%swant\n%s", name, got, want)
			}
			standIn("", 0, false)
			r.write("tmp/calls", 0o644, "")
			r.succeeds("--remove")
			if got, want := r.read("tmp/calls"), test.reset+"\n"; got != want {
				t.Errorf("%s was called as\n%swant\n%s", name, got, want)
			}
		})
	}
}

func TestWithoutAPackageManagerThePackagesAreNamed(t *testing.T) {
	t.Parallel()
	r := newRoot(t, kinds[4])
	key, _ := newKey(t)
	r.remove("usr/sbin/haproxy")
	r.fails(1, []string{"cannot install haproxy: this host has none of apt-get, dnf, zypper and apk. Install it by hand"}, "--key", key, "--install")
}
