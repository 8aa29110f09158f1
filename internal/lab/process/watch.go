package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Watch returns the process of a pidfd that another process started by Command.Launch. It takes ownership of the pidfd.
func Watch(c Command, pidfd *os.File) (*Process, error) {
	pid, err := pidOf(pidfd)
	if err != nil {
		pidfd.Close()
		return nil, err
	}
	p := &Process{name: filepath.Base(c.Program), log: c.Log, ended: make(chan struct{})}
	if p.process, err = os.FindProcess(pid); err != nil {
		pidfd.Close()
		return nil, err
	}
	if pid == endedPID {
		pidfd.Close()
		close(p.ended)
		return p, nil
	}
	go func() {
		defer pidfd.Close()
		awaitReadable(pidfd)
		close(p.ended)
	}()
	return p, nil
}

// endedPID is the PID that the kernel reports for an ended process.
const endedPID = -1

// pidOf returns the PID, as this process sees it, of a process that may be in a nested PID namespace.
func pidOf(pidfd *os.File) (int, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd.Fd()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(info)) {
		if value, found := strings.CutPrefix(line, "Pid:"); found {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("%s is no pidfd", pidfd.Name())
}

// awaitReadable waits until the process of the pidfd has ended: then the pidfd is readable.
func awaitReadable(pidfd *os.File) {
	watched := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(watched, -1); err != unix.EINTR {
			return
		}
	}
}
