package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestAHostIsSetUpAndTakenBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(r *root) {
		before := r.files()
		key, blob := newKey(r.t)
		r.fails(1, []string{"missing: the account edgelb", "missing: the account keepalived_script", "missing: a public key"}, "--check")
		r.requireFiles(before)

		first := r.succeeds("--key", key, "--name", "gw1", "--address", "192.0.2.10")
		r.requireEntry(first.stdout)
		r.requireAccounts()
		if want := "restrict,port-forwarding ssh-ed25519 " + blob + " edgelb\n"; r.read("home/edgelb/.ssh/authorized_keys") != want {
			r.t.Errorf("the file of keys is %q, want %q", r.read("home/edgelb/.ssh/authorized_keys"), want)
		}
		if got := r.asAccount("edgelb", "sudo -n /bin/sh -c 'id -u'"); got.stdout != "0\n" {
			r.t.Errorf("sudo: %+v", got)
		}
		r.succeeds("--check")

		done := r.files()
		again := r.succeeds("--key", key, "--name", "gw1", "--address", "192.0.2.10")
		r.requireFiles(done)
		if again.stdout != first.stdout || strings.Contains(again.stderr, "to be") {
			r.t.Errorf("the second run prints\n%sand says\n%s", again.stdout, again.stderr)
		}
		r.succeeds("--check", "--key", key)
		r.requireFiles(done)

		r.succeeds("--remove")
		r.requireFiles(before)
		if got := r.succeeds("--remove"); !strings.Contains(got.stderr, "nothing to remove") {
			r.t.Errorf("the second --remove says %q", got.stderr)
		}
		r.requireFiles(before)
	})
}

// requireEntry fails the test unless the text is the host's entry in an EdgeLoadBalancer.
func (r *root) requireEntry(text string) {
	r.t.Helper()
	var spec v1alpha1.EdgeLoadBalancerSpec
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil || len(spec.Hosts) != 1 {
		r.t.Fatalf("%v in\n%s", err, text)
	}
	host := spec.Hosts[0]
	if host.Name != "gw1" || host.Address != "192.0.2.10" || host.User != "edgelb" || host.Port != nil {
		r.t.Errorf("the entry is %+v", host)
	}
	want := map[string]bool{}
	for _, kind := range []string{"ed25519", "rsa"} {
		fields := strings.Fields(r.read("etc/ssh/ssh_host_" + kind + "_key.pub"))
		want[fields[0]+" "+fields[1]] = true
	}
	for _, key := range host.HostKeys {
		if !want[key] {
			r.t.Errorf("the entry has the key %q", key)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		r.t.Errorf("the entry lacks %v, it is\n%s", want, text)
	}
}

// requireAccounts fails the test unless both accounts have what they need, and no more.
func (r *root) requireAccounts() {
	r.t.Helper()
	for name, want := range map[string]string{"edgelb": ":edgelb:/home/edgelb:/bin/sh", "keepalived_script": ":edgelb:/nonexistent:/usr/sbin/nologin"} {
		line := r.lineOf("etc/passwd", name)
		if fields := strings.Split(line, ":"); !strings.HasSuffix(line, want) || fields[2] == "0" || fields[3] == "0" {
			r.t.Errorf("the account is %q, want it to end with %q", line, want)
		}
		// "!" would be a locked account, to which sshd without PAM lets nobody log in.
		if line := r.lineOf("etc/shadow", name); !strings.HasPrefix(line, name+":*:") {
			r.t.Errorf("the account has the password %q", line)
		}
		if got := strings.Fields(r.script("id -Gn " + name)); len(got) != 1 || got[0] != name {
			r.t.Errorf("%s is in the groups %q", name, got)
		}
	}
	if got := r.asAccount("edgelb", "echo more >>~/.ssh/authorized_keys"); got.status == 0 {
		r.t.Error("the account can add a key to itself")
	}
}

func (r *root) lineOf(file, name string) string {
	r.t.Helper()
	for line := range strings.Lines(r.read(file)) {
		if strings.HasPrefix(line, name+":") {
			return strings.TrimSpace(line)
		}
	}
	r.t.Errorf("%s has no line of %s", file, name)
	return ""
}

// asAccount runs a command line as an account.
func (r *root) asAccount(name, commands string) result {
	r.t.Helper()
	return r.run("/bin/su", "-s", "/bin/sh", name, "-c", commands)
}

func TestTheKeysAreThoseOfTheLastRun(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		line1, key1 := newKey(r.t)
		line2, key2 := newKey(r.t)
		has := func(from string, keys ...string) {
			r.t.Helper()
			want := ""
			for _, key := range keys {
				want += "restrict,port-forwarding" + from + " ssh-ed25519 " + key + " edgelb\n"
			}
			if got := r.read("home/edgelb/.ssh/authorized_keys"); got != want {
				r.t.Errorf("the keys are\n%swant\n%s", got, want)
			}
		}
		r.succeeds("--key", line1+" a comment")
		has("", key1)
		r.succeeds("--key", line1, "--key", line2)
		has("", key1, key2)
		r.write("tmp/keys", 0o644, "# the new one\r\n\r\n"+line2+" me@example\r\n")
		r.fails(1, []string{"missing: the keys of edgelb"}, "--check", "--key-file", "/tmp/keys")
		r.succeeds("--key-file", "/tmp/keys")
		has("", key2)
		r.succeeds("--key-file", "/tmp/keys", "--from", "192.0.2.1,2001:db8::/64")
		has(`,from="192.0.2.1,2001:db8::/64"`, key2)
		// Without a key, they stay.
		r.succeeds()
		has(`,from="192.0.2.1,2001:db8::/64"`, key2)
	})
}

func TestWhatSomebodyChangedIsMendedOrNamed(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		key, _ := newKey(r.t)
		r.succeeds("--key", key)
		done := r.files()
		r.write("etc/sudoers.d/edgelb", 0o440, "# nothing\n")
		must(r.t, os.Remove(filepath.Join(r.path, "home/edgelb/.ssh/authorized_keys")))
		r.fails(1, []string{"missing: /etc/sudoers.d/edgelb", "missing: the keys"}, "--check", "--key", key)
		r.succeeds("--key", key)
		r.requireFiles(done)

		must(r.t, os.RemoveAll(filepath.Join(r.path, "home/edgelb")))
		r.succeeds("--key", key)
		r.requireFiles(done)

		must(r.t, os.RemoveAll(filepath.Join(r.path, "home/edgelb/.ssh")))
		r.link("home/edgelb/.ssh", "/root")
		r.fails(1, []string{"/home/edgelb/.ssh is not the folder that this script has made"}, "--key", key)
	})
}

func TestAnotherAccountCanBeChosen(t *testing.T) {
	t.Parallel()
	onEach(t, func(r *root) {
		before := r.files()
		key, _ := newKey(r.t)
		got := r.succeeds("--key", key, "--user", "lb_ops-1")
		if !strings.Contains(got.stdout, "    user: lb_ops-1\n") {
			r.t.Errorf("the entry is\n%s", got.stdout)
		}
		if got := r.asAccount("lb_ops-1", "sudo -n /bin/sh -c 'id -u'"); got.stdout != "0\n" {
			r.t.Errorf("sudo: %+v", got)
		}
		r.fails(1, []string{"this host is set up for the account lb_ops-1: run --remove first"}, "--key", key, "--user", "edgelb")
		r.succeeds("--check")
		r.succeeds("--remove")
		r.requireFiles(before)
	})
}

func TestAnEndedConnectionKeepsNoAccount(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		before := r.files()
		key, _ := newKey(r.t)
		r.succeeds("--key", key)
		// The operator keeps its connections open, and one of its processes may ignore the end.
		r.script(`su -s /bin/sh edgelb -c 'trap "" TERM; sleep 1000; sleep 1000' & su -s /bin/sh edgelb -c 'sleep 1000' &
			until [ "$(grep -l "^Name:[[:space:]]*\(sleep\|busybox\)" /proc/[0-9]*/status 2>/dev/null | wc -l)" -ge 2 ]; do sleep 1; done
			sh /usr/sbin/edge-host-setup.sh --remove`)
		r.requireFiles(before)
	})
}
