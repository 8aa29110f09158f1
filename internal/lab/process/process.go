// Package process runs the lab's programs: each with its own log file and process group.
package process

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

	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// stopGrace is how long a process may take to end on SIGTERM before it is killed.
const stopGrace = 10 * time.Second

// Command says what to run.
type Command struct {
	// Program is a path.
	Program string
	Args    []string
	// Env is added to the environment of this process, or is all of it if Root is set.
	Env []string
	// Root is the folder that the program takes for /, if it is another one, and User is whom it then runs as, and that user's group.
	// It takes root.
	Root string
	User uint32
	// Log is the path of the file to which the program's output is appended.
	Log string
}

// Process leads its own process group. A nil Process counts as ended.
type Process struct {
	name    string
	log     string
	process *os.Process
	// ended is closed when the process has ended.
	ended chan struct{}
}

// Start starts a program.
func Start(c Command) (*Process, error) {
	cmd, err := c.Launch()
	if err != nil {
		return nil, err
	}
	p := &Process{name: filepath.Base(c.Program), log: c.Log, process: cmd.Process, ended: make(chan struct{})}
	go func() {
		// The log shows how it ended; after Stop or Kill it does not matter.
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Launch starts the program and leaves it to the caller to wait for its end.
func (c Command) Launch() (*exec.Cmd, error) {
	out, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(c.Program, c.Args...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.Root != "" {
		cmd.Dir, cmd.Env = "/", c.Env
		cmd.SysProcAttr.Chroot, cmd.SysProcAttr.Credential = c.Root, &syscall.Credential{Uid: c.User, Gid: c.User}
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.Program), err)
	}
	return cmd, nil
}

// PID returns the PID of the process.
func (p *Process) PID() int { return p.process.Pid }

// Running reports whether the process still runs; a nil process does not.
func (p *Process) Running() bool {
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

// Stop stops the process: by SIGTERM to itself, and by SIGKILL to its group if that takes too long. It is no error if it
// has ended before.
func (p *Process) Stop() error {
	if !p.Running() {
		return nil
	}
	if err := p.process.Signal(unix.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopGrace):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.name, stopGrace)
	}
}

// Kill kills the process and its group, and waits for the process.
func (p *Process) Kill() {
	if p.Running() {
		// It may end by itself at this moment.
		_ = unix.Kill(-p.PID(), unix.SIGKILL)
		<-p.ended
	}
}

// Name returns the program's file name.
func (p *Process) Name() string { return p.name }

// Log returns the end of the program's output, for a person.
func (p *Process) Log() string { return Tail(p.log) }

// Await polls until ready returns nil. If the process or the context ends before, it returns the last error together with
// the end of the log.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	err := Poll(ctx, func(ctx context.Context) error {
		if !p.Running() {
			return errEnded
		}
		return ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("%s does not come up: %w\n%s", p.name, err, Tail(p.log))
	}
	return nil
}

var errEnded = errors.New("it has ended")

// Poll calls ready until it returns nil, the process has ended, or the context is done; then it returns the last error.
func Poll(ctx context.Context, ready func(context.Context) error) error {
	begun := time.Now()
	for {
		err := ready(ctx)
		if err == nil || errors.Is(err, errEnded) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(waiting.Pause(begun)):
		}
	}
}

// SignalTree signals the process and all its descendants, parents first, including those that have left its group.
func (p *Process) SignalTree(with syscall.Signal) {
	if p.Running() {
		signalTree(p.PID(), with)
	}
}

func signalTree(pid int, with syscall.Signal) {
	children := childrenOf(pid)
	_ = unix.Kill(pid, with)
	for _, child := range children {
		signalTree(child, with)
	}
}

// childrenOf returns the running child processes of a process.
func childrenOf(pid int) []int {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	var children []int
	for _, list := range lists {
		// A thread may have ended in the meantime.
		content, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(content)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// Tail returns the last part of a log file, for a person.
func Tail(path string) string {
	const most = 4096
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(content) > most {
		content = content[len(content)-most:]
	}
	return string(content)
}
