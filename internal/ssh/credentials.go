package ssh

import (
	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/privatekey"
)

// Credentials hold the private key for logins and the known host keys. The zero value cannot log in.
type Credentials struct {
	signer     ssh.Signer
	knownHosts hostkeys.KnownHosts
}

// ParseCredentials parses a private key (ed25519, ECDSA or RSA, in OpenSSH or PEM format, without a passphrase) and a
// known_hosts file, which may be empty. The error is a *privatekey.Error or a *hostkeys.KnownHostsError.
func ParseCredentials(privateKey, knownHosts []byte) (Credentials, error) {
	signer, err := privatekey.Parse(privateKey)
	if err != nil {
		return Credentials{}, err
	}
	known, err := hostkeys.ParseKnownHosts(knownHosts)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{signer: signer, knownHosts: known}, nil
}

// AuthorizedKey returns the line of authorized_keys that accepts these credentials; empty for the zero value.
func (c Credentials) AuthorizedKey() string {
	if c.signer == nil {
		return ""
	}
	return hostkeys.Text(c.signer.PublicKey())
}

// Fingerprint returns the SHA256 fingerprint of the public key, as ssh-keygen -l prints it; empty for the zero value.
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
