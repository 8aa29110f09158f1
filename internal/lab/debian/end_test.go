package debian

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

func TestNothingOfAHostIsLeftAfterClose(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	const number = 71
	h := startHost(t, Options{Number: number, Root: debian12})
	cgroup := cgroupOf(t, h.init)
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), "overlay") {
		t.Errorf("the lab sees a mount of the host, %v:\n%s", err, mounts)
	}
	for range 2 {
		must(t, h.Close())
	}
	if left := processesOn(h.Name); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
	if _, err := os.Stat(cgroup); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", cgroup, err)
	}
	lab.Eventually(t, func() error {
		if cable, err := net.InterfaceByName(fmt.Sprint("debian", number)); err == nil {
			return fmt.Errorf("interface %s is left", cable.Name)
		}
		return nil
	})
	if left, err := filepath.Glob(filepath.Join(lab.Dir(), h.Name+".pid*")); err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

// envVictim makes this test program boot a host and wait to be killed.
const envVictim = "EDGELB_LAB_TEST_VICTIM"

func TestNothingOfAHostIsLeftWhenItsLabIsKilled(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	const name = "victim"
	if os.Getenv(envVictim) != "" {
		startHost(t, Options{Number: 1, Name: name, Root: debian12})
		fmt.Println("up")
		<-t.Context().Done()
		return
	}
	victim := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	// A separate lab: without the environment variables of this one.
	victim.Env = []string{envVictim + "=1", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}
	victim.Stderr = os.Stderr
	output, err := victim.StdoutPipe()
	must(t, err)
	must(t, victim.Start())
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "up\n" {
		t.Fatalf("the victim says %q, %v", line, err)
	}
	running := processesOn(name)
	if len(running) == 0 {
		t.Fatal("the victim's host has no processes")
	}
	cgroup := cgroupOf(t, running[0])
	before, err := os.Stat(cgroup)
	must(t, err)

	must(t, victim.Process.Kill())
	_ = victim.Wait()
	lab.Eventually(t, func() error {
		if left := processesOn(name); len(left) > 0 {
			return fmt.Errorf("processes left: %v", left)
		}
		if events, err := os.ReadFile(filepath.Join(cgroup, "cgroup.events")); !strings.Contains(string(events), "populated 0") {
			return fmt.Errorf("%s has processes left: %s %v", cgroup, events, err)
		}
		return nil
	})
	// No process was left to remove the empty cgroup. The next host removes it.
	startHost(t, Options{Number: 72, Root: debian12, Init: SysV})
	// The next host's may have the same name: it is that of a network namespace, whose number is free again.
	switch now, err := os.Stat(cgroup); {
	case err == nil && os.SameFile(before, now):
		t.Errorf("%s is left", cgroup)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		t.Error(err)
	}
}

func TestAHostThatCannotBootSaysWhy(t *testing.T) {
	programs.NeedRoot(t, "booting a Debian")
	startHost(t, Options{Number: 73, Root: debian12, Init: SysV})
	for _, test := range []struct {
		name    string
		options Options
		want    string
	}{
		{"a number without an address", Options{Number: 251, Root: debian12}, "1 to 250"},
		{"no root", Options{Number: 74, Root: t.TempDir()}, "hack/debian-root.sh"},
		{"a number that is taken", Options{Number: 73, Name: "second", Root: debian12}, "File exists"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, err := Start(t.Context(), test.options)
			if err == nil {
				_ = h.Close()
				t.Fatal("the host boots")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q in it", err, test.want)
			}
		})
	}
}

// cgroupOf returns the directory of the process's topmost cgroup of the lab.
func cgroupOf(t *testing.T, pid int) string {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	must(t, err)
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	_, path, _ := strings.Cut(string(content), "0::/")
	top, _, _ := strings.Cut(path, "/")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[2] == "cgroup2" {
			dir := filepath.Join(fields[1], strings.TrimSpace(top))
			if _, err := os.Stat(dir); err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	t.Fatal("no cgroup2 is mounted")
	return ""
}

// processesOn returns the processes whose root directory is that of the host with that name.
func processesOn(name string) []int {
	roots, err := filepath.Glob("/proc/[0-9]*/root/etc/hostname")
	if err != nil {
		return nil
	}
	var pids []int
	for _, root := range roots {
		// The process may have ended in the meantime.
		content, _ := os.ReadFile(root)
		var pid int
		if _, err := fmt.Sscanf(root, "/proc/%d/", &pid); err == nil && string(content) == name+"\n" {
			pids = append(pids, pid)
		}
	}
	return pids
}
