package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/lab/accept"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/model"
)

// localConn reaches this very machine without SSH: the command lines, the scripts, the sockets and HAProxy are real.
type localConn struct {
	// path is a folder that comes first in the PATH.
	path string
	// prefix is put before each command line; nil for none.
	prefix atomic.Pointer[string]
	// noForwarding refuses unix sockets, as a hardened sshd does.
	noForwarding atomic.Bool
	// commands counts the commands.
	commands atomic.Int32
	// broken fails the command of that number (from 1) and all that follow.
	broken int32
	// steps counts the steps of the connection: the begin and the end of each command, and each read and write on a stream. From
	// step breaksAt on (from 1) everything fails.
	steps, breaksAt atomic.Int32
	// rate limits the bytes per second that streams return; 0 for no limit.
	rate atomic.Int64
}

// step counts a step and fails if the connection is broken.
func (c *localConn) step() error {
	if n, end := c.steps.Add(1), c.breaksAt.Load(); end > 0 && n >= end {
		return &model.Error{State: model.Unreachable, Message: "the connection broke"}
	}
	return nil
}

// breakIn has everything fail from that step on, counted from now (from 1).
func (c *localConn) breakIn(steps int) { c.breaksAt.Store(c.steps.Load() + int32(steps)) }

func (c *localConn) Run(ctx context.Context, command string, input []byte, _ driver.Limit) (driver.Result, error) {
	if n := c.commands.Add(1); c.broken > 0 && n >= c.broken {
		return driver.Result{}, &model.Error{State: model.Unreachable, Message: "the connection broke"}
	}
	if err := c.step(); err != nil {
		return driver.Result{}, err
	}
	result, err := c.run(ctx, command, input)
	return result, errors.Join(err, c.step())
}

func (c *localConn) run(ctx context.Context, command string, input []byte) (driver.Result, error) {
	cmd := c.shell(ctx, command)
	cmd.Stdin = bytes.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return driver.Result{}, &model.Error{State: model.Unreachable, Message: err.Error(), Cause: err}
	}
	return driver.Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), Exit: cmd.ProcessState.ExitCode()}, nil
}

// shell returns a login shell that runs a command line.
func (c *localConn) shell(ctx context.Context, command string) *exec.Cmd {
	if prefix := c.prefix.Load(); prefix != nil {
		command = *prefix + command
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Env = append(os.Environ(), "PATH="+c.path+":"+os.Getenv("PATH"))
	return cmd
}

func (c *localConn) Release() {}

// piped is a running command's stdin and stdout.
type piped struct {
	io.Reader
	io.WriteCloser
	cmd *exec.Cmd
}

func (p piped) CloseWrite() error { return p.WriteCloser.Close() }

func (p piped) Close() error {
	_ = p.WriteCloser.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	return nil
}

func (c *localConn) Start(ctx context.Context, command string, _ driver.Limit) (driver.Stream, error) {
	cmd := c.shell(ctx, command)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return stepped{piped{stdout, stdin, cmd}, c}, cmd.Start()
}

// stepped is a stream that breaks together with its connection.
type stepped struct {
	io.ReadWriteCloser
	conn *localConn
}

func (s stepped) Write(p []byte) (int, error) {
	if err := s.conn.step(); err != nil {
		return 0, err
	}
	return s.ReadWriteCloser.Write(p)
}

func (s stepped) Read(p []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(p)
	if rate := s.conn.rate.Load(); rate > 0 {
		<-time.After(time.Duration(n) * time.Second / time.Duration(rate))
	}
	if broken := s.conn.step(); broken != nil {
		return 0, broken
	}
	return n, err
}

func (s stepped) Expect(driver.Limit) {}

func (s stepped) CloseWrite() error {
	return s.ReadWriteCloser.(interface{ CloseWrite() error }).CloseWrite()
}

func (c *localConn) DialUnix(ctx context.Context, path string, _ driver.Limit) (driver.Stream, error) {
	if c.noForwarding.Load() {
		return nil, errors.New("open failed")
	}
	if err := c.step(); err != nil {
		return nil, err
	}
	stream, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return stepped{stream, c}, nil
}

// machine is one HAProxy with its own files and its own loopback address.
type machine struct {
	t       *testing.T
	conn    *localConn
	dir     string
	address netip.Addr
	haproxy *exec.Cmd
	// program is the HAProxy, of which path("haproxy") is a copy.
	program string
	// cache is what syncs leave to the next one.
	cache driver.SyncCache
	// saved says that a file was written in the background, and saves are the writes that run.
	saved chan struct{}
	saves sync.WaitGroup
}

var lastAddress atomic.Uint32

// newMachine prepares a machine whose HAProxy runs the idle configuration under a master process.
func newMachine(t *testing.T) *machine {
	t.Helper()
	m := newBareMachine(t)
	m.writeConfig(idleText(t, m))
	m.start("-W", "-S", m.path("master.sock"))
	return m
}

// newBareMachine prepares a machine without a configuration, on which no HAProxy runs.
func newBareMachine(t *testing.T) *machine {
	t.Helper()
	// Paths of unix sockets are short; t.TempDir's are not.
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatalf("%v: install the package haproxy", err)
	}
	n := lastAddress.Add(1)
	address := netip.AddrFrom4([4]byte{127, 80 + byte(os.Getpid()%100), byte(n >> 8), byte(n)})
	m := &machine{t: t, conn: &localConn{path: dir}, dir: dir, address: address, saved: make(chan struct{}, 1)}
	m.install(program)
	return m
}

