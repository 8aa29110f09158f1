// Package setup tests hack/edge-host-setup.sh on fresh roots of distributions.
package setup

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

func TestMain(m *testing.M) { lab.Main(m) }

// kind is a distribution as a root, and what its /bin/sh is.
type kind struct {
	name, root, shell string
}

// Alpine itself cannot be had here: this is a root with the tools and the programs for accounts that it has.
const alpine = "busybox alone"

var (
	debian12 = kind{"Debian 12", "debian-12", "dash"}
	withBash = kind{"Debian 12 with bash", "debian-12", "bash"}
	onlyBusy = kind{alpine, "debian-12", "busybox"}
	kinds    = []kind{debian12, {"Debian 13", "debian-13", "dash"}, withBash, {"Debian 12 with busybox", "debian-12", "busybox"}, onlyBusy}
	// shells has one root for each shell.
	shells = []kind{debian12, withBash, onlyBusy}
)

// root is a host's files, on which nothing runs. What is written to them stays in memory.
type root struct {
	t    *testing.T
	path string
	// watch, if set, gets everything that a program has said on stderr so far, each time it says something.
	watch func(said string)
}

// said collects what a program says.
type said struct {
	text  []byte
	watch func(string)
}

func (s *said) Write(p []byte) (int, error) {
	s.text = append(s.text, p...)
	if s.watch != nil {
		s.watch(string(s.text))
	}
	return len(p), nil
}

// onEach runs a test on a fresh root of each kind, for what the tools of a distribution do. onEachShell runs it on one for each shell, which
// is enough for what the script itself does.
func onEach(t *testing.T, test func(r *root)) {
	t.Helper()
	onThose(t, kinds, test)
}

func onEachShell(t *testing.T, test func(r *root)) {
	t.Helper()
	onThose(t, shells, test)
}

func onThose(t *testing.T, kinds []kind, test func(r *root)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(newRoot(t, k))
		})
	}
}

func newRoot(t *testing.T, k kind) *root {
	t.Helper()
	programs.NeedRoot(t, "a root of a distribution")
	lower, err := filepath.EvalSymlinks(filepath.Join("../../bin", k.root))
	must(t, err)
	dir := t.TempDir()
	r := &root{t: t, path: filepath.Join(dir, "root")}
	r.mount(dir, "tmpfs", "")
	for _, name := range []string{"root", "upper", "work"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	r.mount(r.path, "overlay", fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%[2]s/work", lower, dir))
	r.install("usr/sbin/edge-host-setup.sh", "../../hack/edge-host-setup.sh")
	switch {
	case k.name == alpine:
		r.becomeAlpine()
	case k.shell == "busybox":
		r.install("usr/bin/busybox", "../../bin/busybox-alpine")
		r.link("bin/sh", "busybox")
	default:
		r.link("bin/sh", k.shell)
	}
	r.addHostKeys()
	return r
}

// becomeAlpine leaves the programs that a host for edgelb needs, and the applets of busybox.
func (r *root) becomeAlpine() {
	r.t.Helper()
	keep := map[string]bool{}
	for _, name := range []string{"sudo", "visudo", "sshd", "ssh-keygen", "haproxy", "edge-host-setup.sh"} {
		keep[name] = true
	}
	for _, folder := range []string{"usr/bin", "usr/sbin"} {
		entries, err := os.ReadDir(filepath.Join(r.path, folder))
		must(r.t, err)
		for _, entry := range entries {
			if !keep[entry.Name()] {
				must(r.t, os.RemoveAll(filepath.Join(r.path, folder, entry.Name())))
			}
		}
	}
	r.install("usr/bin/busybox", "../../bin/busybox-alpine")
	applets, err := exec.Command("../../bin/busybox-alpine", "--list").Output()
	must(r.t, err)
	for applet := range strings.FieldsSeq(string(applets)) {
		if applet != "busybox" {
			r.link("usr/bin/"+applet, "busybox")
		}
	}
	// Alpine's has what Debian's has as well, which hack/busybox.sh leaves out.
	debians, err := exec.LookPath("busybox")
	must(r.t, err)
	// This sleep takes parts of a second.
	for _, name := range []string{"date", "mkfifo", "sleep"} {
		_ = os.Remove(filepath.Join(r.path, "usr/bin", name))
		r.install("usr/bin/"+name, debians)
	}
	r.write("usr/sbin/nologin", 0o755, "#!/bin/sh\nexit 1\n")
}

// hostKeys are the keys of all roots, by the names of their files. To make one of RSA takes long.
var hostKeys = sync.OnceValues(func() (map[string]string, error) {
	dir, err := os.MkdirTemp("", "host-keys")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	keys := map[string]string{}
	for _, kind := range []string{"ed25519", "rsa"} {
		name := "ssh_host_" + kind + "_key"
		if output, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, output)
		}
		for _, name := range []string{name, name + ".pub"} {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return nil, err
			}
			keys[name] = string(content)
		}
	}
	return keys, nil
})

// addHostKeys does what the package does when it is installed.
func (r *root) addHostKeys() {
	r.t.Helper()
	must(r.t, os.MkdirAll(filepath.Join(r.path, "run/sshd"), 0o755))
	keys, err := hostKeys()
	must(r.t, err)
	for name, content := range keys {
		mode := os.FileMode(0o600)
		if strings.HasSuffix(name, ".pub") {
			mode = 0o644
		}
		r.write("etc/ssh/"+name, mode, content)
	}
}

