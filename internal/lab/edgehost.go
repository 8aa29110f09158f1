package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
)

// hostStartTimeout is how long sshd and HAProxy may take to come up.
const hostStartTimeout = 20 * time.Second

// EdgeHostOptions say what an edge host should be like.
type EdgeHostOptions struct {
	// Number tells hosts apart and decides their addresses, from 1 to 250.
	Number int
	// Name is what the host is called, and its directory; default: "gw" and the number.
	Name string
	// HAProxy is the program; default: the haproxy that is installed.
	HAProxy string
	// Config is the first haproxy.cfg; default: that of an idle HAProxy, which the operator regards as free.
	Config string
	// WithoutHAProxy leaves HAProxy stopped and its configuration unwritten.
	WithoutHAProxy bool
	// PrivateKey is what can log in, in OpenSSH's format, so that hosts can share it; default: a new one.
	PrivateKey []byte
}

// EdgeHost is a real sshd and a real HAProxy in master-worker mode, run by the user whom the lab runs as. Who logs in finds
// a machine without an init system that has these processes only, and directories /etc/haproxy and /run of its own. Its
// methods are not to be called at the same time.
type EdgeHost struct {
	Name string
	// Address and Port are where sshd listens, User who can log in.
	Address netip.Addr
	Port    uint16
	User    string
	// Public are the addresses that the host can listen on for clients.
	Public Addresses
	// ConfigPath, AdminSocket and MasterSocket are where HAProxy's files are on the host: the same on every host.
	ConfigPath, AdminSocket, MasterSocket string
	// PrivateKey can log in; it is in OpenSSH's format, as a Secret holds it.
	PrivateKey []byte

	dir string
	// root is where the lab finds the host's own directories.
	root    string
	machine *sandbox.Machine
	key     ssh.PublicKey
	sshd    sshServer
	program string
	haproxy *process.Process
}

// StartEdgeHost starts an edge host and returns when it can be logged in to and HAProxy runs.
func StartEdgeHost(ctx context.Context, options EdgeHostOptions) (*EdgeHost, error) {
	h, err := newEdgeHost(options)
	if err != nil {
		return nil, err
	}
	if err := h.start(ctx, options); err != nil {
		return nil, errors.Join(fmt.Errorf("start edge host %s: %w", h.Name, err), h.Close())
	}
	return h, nil
}

