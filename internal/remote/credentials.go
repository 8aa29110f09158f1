// Package remote reaches a host over SSH and nothing else: it dials, verifies the host's key, logs in with a public key,
// runs commands and connects to unix sockets of the host, and keeps one connection per host open.
//
// It does not know what the host is for. Every operation ends when its context ends, even if the host is frozen. Errors
// are typed by what a person has to do about them, and their texts are sentences for that person.
package remote

import (
	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/remote/hostkeys"
)

// Credentials are what logs in to hosts and what is known about their keys. The zero value can log in nowhere.
type Credentials struct {
	signer     ssh.Signer
	knownHosts hostkeys.KnownHosts
}

// ParseCredentials reads a private key (ed25519, ECDSA or RSA, in OpenSSH's form or in PEM, without a passphrase) and a
// known_hosts file, which may be empty. The error is a *PrivateKeyError or a *hostkeys.KnownHostsError.
func ParseCredentials(privateKey, knownHosts []byte) (Credentials, error) {
	signer, err := parsePrivateKey(privateKey)
	if err != nil {
		return Credentials{}, err
	}
	known, err := hostkeys.ParseKnownHosts(knownHosts)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{signer: signer, knownHosts: known}, nil
}

// AuthorizedKey is the line that lets these credentials in when it stands in a user's authorized_keys; empty for the
// zero value.
func (c Credentials) AuthorizedKey() string {
	if c.signer == nil {
		return ""
	}
	return hostkeys.Text(c.signer.PublicKey())
}

// Fingerprint is the SHA256 fingerprint of the public key, as ssh-keygen -l prints it; empty for the zero value.
func (c Credentials) Fingerprint() string {
	if c.signer == nil {
		return ""
	}
	return ssh.FingerprintSHA256(c.signer.PublicKey())
}

// sameKey reports whether both log in with the same key.
func (c Credentials) sameKey(other Credentials) bool {
	return c.AuthorizedKey() == other.AuthorizedKey()
}
