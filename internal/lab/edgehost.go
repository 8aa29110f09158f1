package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// hostStartTimeout is how long sshd and HAProxy may take to start.
const hostStartTimeout = waiting.Long

// EdgeHostOptions configure an edge host.
type EdgeHostOptions struct {
	// Number identifies the host and determines its addresses, from 1 to 250.
	Number int
	// Name is the name of the host and of its directory; default: "gw" and the number.
	Name string
	// HAProxy is the program; default: the installed haproxy.
	HAProxy string
	// Config is the initial haproxy.cfg; default: that of an idle HAProxy, which the operator regards as free.
	Config string
	// WithoutHAProxy does not start HAProxy and writes no configuration.
	WithoutHAProxy bool
	// PrivateKey is the key that can log in, in OpenSSH format, so that hosts can share it; default: a new one.
	PrivateKey []byte
	// ConfigRoom is the size, in bytes, of a separate disk for the folder of haproxy.cfg; default: the disk of the lab.
	ConfigRoom int
	// Env is added to the environment of HAProxy and of commands run over SSH, but not to that of sshd itself: sshd kills
	// its processes if they do something unexpected.
	Env []string
}

// EdgeHost is a real sshd and a real HAProxy in master-worker mode, run by the user of the lab. It looks like a machine
// without an init system that has these processes only, and its own directories /etc/haproxy and /run. Its methods must not
// be called concurrently.
type EdgeHost struct {
	Host

	dir     string
	machine *sandbox.Machine
	key     ssh.PublicKey
	sshd    sshServer
	program string
	env     []string
	haproxy *process.Process
}

// StartEdgeHost starts an edge host and returns when login works and HAProxy runs.
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
	h := &EdgeHost{
		Host: Host{
			Name:    options.Name,
			Address: managementAddress(options.Number), Port: SSHPort, User: sandbox.AccountName(),
			Public:       PublicAddresses(options.Number),
			ConfigPath:   "/etc/haproxy/haproxy.cfg",
			AdminSocket:  "/run/haproxy/admin.sock",
			MasterSocket: "/run/haproxy/master.sock",
			Root:         filepath.Join(dir, "root"),
		},
		dir:     dir,
		program: program,
		env:     options.Env,
		sshd:    sshServer{dir: dir, env: options.Env},
	}
	h.HostKeyFiles = h.sshd.hostKeyFiles()
	return h, nil
}

