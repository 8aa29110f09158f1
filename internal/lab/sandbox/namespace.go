// Package sandbox restarts a program in namespaces of its own: for the network, for processes and for mounts; for users
// as well where the program is not run by root. What it does there, no network and no other process notices; when it
// ends, however it does, no process and no file of it is left.
//
// Three processes are at work, all of the same executable:
//
//	the program that was started   waits, and passes signals on and the exit status back
//	└─ the sandbox's init          first process of the namespaces: sets them up, reaps, cleans up
//	   └─ the program again        now inside: Enter returns here and nowhere else
//
// If any of the three is killed the other two notice and clean up.
//
// Inside, the program can start machines, each with a view of its own of processes and files: see Machine.
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

// exitUnavailable is the status with which init says that the machine does not allow what it needs. The
// reason has been printed then.
const exitUnavailable = 125

// maxTempDir is how long the path of the temporary directory may be, so that unix sockets fit below it.
const maxTempDir = 40

// Enter restarts the program inside a sandbox with that network, and returns there. In the process that called it first,
// it exits with the status of the process inside; it returns an error where the machine does not allow a sandbox. It must
// be called before the program does anything else.
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

// ErrOutside is why something does not work outside a sandbox.
var ErrOutside = errors.New("not inside the lab: call lab.Main in TestMain, or lab.Enter at the begin of the program")

// Inside says whether the program runs in a sandbox.
func Inside() bool { return os.Getenv(envStage) == stageInside }

// Dir is the sandbox's own directory, which is removed when it ends. Its path is short, so that those of unix sockets
// below fit.
func Dir() string { return os.Getenv(envDir) }

// EnterCommand is the command, without what it is to run, with which a person on the machine looks into the
// sandbox from outside: its network, its processes and its files.
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

	// Init reads from the pipe and so learns of this process's end, however it comes about.
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

// forwarded are the signals that are passed on to the process inside.
func forwarded() []os.Signal {
	return []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}
}

func forward(signals <-chan os.Signal, to *os.Process) {
	for s := range signals {
		// It may have ended by now; then there is nobody to tell.
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

// namespaces starts a process in new namespaces of those kinds. Root has all capabilities in them; for an ordinary user, a
// user namespace is made as well, and the process gets the capabilities named. A process group of its own keeps a terminal's
// Ctrl-C from reaching the processes inside twice.
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

// explainRefusal says what a person can do when the kernel refuses the namespaces.
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

// sysctl is the value of a kernel setting, and empty where there is none such.
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

// exitStatus is the status to exit with for a process that ended so; as in a shell, 128+n after signal n.
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
