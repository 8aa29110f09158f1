// Package hostile is an SSH server that accepts the operator's login and answers what a test defines: a compromised or badly broken
// host. By default it behaves like an sshd that runs no command and has no socket.
package hostile

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Behaviour is what the host does at each step; nil means as sshd would. The functions are called in their own goroutines, and
// must return when their connection has ended.
type Behaviour struct {
	// Connection gets a TCP connection before any data is exchanged.
	Connection func(net.Conn)
	// Banner returns the host's banner before the login.
	Banner func() string
	// Login gets each connection after its login, and may send anything on it.
	Login func(ssh.Conn)
	// Open gets each channel request, and may answer it; false passes it on to the other functions.
	Open func(ssh.NewChannel) bool
	// Exec answers a command, and Socket a connection to a unix socket. The channel is closed when they return, after the exit
	// status of a command.
	Exec   func(command string, answer *Answer) (exit int)
	Socket func(path string, answer *Answer)
}

// Host is a host that listens.
type Host struct {
	// Address is where it listens.
	Address netip.AddrPort
	// PrivateKey is the key that can log in as any user, in OpenSSH format.
	PrivateKey []byte

	behaviour Behaviour
	config    *ssh.ServerConfig
	hostKey   ssh.PublicKey
	listener  net.Listener

	running sync.WaitGroup
	mu      sync.Mutex
	open    map[net.Conn]struct{}
	closed  bool
	// logins counts the successful logins.
	logins int
}

// Options configure the address of a host, and the key that may log in.
type Options struct {
	// Address is where to listen; any port of 127.0.0.1 if it is not valid.
	Address netip.AddrPort
	// PrivateKey is the key that can log in; nil creates a new one.
	PrivateKey []byte
}

// Start starts a host.
func Start(ctx context.Context, options Options, behaviour Behaviour) (*Host, error) {
	h := &Host{PrivateKey: options.PrivateKey, behaviour: behaviour, open: map[net.Conn]struct{}{}}
	if h.PrivateKey == nil {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		h.PrivateKey = key
	}
	if err := h.configure(); err != nil {
		return nil, err
	}
	at := options.Address
	if !at.IsValid() {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("start a hostile host: %w", err)
	}
	h.listener, h.Address = listener, netip.MustParseAddrPort(listener.Addr().String())
	h.running.Go(h.listen)
	return h, nil
}

func newKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

func (h *Host) configure() error {
	login, err := ssh.ParsePrivateKey(h.PrivateKey)
	if err != nil {
		return fmt.Errorf("read the key that can log in: %w", err)
	}
	text, err := newKey()
	if err != nil {
		return err
	}
	hostKey, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return err
	}
	allowed := login.PublicKey().Marshal()
	h.hostKey = hostKey.PublicKey()
	h.config = &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-OpenSSH_9.2p1 hostile",
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(key.Marshal(), allowed) {
				return nil, errors.New("this key may not log in")
			}
			return &ssh.Permissions{}, nil
		},
	}
	if h.behaviour.Banner != nil {
		h.config.BannerCallback = func(ssh.ConnMetadata) string { return h.behaviour.Banner() }
	}
	h.config.AddHostKey(hostKey)
	return nil
}

// KnownHosts returns the known_hosts line of the host.
func (h *Host) KnownHosts() string { return knownhosts.Line([]string{h.Address.String()}, h.hostKey) }

// HostKey returns the host key as an object pins it: a line such as "ssh-ed25519 AAAA…".
func (h *Host) HostKey() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(h.hostKey)))
}

// Logins returns the number of logins.
func (h *Host) Logins() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logins
}

// Close stops the host and its connections, and returns when all its goroutines have ended.
func (h *Host) Close() {
	_ = h.listener.Close()
	h.mu.Lock()
	h.closed = true
	for conn := range h.open {
		_ = conn.Close()
	}
	h.mu.Unlock()
	h.running.Wait()
}

func (h *Host) listen() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		if !h.closed {
			h.open[conn] = struct{}{}
			h.running.Go(func() { h.serve(conn) })
		}
		h.mu.Unlock()
	}
}
