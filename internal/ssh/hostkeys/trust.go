package hostkeys

import (
	"net"
	"slices"
	"strconv"

	"golang.org/x/crypto/ssh"
)

// Trust is what is known of the keys of one host: which it may have, and which not.
type Trust struct {
	// address is "host:port", name is the name in known_hosts format.
	address, name string
	keys          []ssh.PublicKey
	revoked       []ssh.PublicKey
	// authority says that known_hosts names a certificate authority for the host, which is not supported.
	authority bool
	// unusable are the unusable pins or known_hosts lines that may be meant for the host.
	unusable []error
}

// TrustOf returns which keys a host may have: its pins, which are lines such as "ssh-ed25519 AAAA…", otherwise those of known_hosts.
// A key that known_hosts revokes stays revoked even if it is pinned. A pin that cannot be parsed is ignored, but at least one must be
// valid. The error is an *UntrustedError.
func TrustOf(address string, port int, pins []string, known KnownHosts) (Trust, error) {
	result := Trust{
		address: net.JoinHostPort(address, strconv.Itoa(port)), name: HostName(address, port), revoked: known.Revoked(),
	}
	if len(pins) == 0 {
		result.keys, result.authority = known.Lookup(result.name)
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

// Algorithms returns the signature algorithms that the host may use: those of its allowed keys and no others. For
// an unknown host they are all secure ones, so that its key can be shown to a person.
func (t Trust) Algorithms() []string {
	types := Types()
	if len(t.keys) > 0 {
		types = slices.DeleteFunc(types, func(keyType string) bool { return !slices.Contains(t.types(), keyType) })
	}
	var all []string
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

// Check returns nil if the key is allowed, and otherwise an *UntrustedError.
func (t Trust) Check(key ssh.PublicKey) error {
	refusal := &UntrustedError{
		Address:     t.address,
		Fingerprint: ssh.FingerprintSHA256(key),
		Line:        t.name + " " + Text(key),
		Authority:   t.authority,
		Unusable:    t.unusable,
	}
	for _, pinned := range t.keys {
		refusal.Expected = append(refusal.Expected, pinned.Type()+" "+ssh.FingerprintSHA256(pinned))
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

// NoCommonAlgorithm returns the error of a host that has no key of the pinned types.
func (t Trust) NoCommonAlgorithm(offered []string, cause error) error {
	return &UntrustedError{
		Address: t.address, Problem: TypeMissing, Expected: t.types(), Offered: offered, Unusable: t.unusable, Cause: cause,
	}
}
