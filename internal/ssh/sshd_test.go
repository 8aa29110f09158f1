package ssh

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/ssh/answer"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

// patience is the timeout of expected events.
const patience = waiting.Long

// anything is the limit of answers whose length does not matter.
var anything = answer.Limit{Bytes: 64 << 20, Of: "a test"}

// keyA is a key that no host has.
const keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

// sshd is a real sshd on its own loopback port, which accepts the current user with one key.
type sshd struct {
	port    int
	hostKey ssh.PublicKey
	// config and keys are the paths of its configuration and of the keys that it accepts.
	config, keys string
	cmd          *exec.Cmd
	log          *syncedLog
}

// syncedLog is what an sshd writes to stderr.
type syncedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *syncedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *syncedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// authorize replaces the keys that the sshd accepts.
func (s *sshd) authorize(t testing.TB, keys ...ssh.PublicKey) {
	t.Helper()
	var lines []byte
	for _, key := range keys {
		lines = append(lines, ssh.MarshalAuthorizedKey(key)...)
	}
	write(t, s.keys, lines)
}

// startSSHD starts an sshd with an ed25519 host key that accepts the key, with further lines of configuration.
func startSSHD(t testing.TB, authorized ssh.PublicKey, lines ...string) *sshd {
	t.Helper()
	return startSSHDWithKey(t, sshkeys.New(t), authorized, lines...)
}

func startSSHDWithKey(t testing.TB, hostKey crypto.Signer, authorized ssh.PublicKey, lines ...string) *sshd {
	t.Helper()
	dir := t.TempDir()
	s := &sshd{port: freePort(t), hostKey: sshkeys.Public(t, hostKey), config: filepath.Join(dir, "sshd_config"), keys: filepath.Join(dir, "authorized_keys"), log: new(syncedLog)}
	write(t, filepath.Join(dir, "host_key"), sshkeys.File(t, hostKey))
	s.authorize(t, authorized)
	config := append([]string{
		"ListenAddress 127.0.0.1:" + strconv.Itoa(s.port),
		"HostKey " + filepath.Join(dir, "host_key"),
		"AuthorizedKeysFile " + filepath.Join(dir, "authorized_keys"),
		"PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes", "PasswordAuthentication no",
		"KbdInteractiveAuthentication no", "MaxStartups 200", "LoginGraceTime 60",
		// A login shell reads the files of the account, which may take long, and may wait for the lock of a killed shell.
		"SetEnv HOME=" + dir,
	}, lines...)
	write(t, s.config, []byte(strings.Join(config, "\n")+"\n"))
	s.start(t)
	return s
}

// start starts sshd and waits until it answers; the test's end stops it.
func (s *sshd) start(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", s.config)
	cmd.Stderr = s.log
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.cmd = cmd
	t.Cleanup(func() { stopTree(cmd) })
	eventually(t, "sshd answers", func() bool {
		conn, err := net.Dial("tcp", s.address())
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		n, _ := conn.Read(make([]byte, 8))
		return n > 0
	})
}

func (s *sshd) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// stop kills sshd and all its connections.
func (s *sshd) stop() { stopTree(s.cmd) }

// freeze suspends sshd and all its processes without closing anything. A process may end meanwhile.
func (s *sshd) freeze(t testing.TB) {
	t.Helper()
	for _, pid := range processTree(s.cmd.Process.Pid) {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
}

func stopTree(cmd *exec.Cmd) {
	if cmd.ProcessState != nil {
		return
	}
	for _, pid := range processTree(cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = cmd.Wait()
}

// processTree returns a process and all its descendants.
func processTree(root int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		parent, _ := strconv.Atoi(fields[1])
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		children[parent] = append(children[parent], pid)
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// target returns a target that logs in to the sshd with the key and trusts its host key.
func (s *sshd) target(t testing.TB, key crypto.Signer) Target {
	t.Helper()
	return Target{
		Address: "127.0.0.1", Port: s.port, User: currentUser(t), ConnectTimeout: patience,
		Credentials: credentialsOf(t, key, ""), HostKeys: []string{hostkeys.Text(s.hostKey)},
	}
}

// connect starts an sshd and logs in to it.
func connect(t testing.TB, lines ...string) (*sshd, *Conn) {
	t.Helper()
	key := sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, key), lines...)
	return server, dial(t, server.target(t, key))
}

func dial(t testing.TB, target Target) *Conn {
	t.Helper()
	conn, err := Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func credentialsOf(t testing.TB, key crypto.Signer, knownHosts string) credentials.Credentials {
	t.Helper()
	c, err := credentials.Parse(credentials.Files{PrivateKey: sshkeys.File(t, key), KnownHosts: []byte(knownHosts)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func currentUser(t testing.TB) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func freePort(t testing.TB) int {
	t.Helper()
	listener := listen(t)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("still not so after %s: %s", patience, what)
}

// within returns a context that ends soon, for operations that must end with it.
func within(t testing.TB, timeout time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}
