package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// patience is the timeout of events that take milliseconds.
const patience = waiting.Long

func TestTheOnlyInterfaceIsLoopback(t *testing.T) {
	t.Parallel()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		// The kernel adds its own tunnels to every network, which are down.
		if i.Flags&net.FlagUp != 0 && i.Name != "lo" {
			t.Errorf("interface %s is up", i.Name)
		}
	}
}

func TestAddressesCanBeListenedOnAndReached(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:22", "[::1]:22", "198.51.100.1:443", "[2001:db8:e::1]:443", "10.244.3.7:80"} {
		t.Run(address, func(t *testing.T) {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			conn, err := net.DialTimeout("tcp", address, patience)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		})
	}
}

func TestTheMachinesNetworkIsOutOfReach(t *testing.T) {
	t.Parallel()
	_, err := net.DialTimeout("tcp", "203.0.113.1:80", patience)
	if !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("error %v, want %v", err, unix.ENETUNREACH)
	}
}

func TestProcIsTheSandboxsOwn(t *testing.T) {
	t.Parallel()
	self, err := os.Readlink("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	if self != strconv.Itoa(os.Getpid()) {
		t.Errorf("/proc/self is %s, want %d", self, os.Getpid())
	}
	if parent := os.Getppid(); parent != 1 {
		t.Errorf("the parent is process %d, want the first one", parent)
	}
}

func TestTheAccountHasAHomeInTheSandbox(t *testing.T) {
	t.Parallel()
	output, err := exec.Command("sh", "-c", "cd ~"+AccountName()+" && pwd").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(output)), filepath.Join(Dir(), "home"); got != want {
		t.Errorf("home is %s, want %s", got, want)
	}
}

func TestTemporaryFilesAreBelowTheSandboxsDirectory(t *testing.T) {
	t.Parallel()
	if dir := t.TempDir(); !strings.HasPrefix(dir, Dir()+"/") {
		t.Errorf("%s is not below %s", dir, Dir())
	}
}

func TestAnOrdinaryUserHasNoCapabilitiesInside(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		// Root has the capabilities of the machine's root; there is nothing to drop.
		return
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "CapEff:" && strings.Trim(fields[1], "0") != "" {
			t.Errorf("capabilities %s, want none", fields[1])
		}
	}
}

func TestTheExitStatusIsForwarded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		program string
		want    int
	}{
		{"seven", 7},
		{"panic", 2},
	} {
		t.Run(test.program, func(t *testing.T) {
			err := newSandbox(test.program).Run()
			if got := exitStatus(err); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
		})
	}
}

func TestSignalsReachTheProgramOnce(t *testing.T) {
	t.Parallel()
	s := start(t, "signal")
	s.expect(t, "waiting")
	s.signal(t, unix.SIGINT)
	s.expect(t, "interrupted")
	s.signal(t, unix.SIGTERM)
	if got := exitStatus(s.command.Wait()); got != 1 {
		t.Errorf("%d interrupts arrived, want 1", got)
	}
}

func TestNothingIsLeftWhenAProcessIsKilled(t *testing.T) {
	t.Parallel()
	for depth, who := range []string{"the program outside", "the first process", "the program inside"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			s := start(t, "linger")
			dir := s.line(t)
			pids := tree(s.command.Process.Pid)
			if len(pids) != 8 {
				t.Fatalf("processes %v, want the three of a sandbox, three that it started, and two of a machine", pids)
			}
			if err := unix.Kill(pids[depth], unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = s.command.Wait()
			eventually(t, func() error { return gone(dir, pids) })
		})
	}
}

func TestEnterCommandEntersTheSandbox(t *testing.T) {
	t.Parallel()
	command := EnterCommand()
	if !slices.Contains(command, "--net") || !slices.Contains(command, "--wd="+Dir()) {
		t.Errorf("%v does not enter the network and %s", command, Dir())
	}
	if target := command[2]; target == strconv.Itoa(os.Getpid()) {
		t.Errorf("target %s is a PID inside, where a person outside needs one outside", target)
	}
}

func TestARefusalSaysHowToFixIt(t *testing.T) {
	t.Parallel()
	for _, refused := range []error{unix.EPERM, unix.ENOSPC, unix.EACCES} {
		if err := explainRefusal(refused); !errors.Is(err, refused) || !strings.Contains(err.Error(), "run as root") {
			t.Errorf("%v: the explanation is %q", refused, err)
		}
	}
	if err := explainRefusal(unix.ENOENT); strings.Contains(err.Error(), "root") {
		t.Errorf("a missing file is blamed on rights: %q", err)
	}
}

// running is a sandbox within that of the tests.
type running struct {
	command *exec.Cmd
	output  *bufio.Reader
}

// newSandbox returns a command that enters its own sandbox and runs a program of main_test.go in it.
func newSandbox(program string) *exec.Cmd {
	command := exec.Command("/proc/self/exe")
	command.Env = []string{envProgram + "=" + program, "PATH=" + os.Getenv("PATH")}
	return command
}

func start(t *testing.T, program string) *running {
	t.Helper()
	command := newSandbox(program)
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	return &running{command: command, output: bufio.NewReader(stdout)}
}

func (r *running) line(t *testing.T) string {
	t.Helper()
	line, err := r.output.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (r *running) expect(t *testing.T, want string) {
	t.Helper()
	if got := r.line(t); got != want {
		t.Fatalf("it says %q, want %q", got, want)
	}
}

func (r *running) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.command.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// tree returns a process and its descendants, parents first.
func tree(pid int) []int {
	pids := []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		content, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(content)) {
			child, _ := strconv.Atoi(field)
			pids = append(pids, tree(child)...)
		}
	}
	return pids
}

// gone returns nil if neither the directory nor any of the processes is left.
func gone(dir string, pids []int) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is left (%v)", dir, err)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("process %d is left (%v)", pid, err)
		}
	}
	return nil
}

func eventually(t *testing.T, ready func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := process.Poll(ctx, func(context.Context) error { return ready() }); err != nil {
		t.Fatal(err)
	}
}
