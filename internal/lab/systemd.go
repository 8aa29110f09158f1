package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/sandbox"
)

// The scripts of a Debian host, from the outside in.
var (
	//go:embed systemd_host.sh
	hostScript string
	//go:embed systemd_boot.sh
	bootScript string
	//go:embed systemd_smallinit.sh
	smallInitScript string
)

// maxSystemdHosts is how many systemd hosts have addresses: numbers 1 to maxSystemdHosts.
const maxSystemdHosts = 250

// OrdinaryUser is the account of a systemd host that is not root.
const OrdinaryUser = "edgelb"

// Init is an init system.
type Init string

// The init systems that a host can run.
const (
	Systemd Init = "systemd"
	// SysV starts the services by their scripts in /etc/init.d. HAProxy has no master process then.
	SysV Init = "sysv"
	// OpenRC starts the same scripts as SysV by its own means. It needs the root of Debian 12.
	OpenRC Init = "openrc"
)

// SystemdHostOptions say what a systemd host should be like.
type SystemdHostOptions struct {
	// Number tells systemd hosts apart and decides their addresses, from 1 to 250.
	Number int
	// Name is the host name; default: "debian" and the number.
	Name string
	// Root is a directory that hack/debian-root.sh has made. It is not written to.
	Root string
	// Init is the init system; default: Systemd.
	Init Init
	// User is who logs in: OrdinaryUser, or root, which is the default.
	User string
	// Sudoers are lines about OrdinaryUser for sudo; none by default.
	Sudoers string
}

// SystemdHost is a Debian in namespaces of its own: with the init system, the units or start scripts, the sshd and the
// HAProxy of the distribution, untouched. Its network is a cable into the lab's; its disk is in memory and gone at the end.
// Only root can start one, and only in a lab.
type SystemdHost struct {
	Name string
	// Address is where sshd listens, at Port; User can log in.
	Address netip.Addr
	Port    uint16
	User    string
	// Public are the addresses that the host can listen on for clients.
	Public Addresses
	// ConfigPath, AdminSocket and MasterSocket are where HAProxy's files are, on the host. Hosts without systemd have no
	// master socket.
	ConfigPath, AdminSocket, MasterSocket string
	// PrivateKey can log in, as User and as the other account; it is in OpenSSH's format, as a Secret holds it.
	PrivateKey []byte

	hostKey ssh.PublicKey
	pidFile string
	// machine is what the host runs on: its end is the end of the host.
	machine *process.Process
	// init is the PID, in the lab, of the host's first process.
	init int
	// outside is the host's HAProxy as seen from the lab.
	outside EdgeHost
}

// StartSystemdHost boots a host and returns when it can be logged in to and HAProxy runs.
func StartSystemdHost(ctx context.Context, options SystemdHostOptions) (*SystemdHost, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	h := newSystemdHost(options)
	if err := h.start(ctx, options); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s host %s: %w", options.Init, h.Name, err), h.Close())
	}
	return h, nil
}

// complete puts the defaults in, and says what is impossible.
func (o *SystemdHostOptions) complete() error {
	if !sandbox.Inside() {
		return sandbox.ErrOutside
	}
	if os.Getuid() != 0 {
		return errors.New("only root can boot a Debian; run this with sudo")
	}
	if o.Number < 1 || o.Number > maxSystemdHosts {
		return fmt.Errorf("a systemd host's number is 1 to %d, not %d", maxSystemdHosts, o.Number)
	}
	if o.Name == "" {
		o.Name = "debian" + strconv.Itoa(o.Number)
	}
	if o.Init == "" {
		o.Init = Systemd
	}
	if o.User == "" {
		o.User = "root"
	}
	if _, err := os.Stat(filepath.Join(o.Root, "usr/sbin/haproxy")); err != nil {
		return fmt.Errorf("no Debian root to boot from; make one with hack/debian-root.sh: %w", err)
	}
	return nil
}

func newSystemdHost(options SystemdHostOptions) *SystemdHost {
	address := netip.AddrFrom4([4]byte{10, 99, byte(options.Number), 2})
	return &SystemdHost{
		Name:    options.Name,
		Address: address, Port: sshPort, User: options.User,
		Public: Addresses{
			IPv4: address,
			IPv6: netip.MustParseAddr(fmt.Sprintf("fd00:99:%d::2", options.Number)),
		},
		ConfigPath:   "/etc/haproxy/haproxy.cfg",
		AdminSocket:  "/run/haproxy/admin.sock",
		MasterSocket: "/run/haproxy-master.sock",
		pidFile:      filepath.Join(Dir(), options.Name+".pid"),
	}
}

func (h *SystemdHost) start(ctx context.Context, options SystemdHostOptions) error {
	ctx, cancel := context.WithTimeout(ctx, hostStartTimeout)
	defer cancel()
	environment, err := h.environment(options)
	if err != nil {
		return err
	}
	h.machine, err = process.Start(process.Command{
		Program: "/usr/bin/unshare",
		Args:    []string{"--mount", "--net", "sh", "-c", hostScript, options.Name},
		Env:     environment,
		Log:     filepath.Join(Dir(), options.Name+".log"),
	})
	if err != nil {
		return err
	}
	if err := h.machine.Await(ctx, h.hasPower); err != nil {
		return err
	}
	h.outside = EdgeHost{
		Name:         h.Name,
		ConfigPath:   h.ConfigPath,
		AdminSocket:  h.AdminSocket,
		MasterSocket: h.MasterSocket,
		root:         h.Path("/"),
	}
	return h.machine.Await(ctx, func(ctx context.Context) error { return h.serves(ctx, options.Init) })
}

