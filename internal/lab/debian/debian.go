// Package debian boots Debian hosts in the lab: with the unmodified init system, units or start scripts, sshd and HAProxy of the
// distribution. It requires root.
package debian

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// The scripts of a host, from the outermost to the innermost.
var (
	//go:embed host.sh
	hostScript string
	//go:embed boot.sh
	bootScript string
	//go:embed smallinit.sh
	smallInitScript string
)

// maxHosts is the number of hosts with addresses: numbers 1 to maxHosts.
const maxHosts = 250

// startTimeout is how long a host may take to start.
const startTimeout = waiting.Long

// OrdinaryUser is the account of a host that is not root.
const OrdinaryUser = "edgelb"

// Init is an init system.
type Init string

// The init systems that a host can run.
const (
	Systemd Init = "systemd"
	// SysV starts the services by their scripts in /etc/init.d. HAProxy has no master process then.
	SysV Init = "sysv"
	// OpenRC starts the same scripts as SysV in its own way. It needs the root of Debian 12.
	OpenRC Init = "openrc"
)

// Options configure a host.
type Options struct {
	// Number identifies the host and determines its addresses, from 1 to 250.
	Number int
	// Link connects the host; default: one of its own, with addresses by Number. Package pair makes links that hosts share.
	Link *Link
	// Name is the host name; default: "debian" and the number.
	Name string
	// Root is a directory made by hack/debian-root.sh. It is only read.
	Root string
	// Init is the init system; default: Systemd.
	Init Init
	// User is the account to log in with: OrdinaryUser, or root, which is the default.
	User string
	// Sudoers are the sudoers lines of OrdinaryUser; none by default.
	Sudoers string
	// Fresh hosts have no OrdinaryUser. They are started with root as User.
	Fresh bool
	// Bare hosts have no HAProxy either: their Root is one made by hack/bare-root.sh.
	Bare bool
	// PrivateKey is the key that can log in, in OpenSSH format, so that hosts can share it; default: a new one.
	PrivateKey []byte
}

// Host is a Debian in its own namespaces. Its network is a link to the lab's; its disk is in memory and gone at the end.
// PrivateKey logs in as root and as OrdinaryUser. Hosts without systemd have no HAProxy master.
type Host struct {
	lab.Host

	pidFile string
	// machine is the process that the host runs in: the host ends with it.
	machine *process.Process
	// init is the PID, in the lab, of the host's first process.
	init int
	bare bool
}

// Start boots a host and returns when login works and HAProxy, unless it is bare, runs; the lab must have been entered.
func Start(ctx context.Context, options Options) (*Host, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	h := newHost(options)
	if err := h.start(ctx, options); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s host %s: %w", options.Init, h.Name, err), h.Close())
	}
	return h, nil
}

// complete sets the defaults, and returns an error for invalid options.
func (o *Options) complete() error {
	if !sandbox.Inside() {
		return sandbox.ErrOutside
	}
	if os.Getuid() != 0 {
		return errors.New("only root can boot a Debian; run this with sudo")
	}
	if o.Number < 1 || o.Number > maxHosts {
		return fmt.Errorf("a Debian's number is 1 to %d, not %d", maxHosts, o.Number)
	}
	if o.Name == "" {
		o.Name = "debian" + strconv.Itoa(o.Number)
	}
	if o.Link == nil {
		o.Link = ownLink(o.Number)
	}
	if o.Init == "" {
		o.Init = Systemd
	}
	if o.User == "" {
		o.User = "root"
	}
	program, maker := "haproxy", "debian-root.sh"
	if o.Bare {
		o.Fresh = true
		program, maker = "sshd", "bare-root.sh"
	}
	if _, err := os.Stat(filepath.Join(o.Root, "usr/sbin", program)); err != nil {
		return fmt.Errorf("no Debian root to boot from; make one with hack/%s: %w", maker, err)
	}
	return nil
}

func newHost(options Options) *Host {
	public := options.Link.Host.Addresses()
	h := &Host{
		Host: lab.Host{
			Name:    options.Name,
			Address: public.IPv4, Port: lab.SSHPort, User: options.User,
			Public:      public,
			ConfigPath:  "/etc/haproxy/haproxy.cfg",
			AdminSocket: "/run/haproxy/admin.sock",
		},
		pidFile: filepath.Join(lab.Dir(), options.Name+".pid"),
		bare:    options.Bare,
	}
	if options.Init == Systemd {
		h.MasterSocket = "/run/haproxy-master.sock"
	}
	return h
}

