package hostkeys

import (
	"math"
	"time"

	"golang.org/x/crypto/ssh"
)

// Validity is the time in which a certificate is valid: from From on, and before To. A zero time means without that limit.
type Validity struct {
	From, To time.Time
}

// lastSecond is a time that no clock reaches. What a certificate has beyond it cannot be converted.
const lastSecond = math.MaxUint32 << 6

// ValidityOf returns the validity of a certificate.
func ValidityOf(certificate *ssh.Certificate) Validity {
	var v Validity
	if certificate.ValidAfter > 0 {
		v.From = time.Unix(int64(min(certificate.ValidAfter, lastSecond)), 0).UTC()
	}
	if certificate.ValidBefore < lastSecond {
		v.To = time.Unix(int64(certificate.ValidBefore), 0).UTC()
	}
	return v
}

// HasEnded reports whether the certificate has expired.
func (v Validity) HasEnded(now time.Time) bool { return !v.To.IsZero() && !now.Before(v.To) }

// IsAhead reports whether the certificate is not valid yet.
func (v Validity) IsAhead(now time.Time) bool { return !v.From.IsZero() && now.Before(v.From) }
