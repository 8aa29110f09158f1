package hostkeys

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Trust is what is known of the keys of one host: which it may have, and which not.
type Trust struct {
	// address is "host:port", name is the name in known_hosts format, and principal the one that a certificate must be for.
	address, name, principal string
	keys                     []ssh.PublicKey
	// authorities sign certificates of the host.
	authorities []ssh.PublicKey
	revoked     []ssh.PublicKey
	// unusable are the unusable pins or known_hosts lines that may be meant for the host.
	unusable []error
}

// TrustOf returns which keys a host may have: its pins, which are lines such as "ssh-ed25519 AAAA…", otherwise those of known_hosts, which
// may also name certificate authorities. A key that known_hosts revokes stays revoked even if it is pinned. A pin that cannot be parsed is
// ignored, but at least one must be valid. The error is an *UntrustedError.
func TrustOf(address string, port int, pins []string, known KnownHosts) (Trust, error) {
	result := Trust{
		address: net.JoinHostPort(address, strconv.Itoa(port)), name: HostName(address, port), principal: strings.ToLower(address),
		revoked: known.Revoked(),
	}
	if len(pins) == 0 {
		result.keys, result.authorities = known.Lookup(address, port)
		for _, line := range known.Unusable(result.name) {
			result.unusable = append(result.unusable, line)
		}
		return result, nil
	}
	for _, line := range pins {
		key, err := Parse(line)
		if err != nil {
			result.unusable = append(result.unusable, &UntrustedError{Address: result.address, Problem: PinUnreadable, Pin: line, Cause: err})
			continue
		}
		result.keys = append(result.keys, key)
	}
	if len(result.keys) == 0 {
		return Trust{}, result.unusable[0]
	}
	return result, nil
}

// Algorithms returns the signature algorithms that the host may use: those of certificates if an authority may sign its, those of its
// allowed keys, and no others. For an unknown host they are all secure ones, so that its key can be shown to a person.
func (t Trust) Algorithms() []string {
	var all []string
	if len(t.authorities) > 0 {
		all = certificateAlgorithms()
	}
	types := Types()
	if len(t.keys)+len(t.authorities) > 0 {
		types = slices.DeleteFunc(types, func(keyType string) bool { return !slices.Contains(t.types(), keyType) })
	}
	for _, keyType := range types {
		all = append(all, SignatureAlgorithms(keyType)...)
	}
	return all
}

// types returns the types of the allowed keys.
func (t Trust) types() []string {
	var types []string
	for _, key := range t.keys {
		if !slices.Contains(types, key.Type()) {
			types = append(types, key.Type())
		}
	}
	return types
}

// Check returns nil if the key, or the certificate as of the time of the login, is allowed, and otherwise an *UntrustedError. As in ssh, a
// certificate of an unknown authority is no more than the key in it.
func (t Trust) Check(key ssh.PublicKey, login time.Time) error {
	certificate, is := key.(*ssh.Certificate)
	if !is {
		return t.checkKey(key)
	}
	if Contains(t.authorities, certificate.SignatureKey) {
		return t.checkCertificate(certificate, login)
	}
	refusal := t.checkKey(certificate.Key)
	if untrusted, is := refusal.(*UntrustedError); is && untrusted.Problem == Unknown {
		untrusted.Problem, untrusted.Authority = UnknownAuthority, authorityText(certificate)
		untrusted.Expected = fingerprints(t.authorities)
	}
	return refusal
}

func (t Trust) checkKey(key ssh.PublicKey) error {
	refusal := &UntrustedError{
		Address:     t.address,
		Fingerprint: ssh.FingerprintSHA256(key),
		Line:        t.name + " " + Text(key),
		Expected:    fingerprints(t.keys),
		Unusable:    t.unusable,
	}
	switch {
	case Contains(t.revoked, key):
		refusal.Problem = Revoked
	case len(t.keys) == 0:
		refusal.Problem = Unknown
	case !Contains(t.keys, key):
		refusal.Problem = Changed
	default:
		return nil
	}
	return refusal
}

func fingerprints(keys []ssh.PublicKey) []string {
	var all []string
	for _, key := range keys {
		all = append(all, key.Type()+" "+ssh.FingerprintSHA256(key))
	}
	return all
}

// NoCommonAlgorithm returns the error of a host that has no certificate and no key of the pinned types.
func (t Trust) NoCommonAlgorithm(offered []string, cause error) error {
	refusal := &UntrustedError{
		Address: t.address, Problem: TypeMissing, Expected: t.types(), Offered: offered, Unusable: t.unusable, Cause: cause,
	}
	if len(t.authorities) > 0 {
		refusal.Problem, refusal.Name = CertificateMissing, t.principal
	}
	return refusal
}