func (h *Host) start(ctx context.Context, options Options) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	environment, err := h.environment(options)
	if err != nil {
		return err
	}
	h.machine, err = process.Start(process.Command{
		Program: "/usr/bin/unshare",
		Args:    []string{"--mount", "--net", "sh", "-c", hostScript, options.Name},
		Env:     environment,
		Log:     filepath.Join(lab.Dir(), options.Name+".log"),
	})
	if err != nil {
		return err
	}
	if err := h.machine.Await(ctx, h.hasPower); err != nil {
		return err
	}
	return h.machine.Await(ctx, h.serves)
}

// environment returns the environment of the scripts. It creates the keys.
func (h *Host) environment(options Options) ([]string, error) {
	root, err := filepath.Abs(options.Root)
	if err != nil {
		return nil, err
	}
	if h.PrivateKey = options.PrivateKey; h.PrivateKey == nil {
		if h.PrivateKey, err = lab.NewPrivateKey(); err != nil {
			return nil, err
		}
	}
	login, err := ssh.ParsePrivateKey(h.PrivateKey)
	if err != nil {
		return nil, err
	}
	hostKey, err := lab.NewPrivateKey()
	if err != nil {
		return nil, err
	}
	return append(options.Link.environment(),
		"ROOT="+root,
		"INIT="+string(options.Init),
		"NAME="+options.Name,
		"LAB="+strconv.Itoa(os.Getpid()),
		"PID_FILE="+h.pidFile,
		"HOST_KEY="+string(hostKey),
		"AUTHORIZED_KEY="+string(ssh.MarshalAuthorizedKey(login.PublicKey())),
		"SUDOERS="+options.Sudoers,
		"FRESH="+strconv.FormatBool(options.Fresh),
		"BOOT="+bootScript,
		"SMALL_INIT="+smallInitScript,
	), nil
}

// Reboot restarts the machine, and returns as Start does. Its disk and its interface stay. It requires systemd.
func (h *Host) Reboot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// The shell that asks for it may end before it can say that it succeeded.
	_, asked := h.Exec(ctx, "systemctl", "reboot")
	if err := h.machine.Await(ctx, h.hasPower); err != nil {
		return errors.Join(fmt.Errorf("reboot %s: %w", h.Name, err), asked)
	}
	return h.machine.Await(ctx, h.serves)
}

// hasPower finds the host's first process, and by that the host's files. After a reboot it is another one.
func (h *Host) hasPower(context.Context) error {
	content, err := os.ReadFile(h.pidFile)
	if err != nil {
		return err
	}
	init, err := strconv.Atoi(strings.TrimSpace(string(content)))
	switch {
	case err != nil:
		return err
	case init == h.init:
		return fmt.Errorf("process %d is still the first one", init)
	}
	h.init = init
	h.Root = filepath.Join("/proc", strconv.Itoa(h.init), "root")
	h.HostKeyFiles = []string{h.Path("/etc/ssh/ssh_host_ed25519_key")}
	return nil
}

// serves checks that login works and that HAProxy runs and answers. Without systemd, a service that a test starts must not meet the one
// that still starts at boot.
func (h *Host) serves(ctx context.Context) error {
	if h.MasterSocket == "" {
		if _, err := os.Stat(h.Path("/run/lab-started")); err != nil {
			return err
		}
	}
	if err := h.AnswersSSH(ctx); err != nil || h.bare {
		return err
	}
	if _, err := h.WorkerPID(ctx); err != nil {
		return err
	}
	_, err := h.Info(ctx)
	return err
}

// Close cuts the power: nothing of the host remains. It may be called more than once.
func (h *Host) Close() error {
	err := h.machine.Stop()
	if removed := os.Remove(h.pidFile); !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// Exec runs a program on the host as root, without sshd, and returns its stdout.
func (h *Host) Exec(ctx context.Context, argv ...string) (string, error) {
	// An empty environment: the machine's PATH must not be used on the host.
	enter := []string{"--target", strconv.Itoa(h.init), "--all", "env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	output, err := exec.CommandContext(ctx, "nsenter", append(enter, argv...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s on %s: %w: %s", argv[0], h.Name, err, exit.Stderr)
	}
	return string(output), err
}

// NetworkNamespace returns the path, in the lab, of the host's network namespace.
func (h *Host) NetworkNamespace() string { return fmt.Sprintf("/proc/%d/ns/net", h.init) }

// Logs returns the ends of the logs of the machine that the host runs in.
func (h *Host) Logs() map[string]string {
	return map[string]string{"machine": h.machine.Log()}
}