func (h *EdgeHost) start(ctx context.Context, options EdgeHostOptions) error {
	if err := h.setUpLogin(options.PrivateKey); err != nil {
		return err
	}
	if err := h.startMachine(); err != nil {
		return err
	}
	if err := h.limitConfig(options.ConfigRoom); err != nil {
		return err
	}
	if err := h.sshd.setUp(h.sshAddress(), h.key); err != nil {
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

// setUpLogin sets the private key, or creates one if there is none.
func (h *EdgeHost) setUpLogin(privateKey []byte) error {
	if privateKey == nil {
		var err error
		if privateKey, err = NewPrivateKey(); err != nil {
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

// startMachine starts the machine that the host's programs run in. If run by root, sshd requires /run/sshd.
func (h *EdgeHost) startMachine() error {
	own := []string{"/etc/haproxy", "/run"}
	if _, err := os.Stat(initScripts); err == nil {
		own = append(own, initScripts)
	}
	for _, dir := range append(own, "/run/haproxy", "/run/sshd") {
		if err := os.MkdirAll(h.Path(dir), 0o755); err != nil {
			return err
		}
	}
	machine, err := sandbox.StartMachine(h.Root, own...)
	if err != nil {
		return err
	}
	h.machine, h.sshd.machine = machine, machine
	return nil
}

// limitConfig mounts a separate disk for the folder of haproxy.cfg. Only the host sees the mount, so the lab then accesses the
// host's files through the host's root.
func (h *EdgeHost) limitConfig(room int) error {
	if room == 0 {
		return nil
	}
	h.Root = h.machine.Root()
	return h.machine.Mount(sandbox.Mount{
		Source: "disk", Target: filepath.Dir(h.ConfigPath), Type: "tmpfs", Data: fmt.Sprintf("size=%d,mode=755", room),
	})
}

// CoverConfig mounts haproxy.cfg over itself: its content can be changed, but the file cannot be replaced.
func (h *EdgeHost) CoverConfig() error {
	return h.machine.Mount(sandbox.Mount{Source: h.ConfigPath, Target: h.ConfigPath, Flags: unix.MS_BIND})
}

// UncoverConfig undoes CoverConfig.
func (h *EdgeHost) UncoverConfig() error { return h.machine.Unmount(h.ConfigPath) }

// initScripts is hidden from hosts: with Debian's script, the operator would start a different HAProxy than the lab does.
const initScripts = "/etc/init.d"

// Close stops the host and removes its files. It may be called more than once.
func (h *EdgeHost) Close() error {
	h.machine.Close()
	return os.RemoveAll(h.dir)
}

// StartSSH starts sshd, and returns when it answers.
func (h *EdgeHost) StartSSH(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hostStartTimeout)
	defer cancel()
	if err := h.sshd.start(); err != nil {
		return err
	}
	return h.sshd.process.Await(ctx, h.AnswersSSH)
}

// StopSSH stops sshd and every session: open connections end, new ones are refused.
func (h *EdgeHost) StopSSH() { h.sshd.stop() }

// Freeze suspends sshd and every session without closing anything: open and new connections hang.
func (h *EdgeHost) Freeze() { h.sshd.process.SignalTree(unix.SIGSTOP) }

// Thaw undoes Freeze.
func (h *EdgeHost) Thaw() { h.sshd.process.SignalTree(unix.SIGCONT) }

// NextHostKeys returns the keys that the host will have after the next RotateHostKey, in the format of HostKeys.
func (h *EdgeHost) NextHostKeys() ([]string, error) {
	if err := h.sshd.makeNextHostKeys(); err != nil {
		return nil, err
	}
	return authorizedLines(h.sshd.nextHostKeyFiles())
}

// RotateHostKey gives the host new keys, those of NextHostKeys if it was called, and restarts sshd with them.
func (h *EdgeHost) RotateHostKey(ctx context.Context) error {
	if err := h.sshd.rotateHostKeys(); err != nil {
		return err
	}
	h.StopSSH()
	return h.StartSSH(ctx)
}

// Authorize lets PrivateKey log in, which is the default.
func (h *EdgeHost) Authorize() error { return h.sshd.authorize([]ssh.PublicKey{h.key}) }

// Deauthorize refuses all logins; open sessions stay.
func (h *EdgeHost) Deauthorize() error { return h.sshd.authorize(nil) }

// AuthorizeAlso lets other keys log in besides PrivateKey.
func (h *EdgeHost) AuthorizeAlso(keys ...ssh.PublicKey) error {
	return h.sshd.authorize(append([]ssh.PublicKey{h.key}, keys...))
}

// AuthorizeOnly lets only these keys log in; open sessions stay.
func (h *EdgeHost) AuthorizeOnly(keys ...ssh.PublicKey) error { return h.sshd.authorize(keys) }

// Logs returns the ends of the logs of sshd and HAProxy.
func (h *EdgeHost) Logs() map[string]string {
	return map[string]string{"sshd": process.Tail(h.file("sshd.log")), "haproxy": process.Tail(h.file("haproxy.log"))}
}

func (h *EdgeHost) file(name string) string { return filepath.Join(h.dir, name) }

// findProgram finds a program by its name or path, also in directories that only root has in the PATH.
func findProgram(name string) (string, error) {
	for _, candidate := range []string{name, filepath.Join("/usr/sbin", name), filepath.Join("/usr/local/sbin", name)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: on Debian, `apt-get install openssh-server haproxy`", name)
}
