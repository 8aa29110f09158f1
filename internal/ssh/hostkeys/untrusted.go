package hostkeys

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	// UnknownAuthority means that the host has a certificate of an authority that known_hosts does not name for it, and that the key in
	// it is not known either. The others concern a certificate of an authority that is named.
	UnknownAuthority       UntrustedProblem = "UnknownAuthority"
	CertificateMissing     UntrustedProblem = "CertificateMissing"
	CertificateOfUser      UntrustedProblem = "CertificateOfUser"
	CertificateForOthers   UntrustedProblem = "CertificateForOthers"
	CertificateExpired     UntrustedProblem = "CertificateExpired"
	CertificateNotYetValid UntrustedProblem = "CertificateNotYetValid"
	CertificateForged      UntrustedProblem = "CertificateForged"
)

// UntrustedError says that the host's identity is not verified. Nothing was sent to it that would help an impostor.
type UntrustedError struct {
	// Address is "host:port".
	Address string
	Problem UntrustedProblem
	// Fingerprint is that of the received key, such as "SHA256:…"; Line is the known_hosts line that would trust it. Both are
	// empty if no key was received.
	Fingerprint, Line string
	// Expected are the types and fingerprints of the allowed keys, or authorities; with TypeMissing the types alone.
	Expected []string
	// Offered are the signature algorithms of a host that has no key of the expected types.
	Offered []string
	// Authority is the type and fingerprint of the authority of the host's certificate, Name the name that the certificate must be for,
	// and Principals and Validity are the certificate's own.
	Authority, Name string
	Principals      []string
	Validity        Validity
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
		return e.revokedText()
	case TypeMissing:
		return e.typeText(expected)
	case PinUnreadable:
		return fmt.Sprintf("the host key %q that is pinned for %s cannot be read: %v; it must be a line such as "+
			"\"ssh-ed25519 AAAA…\", as ssh-keyscan prints it after the name", e.Pin, e.Address, e.Cause)
	case Unknown, UnknownAuthority:
		return e.unknownText()
	default:
		return e.certificateText()
	}
}

func (e *UntrustedError) revokedText() string {
	if e.Authority != "" {
		return fmt.Sprintf("the host at %s has a certificate of the key %s, signed by %s, and known_hosts revokes one of these keys; give the host a new key and "+
			"certificate", e.Address, e.Fingerprint, e.Authority)
	}
	return fmt.Sprintf("the host at %s has the key %s, which known_hosts revokes; give the host a new key", e.Address, e.Fingerprint)
}

// certificateText says why a host's certificate of a known authority is not accepted, or that there is none.
func (e *UntrustedError) certificateText() string {
	sign := fmt.Sprintf("sign the host's key (ssh-keygen -s CA -h -I %[1]s -n %[1]s /etc/ssh/ssh_host_ed25519_key.pub), and reload sshd there", e.Name)
	switch e.Problem {
	case CertificateMissing:
		return fmt.Sprintf("the host at %s has no certificate, and known_hosts names a certificate authority for it (it offers %s): %s, with the line "+
			"\"HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub\" in /etc/ssh/sshd_config; or add the host's key to known_hosts",
			e.Address, sanitize.List(e.Offered), sign)
	case CertificateOfUser:
		return fmt.Sprintf("the host at %s shows the certificate of a user: somebody may be between the operator and the host. If not, %s", e.Address, sign)
	case CertificateForOthers:
		return fmt.Sprintf("the host at %s has a certificate for %s, and not for %s: somebody may be between the operator and the host. If not, name the host in the "+
			"spec as the certificate does, or %s", e.Address, sanitize.List(e.Principals), e.Name, sign)
	case CertificateExpired:
		return fmt.Sprintf("the certificate of the host at %s has expired at %s: %s", e.Address, stamp(e.Validity.To), sign)
	case CertificateNotYetValid:
		return fmt.Sprintf("the certificate of the host at %s is not valid before %s: wait until then, or correct the clocks of the operator's node and of the machine "+
			"that signed it", e.Address, stamp(e.Validity.From))
	default:
		return fmt.Sprintf("the certificate of the host at %s is not accepted as one of its authority (%s): %s. Somebody may be between the operator and the "+
			"host. If not, %s", e.Address, e.Authority, sanitize.Line(e.Cause.Error(), sanitize.Quote), sign)
	}
}

// stamp formats a time for a person.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

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
	if e.Problem == UnknownAuthority {
		why = fmt.Sprintf("its certificate is signed by %s, and known_hosts names %s", e.Authority, strings.Join(e.Expected, " or "))
	}
	return fmt.Sprintf("the host at %s is not known: %s. It shows the key %s; compare it with the host's own "+
		"(ssh-keygen -lf /etc/ssh/ssh_host_*.pub there), then add this line to known_hosts: %s",
		e.Address, why, e.Fingerprint, e.Line)
}
