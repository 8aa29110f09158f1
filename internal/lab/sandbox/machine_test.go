package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
)

// listProcesses prints the PIDs and states of all visible processes, except those that print them.
const listProcesses = `for p in /proc/[0-9]*; do case ${p#/proc/} in $$) ;; *) grep -hs State $p/status ;; esac; done`

func TestMachinesHaveDirectoriesOfTheirOwnUnderTheSamePath(t *testing.T) {
	t.Parallel()
	roots := map[string]string{}
	for _, name := range []string{"one", "two"} {
		m, root := startMachine(t)
		if got := runIn(t, m, "echo "+name+" >/run/name; ls /run"); got != "name\n" {
			t.Errorf("the machine's /run has %q", got)
		}
		roots[name] = root
	}
	for name, root := range roots {
		content, err := os.ReadFile(filepath.Join(root, "run/name"))
		if err != nil || string(content) != name+"\n" {
			t.Errorf("machine %s wrote %q (%v)", name, content, err)
		}
	}
	if _, err := os.Stat("/run/name"); !os.IsNotExist(err) {
		t.Errorf("the sandbox sees what its machines write (%v)", err)
	}
}

func TestAMachineSeesOnlyItsOwnProcesses(t *testing.T) {
	t.Parallel()
	m, _ := startMachine(t)
	inMachine(t, m, "sleep 1000 & wait")
	eventually(t, func() error {
		got := slices.Sorted(slices.Values(strings.Fields(runIn(t, m, "cat /proc/[0-9]*/comm"))))
		// The first is the machine's init; the second shell lists them.
		if want := []string{"exe", "sh", "sh", "sleep"}; !slices.Equal(got, want) {
			return fmt.Errorf("processes %q, want %q", got, want)
		}
		return nil
	})
}

func TestAMachineHasTheSandboxsNetwork(t *testing.T) {
	t.Parallel()
	m, _ := startMachine(t)
	want, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if got := runIn(t, m, "readlink /proc/self/ns/net"); got != want+"\n" {
		t.Errorf("network %q, want %q", got, want)
	}
}

func TestAProcessOfAMachineIsStoppedLikeAnother(t *testing.T) {
	t.Parallel()
	m, _ := startMachine(t)
	p := inMachine(t, m, "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.01; done")
	eventually(t, func() error { return logIs(p, "ready\n") })
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := logIs(p, "ready\nbye\n"); err != nil || p.Running() {
		t.Errorf("running: %v; %v", p.Running(), err)
	}
}

func TestAProcessOfAMachineIsKilledWithItsGroup(t *testing.T) {
	t.Parallel()
	m, _ := startMachine(t)
	p := inMachine(t, m, "sleep 1000 & echo ready; wait")
	eventually(t, func() error { return logIs(p, "ready\n") })
	p.Kill()
	awaitOnlyItsFirst(t, m)
}

func TestOrphansOfAMachineAreReaped(t *testing.T) {
	t.Parallel()
	m, _ := startMachine(t)
	runIn(t, m, "for i in 1 2 3; do (sleep 0.05 &) done")
	awaitOnlyItsFirst(t, m)
}

// awaitOnlyItsFirst waits until the machine has only its first process.
func awaitOnlyItsFirst(t *testing.T, m *Machine) {
	t.Helper()
	eventually(t, func() error {
		if got := runIn(t, m, listProcesses); strings.Count(got, "\n") != 1 {
			return fmt.Errorf("processes in state %q, want the first one alone", got)
		}
		return nil
	})
}

func TestProgramsOfAnOrdinaryUsersMachineHaveNoCapabilities(t *testing.T) {
	t.Parallel()
	m, _ := startMachine(t)
	if os.Getuid() == 0 {
		// Root has the capabilities of the machine's root; there is nothing to drop.
		return
	}
	if got := runIn(t, m, "grep CapEff: /proc/self/status"); got != "CapEff:\t0000000000000000\n" {
		t.Errorf("capabilities %q, want none", got)
	}
}

func TestAProgramThatCannotStartDoesNotAffectTheMachine(t *testing.T) {
	t.Parallel()
	m, _ := startMachine(t)
	_, err := m.Start(process.Command{Program: "/nonexistent/program", Log: filepath.Join(t.TempDir(), "log")})
	if err == nil || !strings.Contains(err.Error(), unix.ENOENT.Error()) {
		t.Errorf("error %v, want %v", err, unix.ENOENT)
	}
	if got := runIn(t, m, "echo well"); got != "well\n" {
		t.Errorf("the next one says %q", got)
	}
}

func TestAMachineWithoutItsDirectoriesIsAnError(t *testing.T) {
	t.Parallel()
	m, err := StartMachine(t.TempDir(), "/run")
	if err == nil || !strings.Contains(err.Error(), "/run") {
		t.Errorf("error %v, want one about /run", err)
		m.Close()
	}
}

func TestAClosedMachineHasEndedWithAllItsProcesses(t *testing.T) {
	t.Parallel()
	m, _ := startMachine(t)
	p := inMachine(t, m, "exec setsid sleep 1000")
	for range 2 {
		m.Close()
	}
	if err := unix.Kill(p.PID(), 0); err != unix.ESRCH {
		t.Errorf("its process is left (%v)", err)
	}
	if _, err := m.Start(process.Command{Program: "/bin/true", Log: filepath.Join(t.TempDir(), "log")}); err == nil {
		t.Error("it still starts programs")
	}
}

// startMachine starts a machine with its own /run, and returns the directory that contains it.
func startMachine(t *testing.T) (*Machine, string) {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	m, err := StartMachine(root, "/run")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, root
}

// inMachine starts a shell script in a machine.
func inMachine(t *testing.T, m *Machine, script string) *process.Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	p, err := m.Start(process.Command{Program: "/bin/sh", Args: []string{"-c", script}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// runIn runs a shell script in a machine to its end, and returns its output.
func runIn(t *testing.T, m *Machine, script string) string {
	t.Helper()
	p := inMachine(t, m, script)
	eventually(t, func() error {
		if p.Running() {
			return fmt.Errorf("%q still runs", script)
		}
		return nil
	})
	return p.Log()
}

func logIs(p *process.Process, want string) error {
	if got := p.Log(); got != want {
		return fmt.Errorf("log %q, want %q", got, want)
	}
	return nil
}
