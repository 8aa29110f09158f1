package runtime_test

import (
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// shortFolder returns a new folder whose path is short enough for a unix socket; that of t.TempDir contains the test's name.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "haproxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// rendered writes the file of a Config with two servers, without checks, and returns its path and structure hash.
func rendered(t *testing.T, socket string) (path, structure string) {
	t.Helper()
	folder := filepath.Dir(socket)
	config := haproxy.Config{
		AdminSocket:    socket,
		MaxConnections: 100,
		Timeouts:       haproxy.Timeouts{Connect: time.Second, Client: time.Second, Server: time.Second, Queue: time.Second},
		Backends: []haproxy.Backend{{
			Name: "ns.elb.web", Balance: haproxy.Source, ProxyProtocol: haproxy.ProxyV2,
			Servers: []haproxy.Server{
				{Name: "pod-a", Addr: netip.MustParseAddr("127.0.0.1"), Port: 1, Weight: 1, Node: "node-1"},
				{Name: "pod-b", Addr: netip.MustParseAddr("::1"), Port: 65535, Weight: 1},
			},
		}},
	}
	file, err := cfg.Render(config, cfg.Platform{StateFile: filepath.Join(folder, "state")})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(path, file.Text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, file.Structure
}

// start runs a HAProxy in the foreground until the test ends and waits for its socket.
func start(t *testing.T, program, config, socket string) {
	t.Helper()
	cmd := exec.Command(program, "-db", "-f", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // killed, so never nil
	})
	for deadline := time.Now().Add(waiting.Long); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// ask sends one command and reads the answer.
func ask(t *testing.T, socket, command string) []byte {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// modes returns the modes of the running HAProxy's servers.
func modes(t *testing.T, socket string) map[string]runtime.Mode {
	t.Helper()
	servers, err := runtime.ParseServersState(ask(t, socket, runtime.ShowServersState))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]runtime.Mode)
	for _, s := range servers {
		got[s.Name+" at "+netip.AddrPortFrom(s.Addr, s.Port).String()] = s.Admin.Mode()
	}
	return got
}

func TestARunningHAProxySaysWhichFileItLoadedAndObeys(t *testing.T) {
	t.Parallel()
	for _, program := range programs.HAProxies(t) {
		t.Run(filepath.Base(program), func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(shortFolder(t), "s")
			config, structure := rendered(t, socket)
			start(t, program, config, socket)
			info, err := runtime.ParseInfo(ask(t, socket, runtime.ShowInfo))
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := cfg.ParseDescription(info.Description); !ok || got != structure || info.MaxConnections != 100 {
				t.Errorf("got %+v, want structure %s", info, structure)
			}
			t.Logf("%s is HAProxy %s", program, info.Version)
			obeys(t, socket)
		})
	}
}

func obeys(t *testing.T, socket string) {
	t.Helper()
	const a, b = "pod-a at 127.0.0.1:1", "pod-b at [::1]:65535"
	for command, wantA := range map[string]runtime.Mode{
		"state drain": runtime.Drain,
		"state maint": runtime.Maintenance,
		"state ready": runtime.Ready,
	} {
		if answer := ask(t, socket, "set server ns.elb.web/pod-a "+command); strings.TrimSpace(string(answer)) != "" {
			t.Fatalf("%q is answered by %s", command, answer)
		}
		if got := modes(t, socket); len(got) != 2 || got[a] != wantA || got[b] != runtime.Ready {
			t.Errorf("after %q: got %v", command, got)
		}
	}
}
