package balancing_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/accept"
)

// edge is a HAProxy that runs until the test ends.
type edge struct {
	t      *testing.T
	socket string
	// at is where its frontend listens. The frontend is named after the first backend, to which it leads.
	at netip.AddrPort
}

// config returns a Config for backends. The first has a frontend with its name that listens at an address, and counts
// clients.
func config(at netip.AddrPort, socket string, backends ...haproxy.Backend) haproxy.Config {
	protocol := haproxy.TCP
	if backends[0].HTTP {
		protocol = haproxy.HTTP
	}
	return haproxy.Config{
		Owner: "test", AdminSocket: socket, MaxConnections: 1000,
		Timeouts: haproxy.Timeouts{Connect: time.Second, Client: time.Minute, Server: time.Minute, Queue: 5 * time.Second},
		Frontends: []haproxy.Frontend{{
			Name: backends[0].Name, Binds: []haproxy.Bind{{Addr: at.Addr(), Port: at.Port()}}, Protocol: protocol, Backend: backends[0].Name,
			Access: haproxy.AccessPolicy{Rate: haproxy.Rate{PerSource: 1_000_000, Interval: time.Hour}},
		}},
		Backends: backends,
	}.Normalize()
}

// start runs a HAProxy with these backends. Clients reach the first.
func start(t *testing.T, program string, backends ...haproxy.Backend) edge {
	t.Helper()
	return startWith(t, program, func(*haproxy.Config) {}, backends...)
}

// startWith is start with a change of the Config.
func startWith(t *testing.T, program string, edit func(*haproxy.Config), backends ...haproxy.Backend) edge {
	t.Helper()
	folder, err := os.MkdirTemp("", "edge") // that of t.TempDir holds the test's name, which is too long for a socket
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	e := edge{t: t, socket: filepath.Join(folder, "admin"), at: unused(t)}
	c := config(e.at, e.socket, backends...)
	edit(&c)
	file, err := cfg.Render(c, cfg.Platform{
		StateFile: filepath.Join(folder, "state"), NamesPrefix: filepath.Join(folder, "names-"),
	})
	must(t, err)
	text := filepath.Join(folder, "haproxy.cfg")
	must(t, os.WriteFile(text, file.Text, 0o600))
	if file.NamesPath != "" {
		must(t, os.WriteFile(file.NamesPath, file.Names, 0o600))
	}
	command := exec.Command(program, "-db", "-f", text)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	must(t, command.Start())
	t.Cleanup(func() {
		must(t, command.Process.Kill())
		_ = command.Wait() // killed, so never nil
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", complaints.String())
		}
	})
	lab.Eventually(t, func() error {
		conn, err := net.Dial("unix", e.socket)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	return e
}

// ask sends one command and returns the answer.
func (e edge) ask(command string) string {
	e.t.Helper()
	conn, err := net.Dial("unix", e.socket)
	must(e.t, err)
	defer conn.Close()
	must(e.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, command+"\n")
	must(e.t, err)
	answer, err := io.ReadAll(conn)
	must(e.t, err)
	return string(answer)
}

// do executes commands.
func (e edge) do(commands ...runtime.Command) {
	e.t.Helper()
	for _, c := range commands {
		must(e.t, c.Check(e.ask(c.String())))
	}
}

// deletes deletes a server that is in maintenance as soon as its last connection has ended.
func (e edge) deletes(backend, server string) {
	e.t.Helper()
	command := runtime.DeleteServer(backend, server)
	lab.Eventually(e.t, func() error { return command.Check(e.ask(command.String())) })
}

// stillConnected fails unless HAProxy refuses to delete a server because it has a connection.
func (e edge) stillConnected(backend, server string) {
	e.t.Helper()
	command := runtime.DeleteServer(backend, server)
	if err := command.Check(e.ask(command.String())); !errors.Is(err, runtime.ErrStillConnected) {
		e.t.Errorf("%s: got %v, want it still connected", command, err)
	}
}

// stat returns a column of `show stat` for a server, or for the whole backend if the server is BACKEND.
func (e edge) stat(backend, server, column string) string {
	e.t.Helper()
	header, rows, _ := strings.Cut(strings.TrimPrefix(e.ask("show stat"), "# "), "\n")
	index := slices.Index(strings.Split(header, ","), column)
	for row := range strings.Lines(rows) {
		if fields := strings.Split(row, ","); fields[0] == backend && len(fields) > index && fields[1] == server {
			return fields[index]
		}
	}
	e.t.Fatalf("HAProxy has no %s for %s/%s", column, backend, server)
	return ""
}

// awaits waits until a column of `show stat` has a value.
func (e edge) awaits(backend, server, column, want string) {
	e.t.Helper()
	lab.Eventually(e.t, func() error {
		// HAProxy 2.6 marks a check in progress.
		if got := strings.TrimPrefix(e.stat(backend, server, column), "* "); got != want {
			return fmt.Errorf("%s/%s: %s is %q, want %q", backend, server, column, got, want)
		}
		return nil
	})
}

// unused returns an address without another listener, made of a port that is reserved until the test ends.
func unused(t *testing.T) netip.AddrPort {
	t.Helper()
	port := listen(t).Addr().(*net.TCPAddr).AddrPort().Port()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 99, byte(port >> 8), byte(port)}), port)
}

// listen listens on a port of its own until the test ends.
func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// server returns a server at that listener.
func server(name string, listener net.Listener) haproxy.Server {
	at := listener.Addr().(*net.TCPAddr).AddrPort()
	return haproxy.Server{Name: name, Addr: at.Addr(), Port: at.Port(), Weight: 1}
}

// greeter starts a server that sends its name to each connection, and then echoes.
func greeter(t *testing.T, name string) haproxy.Server {
	t.Helper()
	listener := listen(t)
	accept.Each(t, listener, func(conn net.Conn) {
		_, _ = fmt.Fprintln(conn, name)
		_, _ = io.Copy(conn, conn)
	})
	return server(name, listener)
}

// dial connects as a client at an address.
func dial(t *testing.T, client string, to netip.AddrPort) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(client), 0)), Timeout: 10 * time.Second}
	conn, err := dialer.Dial("tcp", to.String())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn
}

// greeting reads the name of the server that a connection leads to.
func greeting(t *testing.T, conn net.Conn) string {
	t.Helper()
	var name string
	_, err := fmt.Fscanln(conn, &name)
	must(t, err)
	return name
}

// meets returns the server that a client at an address meets with a new connection, which it closes again.
func (e edge) meets(client string) string {
	e.t.Helper()
	conn := dial(e.t, client, e.at)
	defer conn.Close()
	return greeting(e.t, conn)
}

// echoes fails unless what is written to a connection comes back.
func echoes(t *testing.T, conn io.ReadWriter) {
	t.Helper()
	_, err := io.WriteString(conn, "echo\n")
	must(t, err)
	back := make([]byte, 5)
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != "echo\n" {
		t.Errorf("the open connection says %q, %v", back, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// silent is a logger for servers that would complain about each check.
func silent() *log.Logger { return log.New(io.Discard, "", 0) }
