package hostkeys

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/sanitize"
)

// certificateAlgorithms returns the signature algorithms with which a host may prove a certificate, in order of preference.
func certificateAlgorithms() []string {
	return []string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
	}
}

// checkCertificate returns nil if a certificate that a known authority is said to have signed is one of the host, and otherwise an
// *UntrustedError.
func (t Trust) checkCertificate(certificate *ssh.Certificate, login time.Time) error {
	problem, cause := t.judge(certificate, login)
	if problem == "" {
		return nil
	}
	validity := ValidityOf(certificate)
	return &UntrustedError{
		Address: t.address, Problem: problem, Fingerprint: ssh.FingerprintSHA256(certificate.Key), Name: t.principal,
		Authority: authorityText(certificate), Principals: certificate.ValidPrincipals, Validity: validity, Unusable: t.unusable, Cause: cause,
	}
}

// judge returns why a certificate is not accepted; empty if it is.
func (t Trust) judge(certificate *ssh.Certificate, login time.Time) (UntrustedProblem, error) {
	validity := ValidityOf(certificate)
	switch {
	case Contains(t.revoked, certificate.Key), Contains(t.revoked, certificate.SignatureKey), Contains(t.revoked, certificate):
		return Revoked, nil
	case certificate.CertType != ssh.HostCert:
		return CertificateOfUser, nil
	case !slices.Contains(SignatureAlgorithms(certificate.SignatureKey.Type()), certificate.Signature.Format):
		return CertificateForged, fmt.Errorf("it is signed by %s, which is not safe any more", sanitize.Line(certificate.Signature.Format, sanitize.Name))
	case !t.isPrincipal(certificate.ValidPrincipals):
		return CertificateForOthers, nil
	case validity.HasEnded(login):
		return CertificateExpired, nil
	case validity.IsAhead(login):
		return CertificateNotYetValid, nil
	}
	if err := verify(certificate, login); err != nil {
		return CertificateForged, err
	}
	return "", nil
}

// isPrincipal reports whether the host is one of the principals, which may have wildcards. A certificate without any is for every host.
func (t Trust) isPrincipal(principals []string) bool {
	return len(principals) == 0 || slices.ContainsFunc(principals, func(p string) bool { return matchesWildcard(strings.ToLower(p), t.principal) })
}

// verify verifies the authority's signature. An option that is critical and not known is an error; ssh knows none for hosts.
func verify(certificate *ssh.Certificate, login time.Time) error {
	checker := ssh.CertChecker{Clock: func() time.Time { return login }}
	var principal string
	if len(certificate.ValidPrincipals) > 0 {
		principal = certificate.ValidPrincipals[0]
	}
	return checker.CheckCert(principal, certificate)
}

func authorityText(certificate *ssh.Certificate) string {
	return certificate.SignatureKey.Type() + " " + ssh.FingerprintSHA256(certificate.SignatureKey)
}
