package outage

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// isLasting reports whether an error is a configuration error that does not go away by waiting, such as an untrusted certificate.
func isLasting(err error) bool {
	var unverified *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var alert tls.AlertError
	return errors.As(err, &unverified) || errors.As(err, &record) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &alert)
}