// install makes a program the machine's HAProxy.
func (m *machine) install(program string) {
	m.t.Helper()
	// cp writes it: a file that this process has open for writing cannot be executed by another of its goroutines.
	for _, args := range [][]string{{"cp", program, m.path("haproxy-copy")}, {"mv", m.path("haproxy-copy"), m.path("haproxy")}} {
		if output, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			m.t.Fatalf("%v: %s", err, output)
		}
	}
	m.program = program
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

func (m *machine) config() string { return m.path("haproxy.cfg") }

func (m *machine) writeConfig(text []byte) {
	m.t.Helper()
	if err := os.WriteFile(m.config(), text, 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) readConfig() string {
	m.t.Helper()
	text, err := os.ReadFile(m.config())
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// start runs HAProxy with the configuration and waits for its admin socket.
func (m *machine) start(args ...string) {
	m.t.Helper()
	log, err := os.Create(m.path("log"))
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(m.path("haproxy"), append(args, "-f", m.config())...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.haproxy = cmd
	m.t.Cleanup(func() { m.stop() })
	m.eventually("HAProxy answers", func() bool { return m.workerPID() != 0 })
}

// refuseEveryFile replaces the program by one that does not know a keyword, as after a downgrade.
func (m *machine) refuseEveryFile(keyword string) {
	m.t.Helper()
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" -f %s\n", m.program, m.path("bad.cfg"))
	for name, content := range map[string]string{"bad.cfg": "global\n  " + keyword + "\n", "haproxy-new": script} {
		if err := os.WriteFile(m.path(name), []byte(content), 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.Rename(m.path("haproxy-new"), m.path("haproxy")); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) stop() {
	_ = m.haproxy.Process.Signal(syscall.SIGTERM)
	_ = m.haproxy.Wait()
}

// ask sends a line to a unix socket of the machine until it is answered: HAProxy 2.6 closes its sockets for a moment while it
// re-executes itself.
func (m *machine) ask(socket, line string) string {
	const gone = 15 * time.Second
	for deadline := time.Now().Add(gone); ; time.Sleep(5 * time.Millisecond) {
		answer := m.askOnce(socket, line)
		if answer != "" || !strings.HasPrefix(line, "show ") || time.Now().After(deadline) {
			return answer
		}
	}
}

func (m *machine) askOnce(socket, line string) string {
	conn, err := net.Dial("unix", m.path(socket))
	if err != nil {
		return ""
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, line+"\n")
	_ = conn.(*net.UnixConn).CloseWrite()
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// workerPID is the process that answers on the admin socket; 0 if none does.
func (m *machine) workerPID() int {
	for line := range strings.Lines(m.ask("admin.sock", "show info")) {
		if pid, found := strings.CutPrefix(line, "Pid: "); found {
			n, _ := strconv.Atoi(strings.TrimSpace(pid))
			return n
		}
	}
	return 0
}

func (m *machine) eventually(what string, done func() bool) {
	m.t.Helper()
	if !waiting.Until(waiting.Long, done) {
		log, _ := os.ReadFile(m.path("log"))
		m.t.Fatalf("waited %s: %s\n%s", waiting.Long, what, log)
	}
}

// putBefore has the text put before each command line from now on. Like breakIn, it may be called while a write runs.
func (c *localConn) putBefore(prefix string) { c.prefix.Store(&prefix) }

// isWhole reports whether breakIn has not broken the connection, also for a write that runs in the background until its end.
func (m *machine) isWhole() bool {
	m.saves.Wait()
	return m.conn.steps.Load() < m.conn.breaksAt.Load()
}

// sync brings the machine to the configuration, with an empty sync cache.
func (m *machine) sync(config haproxy.Config, change ...func(*driver.Request)) model.Outcome {
	m.t.Helper()
	return m.syncWith(&driver.SyncCache{}, config, change...)
}

// awaitFollowUp waits until the next sync is due: after that time, or when a file was written.
func (m *machine) awaitFollowUp(outcome model.Outcome) {
	select {
	case <-m.saved:
	case <-time.After(outcome.FollowUp):
	}
}

// syncCached brings the machine to the configuration, with the machine's sync cache.
func (m *machine) syncCached(config haproxy.Config, change ...func(*driver.Request)) model.Outcome {
	m.t.Helper()
	return m.syncWith(&m.cache, config, change...)
}

func (m *machine) syncWith(cache *driver.SyncCache, config haproxy.Config, change ...func(*driver.Request)) model.Outcome {
	return m.syncOver(m.conn, cache, config, change...)
}

// syncOver is syncWith over another connection than the machine's.
func (m *machine) syncOver(conn driver.Conn, cache *driver.SyncCache, config haproxy.Config, change ...func(*driver.Request)) model.Outcome {
	req := driver.Request{Config: config, Login: "root", ConfigPath: m.config(), SavePlace: func() (func(), bool) {
		m.saves.Add(1)
		return func() {
			defer m.saves.Done()
			select {
			case m.saved <- struct{}{}:
			default:
			}
		}, true
	}}
	for _, apply := range change {
		apply(&req)
	}
	return driver.Sync(m.t.Context(), conn, cache, req)
}

// bind is an address of the machine.
func (m *machine) bind(port uint16) haproxy.Bind { return haproxy.Bind{Addr: m.address, Port: port} }

// baseConfig has no listener.
func (m *machine) baseConfig() haproxy.Config {
	return haproxy.Config{
		Owner: "cluster/namespace", AdminSocket: m.path("admin.sock"), MaxConnections: 1000,
		Timeouts: haproxy.Timeouts{Connect: time.Second, Client: time.Minute, Server: time.Minute, Queue: time.Second},
	}
}

// webConfig listens on port 8443 for these servers.
func (m *machine) webConfig(servers ...haproxy.Server) haproxy.Config {
	config := m.baseConfig()
	config.Frontends = []haproxy.Frontend{{Name: "ns_web_https", Binds: []haproxy.Bind{m.bind(8443)}, Backend: "ns_web_app"}}
	config.Backends = []haproxy.Backend{{Name: "ns_web_app", Balance: haproxy.RoundRobin, Servers: servers}}
	return config
}

func idleText(t *testing.T, m *machine) []byte {
	t.Helper()
	file, err := cfg.Render(m.baseConfig(), cfg.Platform{StateFile: m.path("haproxy.cfg.edgelb-state")})
	if err != nil {
		t.Fatal(err)
	}
	return file.Text
}

// echo starts a server that sends its name once and then echoes.
func echo(t *testing.T, name string) haproxy.Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accept.Each(t, listener, func(conn net.Conn) {
		fmt.Fprintln(conn, name)
		_, _ = io.Copy(conn, conn)
	})
	addr := listener.Addr().(*net.TCPAddr).AddrPort()
	return haproxy.Server{Name: name, Addr: addr.Addr().Unmap(), Port: addr.Port(), Weight: 1}
}

// greeting is the name that a server sends on a connection through the machine.
func (m *machine) greeting(port uint16) string {
	conn := m.connect(port)
	if conn == nil {
		return ""
	}
	defer conn.Close()
	return readLine(conn)
}

func (m *machine) connect(port uint16) net.Conn {
	conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(m.address, port).String(), 5*time.Second)
	if err != nil {
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func readLine(conn net.Conn) string {
	var line []byte
	one := make([]byte, 1)
	for {
		if _, err := conn.Read(one); err != nil || one[0] == '\n' {
			return string(line)
		}
		line = append(line, one[0])
	}
}
