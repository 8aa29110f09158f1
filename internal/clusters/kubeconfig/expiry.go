package kubeconfig

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// Credential is a part of a kubeconfig that expires.
type Credential struct {
	// Kind is one of the constants below.
	Kind string
	// From is when it began to be valid; zero if it does not say so. To is when it expires.
	From, To time.Time
}

// The kinds of Credential, named after the fields of a kubeconfig.
const (
	KindToken             = "token"
	KindClientCertificate = "client-certificate"
	KindAuthority         = "certificate-authority"
)

// Expiring returns what expires of a parsed kubeconfig. What cannot be read, or does not say when it expires, is left out: only the
// cluster can judge it.
func Expiring(config *rest.Config) []Credential {
	var all []Credential
	if from, to := tokenValidity(config.BearerToken); !to.IsZero() {
		all = append(all, Credential{KindToken, from, to})
	}
	// The first certificate is the user's; those of authorities follow.
	if certificates := certificatesIn(config.CertData); len(certificates) > 0 {
		all = append(all, Credential{KindClientCertificate, certificates[0].NotBefore, certificates[0].NotAfter})
	}
	// While an authority is replaced, the previous one and the next one are trusted: the one that is valid longest counts.
	authority := Credential{Kind: KindAuthority}
	for _, certificate := range certificatesIn(config.CAData) {
		if certificate.NotAfter.After(authority.To) {
			authority.From, authority.To = certificate.NotBefore, certificate.NotAfter
		}
	}
	if !authority.To.IsZero() {
		all = append(all, authority)
	}
	return all
}

// certificatesIn returns the certificates of a PEM file.
func certificatesIn(text []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, certificate)
		}
	}
	return all
}

// endOfTime is the year 10000: a token may contain any number.
const endOfTime = 253402300800

// tokenValidity returns when a ServiceAccount's token, which is a JWT (RFC 7519), was issued and when it expires; zero if it is another
// token or does not say so. The signature does not matter: only the cluster trusts the token.
func tokenValidity(token string) (from, to time.Time) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, time.Time{}
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Issued  float64 `json:"iat"`
		Expires float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return time.Time{}, time.Time{}
	}
	return timeOf(claims.Issued), timeOf(claims.Expires)
}

// timeOf returns the time of a number of seconds since 1970; zero if that is no sensible time.
func timeOf(seconds float64) time.Time {
	if seconds <= 0 || seconds >= endOfTime {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000))
}
