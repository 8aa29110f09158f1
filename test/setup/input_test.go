package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAWrongOptionIsNamedBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		before := r.files()
		key, _ := newKey(r.t)
		r.write("tmp/empty", 0o644, "# none\n")
		r.write("tmp/private", 0o644, "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n")
		for says, args := range map[string][]string{
			"unknown option: --keys":                    {"--keys", key},
			"--key needs a value":                       {"--key"},
			`"" does not begin with ssh-ed25519`:        {"--key", ""},
			"does not begin with ssh-ed25519":           {"--key", "restrict " + key},
			"there is too little":                       {"--key", "ssh-ed25519 "},
			`"ssh-ed25519" is no base64`:                {"--key", "ssh-ed25519"},
			"is no base64 of one":                       {"--key", "ssh-ed25519 AAAA$(reboot)AAAAAAAAAAAAAAAAAAAAAA"},
			"ssh-keygen cannot read":                    {"--key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAA"},
			"--key: one key is one line":                {"--key", key + "\n" + key},
			"characters that no key has":                {"--key", key + "\x1b[2J"},
			"has a private key, which stays":            {"--key-file", "/tmp/private"},
			`"/tmp/none" cannot be read`:                {"--key-file", "/tmp/none"},
			`"/tmp/empty" has no key`:                   {"--key-file", "/tmp/empty"},
			"root needs no set-up":                      {"--key", key, "--user", "root"},
			`--user "Edge" is no name`:                  {"--key", key, "--user", "Edge"},
			`--user "-x" is no name`:                    {"--key", key, "--user", "-x"},
			`--user "a b" is no name`:                   {"--key", key, "--user", "a b"},
			`is no name of an account`:                  {"--key", key, "--user", strings.Repeat("a", 33)},
			`--user "a?root ALL=(ALL) ALL" is no name`:  {"--key", key, "--user", "a\nroot ALL=(ALL) ALL"},
			`--from "1.2.3.4\" command=" is no list of`: {"--key", key, "--from", `1.2.3.4" command=`},
			`--wait "soon" is no number`:                {"--wait", "soon"},
			`--wait "1000000" is no number`:             {"--wait", "1000000"},
			`--name "Gw1" is no host's name`:            {"--name", "Gw1"},
			"at most 63 of a-z":                         {"--name", strings.Repeat("a", 64)},
			`--address "[::1]:22" is neither`:           {"--address", "[::1]:22"},
			"--keepalived needs --install":              {"--keepalived"},
			"--keepalived needs sudo":                   {"--keepalived", "--install", "--no-sudo"},
			"--keep-packages needs --remove":            {"--keep-packages"},
			"--check and --remove are two different":    {"--check", "--remove"},
		} {
			r.fails(2, []string{"edge-host-setup.sh: ", strings.ReplaceAll(says, `\"`, `"`), ": see --help\n"}, args...)
		}
		if _, err := os.Stat(filepath.Join(r.path, "home/edgelb")); err == nil {
			r.t.Error("something was done")
		}
		if got := r.setup("--help"); got.status != 0 || !strings.Contains(got.stdout, "--key-file FILE") {
			r.t.Errorf("--help: %+v", got)
		}
		r.requireFiles(before)
		r.fails(1, []string{"no key is named"})
	})
}

