package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
)

// runMachine is the first process of a machine: it mounts the machine's directories, and then starts programs and mounts on
// request, until the connection ends. It returns the exit status.
func runMachine() int {
	// Capabilities belong to a thread: the thread that drops them must start programs.
	runtime.LockOSThread()
	conn, err := unixConn(os.NewFile(3, "machine"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "reach the program that started the machine:", err)
		return exitUnavailable
	}
	requests := json.NewDecoder(conn)
	var view machineSetup
	if err := requests.Decode(&view); err != nil {
		return 1
	}
	go reapOrphans()
	if err := answer(conn, view.setUp(), nil); err != nil {
		return 1
	}
	for {
		var o order
		if err := requests.Decode(&o); err != nil {
			return 0
		}
		if err := o.carryOut(conn); err != nil {
			return 1
		}
	}
}

// carryOut executes a request and answers. The error is one of the connection.
func (o order) carryOut(conn *net.UnixConn) error {
	switch {
	case o.Launch != nil:
		return launch(conn, *o.Launch)
	case o.Mount != nil:
		return answer(conn, unix.Mount(o.Mount.Source, o.Mount.Target, o.Mount.Type, o.Mount.Flags, o.Mount.Data), nil)
	default:
		return answer(conn, unix.Unmount(o.Unmount, unix.UMOUNT_NOFOLLOW), nil)
	}
}

func (v machineSetup) setUp() error {
	if err := mountPrivately(); err != nil {
		return err
	}
	for _, path := range v.Own {
		if err := unix.Mount(filepath.Join(v.Root, path), path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount the machine's own %s: %w", path, err)
		}
	}
	return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
}

// launch starts a program and answers with its pidfd.
func launch(conn *net.UnixConn, c process.Command) error {
	cmd, err := c.Launch()
	if err != nil {
		return answer(conn, err, nil)
	}
	defer func() { _ = cmd.Process.Release() }()
	var answered error
	err = cmd.Process.WithHandle(func(pidfd uintptr) {
		answered = answer(conn, nil, unix.UnixRights(int(pidfd)))
	})
	if err != nil {
		return answer(conn, err, nil)
	}
	return answered
}

func answer(conn *net.UnixConn, failed error, rights []byte) error {
	var r reply
	if failed != nil {
		r.Error = failed.Error()
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, _, err = conn.WriteMsgUnix(text, rights, nil)
	return err
}

// reapOrphans reaps ended processes, as the first process of a PID namespace must.
func reapOrphans() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	for range ended {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && err != unix.EINTR {
				break
			}
		}
	}
}
