package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopGrace is how long a process may take to end on SIGTERM before it is killed.
const stopGrace = 10 * time.Second

// pollInterval is how often something is looked at that is waited for.
const pollInterval = 10 * time.Millisecond

// process is a child that writes to a log file and leads a process group of its own.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	// ended is closed when the process has ended.
	ended chan struct{}
}

// startProcess starts a program; what it prints is appended to the log file.
func startProcess(log, program string, args ...string) (*process, error) {
	return startProcessIn(os.Environ(), log, program, args...)
}

// startProcessIn does so with that environment.
func startProcessIn(env []string, log, program string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{name: filepath.Base(program), log: log, cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		// How it ended is in its log, and for those that were told to end it is of no interest.
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// running says whether the process has not ended yet; a nil process is not running.
func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signalGroup signals the process and what it started, as far as that is still in its group.
func (p *process) signalGroup(s syscall.Signal) {
	if p.running() {
		_ = unix.Kill(-p.pid(), s)
	}
}

// stop ends the process: by SIGTERM to itself, and by SIGKILL to its group if that takes too long. It is no error if it
// has ended before.
func (p *process) stop() error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(unix.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopGrace):
		p.kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.name, stopGrace)
	}
}

// kill ends the process and its group at once, and waits for the process.
func (p *process) kill() {
	if p.running() {
		p.signalGroup(unix.SIGKILL)
		<-p.ended
	}
}

// await polls until ready returns nil. It gives up when the process ends or the context does, and returns the last error
// together with the end of the log.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	err := poll(ctx, func(ctx context.Context) error {
		if !p.running() {
			return errEnded
		}
		return ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("%s does not come up: %w\n%s", p.name, err, tail(p.log))
	}
	return nil
}

var errEnded = errors.New("it has ended")

// poll calls ready until it returns nil, the process has ended, or the context is done; then it returns the last error.
func poll(ctx context.Context, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil || errors.Is(err, errEnded) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

// tail is the last part of a log file, for a person.
func tail(path string) []byte {
	const most = 4096
	content, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	if len(content) > most {
		content = content[len(content)-most:]
	}
	return content
}

// signalTree signals a process and all its descendants, parents first.
func signalTree(pid int, with syscall.Signal) {
	children := childrenOf(pid)
	_ = unix.Kill(pid, with)
	for _, child := range children {
		signalTree(child, with)
	}
}

// childrenOf are the processes that a process started and that still run.
func childrenOf(pid int) []int {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	var children []int
	for _, list := range lists {
		// A thread may have ended since.
		content, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(content)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}
