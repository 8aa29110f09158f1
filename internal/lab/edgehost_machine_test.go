package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

// listHAProxies prints the PIDs of all visible HAProxies.
const listHAProxies = `for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != haproxy ] || echo ${p#/proc/}; done`

func TestHostsHaveTheSamePathsAndSeeOnlyTheirOwnFilesAndProcesses(t *testing.T) {
	t.Parallel()
	first := startHost(t, EdgeHostOptions{Number: 12})
	second := startHost(t, EdgeHostOptions{Number: 13, PrivateKey: first.PrivateKey})
	for _, h := range []*EdgeHost{first, second} {
		if h.ConfigPath != "/etc/haproxy/haproxy.cfg" || h.AdminSocket != "/run/haproxy/admin.sock" || h.MasterSocket != "/run/haproxy/master.sock" {
			t.Errorf("%s: paths %s, %s and %s", h.Name, h.ConfigPath, h.AdminSocket, h.MasterSocket)
		}
		must(t, h.WriteConfig(describe(h.Name)))
		must(t, h.StopHAProxy())
		must(t, h.StartHAProxy(t.Context()))
	}
	for _, h := range []*EdgeHost{first, second} {
		if got, want := run(t, h, "cat /etc/haproxy/haproxy.cfg"), describe(h.Name); got != want {
			t.Errorf("%s: haproxy.cfg is %q, want %q", h.Name, got, want)
		}
		if info, err := h.Info(t.Context()); err != nil || info["description"] != h.Name {
			t.Errorf("%s: the admin socket leads to %q (%v)", h.Name, info["description"], err)
		}
		master, worker := pids(t, h)
		want := []string{strconv.Itoa(master), strconv.Itoa(worker)}
		if got := sorted(run(t, h, listHAProxies)); !slices.Equal(got, sorted(strings.Join(want, " "))) {
			t.Errorf("%s: HAProxies %v, want %v", h.Name, got, want)
		}
		if got, want := run(t, h, "cat /run/haproxy.pid"), fmt.Sprintln(master); got != want {
			t.Errorf("%s: the PID file says %q, want %q", h.Name, got, want)
		}
	}
}

func TestAnEdgeHostStartsWithTheOperatorsIdleConfiguration(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 14})
	text := run(t, h, "cat /etc/haproxy/haproxy.cfg")
	if _, managed := cfg.ParseHeader([]byte(text)); !managed || text != readConfig(t, h) {
		t.Errorf("haproxy.cfg is %q, want an idle one that the operator made", text)
	}
}

func TestAnEdgeHostHasNoInitSystem(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 15, WithoutHAProxy: true})
	if got, want := run(t, h, "ls /run; ls -d /etc/init.d/* 2>/dev/null; true"), "haproxy\nsshd\n"; got != want {
		t.Errorf("/run and /etc/init.d have %q, want %q", got, want)
	}
	if got, want := run(t, h, "tr '\\0' '\\n' </proc/1/cmdline | head -n 1"), os.Args[0]+"\n"; got != want {
		t.Errorf("the first process is %q, want %q", got, want)
	}
}

func TestTheAccountThatLogsInOwnsTheHostsDirectories(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 16, WithoutHAProxy: true})
	want := strings.Repeat(fmt.Sprintln(os.Getuid()), 2)
	if got := run(t, h, "touch /etc/haproxy/new /run/haproxy/new && stat -c %u /etc/haproxy/new /run/haproxy"); got != want {
		t.Errorf("the owners are %q, want %q", got, want)
	}
	if _, err := os.Stat("/etc/haproxy/new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the host writes is seen outside (%v)", err)
	}
}

func TestHAProxyOfRootDropsItsPrivileges(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		// There are none to drop.
		return
	}
	h := startHost(t, EdgeHostOptions{
		Number: 17,
		Config: describe("confined") + "    user haproxy\n    group haproxy\n    chroot /var/lib/haproxy\n",
	})
	_, worker := pids(t, h)
	got := run(t, h, fmt.Sprintf("stat -c %%U /proc/%d && readlink /proc/%[1]d/root", worker))
	if want := "haproxy\n/var/lib/haproxy\n"; got != want {
		t.Errorf("the worker's user and root are %q, want %q", got, want)
	}
}

func TestReloadIsSeenOnTheHost(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 18})
	master, worker := pids(t, h)
	run(t, h, "kill -USR2 $(cat /run/haproxy.pid)")
	Eventually(t, func() error {
		again, err := h.WorkerPID(t.Context())
		if err == nil && again == worker {
			return fmt.Errorf("worker %d still serves", worker)
		}
		return err
	})
	if again, _ := pids(t, h); again != master {
		t.Errorf("the master is %d, was %d", again, master)
	}
}

func TestAHostThatIsFrozenCanBeClosed(t *testing.T) {
	t.Parallel()
	h := startHost(t, EdgeHostOptions{Number: 19})
	namespace := processNamespace(strconv.Itoa(h.haproxy.PID()))
	h.Freeze()
	h.haproxy.SignalTree(unix.SIGSTOP)
	must(t, h.Close())
	must(t, nobodyIn(namespace))
}

func TestAnInvalidKeyIsRefused(t *testing.T) {
	t.Parallel()
	h, err := StartEdgeHost(t.Context(), EdgeHostOptions{Number: 20, PrivateKey: []byte("no key")})
	if err == nil {
		must(t, h.Close())
		t.Error("no error")
	}
}

// describe returns the configuration of an HAProxy that only reports its description.
func describe(description string) string {
	return "global\n    description " + description + "\n    stats socket /run/haproxy/admin.sock level admin\n"
}

func sorted(text string) []string {
	return slices.Sorted(slices.Values(strings.Fields(text)))
}