func (r *root) mount(target, filesystem, data string) {
	r.t.Helper()
	must(r.t, unix.Mount("setup", target, filesystem, 0, data))
	r.t.Cleanup(func() { must(r.t, unix.Unmount(target, unix.MNT_DETACH)) })
}

func (r *root) install(path, from string) {
	r.t.Helper()
	content, err := os.ReadFile(from)
	must(r.t, err)
	r.write(path, 0o755, string(content))
}

func (r *root) write(path string, mode os.FileMode, text string) {
	r.t.Helper()
	path = filepath.Join(r.path, path)
	must(r.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(r.t, os.WriteFile(path, []byte(text), mode))
	must(r.t, os.Chmod(path, mode))
}

func (r *root) link(path, to string) {
	r.t.Helper()
	path = filepath.Join(r.path, path)
	_ = os.Remove(path)
	must(r.t, os.Symlink(to, path))
}

func (r *root) read(path string) string {
	r.t.Helper()
	content, err := os.ReadFile(filepath.Join(r.path, path))
	must(r.t, err)
	return string(content)
}

// result is what a program said.
type result struct {
	status         int
	stdout, stderr string
}

// run runs a program in the root, as its root and with processes of its own.
func (r *root) run(argv ...string) result {
	r.t.Helper()
	command := exec.Command("unshare", append([]string{"--pid", "--fork", "--kill-child", "--mount", "sh", "-euc",
		`mount --make-rprivate / && mount -t proc proc "$0/proc" && cd "$0" && exec chroot . "$@"`, r.path}, argv...)...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	var stdout bytes.Buffer
	stderr := said{watch: r.watch}
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return result{command.ProcessState.ExitCode(), stdout.String(), string(stderr.text)}
}

// script runs a command line in the root, and fails the test if that fails.
func (r *root) script(commands string) string {
	r.t.Helper()
	got := r.run("/bin/sh", "-euc", commands)
	if got.status != 0 {
		r.t.Fatalf("%s: exit status %d: %s%s", commands, got.status, got.stdout, got.stderr)
	}
	return got.stdout
}

func (r *root) setup(args ...string) result {
	r.t.Helper()
	return r.run(append([]string{"/bin/sh", "/usr/sbin/edge-host-setup.sh"}, args...)...)
}

// succeeds fails the test unless a run of the script succeeds.
func (r *root) succeeds(args ...string) result {
	r.t.Helper()
	got := r.setup(args...)
	if got.status != 0 {
		r.t.Fatalf("edge-host-setup.sh %q: exit status %d:\n%s", args, got.status, got.stderr)
	}
	return got
}

// fails fails the test unless a run of the script has that exit status, and says all of these.
func (r *root) fails(status int, says []string, args ...string) {
	r.t.Helper()
	got := r.setup(args...)
	if got.status != status || got.stdout != "" {
		r.t.Errorf("edge-host-setup.sh %q: exit status %d and %q, want %d and nothing; it says\n%s", args, got.status, got.stdout, status, got.stderr)
	}
	for _, want := range says {
		if !strings.Contains(got.stderr, want) {
			r.t.Errorf("edge-host-setup.sh %q says\n%swant %q", args, got.stderr, want)
		}
	}
}

// files returns what of the host matters: each file with its mode, its owner and its content.
func (r *root) files() map[string]string {
	r.t.Helper()
	all := map[string]string{}
	for _, folder := range []string{"etc", "home", "root", "var/lib", "opt", "srv"} {
		err := filepath.WalkDir(filepath.Join(r.path, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(path, r.path)
			// What programs of the distribution leave: backups and locks of the files of accounts, and that sudo has said its word.
			if strings.HasSuffix(name, "-") || name == "/etc/.pwd.lock" || strings.HasPrefix(name, "/var/lib/sudo") {
				return nil
			}
			all[name], err = describeFile(path, entry)
			return err
		})
		must(r.t, err)
	}
	return all
}

func describeFile(path string, entry fs.DirEntry) (string, error) {
	info, err := entry.Info()
	if err != nil {
		return "", err
	}
	content := ""
	switch {
	case info.Mode().IsRegular():
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		content = fmt.Sprintf("%x", sha256.Sum256(text))
	case info.Mode()&fs.ModeSymlink != 0:
		if content, err = os.Readlink(path); err != nil {
			return "", err
		}
	}
	owner := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%s %d:%d %s", info.Mode(), owner.Uid, owner.Gid, content), nil
}

// requireFiles fails the test unless the host's files are as before.
func (r *root) requireFiles(before map[string]string) {
	r.t.Helper()
	after := r.files()
	for name, was := range before {
		if after[name] != was {
			r.t.Errorf("%s was %q and is %q", name, was, after[name])
		}
	}
	for name, is := range after {
		if _, found := before[name]; !found {
			r.t.Errorf("%s is new: %q", name, is)
		}
	}
}

// newKey returns the line of a new public key, and its base64.
func newKey(t *testing.T) (line, blob string) {
	t.Helper()
	private, err := lab.NewPrivateKey()
	must(t, err)
	key, err := ssh.ParsePrivateKey(private)
	must(t, err)
	line = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	return line, strings.Fields(line)[1]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