func TestAHostThatCannotBeSetUpSaysWhy(t *testing.T) {
	t.Parallel()
	key, _ := newKey(t)
	for _, test := range []struct {
		name   string
		change func(r *root)
		says   string
		args   []string
	}{
		{"no sshd", func(r *root) { r.remove("usr/sbin/sshd") }, "sshd is missing: install OpenSSH's server", nil},
		{"no host keys", func(r *root) { r.remove("etc/ssh/ssh_host_ed25519_key*", "etc/ssh/ssh_host_rsa_key*") }, "sshd has no host keys yet: make them with ssh-keygen -A", nil},
		{"no login by key", func(r *root) { r.write("etc/ssh/sshd_config", 0o644, "PubkeyAuthentication no\n") }, "sshd accepts no keys: set PubkeyAuthentication yes", nil},
		{"keys elsewhere", func(r *root) { r.write("etc/ssh/sshd_config", 0o644, "AuthorizedKeysFile /etc/keys/%u\n") }, "sshd does not read ~/.ssh/authorized_keys", nil},
		{"no sudo", func(r *root) { r.remove("usr/bin/sudo") }, "sudo is missing, and the account needs it", nil},
		{"sudo without its folder", func(r *root) { r.remove("etc/sudoers.d") }, "there is no folder /etc/sudoers.d: install sudo anew", nil},
		{"sudo that does not read its folder", func(r *root) { r.write("etc/sudoers", 0o440, "root ALL=(ALL:ALL) ALL\n") }, "sudo does not let edgelb run /bin/sh", nil},
		{"somebody's sudoers", func(r *root) { r.write("etc/sudoers.d/edgelb", 0o440, "# mine\n") }, "/etc/sudoers.d/edgelb exists, and this script has not made it", nil},
		{"no systemd for --no-sudo", nothing, "--no-sudo needs systemd", []string{"--no-sudo"}},
		{"somebody's home", func(r *root) { r.link("home/edgelb", "/root") }, "/home/edgelb exists, but no account edgelb", nil},
		{"a group of that name", func(r *root) { r.script("groupadd edgelb") }, "there is a group edgelb, but no account", nil},
		{"a record of somebody else", func(r *root) { r.script("mkdir /var/lib/edge-host-setup; chown 1234 /var/lib/edge-host-setup") }, "/var/lib/edge-host-setup is not root's own folder", nil},
		{"a record that is a link", func(r *root) { r.link("var/lib/edge-host-setup", "/root") }, "/var/lib/edge-host-setup is not root's own folder", nil},
		{"root as the user of checks", func(r *root) { r.account("keepalived_script", 0, "/nonexistent", "/bin/sh") }, "keepalived_script, which runs keepalived's checks, is root by another name", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, debian12)
			test.change(r)
			r.fails(1, []string{"edge-host-setup.sh: ", test.says}, append([]string{"--key", key}, test.args...)...)
		})
	}
}

func nothing(*root) {}

// remove removes the files that match the patterns.
func (r *root) remove(patterns ...string) {
	r.t.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(r.path, pattern))
		must(r.t, err)
		for _, file := range files {
			must(r.t, os.RemoveAll(file))
		}
	}
}

// account adds an account with a home of its own.
func (r *root) account(name string, uid int, home, shell string) {
	r.t.Helper()
	if _, err := os.Stat(filepath.Join(r.path, "usr/sbin/useradd")); err != nil {
		r.script(fmt.Sprintf("addgroup -g %[1]d %[2]s && adduser -D -u %[1]d -G %[2]s -h %[3]s -s %[4]s %[2]s", uid, name, home, shell))
		return
	}
	r.script(fmt.Sprintf("useradd --non-unique --create-home --uid %d --home-dir %s --shell %s %s", uid, home, shell, name))
}

func TestAnAccountThatDiffersIsLeftAlone(t *testing.T) {
	t.Parallel()
	key, _ := newKey(t)
	for name, test := range map[string]struct {
		change func(r *root)
		says   string
	}{
		"root by another name": {func(r *root) { r.account("edgelb", 0, "/home/edgelb", "/bin/sh") }, "it is root by another name"},
		"no shell":             {func(r *root) { r.account("edgelb", 1500, "/home/edgelb", "/usr/sbin/nologin") }, `its shell is "/usr/sbin/nologin"`},
		"no home": {func(r *root) {
			r.account("edgelb", 1500, "/home/edgelb", "/bin/sh")
			r.remove("home/edgelb")
		}, `it has no home "/home/edgelb"`},
		"another's home": {func(r *root) {
			r.account("edgelb", 1500, "/home/edgelb", "/bin/sh")
			r.script("chown 1501 /home/edgelb")
		}, "its home /home/edgelb belongs to somebody else"},
		"a link in the place of its keys' folder": {func(r *root) {
			r.account("edgelb", 1500, "/home/edgelb", "/bin/sh")
			r.link("home/edgelb/.ssh", "/root")
		}, "is a link"},
		"a link in the place of its keys": {func(r *root) {
			r.account("edgelb", 1500, "/home/edgelb", "/bin/sh")
			r.script("mkdir /home/edgelb/.ssh; chown edgelb /home/edgelb/.ssh; touch /etc/target")
			r.link("home/edgelb/.ssh/authorized_keys", "/etc/target")
		}, "is a link"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, debian12)
			test.change(r)
			before := r.files()
			r.fails(1, []string{"there is an account edgelb already, and edgelb cannot use it: ", test.says, "Change that, or choose another name with --user"}, "--key", key)
			r.fails(2, []string{test.says}, "--check", "--key", key)
			r.remove("var/lib/edge-host-setup")
			r.requireFiles(before)
		})
	}
}

