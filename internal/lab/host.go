package lab

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSHPort is where every host's sshd listens.
const SSHPort = 22

// Host is common to all kinds of hosts: an sshd, an HAProxy, and files that the lab can access from outside.
type Host struct {
	Name string
	// Address and Port are where sshd listens, User is the account that can log in.
	Address netip.Addr
	Port    uint16
	User    string
	// PrivateKey can log in; it is in OpenSSH format, as in a Secret.
	PrivateKey []byte
	// HostKeyFiles are the paths, in the lab, of sshd's private keys.
	HostKeyFiles []string
	// Public are the addresses that the host can listen on for clients.
	Public Addresses
	// ConfigPath, AdminSocket and MasterSocket are the paths of HAProxy's files on the host. MasterSocket is empty if
	// HAProxy has no master process.
	ConfigPath, AdminSocket, MasterSocket string
	// Root is the path, in the lab, of the host's own directories.
	Root string
}

// Path returns the path, in the lab, of a file in the host's own directories: its path on the host, which must be absolute and no
// symbolic link, below the host's root.
func (h *Host) Path(onHost string) string { return filepath.Join(h.Root, onHost) }

// KnownHosts returns the lines of a known_hosts file for the host's current keys.
func (h *Host) KnownHosts() (string, error) {
	keys, err := h.hostKeys()
	if err != nil {
		return "", err
	}
	var lines strings.Builder
	for _, key := range keys {
		fmt.Fprintln(&lines, knownhosts.Line([]string{h.sshAddress()}, key))
	}
	return lines.String(), nil
}

// HostKeys returns the host's current keys in authorized_keys format, in the order of HostKeyFiles.
func (h *Host) HostKeys() ([]string, error) { return authorizedLines(h.HostKeyFiles) }

// authorizedLines returns the public keys of private key files, in authorized_keys format.
func authorizedLines(files []string) ([]string, error) {
	keys, err := publicKeys(files)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, key := range keys {
		lines = append(lines, strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n"))
	}
	return lines, nil
}

func (h *Host) hostKeys() ([]ssh.PublicKey, error) { return publicKeys(h.HostKeyFiles) }

func publicKeys(files []string) ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	for _, file := range files {
		content, err := os.ReadFile(file)
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

// DialSSH logs in as User with PrivateKey. It trusts the first of the host's current keys.
func (h *Host) DialSSH(ctx context.Context) (*ssh.Client, error) {
	signer, err := ssh.ParsePrivateKey(h.PrivateKey)
	if err != nil {
		return nil, err
	}
	keys, err := h.hostKeys()
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.sshAddress())
	if err != nil {
		return nil, err
	}
	transport, channels, requests, err := ssh.NewClientConn(conn, h.sshAddress(), &ssh.ClientConfig{
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

// AnswersSSH checks that sshd accepts connections and greets.
func (h *Host) AnswersSSH(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.sshAddress())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_, err = conn.Read(make([]byte, 1))
	return err
}

func (h *Host) sshAddress() string { return netip.AddrPortFrom(h.Address, h.Port).String() }

// NewPrivateKey creates an ed25519 key, in OpenSSH format.
func NewPrivateKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return marshalPrivateKey(key)
}

// marshalPrivateKey returns the key in OpenSSH format, as in a Secret.
func marshalPrivateKey(key crypto.PrivateKey) ([]byte, error) {
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}
