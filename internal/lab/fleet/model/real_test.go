package model_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/fleet/model"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// pair is a real HAProxy 2.6 and the model, both with the same file.
type pair struct {
	dir string
	// listening is a port of 127.0.0.1 on which checks succeed.
	listening uint16
	// names is the path of the map file.
	names string
	model *model.HAProxy
}

func startPair(t *testing.T) *pair {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatalf("%v: install the package haproxy", err)
	}
	said, err := exec.Command(program, "-v").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(said), " 2.6.") {
		if os.Getenv("CI") != "" {
			t.Fatalf("the model is of HAProxy 2.6, and CI has to have it: %s", said)
		}
		t.Skip("the model is of HAProxy 2.6, and here is another one")
	}
	// Paths of unix sockets must be short; t.TempDir's are not.
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &pair{dir: dir, listening: uint16(listener.Addr().(*net.TCPAddr).Port)}
	file := p.file(t)
	p.write(t, string(file.Text))
	p.names = file.NamesPath
	if err := os.WriteFile(file.NamesPath, file.Names, 0o600); err != nil {
		t.Fatal(err)
	}
	if p.model, err = model.Start(p.read, readNames, model.NewCommands()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-W", "-S", p.path("master"), "-f", p.path("cfg"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	p.await(t, func() bool {
		return p.ask(t, "admin", "show version\n") != "" && p.ask(t, "master", "show proc\n") != ""
	})
	return p
}

func (p *pair) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pair) read() string {
	text, _ := os.ReadFile(p.path("cfg"))
	return string(text)
}

func readNames(path string) (string, bool) {
	text, err := os.ReadFile(path)
	return string(text), err == nil
}

func (p *pair) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(p.path("cfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) await(t *testing.T, done func() bool) {
	t.Helper()
	if !waiting.Until(waiting.Long, done) {
		t.Fatalf("waited %s in vain", waiting.Long)
	}
}

// ask sends text to a socket of the real one, and returns the whole answer; empty if nothing listens. A master that re-executes
// itself accepts connections and resets them, in the middle of the request or of the answer.
func (p *pair) ask(t *testing.T, socket, text string) string {
	t.Helper()
	conn, err := net.Dial("unix", p.path(socket))
	if err != nil {
		return ""
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(waiting.Long)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return ""
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return ""
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// once is a connection that delivers the text, and then ends.
type once struct {
	io.Reader
	bytes.Buffer
}

func (o *once) Read(p []byte) (int, error) { return o.Reader.Read(p) }

// askModel is like ask, for the model.
func (p *pair) askModel(socket, text string) string {
	dialogue := p.model.Worker()
	if socket == "master" {
		dialogue = p.model.Master(func() { p.model.Reload() })
	}
	conn := &once{Reader: strings.NewReader(text)}
	_ = dialogue.Serve(conn)
	return conn.String()
}

// compare sends the text to both, and requires the same answer except for random values and times.
func (p *pair) compare(t *testing.T, socket, text string) {
	t.Helper()
	want, got := comparable(p.ask(t, socket, text)), comparable(p.askModel(socket, text))
	if got != want {
		t.Errorf("%q on the %s socket\nthe model:\n%s\nHAProxy:\n%s", text, socket, got, want)
	}
}

// comparable removes the values that differ between runs, and the list of HAProxy's commands, from an answer.
func comparable(answer string) string {
	var lines []string
	for line := range strings.SplitSeq(answer, "\n") {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "  "):
			continue
		case len(words) == 25 && words[0] != "#":
			// A server's state: the seconds since it changed, and the result of its last check.
			for _, column := range []int{9, 10, 11, 12} {
				words[column] = "?"
			}
			line = strings.Join(words, " ")
		case strings.HasPrefix(strings.TrimPrefix(line, "> "), "0x"):
			_, line, _ = strings.Cut(strings.TrimPrefix(line, "> "), " ")
		case len(words) > 3 && (words[1] == "master" || words[1] == "worker"):
			line = "PID " + strings.Join(words[1:len(words)-2], " ")
		case strings.Contains(line, ": ") && len(words) < 8 && !strings.Contains(line, "'"):
			line = fact(line)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// fact returns the key of a line of `show info`, and also the value if it comes from the configuration.
func fact(line string) string {
	key, _, _ := strings.Cut(line, ": ")
	switch key {
	case "Name", "Version", "Maxconn", "description", "Stopping", "Build info":
		return line
	}
	return key
}

// file returns a file with a backend of each balancing algorithm, servers with and without checks and PROXY headers, and some names.
func (p *pair) file(t *testing.T) cfg.File {
	t.Helper()
	server := func(name, addr string, port uint16, weight int) haproxy.Server {
		return haproxy.Server{Name: name, Addr: netip.MustParseAddr(addr), Port: port, Weight: weight, Node: "node-1"}
	}
	check := haproxy.Check{Interval: time.Hour, Rise: 2, Fall: 3}
	// The address is unique, because it contains a port that is in use.
	bind := haproxy.Bind{Addr: netip.AddrFrom4([4]byte{127, 96, byte(p.listening >> 8), byte(p.listening)}), Port: p.listening}
	file, err := cfg.Render(haproxy.Config{
		Owner: "cluster/ns", AdminSocket: p.path("admin"), MaxConnections: 100,
		Timeouts: haproxy.Timeouts{Connect: time.Second, Client: time.Second, Server: time.Second, Queue: time.Second},
		Frontends: []haproxy.Frontend{{
			Name: "ns_in", Binds: []haproxy.Bind{bind}, Protocol: haproxy.TLS, Backend: "ns_a",
			Routes: []haproxy.Route{{Name: "*.example.com", To: "ns_b"}, {Name: "app.example.com", To: "ns_a"}},
		}},
		Backends: []haproxy.Backend{
			{Name: "ns_a", Balance: haproxy.RoundRobin, Servers: []haproxy.Server{server("pod-a", "127.0.0.1", 1, 1), server("pod-b", "::1", 65535, 7)}},
			{Name: "ns_b", Balance: haproxy.Source, ProxyProtocol: haproxy.ProxyV2, Check: check, Servers: []haproxy.Server{server("pod-a", "127.0.0.1", p.listening, 1)}},
			{Name: "ns_c", Balance: haproxy.LeastConn, ProxyProtocol: haproxy.ProxyV1},
		},
	}, cfg.Platform{StateFile: p.path("state"), NamesPrefix: p.path("names-")})
	if err != nil {
		t.Fatal(err)
	}
	return file
}
