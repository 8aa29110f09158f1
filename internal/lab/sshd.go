package lab

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
)

// The names of the private host keys.
const (
	ed25519KeyFile = "ssh_host_ed25519_key"
	ecdsaKeyFile   = "ssh_host_ecdsa_key"
)

// sshServer is the sshd of one edge host.
type sshServer struct {
	dir string
	// env is the environment that sshd gives to sessions.
	env     []string
	machine *sandbox.Machine
	process *process.Process
}

// setUp writes all files of sshd, to listen at that address, with the one key authorized.
func (s *sshServer) setUp(address string, authorized ssh.PublicKey) error {
	if err := s.rotateHostKeys(); err != nil {
		return err
	}
	if err := s.authorize([]ssh.PublicKey{authorized}); err != nil {
		return err
	}
	config := []string{
		"ListenAddress " + address,
		"AuthorizedKeysFile " + s.file("authorized_keys"),
		"PidFile none",
		// The files are below a temporary directory, whose permissions sshd would refuse.
		"StrictModes no",
		"UsePAM no",
		"PasswordAuthentication no",
		"PermitRootLogin prohibit-password",
		"LogLevel VERBOSE",
	}
	for _, file := range s.hostKeyFiles() {
		config = append(config, "HostKey "+file)
	}
	if len(s.env) > 0 {
		config = append(config, "SetEnv "+strings.Join(s.env, " "))
	}
	return os.WriteFile(s.file("sshd_config"), []byte(strings.Join(config, "\n")+"\n"), 0o600)
}

func (s *sshServer) start() error {
	program, err := findProgram("sshd")
	if err != nil {
		return err
	}
	s.process, err = s.machine.Start(process.Command{
		Program: program,
		Args:    []string{"-D", "-e", "-f", s.file("sshd_config")},
		Log:     s.file("sshd.log"),
	})
	return err
}

// stop stops sshd and all its sessions. Sessions have their own process groups.
func (s *sshServer) stop() {
	s.process.SignalTree(unix.SIGKILL)
	s.process.Kill()
}

// rotateHostKeys replaces the host keys; sshd reads them when it starts.
func (s *sshServer) rotateHostKeys() error {
	if err := s.makeNextHostKeys(); err != nil {
		return err
	}
	var failed error
	for i, next := range s.nextHostKeyFiles() {
		failed = errors.Join(failed, os.Rename(next, s.hostKeyFiles()[i]))
	}
	return failed
}

// makeNextHostKeys creates the next host keys, unless they exist.
func (s *sshServer) makeNextHostKeys() error {
	files := s.nextHostKeyFiles()
	if _, err := os.Stat(files[0]); err == nil {
		return nil
	}
	ed25519Key, err := NewPrivateKey()
	if err != nil {
		return err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ecdsaKey, err := marshalPrivateKey(private)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(files[0], ed25519Key, 0o600), os.WriteFile(files[1], ecdsaKey, 0o600))
}

// nextHostKeyFiles returns the paths of the next host keys, in the order of hostKeyFiles.
func (s *sshServer) nextHostKeyFiles() []string {
	var files []string
	for _, file := range s.hostKeyFiles() {
		files = append(files, file+".next")
	}
	return files
}

// hostKeyFiles returns the paths of the private host keys.
func (s *sshServer) hostKeyFiles() []string {
	return []string{s.file(ed25519KeyFile), s.file(ecdsaKeyFile)}
}

// authorize replaces the keys that may log in. sshd reads them at each login.
func (s *sshServer) authorize(keys []ssh.PublicKey) error {
	var lines bytes.Buffer
	for _, key := range keys {
		lines.Write(ssh.MarshalAuthorizedKey(key))
	}
	return os.WriteFile(s.file("authorized_keys"), lines.Bytes(), 0o600)
}

func (s *sshServer) file(name string) string { return filepath.Join(s.dir, name) }
