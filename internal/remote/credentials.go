// Package remote reaches a host over SSH and nothing else: it dials, verifies the host's key, logs in with a public key,
// runs commands and connects to unix sockets of the host, and keeps one connection per host open.
//
// It does not know what the host is for. Every operation ends when its context ends, even if the host is frozen. Errors
// are typed by what a person has to do about them, and their texts are sentences for that person.
package remote

import (
	"bytes"
	"encoding/pem"
	"errors"
	"strings"

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

// PrivateKeyProblem is why a private key cannot be used.
type PrivateKeyProblem string

// The problems that a private key can have.
const (
	PrivateKeyMissing     PrivateKeyProblem = "Missing"
	PrivateKeyEncrypted   PrivateKeyProblem = "Encrypted"
	PrivateKeyPublic      PrivateKeyProblem = "Public"
	PrivateKeyUnreadable  PrivateKeyProblem = "Unreadable"
	PrivateKeyUnsupported PrivateKeyProblem = "Unsupported"
)

// PrivateKeyError says that a private key cannot be used. It never holds a part of the key.
type PrivateKeyError struct {
	Problem PrivateKeyProblem
	Cause   error
}

func (e *PrivateKeyError) Error() string {
	switch e.Problem {
	case PrivateKeyMissing:
		return "the private key is missing or empty; make one with: ssh-keygen -t ed25519 -N '' -f id_edgelb"
	case PrivateKeyEncrypted:
		return "the private key is protected by a passphrase; the operator cannot ask for one: store a key without, " +
			"made from a copy with: ssh-keygen -p -N '' -f COPY"
	case PrivateKeyPublic:
		return "a public key was given where the private key belongs; store the file without .pub"
	case PrivateKeyUnsupported:
		return "the private key is of a kind that is not supported; use ed25519, ECDSA or RSA"
	default:
		return "the private key cannot be read as an OpenSSH or PEM key; store the whole file, " +
			"from its BEGIN line to its END line"
	}
}

func (e *PrivateKeyError) Unwrap() error { return e.Cause }

func parsePrivateKey(text []byte) (ssh.Signer, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, &PrivateKeyError{Problem: PrivateKeyMissing}
	}
	if isPublicKey(text) {
		return nil, &PrivateKeyError{Problem: PrivateKeyPublic}
	}
	raw, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		return nil, &PrivateKeyError{Problem: problemOf(text, err), Cause: err}
	}
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, &PrivateKeyError{Problem: PrivateKeyUnsupported, Cause: err}
	}
	return restrictSignatures(signer)
}

func isPublicKey(text []byte) bool {
	if block, _ := pem.Decode(text); block != nil {
		return strings.HasSuffix(block.Type, "PUBLIC KEY")
	}
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

func problemOf(text []byte, err error) PrivateKeyProblem {
	var passphrase *ssh.PassphraseMissingError
	block, _ := pem.Decode(text)
	if errors.As(err, &passphrase) || (block != nil && block.Type == "ENCRYPTED PRIVATE KEY") {
		return PrivateKeyEncrypted
	}
	return PrivateKeyUnreadable
}

// restrictSignatures leaves the signer only the signatures that are sound: an RSA key must not sign with SHA-1.
func restrictSignatures(signer ssh.Signer) (ssh.Signer, error) {
	algorithms := hostkeys.SignatureAlgorithms(signer.PublicKey().Type())
	algorithmSigner, ok := signer.(ssh.AlgorithmSigner)
	if !ok || algorithms == nil {
		return nil, &PrivateKeyError{Problem: PrivateKeyUnsupported}
	}
	restricted, err := ssh.NewSignerWithAlgorithms(algorithmSigner, algorithms)
	if err != nil {
		return nil, &PrivateKeyError{Problem: PrivateKeyUnsupported, Cause: err}
	}
	return restricted, nil
}
