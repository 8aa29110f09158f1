// Package sandbox restarts a program in its own namespaces: for the network, for processes and for mounts; also for users
// if the program is not run by root. The program cannot affect the network or other processes; when it ends, in any way,
// none of its processes and files remain.
//
// There are three processes, all of the same executable:
//
//	the program that was started   waits, and passes signals on and the exit status back
//	└─ the sandbox's init          first process of the namespaces: sets them up, reaps, cleans up
//	   └─ the program again        now inside: Enter returns here and nowhere else
//
// If any of the three is killed, the other two clean up.
//
// Inside, the program can start machines, each with its own processes and files: see Machine.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// The environment of the stages. Only this package reads it.
const (
	envStage  = "EDGELB_LAB_STAGE"
	envDir    = "EDGELB_LAB_DIR"
	envTarget = "EDGELB_LAB_TARGET"

	stageInit    = "init"
	stageInside  = "inside"
	stageMachine = "machine"
)

// exitUnavailable is the exit status of init if the machine does not allow what it needs. It prints the reason before.
const exitUnavailable = 125

// maxTempDir is the maximum length of the temporary directory's path, so that the paths of unix sockets fit below it.
const maxTempDir = 40

// Enter restarts the program inside a sandbox with that network, and returns there. In the original process, it exits with
// the status of the process inside; it returns an error if the machine does not allow a sandbox. It must be called before
// the program does anything else.
func Enter(network Network) error {
	switch os.Getenv(envStage) {
	case stageInside:
		return nil
	case stageInit:
		os.Exit(runInit(network))
	case stageMachine:
		os.Exit(runMachine())
	}
	status, err := runOutside()
	if err != nil {
		return err
	}
	os.Exit(status)
	return nil
}

// ErrOutside says that a function works only inside a sandbox.
var ErrOutside = errors.New("not inside the lab: call lab.Main in TestMain, or lab.Enter at the begin of the program")

// Inside reports whether the program runs in a sandbox.
func Inside() bool { return os.Getenv(envStage) == stageInside }

// Dir returns the sandbox's own directory, which is removed when the sandbox ends. Its path is short enough for unix
// sockets below it.
func Dir() string { return os.Getenv(envDir) }

// EnterCommand returns the command prefix with which a person on the machine can enter the sandbox from outside: its
// network, its processes and its files.
func EnterCommand() []string {
	command := []string{"nsenter", "--target", os.Getenv(envTarget), "--net", "--pid", "--mount", "--wd=" + Dir()}
	if os.Getuid() != 0 {
		command = append(command, "--user", "--preserve-credentials")
	}
	return append(command, "--")
}

// runOutside is the first of the three processes: it starts init and waits for it.
func runOutside() (int, error) {
	dir, err := makeDir()
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)

	// Init reads from the pipe and so detects the end of this process in any case.
	alive, hold, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer hold.Close()

	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded()...)
	command := initCommand(dir, alive)
	if err := command.Start(); err != nil {
		return 0, explainRefusal(err)
	}
	alive.Close()
	go forward(signals, command.Process)

	status := exitStatus(command.Wait())
	if status == exitUnavailable {
		return 0, errors.New("see the line above")
	}
	return status, nil
}

// forwarded returns the signals that are forwarded to the process inside.
func forwarded() []os.Signal {
	return []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}
}

func forward(signals <-chan os.Signal, to *os.Process) {
	for s := range signals {
		// The process may have ended already.
		_ = to.Signal(s)
	}
}

func makeDir() (string, error) {
	base := os.TempDir()
	if len(base) > maxTempDir {
		base = "/tmp"
	}
	return os.MkdirTemp(base, "edgelb-")
}

func initCommand(dir string, alive *os.File) *exec.Cmd {
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Args[0] = os.Args[0]
	command.Env = append(os.Environ(), envStage+"="+stageInit, envDir+"="+dir)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.ExtraFiles = []*os.File{alive}
	command.SysProcAttr = namespaces(unix.CLONE_NEWNET|unix.CLONE_NEWPID|unix.CLONE_NEWNS|unix.CLONE_NEWIPC,
		unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN)
	return command
}

// namespaces returns the attributes to start a process in new namespaces of those kinds. Root has all capabilities in them; for an
// ordinary user, a user namespace is created as well, and the process gets the named capabilities. With its own process group,
// the processes inside do not get a terminal's Ctrl-C twice.
func namespaces(kinds uintptr, capabilities ...uintptr) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: kinds, Setpgid: true}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		attr.AmbientCaps = capabilities
	}
	return attr
}

// explainRefusal returns an error that says how to fix it if the kernel refuses the namespaces.
func explainRefusal(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("start the sandbox: %w", err)
	}
	for _, switchedOff := range []struct{ sysctl, value, remedy string }{
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"},
		{"kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"},
		{"user/max_user_namespaces", "0", "user.max_user_namespaces=10000"},
	} {
		if sysctl(switchedOff.sysctl) == switchedOff.value {
			return fmt.Errorf("this user may not make namespaces: run as root, or `sysctl -w %s` first (%w)", switchedOff.remedy, err)
		}
	}
	return fmt.Errorf("namespaces are not permitted here: run as root; in a container, one with --privileged (%w)", err)
}

// sysctl returns the value of a kernel setting; empty if it does not exist.
func sysctl(name string) string {
	value, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return ""
	}
	return string(trimNewline(value))
}

func trimNewline(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}

// exitStatus returns the exit status for the result of a process; as in a shell, 128+n after signal n.
func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return 1
	}
	return waitStatus(exit.Sys().(syscall.WaitStatus))
}

func waitStatus(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
