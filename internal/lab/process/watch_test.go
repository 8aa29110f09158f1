package process

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAWatchedProcessBehavesLikeAStartedOne(t *testing.T) {
	t.Parallel()
	c := Command{Program: "/bin/sleep", Args: []string{"1000"}, Log: filepath.Join(t.TempDir(), "log")}
	pid, pidfd, reap := launch(t, c)
	p, err := Watch(c, pidfd)
	if err != nil {
		t.Fatal(err)
	}
	if p.PID() != pid || p.Name() != "sleep" || !p.Running() {
		t.Errorf("process %d %s, running: %v; want %d sleep, running", p.PID(), p.Name(), p.Running(), pid)
	}
	if err := p.Stop(); err != nil || p.Running() {
		t.Errorf("stopped, it runs: %v (%v)", p.Running(), err)
	}
	reap()
}

func TestAWatchedProcessMayHaveEndedBefore(t *testing.T) {
	t.Parallel()
	c := Command{Program: "/bin/true", Log: filepath.Join(t.TempDir(), "log")}
	_, pidfd, reap := launch(t, c)
	reap()
	p, err := Watch(c, pidfd)
	if err != nil {
		t.Fatal(err)
	}
	if p.Running() {
		t.Error("it runs")
	}
	p.Kill()
	p.SignalTree(unix.SIGKILL)
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestOnlyAPidfdCanBeWatched(t *testing.T) {
	t.Parallel()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := Watch(Command{Program: "/bin/true"}, file); err == nil {
		t.Errorf("%s is watched as process %d", os.DevNull, p.PID())
	}
}

// launch starts a command as another process would, and returns its PID, a pidfd, and a function that waits for its end.
func launch(t *testing.T, c Command) (pid int, pidfd *os.File, reap func()) {
	t.Helper()
	cmd, err := c.Launch()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, os.NewFile(uintptr(fd), "pidfd"), func() { _ = cmd.Wait() }
}
