package driver_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/model"
)

// A local account of the host can call a process haproxy, and give it any arguments. None of them may be taken for a line of
// the script's output, nor for the path of a program.
func TestALocalAccountDoesNotChooseWhatIsRun(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "starting a process of another account")
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	ran := m.path("evil-ran")
	evil := m.path("evil")
	if err := os.WriteFile(evil, []byte(fmt.Sprintf("#!/bin/sh\n: >%s\nexec %s \"$@\"\n", ran, m.program)), 0o755); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("process 2 0 0 000001ffffffffff 524288 %s\t-W\t-S\t%s\t-f\t%s\t", evil, m.path("master.sock"), m.config())
	for _, args := range [][]string{
		{`x\n` + line}, {"x\n" + line}, {`x\012` + line}, {evil, "-W", "-S", m.path("master.sock"), "-f", m.config()},
	} {
		startAsNobody(t, args...)
	}

	// Another listener needs a reload, so the file is checked.
	config := m.webConfig(echo(t, "pod-b"))
	config.Frontends[0].Binds = append(config.Frontends[0].Binds, m.bind(8444))
	outcome := m.sync(config)

	requireSynced(t, outcome)
	if outcome.Update != model.UpdateReload {
		t.Errorf("got %s, want a reload", outcome.Update)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the program of the local account was run")
	}
	m.requireServes(8444, "pod-b")
}

// startAsNobody starts a process that is called haproxy, has these arguments and only waits.
func startAsNobody(t *testing.T, args ...string) {
	t.Helper()
	const nobody = 65534
	// Others cannot reach the folder for temporary files of the sandbox.
	folder, err := os.MkdirTemp("/tmp", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	program := filepath.Join(folder, "haproxy")
	script := fmt.Sprintf("chmod 755 %[1]s; cp /bin/dash %[2]s; printf 'read line\\n' >%[1]s/wait.sh", folder, program)
	if output, err := exec.Command("/bin/sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	cmd := &exec.Cmd{Path: program, Args: append([]string{args[0], filepath.Join(folder, "wait.sh")}, args[1:]...)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
}

// What a script that was killed has not said is not what the host does not have.
func TestAnObservationThatEndsEarlyChangesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	before := m.readConfig()
	// The script asks who may change the files when it has seen the processes.
	killer := m.path("ls")
	script := "#!/bin/sh\n[ \"$1\" != -ldn ] || kill -KILL \"$PPID\"\nexec /bin/ls \"$@\"\n"
	if err := os.WriteFile(killer, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	config := m.webConfig(echo(t, "pod-b"))

	outcome := m.sync(config)

	requireFailure(t, outcome, model.Unreachable, "the script observe, which says what the host has, ended early")
	if m.readConfig() != before || m.greeting(8443) != "pod-a" {
		t.Error("the host was changed")
	}
	if err := os.Remove(killer); err != nil {
		t.Fatal(err)
	}
	requireSynced(t, m.sync(config))
}

// Root must not write to a folder, nor run a program, that others may write to.
func TestAFolderThatOthersMayWriteToIsLeftAlone(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	requireSynced(t, m.sync(m.webConfig(echo(t, "pod-a"))))
	before := m.readConfig()
	if err := os.Chmod(m.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	config := m.webConfig(echo(t, "pod-b"))
	config.Frontends[0].Binds = append(config.Frontends[0].Binds, m.bind(8444))

	outcome := m.sync(config)

	requireFailure(t, outcome, model.Rejected, "every account may change "+m.dir)
	if m.readConfig() != before {
		t.Error("the file was replaced")
	}
	if err := os.Chmod(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	requireSynced(t, m.sync(config))
}

func TestAHostWhoseLoginShellPrintsIsManaged(t *testing.T) {
	t.Parallel()
	eachHAProxy(t, func(t *testing.T, m *machine) {
		m.conn.putBefore("echo Welcome to this host; echo 'Last login: today' >&2; ")
		m.conn.noForwarding.Store(true)
		config := m.webConfig(echo(t, "pod-a"))
		for range 2 {
			requireSynced(t, m.sync(config))
		}
		config.Backends[0].Servers = append(config.Backends[0].Servers, echo(t, "pod-b"))
		requireSynced(t, m.syncCached(config))
		if drift := m.syncCached(config).Drift; len(drift) > 0 {
			t.Errorf("the greeting counts as drift: %q", drift)
		}
	})
}

func TestAForcedCommandIsToldInItsOwnWords(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.conn.putBefore("echo 'Please login as the user \"debian\" rather than the user \"root\".'; exit 142; ")

	outcome := m.sync(m.webConfig(echo(t, "pod-a")))

	requireFailure(t, outcome, model.Unauthorized, `Please login as the user "debian" rather than the user "root".`)
	if !strings.Contains(outcome.Message, "142") {
		t.Errorf("the message does not contain the exit status: %s", outcome.Message)
	}
}