// What an account that somebody else has made keeps in its home is its own affair, and no lever on root.
func TestAnExistingAccountGetsTheKeyAndKeepsItsOwn(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		key, blob := newKey(r.t)
		own, _ := newKey(r.t)
		r.account("edgelb", 1500, "/home/edgelb", "/bin/sh")
		r.script("mkdir -m 700 /home/edgelb/.ssh")
		r.write("home/edgelb/.ssh/authorized_keys", 0o600, "# mine\n"+own+" me\n")
		r.script("chown -R edgelb:edgelb /home/edgelb")
		before := r.files()

		r.succeeds("--key", key)
		if got, want := r.read("home/edgelb/.ssh/authorized_keys"), "# mine\n"+own+" me\nrestrict,port-forwarding ssh-ed25519 "+blob+" edgelb\n"; got != want {
			r.t.Errorf("the keys are\n%swant\n%s", got, want)
		}
		if got := r.script("ls -ln /home/edgelb/.ssh/authorized_keys"); !strings.HasPrefix(got, "-rw------- 1 1500 1500 ") && !strings.HasPrefix(got, "-rw-------    1 1500     1500") {
			r.t.Errorf("the file of keys is %s", got)
		}
		r.succeeds("--check", "--key", key)
		r.succeeds("--remove")
		r.requireFiles(before)
	})
}

func TestNoLinkOfTheAccountLeadsRootAnywhere(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		key, _ := newKey(r.t)
		r.write("etc/target", 0o600, "root's own\n")
		r.account("edgelb", 1500, "/home/edgelb", "/bin/sh")
		r.script("mkdir -m 700 /home/edgelb/.ssh")
		r.link("home/edgelb/.ssh/authorized_keys.edgelb-new", "/etc/target")
		r.script("chown -R -h edgelb:edgelb /home/edgelb")
		r.fails(1, []string{"the account edgelb cannot write its ~/.ssh/authorized_keys: ", "Permission denied"}, "--key", key)
		if got := r.read("etc/target"); got != "root's own\n" {
			r.t.Errorf("root's file is %q", got)
		}
		// A profile of the account runs nothing as root, nor a program in its home.
		r.write("home/edgelb/.profile", 0o755, "touch /tmp/was-run\n")
		r.write("home/edgelb/.bashrc", 0o755, "touch /tmp/was-run\n")
		r.remove("home/edgelb/.ssh")
		r.succeeds("--key", key)
		if _, err := os.Stat(filepath.Join(r.path, "tmp/was-run")); err == nil {
			r.t.Error("the account's profile was run")
		}
	})
}

func TestOnlyRootCanRunIt(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		key, _ := newKey(r.t)
		r.account("visitor", 1600, "/home/visitor", "/bin/sh")
		for args, status := range map[string]int{"--key '" + key + "'": 1, "--check": 2, "--remove": 1} {
			got := r.asAccount("visitor", "sh /usr/sbin/edge-host-setup.sh "+args)
			if got.status != status || !strings.Contains(got.stderr, "this has to run as root: use sudo") {
				r.t.Errorf("%s: %+v", args, got)
			}
		}
	})
}

func TestAReadOnlyOrFullFileSystemIsNamed(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		key, _ := newKey(r.t)
		must(r.t, unix.Mount("", r.path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		r.fails(1, []string{"cannot write", "ead-only file system", "make it writable (mount -o remount,rw)"}, "--key", key)
		r.fails(1, []string{"missing: the account edgelb"}, "--check", "--key", key)
		must(r.t, unix.Mount("", r.path, "", unix.MS_REMOUNT|unix.MS_BIND, ""))

		must(r.t, os.MkdirAll(filepath.Join(r.path, "etc/sudoers.d"), 0o755))
		r.mount(filepath.Join(r.path, "etc/sudoers.d"), "tmpfs", "size=4k,mode=755")
		r.write("etc/sudoers.d/big", 0o440, "#"+strings.Repeat("x", 4094)+"\n")
		r.fails(1, []string{"cannot write /etc/sudoers.d/edgelb: No space left on device. Make room"}, "--key", key)
		r.remove("etc/sudoers.d/big")
		r.succeeds("--key", key)
		r.succeeds("--check")
	})
}

// Without flock, as with busybox alone, runs are not kept apart.
func TestTwoRunsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	onThose(t, []kind{debian12, withBash}, func(r *root) {
		key, _ := newKey(r.t)
		r.script("mkdir -m 700 /var/lib/edge-host-setup")
		held, err := os.Create(filepath.Join(r.path, "var/lib/edge-host-setup/lock"))
		must(r.t, err)
		must(r.t, unix.Flock(int(held.Fd()), unix.LOCK_EX))
		r.fails(1, []string{"another edge-host-setup.sh runs on this host"}, "--key", key)
		must(r.t, held.Close())
		r.succeeds("--key", key)
	})
}