// environment is what the scripts want to know. It makes the keys.
func (h *SystemdHost) environment(options SystemdHostOptions) ([]string, error) {
	root, err := filepath.Abs(options.Root)
	if err != nil {
		return nil, err
	}
	login, err := h.makeLogin()
	if err != nil {
		return nil, err
	}
	hostKey, err := h.makeHostKey()
	if err != nil {
		return nil, err
	}
	return []string{
		"ROOT=" + root,
		"INIT=" + string(options.Init),
		"NAME=" + options.Name,
		"NUMBER=" + strconv.Itoa(options.Number),
		"LAB=" + strconv.Itoa(os.Getpid()),
		"PID_FILE=" + h.pidFile,
		"HOST_KEY=" + string(hostKey),
		"AUTHORIZED_KEY=" + string(login),
		"SUDOERS=" + options.Sudoers,
		"BOOT=" + bootScript,
		"SMALL_INIT=" + smallInitScript,
	}, nil
}

// makeLogin makes the key pair that logs in, and returns the line of authorized_keys for it.
func (h *SystemdHost) makeLogin() ([]byte, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if h.PrivateKey, err = marshalPrivateKey(private); err != nil {
		return nil, err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return ssh.MarshalAuthorizedKey(key), nil
}

// makeHostKey makes the key pair of sshd, and returns the private half.
func (h *SystemdHost) makeHostKey() ([]byte, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if h.hostKey, err = ssh.NewPublicKey(public); err != nil {
		return nil, err
	}
	return marshalPrivateKey(private)
}

// hasPower finds the host's first process.
func (h *SystemdHost) hasPower(context.Context) error {
	content, err := os.ReadFile(h.pidFile)
	if err != nil {
		return err
	}
	h.init, err = strconv.Atoi(strings.TrimSpace(string(content)))
	return err
}

// serves checks that the host can be logged in to and that HAProxy runs.
func (h *SystemdHost) serves(ctx context.Context, init Init) error {
	server := sshServer{at: h.ssh()}
	if err := server.answers(ctx); err != nil {
		return err
	}
	if init == Systemd {
		if _, err := h.MasterPID(ctx); err != nil {
			return err
		}
	}
	_, err := h.WorkerPID(ctx)
	return err
}

// Close cuts the power: nothing of the host is left. It may be called more than once.
func (h *SystemdHost) Close() error {
	err := h.machine.Stop()
	if removed := os.Remove(h.pidFile); !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// KnownHosts is the line of a known_hosts file for the host's key.
func (h *SystemdHost) KnownHosts() string {
	return knownhosts.Line([]string{h.ssh().String()}, h.hostKey) + "\n"
}

// DialSSH logs in as User.
func (h *SystemdHost) DialSSH(ctx context.Context) (*ssh.Client, error) {
	signer, err := ssh.ParsePrivateKey(h.PrivateKey)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.ssh().String())
	if err != nil {
		return nil, err
	}
	transport, channels, requests, err := ssh.NewClientConn(conn, h.ssh().String(), &ssh.ClientConfig{
		User:            h.User,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(h.hostKey),
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return ssh.NewClient(transport, channels, requests), nil
}

func (h *SystemdHost) ssh() netip.AddrPort { return netip.AddrPortFrom(h.Address, h.Port) }

// Exec runs a program on the host as root, past sshd, and returns what it prints to stdout.
func (h *SystemdHost) Exec(ctx context.Context, argv ...string) (string, error) {
	// An empty environment: not even the PATH of the machine is the host's.
	enter := []string{"--target", strconv.Itoa(h.init), "--all", "env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	output, err := exec.CommandContext(ctx, "nsenter", append(enter, argv...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s on %s: %w: %s", argv[0], h.Name, err, exit.Stderr)
	}
	return string(output), err
}

// Path is where the lab finds a file of the host: its path on the host, which is absolute and no symbolic link, put below
// the host's root.
func (h *SystemdHost) Path(onHost string) string {
	return filepath.Join("/proc", strconv.Itoa(h.init), "root", onHost)
}

// ReadConfig is the content of haproxy.cfg.
func (h *SystemdHost) ReadConfig() (string, error) { return h.outside.ReadConfig() }

// MasterPID is the PID, on the host, of HAProxy's master. Hosts without systemd have none.
func (h *SystemdHost) MasterPID(ctx context.Context) (int, error) { return h.outside.MasterPID(ctx) }

// WorkerPID is the PID, on the host, of the HAProxy process that serves. It changes with each reload.
func (h *SystemdHost) WorkerPID(ctx context.Context) (int, error) {
	info, err := h.Info(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(info["Pid"])
}

// Ask sends a command to HAProxy's admin socket and returns the answer.
func (h *SystemdHost) Ask(ctx context.Context, command string) (string, error) {
	return h.outside.Ask(ctx, command)
}

// Info is HAProxy's `show info`, by key.
func (h *SystemdHost) Info(ctx context.Context) (map[string]string, error) {
	return h.outside.Info(ctx)
}

// Logs are the ends of the logs of the machine that the host runs on.
func (h *SystemdHost) Logs() map[string]string {
	return map[string]string{"machine": h.machine.Log()}
}
