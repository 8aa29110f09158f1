package runtime_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// running is a HAProxy with an open dialogue.
type running struct {
	t       *testing.T
	conn    net.Conn
	replies *runtime.Replies
}

// run starts a HAProxy that balances connections to an address of its own over the first backend's servers.
func run(t *testing.T, program string, bind haproxy.Bind, backends ...haproxy.Backend) *running {
	t.Helper()
	folder := shortFolder(t)
	socket := filepath.Join(folder, "s")
	file, err := cfg.Render(haproxy.Config{
		Owner:          "test",
		AdminSocket:    socket,
		MaxConnections: 1000,
		Timeouts:       haproxy.Timeouts{Connect: time.Second, Client: time.Minute, Server: time.Minute, Queue: time.Second},
		Frontends:      []haproxy.Frontend{{Name: "in", Binds: []haproxy.Bind{bind}, Backend: backends[0].Name}},
		Backends:       backends,
	}.Normalize(), cfg.Platform{StateFile: filepath.Join(folder, "state")})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(config, file.Text, 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, program, config, socket)
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, conn: conn, replies: runtime.NewReplies(conn)}
	if reply := r.ask(runtime.Prompt); reply[0] != "" {
		t.Fatalf("the prompt is answered by %q", reply)
	}
	return r
}

// ask sends all lines at once, and returns the answers.
func (r *running) ask(lines ...string) []string {
	r.t.Helper()
	go func() { _, _ = io.WriteString(r.conn, strings.Join(lines, "\n")+"\n") }() // a failure shows in the answers
	answers := make([]string, len(lines))
	for i := range lines {
		var err error
		if answers[i], err = r.replies.Next(8 << 20); err != nil {
			r.t.Fatalf("%q: %v", lines[i], err)
		}
	}
	return answers
}

// do executes commands.
func (r *running) do(commands ...runtime.Command) {
	r.t.Helper()
	lines := make([]string, len(commands))
	for i, c := range commands {
		lines[i] = c.String()
	}
	for i, answer := range r.ask(lines...) {
		if err := commands[i].Check(answer); err != nil {
			r.t.Errorf("got %v", err)
		}
	}
}

// refused expects HAProxy to refuse a command with this text.
func (r *running) refused(command runtime.Command, want string) {
	r.t.Helper()
	err := command.Check(r.ask(command.String())[0])
	var refused *runtime.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reply, want) {
		r.t.Errorf("%q: got %v, want it refused with %q", command, err, want)
	}
}

// servers returns the running servers by name.
func (r *running) servers(backend string) map[string]runtime.Server {
	r.t.Helper()
	all, err := runtime.ParseServersState([]byte(r.ask(runtime.ShowServersOf(backend))[0]))
	if err != nil {
		r.t.Fatal(err)
	}
	byName := make(map[string]runtime.Server)
	for _, s := range all {
		byName[s.Name] = s
	}
	return byName
}

// deletes deletes a server as soon as its last connection has ended.
func (r *running) deletes(backend, server string) {
	r.t.Helper()
	command := runtime.DeleteServer(backend, server)
	for deadline := time.Now().Add(waiting.Long); ; time.Sleep(5 * time.Millisecond) {
		err := command.Check(r.ask(command.String())[0])
		if err == nil {
			return
		}
		if !errors.Is(err, runtime.ErrStillConnected) || time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

// ownAddress returns an address without another listener, made of a port that is reserved until the test ends.
func ownAddress(t *testing.T) haproxy.Bind {
	t.Helper()
	reserved := listen(t)
	return haproxy.Bind{Addr: netip.AddrFrom4([4]byte{127, 99, byte(reserved.Port() >> 8), byte(reserved.Port())}), Port: reserved.Port()}
}

func listen(t *testing.T) netip.AddrPort {
	t.Helper()
	return listenFor(t, func(conn net.Conn) { _ = conn.Close() })
}

// listenFor listens on a free port and serves each connection.
func listenFor(t *testing.T, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accept.Each(t, listener, serve)
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// greeter is a server that sends its name to each connection, and then echoes.
func greeter(t *testing.T, name string) haproxy.Server {
	t.Helper()
	addr := listenFor(t, func(conn net.Conn) {
		defer conn.Close()
		_, _ = fmt.Fprintln(conn, name)
		_, _ = io.Copy(conn, conn)
	})
	return haproxy.Server{Name: name, Addr: addr.Addr(), Port: addr.Port(), Weight: 1}
}

// dial connects as a client at some address, and returns the greeting.
func dial(t *testing.T, client netip.Addr, to haproxy.Bind) (net.Conn, string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0)), Timeout: 10 * time.Second}
	conn, err := dialer.Dial("tcp", netip.AddrPortFrom(to.Addr, to.Port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(waiting.Long)); err != nil {
		t.Fatal(err)
	}
	var name string
	if _, err := fmt.Fscanln(conn, &name); err != nil {
		t.Fatal(err)
	}
	return conn, name
}
