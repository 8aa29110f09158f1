// Package accounts starts an sshd with its own account and /etc, and with the machine's PAM: changes of the account, or of files in
// /etc and /run, do not affect the machine. It requires root.
package accounts

import (
	_ "embed"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

//go:embed accounts.sh
var script string

// User is the account, which is not root.
const User = "edge"

// Host is an sshd to log in to.
type Host struct {
	// Port is where sshd listens on 127.0.0.1, and HostKey its host key: "ssh-ed25519 AAAA…".
	Port    int
	HostKey string
	// PrivateKey logs in as User and as root.
	PrivateKey []byte

	sshd *process.Process
	// config is the path of sshd's configuration, log that of its log.
	config, log string
}

// Start starts sshd, with further lines of configuration; the end of the test stops it. A line overrides the default line of the same
// name.
func Start(t testing.TB, lines ...string) *Host {
	t.Helper()
	// sshd reads authorized_keys as the account.
	dir, err := os.MkdirTemp("", "accounts")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &Host{Port: freePort(t), config: filepath.Join(dir, "sshd_config"), log: filepath.Join(dir, "log")}
	h.setUp(t, dir, lines)
	h.sshd, err = process.Start(process.Command{
		Program: "/usr/bin/unshare", Args: []string{"--mount", "sh", "-c", script, "accounts", dir, User}, Log: h.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.sshd.SignalTree(unix.SIGKILL)
		h.sshd.Kill()
	})
	h.await(t, 1)
	return h
}

// setUp writes the files of sshd.
func (h *Host) setUp(t testing.TB, dir string, lines []string) {
	t.Helper()
	hostKey, hostPublic := newKey(t)
	var login ssh.PublicKey
	h.PrivateKey, login = newKey(t)
	h.HostKey = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hostPublic)))
	config := append(lines,
		"ListenAddress 127.0.0.1:"+strconv.Itoa(h.Port), "HostKey "+filepath.Join(dir, "host_key"),
		"AuthorizedKeysFile "+filepath.Join(dir, "authorized_keys"), "PidFile none", "StrictModes no", "UsePAM yes",
		"PermitRootLogin yes", "PasswordAuthentication no", "LogLevel VERBOSE")
	err := errors.Join(
		os.Chmod(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "host_key"), hostKey, 0o600),
		os.WriteFile(filepath.Join(dir, "authorized_keys"), ssh.MarshalAuthorizedKey(login), 0o644),
		os.WriteFile(h.config, []byte(strings.Join(config, "\n")+"\n"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// await waits until sshd has started to listen that many times.
func (h *Host) await(t testing.TB, times int) {
	t.Helper()
	for end := time.Now().Add(waiting.Long); time.Now().Before(end) && h.sshd.Running(); time.Sleep(10 * time.Millisecond) {
		if h.timesListened() >= times {
			return
		}
	}
	t.Fatalf("sshd does not come up: %s", h.sshd.Log())
}

func (h *Host) timesListened() int {
	logged, _ := os.ReadFile(h.log) // it exists once sshd runs
	return strings.Count(string(logged), "Server listening on")
}

// Do runs a shell command as root, without sshd, with the files that sshd sees.
func (h *Host) Do(t testing.TB, line string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "nsenter", "--mount", "--target", strconv.Itoa(h.sshd.PID()), "sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// Configure appends lines to sshd's configuration, and reloads it.
func (h *Host) Configure(t testing.TB, lines ...string) {
	t.Helper()
	before := h.timesListened()
	file, err := os.OpenFile(h.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString(strings.Join(lines, "\n") + "\n")
	if err := errors.Join(err, file.Close(), unix.Kill(h.sshd.PID(), unix.SIGHUP)); err != nil {
		t.Fatal(err)
	}
	h.await(t, before+1)
}

func newKey(t testing.TB) (private []byte, public ssh.PublicKey) {
	t.Helper()
	private, err := lab.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return private, signer.PublicKey()
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
