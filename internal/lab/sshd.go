package lab

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
)

// sshPort is where every edge host's sshd listens.
const sshPort = 22

// sshServer is the sshd of one edge host.
type sshServer struct {
	dir     string
	machine *sandbox.Machine
	at      netip.AddrPort
	process *process.Process
}

// setUp writes everything that sshd reads, with the one key authorized.
func (s *sshServer) setUp(authorized ssh.PublicKey) error {
	if err := s.rotateHostKeys(); err != nil {
		return err
	}
	if err := s.authorize([]ssh.PublicKey{authorized}); err != nil {
		return err
	}
	config := []string{
		"ListenAddress " + s.at.String(),
		"HostKey " + s.file("ssh_host_ed25519_key"),
		"HostKey " + s.file("ssh_host_ecdsa_key"),
		"AuthorizedKeysFile " + s.file("authorized_keys"),
		"PidFile none",
		// The files are below a temporary directory, which sshd would find too open.
		"StrictModes no",
		"UsePAM no",
		"PasswordAuthentication no",
		"PermitRootLogin prohibit-password",
		"LogLevel VERBOSE",
	}
	return os.WriteFile(s.file("sshd_config"), []byte(strings.Join(config, "\n")+"\n"), 0o600)
}

func (s *sshServer) start(ctx context.Context) error {
	program, err := findProgram("sshd")
	if err != nil {
		return err
	}
	s.process, err = s.machine.Start(process.Command{
		Program: program,
		Args:    []string{"-D", "-e", "-f", s.file("sshd_config")},
		Log:     s.file("sshd.log"),
	})
	if err != nil {
		return err
	}
	return s.process.Await(ctx, s.answers)
}

// answers checks that sshd accepts connections and greets.
func (s *sshServer) answers(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.at.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_, err = conn.Read(make([]byte, 1))
	return err
}

// stop ends sshd and every session that it serves. Sessions have process groups of their own.
func (s *sshServer) stop() {
	s.process.SignalTree(unix.SIGKILL)
	s.process.Kill()
}

// rotateHostKeys makes new host keys; sshd reads them when it starts.
func (s *sshServer) rotateHostKeys() error {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := writeHostKey(s.file("ssh_host_ed25519_key"), ed); err != nil {
		return err
	}
	return writeHostKey(s.file("ssh_host_ecdsa_key"), ec)
}

// hostKeys are the public host keys, ed25519 first.
func (s *sshServer) hostKeys() ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	for _, name := range []string{"ssh_host_ed25519_key", "ssh_host_ecdsa_key"} {
		content, err := os.ReadFile(s.file(name))
		if err != nil {
			return nil, err
		}
		signer, err := ssh.ParsePrivateKey(content)
		if err != nil {
			return nil, err
		}
		keys = append(keys, signer.PublicKey())
	}
	return keys, nil
}

// authorize replaces the keys that may log in. sshd reads them at each login.
func (s *sshServer) authorize(keys []ssh.PublicKey) error {
	var lines bytes.Buffer
	for _, key := range keys {
		lines.Write(ssh.MarshalAuthorizedKey(key))
	}
	return os.WriteFile(s.file("authorized_keys"), lines.Bytes(), 0o600)
}

// knownHosts are the lines of a known_hosts file for the server.
func (s *sshServer) knownHosts() (string, error) {
	keys, err := s.hostKeys()
	if err != nil {
		return "", err
	}
	var lines strings.Builder
	for _, key := range keys {
		fmt.Fprintln(&lines, knownhosts.Line([]string{s.at.String()}, key))
	}
	return lines.String(), nil
}

func (s *sshServer) file(name string) string { return filepath.Join(s.dir, name) }

func writeHostKey(path string, key crypto.PrivateKey) error {
	content, err := marshalPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// marshalPrivateKey is the key in OpenSSH's format, as Secrets hold it.
func marshalPrivateKey(key crypto.PrivateKey) ([]byte, error) {
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}
