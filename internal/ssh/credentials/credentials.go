// Package credentials holds what the operator logs in to a host with, and which hosts it knows.
package credentials

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/privatekey"
)

// Credentials hold the private keys for logins and the known host keys. The zero value cannot log in.
type Credentials struct {
	// signers are what is offered to a host, in this order: the certificate, the key, and the previous key.
	signers []ssh.Signer
	// keys are the public keys of the key and of the previous one, and certificate is the key's; nil if there is none.
	keys        []ssh.PublicKey
	certificate *ssh.Certificate
	// identity is the hash of what is offered.
	identity   [sha256.Size]byte
	knownHosts hostkeys.KnownHosts
}

// Files are the texts that Credentials are parsed from. All but the private key may be empty.
type Files struct {
	// PrivateKey is an ed25519, ECDSA or RSA key, in OpenSSH or PEM format, without a passphrase, and Certificate its user certificate.
	PrivateKey, Certificate []byte
	// Previous is the private key that is offered to a host that takes neither.
	Previous []byte
	// KnownHosts is a known_hosts file.
	KnownHosts []byte
}

// Equal reports whether both have the same texts.
func (f Files) Equal(other Files) bool {
	return bytes.Equal(f.PrivateKey, other.PrivateKey) && bytes.Equal(f.Certificate, other.Certificate) &&
		bytes.Equal(f.Previous, other.Previous) && bytes.Equal(f.KnownHosts, other.KnownHosts)
}

// Size returns the bytes of all texts.
func (f Files) Size() int {
	return len(f.PrivateKey) + len(f.Certificate) + len(f.Previous) + len(f.KnownHosts)
}

// Parse parses credentials. The error is, or wraps, a *privatekey.Error, a *privatekey.CertificateError or a
// *hostkeys.KnownHostsError.
func Parse(files Files) (Credentials, error) {
	signer, err := privatekey.Parse(files.PrivateKey)
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{keys: []ssh.PublicKey{signer.PublicKey()}}
	if len(files.Certificate) > 0 {
		if err := c.addCertificate(files.Certificate, signer); err != nil {
			return Credentials{}, err
		}
	}
	c.signers = append(c.signers, signer)
	if len(files.Previous) > 0 {
		previous, err := privatekey.Parse(files.Previous)
		if err != nil {
			return Credentials{}, &PreviousKeyError{Cause: err}
		}
		c.signers, c.keys = append(c.signers, previous), append(c.keys, previous.PublicKey())
	}
	if c.knownHosts, err = hostkeys.ParseKnownHosts(files.KnownHosts); err != nil {
		return Credentials{}, err
	}
	c.identify()
	return c, nil
}

// PreviousKeyError says that the previous private key cannot be used.
type PreviousKeyError struct{ Cause error }

func (e *PreviousKeyError) Error() string {
	var invalid *privatekey.Error
	if errors.As(e.Cause, &invalid) && invalid.Problem == privatekey.Missing {
		return "the previous private key is empty; store its file as ssh-privatekey-previous, or remove that key from the Secret"
	}
	return "of ssh-privatekey-previous: " + e.Cause.Error()
}

func (e *PreviousKeyError) Unwrap() error { return e.Cause }

func (c *Credentials) addCertificate(text []byte, signer ssh.Signer) error {
	certificate, err := privatekey.ParseCertificate(text, signer)
	if err != nil {
		return err
	}
	certified, err := ssh.NewCertSigner(certificate, signer)
	if err != nil {
		return &privatekey.CertificateError{Problem: privatekey.CertificateUnreadable, Cause: err}
	}
	c.certificate, c.signers = certificate, append(c.signers, certified)
	return nil
}

// identify sets the identity.
func (c *Credentials) identify() {
	hash := sha256.New()
	for _, signer := range c.signers {
		hash.Write(signer.PublicKey().Marshal()) // each begins with its length
	}
	hash.Sum(c.identity[:0])
}

// CanLogIn reports whether there is a key to log in with.
func (c Credentials) CanLogIn() bool { return len(c.signers) > 0 }

// AuthorizedKey returns the line of authorized_keys that accepts these credentials; empty for the zero value.
func (c Credentials) AuthorizedKey() string {
	if !c.CanLogIn() {
		return ""
	}
	return hostkeys.Text(c.keys[0])
}

// Fingerprint returns the SHA256 fingerprints of the public keys, as ssh-keygen -l prints them; empty for the zero value.
func (c Credentials) Fingerprint() string {
	var all []string
	for _, key := range c.keys {
		all = append(all, ssh.FingerprintSHA256(key))
	}
	return strings.Join(all, " and the previous key ")
}

// CertificateValidity returns when the user certificate is valid; the zero value if there is none.
func (c Credentials) CertificateValidity() hostkeys.Validity {
	if c.certificate == nil {
		return hostkeys.Validity{}
	}
	return hostkeys.ValidityOf(c.certificate)
}

// Signers returns what is offered to a host, in this order.
func (c Credentials) Signers() []ssh.Signer { return c.signers }

// KnownHosts returns the known_hosts file.
func (c Credentials) KnownHosts() hostkeys.KnownHosts { return c.knownHosts }

// WithKnownHosts returns the credentials with another known_hosts file.
func (c Credentials) WithKnownHosts(known hostkeys.KnownHosts) Credentials {
	c.knownHosts = known
	return c
}

// Identity returns a hash of what is offered.
func (c Credentials) Identity() [sha256.Size]byte { return c.identity }

// Doubt returns what is wrong with the certificate as far as is apparent, or else what lets a host take it; empty if there is none.
func (c Credentials) Doubt(user string, now time.Time) string {
	if c.certificate == nil {
		return ""
	}
	if found := privatekey.Doubt(c.certificate, user, now); found != "" {
		return found
	}
	return privatekey.Trust(c.certificate)
}
