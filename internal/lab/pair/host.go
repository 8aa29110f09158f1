package pair

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/debian"
)

// Interface is the interface of a host that is connected to the segment.
const Interface = "eth0"

// KeepalivedConfig is the path, on a host, of the configuration that the distribution's service reads.
const KeepalivedConfig = "/etc/keepalived/keepalived.conf"

// The names of the services and of their processes.
const (
	HAProxy    = "haproxy"
	Keepalived = "keepalived"
)

// Host is one of the machines of a pair.
type Host struct {
	*debian.Host

	init debian.Init
	// link is the name of the lab's end of the host's link.
	link string
}

// WriteFile writes a file of the host, which belongs to root. It makes the folder if necessary.
func (h *Host) WriteFile(path, content string, mode os.FileMode) error {
	file := h.Path(path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(file, []byte(content), mode), os.Chmod(file, mode))
}

// Service lets the service manager do something with a service: "start", "stop", "reload" and so on.
func (h *Host) Service(ctx context.Context, name, verb string) error {
	var command []string
	switch h.init {
	case debian.SysV:
		command = []string{"/etc/init.d/" + name, verb}
	case debian.OpenRC:
		command = []string{"rc-service", name, verb}
	default:
		command = []string{"systemctl", verb, name}
	}
	_, err := h.Exec(ctx, command...)
	return err
}

// NoRestart keeps systemd from starting a service again that has crashed. The other init systems do not do that.
func (h *Host) NoRestart(ctx context.Context, service string) error {
	if h.init == debian.SysV || h.init == debian.OpenRC {
		return nil
	}
	err := h.WriteFile("/etc/systemd/system/"+service+".service.d/no-restart.conf", "[Service]\nRestart=no\n", 0o644)
	if err != nil {
		return err
	}
	_, err = h.Exec(ctx, "systemctl", "daemon-reload")
	return err
}

// Kill kills all processes of a program, such as HAProxy, at once: none of them does anything more, such as to give up addresses
// when another one ends. Unless NoRestart was called, systemd starts HAProxy again.
func (h *Host) Kill(ctx context.Context, program string) error {
	if err := h.Freeze(ctx, program); err != nil {
		return err
	}
	return h.signal(ctx, "KILL", program)
}

// Freeze stops all processes of a program, which then neither answer nor end.
func (h *Host) Freeze(ctx context.Context, program string) error {
	return h.signal(ctx, "STOP", program)
}

// Thaw lets them continue.
func (h *Host) Thaw(ctx context.Context, program string) error { return h.signal(ctx, "CONT", program) }

func (h *Host) signal(ctx context.Context, name, program string) error {
	_, err := h.Exec(ctx, "pkill", "--signal", name, "--exact", program)
	return err
}

// Addresses returns the addresses of the host's Interface, without those for the link alone.
func (h *Host) Addresses() ([]netip.Prefix, error) {
	var addresses []netip.Prefix
	err := inNetwork(h.NetworkNamespace(), func() (err error) {
		addresses, err = addressesOf(Interface)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the addresses of %s: %w", h.Name, err)
	}
	return addresses, nil
}

// inNetwork calls a function in another network namespace: tests poll, and a process each time would slow the hosts down.
func inNetwork(namespace string, call func() error) error {
	result := make(chan error)
	go func() {
		// The thread is not unlocked, so that it ends with the goroutine and nothing else runs in that namespace.
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end, and its namespace is what others take for that of the lab. While it is locked, the next
			// goroutine has another thread.
			result <- inNetwork(namespace, call)
			runtime.UnlockOSThread()
			return
		}
		result <- enterAndCall(namespace, call)
	}()
	return <-result
}

func enterAndCall(namespace string, call func() error) error {
	file, err := os.Open(namespace)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	return call()
}

func addressesOf(name string) ([]netip.Prefix, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	found, err := i.Addrs()
	if err != nil {
		return nil, err
	}
	var addresses []netip.Prefix
	for _, address := range found {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil {
			return nil, err
		}
		if !prefix.Addr().IsLinkLocalUnicast() {
			addresses = append(addresses, prefix)
		}
	}
	return addresses, nil
}

// Holds reports whether the host has the address.
func (h *Host) Holds(address netip.Addr) (bool, error) {
	addresses, err := h.Addresses()
	return slices.ContainsFunc(addresses, func(p netip.Prefix) bool { return p.Addr() == address }), err
}

// KeepalivedLog returns what keepalived has logged since the host was started. It requires systemd.
func (h *Host) KeepalivedLog(ctx context.Context) (string, error) {
	return h.Exec(ctx, "journalctl", "--no-pager", "--output", "cat", "--unit", Keepalived)
}
