package privatekey

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

// CertificateProblem is why a user certificate cannot be used, whatever the host says.
type CertificateProblem string

// The problems of a user certificate.
const (
	CertificateUnreadable CertificateProblem = "Unreadable"
	NoCertificate         CertificateProblem = "NoCertificate"
	OfAHost               CertificateProblem = "OfAHost"
	OfAnotherKey          CertificateProblem = "OfAnotherKey"
)

// CertificateError says that a user certificate cannot be used.
type CertificateError struct {
	Problem CertificateProblem
	// Certified and Key are the fingerprints of the key that the certificate is for, and of the private key.
	Certified, Key string
	Cause          error
}

// howToSign ends the messages about a certificate that must be made anew.
const howToSign = "sign the public key that belongs to ssh-privatekey (ssh-keygen -s CA -I edgelb -n USER -V +52w KEY.pub) and store what that " +
	"writes, KEY-cert.pub, as ssh-privatekey-cert.pub"

func (e *CertificateError) Error() string {
	switch e.Problem {
	case NoCertificate:
		return "ssh-privatekey-cert.pub has a public key and not a certificate: " + howToSign
	case OfAHost:
		return "ssh-privatekey-cert.pub is the certificate of a host and not of a user: " + howToSign + ", without the option -h"
	case OfAnotherKey:
		return fmt.Sprintf("ssh-privatekey-cert.pub is the certificate of the key %s, and ssh-privatekey is the key %s: %s", e.Certified, e.Key, howToSign)
	default:
		return "ssh-privatekey-cert.pub cannot be read as one line with an OpenSSH certificate: " + howToSign
	}
}

func (e *CertificateError) Unwrap() error { return e.Cause }

// ParseCertificate parses the user certificate of a private key: one line, as ssh-keygen writes it. The error is a *CertificateError. Whether the
// certificate is valid now, and for which user, only the host decides; see Doubt.
func ParseCertificate(text []byte, signer ssh.Signer) (*ssh.Certificate, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte(byteOrderMark)))
	if bytes.ContainsAny(text, "\r\n") {
		return nil, &CertificateError{Problem: CertificateUnreadable, Cause: errors.New("it has more than one line")}
	}
	public, _, options, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil || len(options) > 0 {
		return nil, &CertificateError{Problem: CertificateUnreadable, Cause: err}
	}
	certificate, is := public.(*ssh.Certificate)
	switch {
	case !is:
		return nil, &CertificateError{Problem: NoCertificate}
	case certificate.CertType != ssh.UserCert:
		return nil, &CertificateError{Problem: OfAHost}
	case !hostkeys.Contains([]ssh.PublicKey{signer.PublicKey()}, certificate.Key):
		return nil, &CertificateError{
			Problem: OfAnotherKey, Certified: ssh.FingerprintSHA256(certificate.Key), Key: ssh.FingerprintSHA256(signer.PublicKey()),
		}
	}
	return certificate, nil
}

// Doubt returns what is likely wrong with a user certificate that a host has refused, and what to do, as a sentence; empty if
// nothing is apparent.
func Doubt(certificate *ssh.Certificate, user string, now time.Time) string {
	validity := hostkeys.ValidityOf(certificate)
	switch {
	case validity.HasEnded(now):
		return fmt.Sprintf("the certificate in ssh-privatekey-cert.pub has expired at %s: %s", stamp(validity.To), howToSign)
	case validity.IsAhead(now):
		return fmt.Sprintf("the certificate in ssh-privatekey-cert.pub is not valid before %s: wait until then, or correct the clocks of the "+
			"operator's node and of the machine that signed it", stamp(validity.From))
	case len(certificate.ValidPrincipals) == 0:
		return fmt.Sprintf("the certificate in ssh-privatekey-cert.pub names no principal, and sshd takes none without: sign it for the user (-n %s)", user)
	case !slices.Contains(certificate.ValidPrincipals, user):
		return fmt.Sprintf("the certificate in ssh-privatekey-cert.pub is for the principals %s, which %q is not among: sign it for this user (-n %s), name "+
			"another user in the spec, or let the host take one of these principals for the user (AuthorizedPrincipalsFile in /etc/ssh/sshd_config there)",
			sanitize.List(certificate.ValidPrincipals), user, user)
	}
	if from, limited := certificate.CriticalOptions["source-address"]; limited {
		return fmt.Sprintf("the certificate in ssh-privatekey-cert.pub is for connections from %s only: see there from which address the host sees the "+
			"operator, and sign it for that (-O source-address=…) or without the option", sanitize.Line(from, sanitize.Name))
	}
	return ""
}

// Trust returns what lets a host take a certificate, as a sentence.
func Trust(certificate *ssh.Certificate) string {
	return fmt.Sprintf("to let the host take the certificate in ssh-privatekey-cert.pub, name a file with its authority's public key (%s) in /etc/ssh/sshd_config "+
		"there, by the line \"TrustedUserCAKeys /etc/ssh/user_ca.pub\"", strings.TrimSpace(hostkeys.Text(certificate.SignatureKey)))
}

// stamp formats a time for a person.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }
