package cfg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/shells"
)

// notifier is the script of an instance in a folder, as a shell runs it.
type notifier struct {
	t      *testing.T
	shell  shells.Shell
	folder string
	script string
}

// newNotifier writes the script of an instance whose command is a script with that text.
func newNotifier(t *testing.T, shell shells.Shell, command string) *notifier {
	t.Helper()
	n := &notifier{t: t, shell: shell, folder: t.TempDir()}
	c := one(func(i *keepalived.Instance) {
		i.Addresses = prefixes("192.0.2.100/24", "2001:db8::100/64")
		i.Notify = keepalived.Notify{Command: n.path("command") + " a=b c", Secret: true}
	})
	script := render(t, c).Scripts[1]
	text := string(script.Text)
	for from, to := range map[string]string{
		keepalived.NoticeFolder: n.folder, keepalived.ConfigPath: n.path("conf"), keepalived.ResultPath: n.path("check"),
		keepalived.SecretFolder("web"): n.path("secret"), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin": "PATH=" + shell.Path,
	} {
		text = strings.ReplaceAll(text, from, to)
	}
	n.script = n.path(filepath.Base(script.Path))
	n.write(n.script, strings.Replace(text, "limit=30", "limit=3", 1))
	n.write(n.path("conf"), "notify_master \"/bin/sh "+n.script+" MASTER\"\n")
	if err := os.Mkdir(n.path("secret"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, n.path("command"), "#!/bin/sh\n"+command, 0o755)
	n.keepsAlive()
	return n
}

func (n *notifier) path(name string) string { return filepath.Join(n.folder, name) }

func (n *notifier) write(path, text string) {
	n.t.Helper()
	writeFile(n.t, path, text, 0o644)
}

// keepsAlive writes the result of a check that has just run, at once as the check does.
func (n *notifier) keepsAlive() {
	n.t.Helper()
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		n.t.Fatal(err)
	}
	now, _, _ := strings.Cut(string(uptime), " ")
	n.write(n.path("check.new"), hash+" ok "+now+"\n")
	if err := os.Rename(n.path("check.new"), n.path("check")); err != nil {
		n.t.Fatal(err)
	}
}

// run runs the script until it ends, as keepalived does.
func (n *notifier) run(state string) {
	n.t.Helper()
	if err := n.start(state).Wait(); err != nil && state != "MASTER" {
		n.t.Errorf("%s: %v", state, err)
	}
}

func (n *notifier) start(state string) *exec.Cmd {
	n.t.Helper()
	command := exec.CommandContext(n.t.Context(), n.shell.Args[0], append(n.shell.Args[1:], n.script, state)...)
	if err := command.Start(); err != nil {
		n.t.Fatal(err)
	}
	return command
}

// notice returns the words of the result between the ID and the time, and those after what identifies the Secret.
func (n *notifier) notice() (result, words string) {
	text, _ := os.ReadFile(n.path("notice-web"))
	parts := strings.SplitN(strings.TrimSuffix(string(text), "\n"), " ", 6)
	if len(parts) != 6 || !strings.Contains(n.script, "notify-"+parts[0]+".sh") {
		return string(text), ""
	}
	return parts[1] + " " + parts[2], parts[5]
}

func (n *notifier) await(result string) {
	n.t.Helper()
	lab.Eventually(n.t, func() error {
		if got, words := n.notice(); got != result {
			return fmt.Errorf("the result is %q %q, want %q", got, words, result)
		}
		return nil
	})
}

func (n *notifier) read(name string) string {
	text, _ := os.ReadFile(n.path(name))
	return string(text)
}

// requireNothingLeft requires that only the result and its turn are left.
func (n *notifier) requireNothingLeft() {
	n.t.Helper()
	for _, pattern := range []string{"pipe-*", "output-*", "new-*"} {
		if left, _ := filepath.Glob(n.path(pattern)); len(left) > 0 {
			n.t.Errorf("%q are left", left)
		}
	}
}

func TestTheCommandGetsWhatItIsAbout(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		n := newNotifier(t, shell, `printf '%s\n' "$PWD" "$#" "$@" "$EDGELB_STATE" "$EDGELB_INSTANCE" "$EDGELB_INTERFACE" "$EDGELB_ADDRESSES" "$EDGELB_SECRET" >got; printf 'first\n\033[1mlast\t$(id)\n\n'`)
		n.run("MASTER")
		if got, words := n.notice(); got != "ran 0" || words != "[1mlast $(id)" {
			t.Errorf("the result is %q %q", got, words)
		}
		want := strings.Join([]string{n.path("secret"), "2", "a=b", "c", "MASTER", "web", "eth0", "192.0.2.100 2001:db8::100", n.path("secret")}, "\n") + "\n"
		if got := n.read("secret/got"); got != want {
			t.Errorf("the command got\n%s\nwant\n%s", got, want)
		}
		n.requireNothingLeft()
		// The command itself has made "got".
		for key, content := range map[string]string{"token": "a\n\n", ".-b": "", "got": want} {
			n.write(n.path("secret/"+key), content)
		}
		n.run("MASTER")
		id := keepalived.SecretFiles{"token": []byte("a\n\n"), ".-b": nil, "got": []byte(want)}.ID()
		if got := n.read("notice-web"); !strings.Contains(got, " "+id+" ") {
			t.Errorf("the result %q does not have the Secret's ID %s", got, id)
		}
		n.run("BACKUP")
		if got, _ := n.notice(); got != "left -" {
			t.Errorf("after it left, the result is %q", got)
		}
	})
}

func TestACommandThatFailsIsRunAgain(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		n := newNotifier(t, shell, `printf 'x\n' >>../tries; printf 'no\n' >&2; [ -e ../good ] || exit 22`)
		command := n.start("MASTER")
		lab.Eventually(t, func() error {
			n.keepsAlive()
			if got, words := n.notice(); got != "failed 22" || words != "no" || len(n.read("tries")) < 4 {
				return fmt.Errorf("the result is %q %q after %q", got, words, n.read("tries"))
			}
			return nil
		})
		n.write(n.path("good"), "")
		n.keepsAlive()
		n.await("ran 0")
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
		n.requireNothingLeft()
	})
}

func TestACommandThatHangsIsEndedWithWhatItStarted(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		n := newNotifier(t, shell, `trap '' TERM; sleep 1000 & printf '%s\n' "$!" >../started; wait; sleep 1000`)
		command := n.start("MASTER")
		n.await("failed 137")
		n.requireEnded("started")
		// Without keepalived, nobody knows whether the host is still the master.
		n.write(n.path("check"), hash+" ok 1.00\n")
		if err := command.Wait(); err == nil {
			t.Error("it ends as if the command had succeeded")
		}
		n.requireNothingLeft()
	})
}

// requireEnded requires that the process ends whose number a file has.
func (n *notifier) requireEnded(file string) {
	n.t.Helper()
	pid := strings.TrimSpace(n.read(file))
	if pid == "" {
		n.t.Fatal("nothing was started")
	}
	lab.Eventually(n.t, func() error {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err == nil && !strings.Contains(string(status), "State:\tZ") {
			return fmt.Errorf("process %s is still there", pid)
		}
		return nil
	})
}

// A host that is no longer the master must not tell anybody that it is.
func TestACommandEndsWhenTheHostIsNoLongerMaster(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for _, state := range []string{"BACKUP", "FAULT", "STOP"} {
			n := newNotifier(t, shell, `sleep 1000 & printf '%s\n' "$$" >../started; wait`)
			command := n.start("MASTER")
			lab.Eventually(t, func() error {
				if n.read("started") == "" || n.read("child-web") == "" {
					return fmt.Errorf("it has not started")
				}
				return nil
			})
			began := time.Now()
			n.run(state)
			n.requireEnded("started")
			if err := command.Wait(); err != nil {
				t.Error(err)
			}
			if got, _ := n.notice(); got != "left -" {
				t.Errorf("after %s (%s), the result is %q", state, time.Since(began), got)
			}
			n.requireNothingLeft()
		}
	})
}

// keepalived and edgelb may both run it, and its command may have changed meanwhile.
func TestOnlyTheLastOfSeveralRunsGoesOn(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		n := newNotifier(t, shell, `[ ! -e ../quick ] || exit 0; printf 'x\n' >>../tries; exit 1`)
		former := n.start("MASTER")
		n.await("failed 1")
		n.write(n.path("quick"), "")
		n.keepsAlive()
		n.run("MASTER")
		_ = former.Wait()
		if got, _ := n.notice(); got != "ran 0" {
			t.Errorf("the result is %q", got)
		}
		if err := os.Remove(n.path("quick")); err != nil {
			t.Fatal(err)
		}
		n.write(n.path("conf"), "another script\n")
		n.keepsAlive()
		n.run("MASTER")
		if got, _ := n.notice(); got != "failed 1" {
			t.Errorf("the command of another configuration has the result %q", got)
		}
	})
}

func TestTheOutputOfACommandIsBounded(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		n := newNotifier(t, shell, `yes 0123456789 | head -c 1000000 | tr -d '\n'; exit 0`)
		n.run("MASTER")
		if got, words := n.notice(); got != "ran 0" || len(words) != 1000 {
			t.Errorf("the result is %q with %d characters", got, len(words))
		}
	})
}

func TestAScriptQuotesWhatItGets(t *testing.T) {
	t.Parallel()
	script := render(t, one(func(i *keepalived.Instance) { i.Notify = keepalived.Notify{Command: "/bin/x a"} })).Scripts[1]
	for _, want := range []string{"\nset -- '/bin/x' 'a'\n", "\nEDGELB_INSTANCE='web'\n", "\nEDGELB_SECRET=''\n"} {
		if !strings.Contains(string(script.Text), want) {
			t.Errorf("%q is not in\n%s", want, script.Text)
		}
	}
	if got := quoted(`a'b $(c) "d`); got != `'a'\''b $(c) "d'` {
		t.Errorf("got %s", got)
	}
	for _, command := range []string{"true", "/bin/x;y", "/bin/x $(y)", "/bin/x `y`", "/bin/x 'y'", "/bin/x \"y\"", "/bin/x\ny", "/bin/x  y", " /bin/x", "/bin/x y ", "/bin/x *", "/bin/x ~", "/bin/x \\y", "/" + strings.Repeat("x", 256)} {
		if _, err := Render(one(func(i *keepalived.Instance) { i.Notify.Command = command })); err == nil || !strings.Contains(err.Error(), "the command") {
			t.Errorf("%q: %v", command, err)
		}
	}
}
