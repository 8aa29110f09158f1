// Package routing_test checks with real HAProxys, of every available version, where a rendered configuration sends
// connections and requests. Clients and targets are real as well.
package routing_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// patience is the time limit for expected events; much longer than they take.
const patience = waiting.Long

// edge is a running HAProxy.
type edge struct {
	// socket and names are the paths of its admin socket and of its map file.
	socket, names string
	// ports are the ports of its frontends on 127.0.0.1 and ::1, by the frontends' names.
	ports map[string]uint16
}

// start runs a HAProxy in the foreground until the test ends. It gives each frontend binds, and fills in what the Config
// needs to be valid.
func start(t testing.TB, program string, c haproxy.Config) edge {
	t.Helper()
	folder := shortFolder(t)
	e := edge{socket: filepath.Join(folder, "socket"), ports: make(map[string]uint16)}
	c.Owner, c.AdminSocket, c.MaxConnections = "test", e.socket, 1000
	if c.Timeouts == (haproxy.Timeouts{}) {
		c.Timeouts = haproxy.Timeouts{Connect: time.Second, Client: time.Minute, Server: time.Minute, Queue: time.Second}
	}
	for i, f := range c.Frontends {
		port := freePort(t)
		e.ports[f.Name] = port
		c.Frontends[i].Binds = []haproxy.Bind{{Addr: loopback4, Port: port}, {Addr: loopback6, Port: port}}
	}
	file, err := cfg.Render(c.Normalize(), cfg.Platform{
		StateFile: filepath.Join(folder, "state"), NamesPrefix: filepath.Join(folder, "names-"),
	})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(folder, "haproxy.cfg")
	write(t, config, file.Text)
	if e.names = file.NamesPath; e.names != "" {
		write(t, file.NamesPath, file.Names)
	}
	run(t, exec.Command(program, "-db", "-f", config), e.socket)
	return e
}

var (
	loopback4 = netip.MustParseAddr("127.0.0.1")
	loopback6 = netip.MustParseAddr("::1")
)

// run starts the program and waits until its admin socket accepts connections, which it does when all binds exist.
func run(t testing.TB, program *exec.Cmd, socket string) {
	t.Helper()
	var complaints bytes.Buffer
	program.Stderr = &complaints
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = program.Wait() // killed at the end, so never nil
	}()
	t.Cleanup(func() {
		_ = program.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("HAProxy does not run: %s", complaints.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// ask sends a command to the admin socket and returns the answer.
func (e edge) ask(t testing.TB, command string) string {
	t.Helper()
	conn, err := net.Dial("unix", e.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// at returns where a frontend listens on an address.
func (e edge) at(t testing.TB, frontend string, address netip.Addr) netip.AddrPort {
	t.Helper()
	port, ok := e.ports[frontend]
	if !ok {
		t.Fatalf("there is no frontend %s", frontend)
	}
	return netip.AddrPortFrom(address, port)
}

// onBothFamilies runs a test over IPv4 and over IPv6.
func onBothFamilies(t *testing.T, name string, test func(t *testing.T, address netip.Addr)) {
	t.Helper()
	for family, address := range map[string]netip.Addr{"IPv4": loopback4, "IPv6": loopback6} {
		t.Run(name+" over "+family, func(t *testing.T) {
			t.Parallel()
			test(t, address)
		})
	}
}

// shortFolder returns a new folder whose path is short enough for a unix socket; that of t.TempDir contains the test's name.
func shortFolder(t testing.TB) string {
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

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !waiting.Until(patience, holds) {
		t.Fatalf("waited %s: %s", patience, what)
	}
}

// backend returns a backend that leads to targets.
func backend(name string, targets ...*target) haproxy.Backend {
	b := haproxy.Backend{Name: name, Balance: haproxy.RoundRobin}
	for i, target := range targets {
		b.HTTP, b.ProxyProtocol = target.kind == httpTarget, target.header
		b.Servers = append(b.Servers, haproxy.Server{
			Name: fmt.Sprintf("server-%d", i), Addr: target.at.Addr(), Port: target.at.Port(), Weight: 1,
		})
	}
	return b
}
