package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/waiting"
)

const patience = waiting.Long

func TestOutputGoesToTheLog(t *testing.T) {
	t.Parallel()
	p := start(t, "echo out; echo err >&2; echo $COLOUR", "COLOUR=green")
	<-p.ended
	if got, want := p.Log(), "out\nerr\ngreen\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestTailReturnsTheEndOfALongLog(t *testing.T) {
	t.Parallel()
	p := start(t, "yes line | head -n 5000; echo last")
	<-p.ended
	if got := p.Log(); len(got) != 4096 || !strings.HasSuffix(got, "line\nlast\n") {
		t.Errorf("%d bytes of log end in %q", len(got), got[max(0, len(got)-20):])
	}
}

func TestAMissingProgramIsAnError(t *testing.T) {
	t.Parallel()
	_, err := Start(Command{Program: "/nonexistent/program", Log: filepath.Join(t.TempDir(), "log")})
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("error %v, want %v", err, unix.ENOENT)
	}
}

func TestStopLetsTheProcessFinish(t *testing.T) {
	t.Parallel()
	p := start(t, "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.01; done")
	awaitLog(t, p, "ready\n")
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := p.Log(), "ready\nbye\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	if p.Running() {
		t.Error("it still runs")
	}
}

func TestStopAndKillMayBeRepeated(t *testing.T) {
	t.Parallel()
	p := start(t, "exec sleep 1000")
	for range 2 {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		p.Kill()
	}
	var none *Process
	if err := none.Stop(); err != nil || none.Running() {
		t.Errorf("a nil process: stop %v, running %v", err, none.Running())
	}
	none.Kill()
	none.SignalTree(unix.SIGKILL)
}

func TestKillEndsChildProcesses(t *testing.T) {
	t.Parallel()
	p := start(t, "sleep 1000 & echo $!; wait")
	child := logged(t, p)
	p.Kill()
	awaitEnd(t, child)
}

func TestSignalTreeReachesProcessesOutsideTheGroup(t *testing.T) {
	t.Parallel()
	p := start(t, "setsid sleep 1000 & echo $!; wait")
	child := logged(t, p)
	p.SignalTree(unix.SIGKILL)
	awaitEnd(t, child)
}

func TestAwaitReturnsOnceReady(t *testing.T) {
	t.Parallel()
	p := start(t, "exec sleep 1000")
	tries := 0
	err := p.Await(t.Context(), func(context.Context) error {
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestAwaitSaysWhyAProcessEnded(t *testing.T) {
	t.Parallel()
	p := start(t, "echo no such luck; exit 1")
	err := p.Await(t.Context(), func(context.Context) error { return errors.New("not yet") })
	if !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("error %v, want the end and the log", err)
	}
}

func TestAwaitEndsWithTheContextAndTheLastError(t *testing.T) {
	t.Parallel()
	p := start(t, "exec sleep 1000")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	last := errors.New("not yet")
	err := p.Await(ctx, func(context.Context) error { return last })
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, last) {
		t.Errorf("error %v, want the deadline and %v", err, last)
	}
}

// start runs a shell script that is killed at the end of the test.
func start(t *testing.T, script string, env ...string) *Process {
	t.Helper()
	p, err := Start(Command{
		Program: "/bin/sh",
		Args:    []string{"-c", script},
		Env:     env,
		Log:     filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func awaitLog(t *testing.T, p *Process, want string) {
	t.Helper()
	await(t, func() error {
		if got := p.Log(); got != want {
			return fmt.Errorf("log %q, want %q", got, want)
		}
		return nil
	})
}

// logged returns the number that the process logs.
func logged(t *testing.T, p *Process) int {
	t.Helper()
	var number int
	await(t, func() (err error) {
		number, err = strconv.Atoi(strings.TrimSpace(p.Log()))
		return err
	})
	return number
}

// awaitEnd waits until a process has ended; a zombie has ended.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	await(t, func() error {
		state, err := stateOf(pid)
		if err == nil && state != "Z" {
			return fmt.Errorf("process %d is in state %s", pid, state)
		}
		return nil
	})
}

func await(t *testing.T, ready func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := Poll(ctx, func(context.Context) error { return ready() }); err != nil {
		t.Fatal(err)
	}
}

// stateOf returns the letter of a process's state.
func stateOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return after[:1], nil
}
