package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// runInit is the second of the three processes, and the first of the namespaces: they end with it. It returns the exit
// status.
func runInit(network Network) int {
	dir := os.Getenv(envDir)
	defer removeDir(dir)

	// The link still has the PID outside: /proc is not the sandbox's own yet.
	target, err := os.Readlink("/proc/self")
	if err == nil {
		err = setUp(dir, network)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUnavailable
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded()...)
	inside, err := startInside(dir, target)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the program in the sandbox:", err)
		return exitUnavailable
	}
	go forward(signals, inside)
	go killAllAfter(os.NewFile(3, "alive"))

	status := reapUntil(inside.Pid)
	killAll()
	reapUntil(nobody)
	return status
}

// nobody is a PID that no process has.
const nobody = 0

// killAllAfter waits for the end of the process outside, which holds the other end of the pipe. Then it kills the program
// inside as well, so that runInit ends.
func killAllAfter(alive *os.File) {
	_, _ = alive.Read(make([]byte, 1))
	killAll()
}

// killAll kills every other process of the PID namespace, if there are any.
func killAll() { _ = unix.Kill(-1, unix.SIGKILL) }

// reapUntil reaps ended processes, as the first process of a PID namespace must, until the one with that PID has ended or
// none is left. It returns the status of that process.
func reapUntil(pid int) int {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.ECHILD:
			return 1
		case err == nil && ended == pid:
			return waitStatus(status)
		}
	}
}

// removeDir removes the sandbox's directory, unless something is still mounted below: its files would be removed as well.
func removeDir(dir string) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[1], dir+"/") {
			continue
		}
		if err := unix.Unmount(fields[1], unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return
		}
	}
	_ = os.RemoveAll(dir)
}

// startInside starts the program again, without the capabilities that init needed.
func startInside(dir, target string) (*os.Process, error) {
	// Capabilities belong to a thread: the thread that drops them must start the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return nil, err
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Args[0] = os.Args[0]
	command.Env = append(os.Environ(), envStage+"="+stageInside, envTarget+"="+target, "TMPDIR="+tmp)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	return command.Process, nil
}

// setUp sets up the namespaces.
func setUp(dir string, network Network) error {
	if err := setUpMounts(dir); err != nil {
		return err
	}
	return network.setUp()
}

func setUpMounts(dir string) error {
	if err := mountPrivately(); err != nil {
		return err
	}
	if err := setUpAccount(dir); err != nil {
		return fmt.Errorf("set up the sandbox's own account: %w", err)
	}
	if os.Getuid() != 0 {
		return nil
	}
	return setUpRun()
}

// mountPrivately keeps later mounts within this mount namespace, and mounts the /proc of this PID namespace.
func mountPrivately() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc for the sandbox's own processes: %w; run as root, and in a container, one with --privileged", err)
	}
	return nil
}

// setUpRun mounts the sandbox's own /run, with the directory that sshd requires when it runs as root.
func setUpRun() error {
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount the sandbox's own /run: %w", err)
	}
	return os.Mkdir("/run/sshd", 0o755)
}

// setUpAccount gives the user a home and a shell in the sandbox, and an account that is not locked: sshd requires all three.
// Tests must not use the real home, and the account of a service may have no shell.
func setUpAccount(dir string) error {
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	name := AccountName()
	entry := fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh", name, os.Getuid(), os.Getgid(), home)
	if err := coverEntry(dir, "/etc/passwd", entry); err != nil {
		return err
	}
	return coverEntry(dir, "/etc/shadow", name+":*:::::::")
}

// coverEntry mounts, over an account file, a copy in which this entry replaces the account's own. If the file is not
// readable, the copy has only this entry.
func coverEntry(dir, file, entry string) error {
	existing, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	name, _, _ := strings.Cut(entry, ":")
	text := entry + "\n"
	for line := range strings.Lines(string(existing)) {
		if !strings.HasPrefix(line, name+":") {
			text += line
		}
	}
	own := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
		return err
	}
	return unix.Mount(own, file, "", unix.MS_BIND, "")
}

// AccountName returns the name of the user who runs the sandbox; a user without an entry in /etc/passwd gets one.
func AccountName() string {
	account, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		return "edge"
	}
	return account.Username
}