func newEdgeHost(options EdgeHostOptions) (*EdgeHost, error) {
	if !sandbox.Inside() {
		return nil, sandbox.ErrOutside
	}
	if options.Number < 1 || options.Number > maxHosts {
		return nil, fmt.Errorf("an edge host's number is 1 to %d, not %d", maxHosts, options.Number)
	}
	if options.Name == "" {
		options.Name = "gw" + strconv.Itoa(options.Number)
	}
	if options.HAProxy == "" {
		options.HAProxy = "haproxy"
	}
	program, err := findProgram(options.HAProxy)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(Dir(), options.Name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	address := managementAddress(options.Number)
	return &EdgeHost{
		Name:    options.Name,
		Address: address, Port: sshPort, User: sandbox.AccountName(),
		Public:       PublicAddresses(options.Number),
		ConfigPath:   "/etc/haproxy/haproxy.cfg",
		AdminSocket:  "/run/haproxy/admin.sock",
		MasterSocket: "/run/haproxy/master.sock",
		dir:          dir,
		root:         filepath.Join(dir, "root"),
		program:      program,
		sshd:         sshServer{dir: dir, at: netip.AddrPortFrom(address, sshPort)},
	}, nil
}

func (h *EdgeHost) start(ctx context.Context, options EdgeHostOptions) error {
	if err := h.setUpLogin(options.PrivateKey); err != nil {
		return err
	}
	if err := h.startMachine(); err != nil {
		return err
	}
	if err := h.sshd.setUp(h.key); err != nil {
		return err
	}
	if err := h.StartSSH(ctx); err != nil || options.WithoutHAProxy {
		return err
	}
	if options.Config == "" {
		var err error
		if options.Config, err = h.idleConfig(); err != nil {
			return err
		}
	}
	if err := h.WriteConfig(options.Config); err != nil {
		return err
	}
	return h.StartHAProxy(ctx)
}

// setUpLogin takes the private key, or makes one if there is none.
func (h *EdgeHost) setUpLogin(privateKey []byte) error {
	if privateKey == nil {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		if privateKey, err = marshalPrivateKey(private); err != nil {
			return err
		}
	}
	signer, err := ssh.ParsePrivateKey(privateKey)
	if err != nil {
		return err
	}
	h.PrivateKey, h.key = privateKey, signer.PublicKey()
	return nil
}

// startMachine starts the machine that the host's programs run in. sshd of root insists on /run/sshd.
func (h *EdgeHost) startMachine() error {
	own := []string{"/etc/haproxy", "/run"}
	if _, err := os.Stat(initScripts); err == nil {
		own = append(own, initScripts)
	}
	for _, dir := range append(own, "/run/haproxy", "/run/sshd") {
		if err := os.MkdirAll(h.path(dir), 0o755); err != nil {
			return err
		}
	}
	machine, err := sandbox.StartMachine(h.root, own...)
	if err != nil {
		return err
	}
	h.machine, h.sshd.machine = machine, machine
	return nil
}

// initScripts is hidden from hosts: with a script of Debian's, the operator would start another HAProxy than the lab does.
const initScripts = "/etc/init.d"

// path is where the lab finds a file of the host's own directories.
func (h *EdgeHost) path(onHost string) string { return filepath.Join(h.root, onHost) }

// Close ends the host and removes its files. It may be called more than once.
func (h *EdgeHost) Close() error {
	h.machine.Close()
	return os.RemoveAll(h.dir)
}

// KnownHosts are the lines of a known_hosts file for the host's present keys.
func (h *EdgeHost) KnownHosts() (string, error) { return h.sshd.knownHosts() }

// HostKeys are the host's present keys as an authorized_keys file would write them, ed25519 first.
func (h *EdgeHost) HostKeys() ([]string, error) {
	keys, err := h.sshd.hostKeys()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, key := range keys {
		lines = append(lines, strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n"))
	}
	return lines, nil
}

// StartSSH starts sshd, and returns when it answers.
func (h *EdgeHost) StartSSH(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hostStartTimeout)
	defer cancel()
	return h.sshd.start(ctx)
}

// StopSSH ends sshd and every session: connections that are open end, new ones are refused.
func (h *EdgeHost) StopSSH() { h.sshd.stop() }

// Freeze stops sshd and every session without closing anything: who is connected waits, and who connects waits too.
func (h *EdgeHost) Freeze() { h.sshd.process.SignalTree(unix.SIGSTOP) }

// Thaw undoes Freeze.
func (h *EdgeHost) Thaw() { h.sshd.process.SignalTree(unix.SIGCONT) }

// RotateHostKey gives the host other keys and restarts sshd with them.
func (h *EdgeHost) RotateHostKey(ctx context.Context) error {
	if err := h.sshd.rotateHostKeys(); err != nil {
		return err
	}
	h.StopSSH()
	return h.StartSSH(ctx)
}

// Authorize lets PrivateKey log in, as it can from the start.
func (h *EdgeHost) Authorize() error { return h.sshd.authorize([]ssh.PublicKey{h.key}) }

// Deauthorize lets nobody log in any more; sessions that are open stay.
func (h *EdgeHost) Deauthorize() error { return h.sshd.authorize(nil) }

// AuthorizeAlso lets other keys log in beside PrivateKey.
func (h *EdgeHost) AuthorizeAlso(keys ...ssh.PublicKey) error {
	return h.sshd.authorize(append([]ssh.PublicKey{h.key}, keys...))
}

// DialSSH logs in. It trusts the host's present keys.
func (h *EdgeHost) DialSSH(ctx context.Context) (*ssh.Client, error) {
	signer, err := ssh.ParsePrivateKey(h.PrivateKey)
	if err != nil {
		return nil, err
	}
	keys, err := h.sshd.hostKeys()
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.sshd.at.String())
	if err != nil {
		return nil, err
	}
	transport, channels, requests, err := ssh.NewClientConn(conn, h.sshd.at.String(), &ssh.ClientConfig{
		User:              h.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   ssh.FixedHostKey(keys[0]),
		HostKeyAlgorithms: []string{keys[0].Type()},
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return ssh.NewClient(transport, channels, requests), nil
}

// Logs are the ends of the logs of sshd and HAProxy.
func (h *EdgeHost) Logs() map[string]string {
	return map[string]string{"sshd": process.Tail(h.file("sshd.log")), "haproxy": process.Tail(h.file("haproxy.log"))}
}

func (h *EdgeHost) file(name string) string { return filepath.Join(h.dir, name) }

// findProgram finds a program by its name or path, also where only root has it in the PATH.
func findProgram(name string) (string, error) {
	for _, candidate := range []string{name, filepath.Join("/usr/sbin", name), filepath.Join("/usr/local/sbin", name)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: on Debian, `apt-get install openssh-server haproxy`", name)
}
