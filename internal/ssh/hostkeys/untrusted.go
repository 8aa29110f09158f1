package hostkeys

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/sanitize"
)

// UntrustedProblem is why a host's key is not trusted.
type UntrustedProblem string

// The problems of a host key.
const (
	Unknown       UntrustedProblem = "Unknown"
	Changed       UntrustedProblem = "Changed"
	Revoked       UntrustedProblem = "Revoked"
	TypeMissing   UntrustedProblem = "TypeMissing"
	PinUnreadable UntrustedProblem = "PinUnreadable"
)

// UntrustedError says that the host's identity is not verified. Nothing was sent to it that would help an impostor.
type UntrustedError struct {
	// Address is "host:port".
	Address string
	Problem UntrustedProblem
	// Fingerprint is that of the received key, such as "SHA256:…"; Line is the known_hosts line that would trust it. Both are
	// empty if no key was received.
	Fingerprint, Line string
	// Expected are the types and fingerprints of the allowed keys; with TypeMissing the types alone.
	Expected []string
	// Offered are the signature algorithms of a host that has no key of the expected types.
	Offered []string
	// Authority says that known_hosts names a certificate authority for the host.
	Authority bool
	// Pin is the pin that cannot be parsed.
	Pin string
	// Unusable are the unusable pins or known_hosts lines that may be meant for the host.
	Unusable []error
	Cause    error
}

func (e *UntrustedError) Error() string {
	text := e.text()
	for _, err := range e.Unusable {
		text += ". Besides, " + err.Error()
	}
	return text
}

func (e *UntrustedError) text() string {
	expected := strings.Join(e.Expected, " or ")
	switch e.Problem {
	case Changed:
		return fmt.Sprintf("the host at %s has the key %s, but %s is expected: somebody may be between the operator and "+
			"the host. If the key was changed on purpose, replace the old one by: %s", e.Address, e.Fingerprint, expected, e.Line)
	case Revoked:
		return fmt.Sprintf("the host at %s has the key %s, which known_hosts revokes; give the host a new key",
			e.Address, e.Fingerprint)
	case TypeMissing:
		return e.typeText(expected)
	case PinUnreadable:
		return fmt.Sprintf("the host key %q that is pinned for %s cannot be read: %v; it must be a line such as "+
			"\"ssh-ed25519 AAAA…\", as ssh-keyscan prints it after the name", e.Pin, e.Address, e.Cause)
	default:
		return e.unknownText()
	}
}

func (e *UntrustedError) Unwrap() error { return e.Cause }

// typeText says that a host has no key of a type that is both expected and secure.
func (e *UntrustedError) typeText(expected string) string {
	offered := sanitize.List(e.Offered)
	switch {
	case slices.Contains(e.Offered, ssh.KeyAlgoRSA) && !slices.Contains(e.Offered, ssh.KeyAlgoRSASHA256):
		// A host whose RSA key can sign with SHA-2 offers the SHA-2 algorithm as well.
		return fmt.Sprintf("the host at %s proves its RSA key with SHA-1 only, which is not safe any more (it offers %s): update its sshd, "+
			"or give it a key of type ed25519 (ssh-keygen -A) and pin that", e.Address, offered)
	case expected == "":
		return fmt.Sprintf("the host at %s has no key of a type that is supported; it offers %s: give it one of type ed25519 (ssh-keygen -A)",
			e.Address, offered)
	default:
		return fmt.Sprintf("the host at %s has no key of the type that is pinned (%s); it offers %s: somebody may be between "+
			"the operator and the host. If its keys were changed on purpose, pin one that it has", e.Address, expected, offered)
	}
}

func (e *UntrustedError) unknownText() string {
	why := "no key of it is pinned"
	if e.Authority {
		why = "known_hosts names only a certificate authority for it, which is not supported"
	}
	return fmt.Sprintf("the host at %s is not known: %s. It shows the key %s; compare it with the host's own "+
		"(ssh-keygen -lf /etc/ssh/ssh_host_*.pub there), then add this line to known_hosts: %s",
		e.Address, why, e.Fingerprint, e.Line)
}
