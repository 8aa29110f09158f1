// Package hostile is an SSH server that an operator may log in to, and that answers whatever a test has it answer: a host that was
// taken over, or is broken in the worst way. What is not said otherwise it does as sshd would: it runs no command, and has no socket.
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

// Behaviour is what the host does at each step. What is nil it does as sshd would. The functions are called in goroutines of
// their own, and have to return when their connection has ended.
type Behaviour struct {
	// Connection has a TCP connection before anything was said on it.
	Connection func(net.Conn)
	// Banner is what the host says before the login.
	Banner func() string
	// Login is told of each connection that is logged in, and may send on it whatever it likes.
	Login func(ssh.Conn)
	// Open has each request for a channel, and answers it or not; false leaves it to the others.
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
	// PrivateKey is what can log in as anybody, in OpenSSH's format.
	PrivateKey []byte

	behaviour Behaviour
	config    *ssh.ServerConfig
	hostKey   ssh.PublicKey
	listener  net.Listener

	running sync.WaitGroup
	mu      sync.Mutex
	open    map[net.Conn]struct{}
	closed  bool
	// logins counts those that succeeded.
	logins int
}

// Options say where a host is, and who may log in.
type Options struct {
	// Address is where to listen; any port of 127.0.0.1 if it is not valid.
	Address netip.AddrPort
	// PrivateKey is what can log in; a new one if it is nil.
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

// KnownHosts is the line of a known_hosts file that knows the host, and HostKey its key as an object pins it.
func (h *Host) KnownHosts() string { return knownhosts.Line([]string{h.Address.String()}, h.hostKey) }

// HostKey is a line such as "ssh-ed25519 AAAA…".
func (h *Host) HostKey() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(h.hostKey)))
}

// Logins is how many logins there were.
func (h *Host) Logins() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logins
}

// Close ends the host and its connections, and returns when nothing of it runs any more.
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
