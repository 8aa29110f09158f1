package ssh

import (
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

// trust is what is known of the keys of one host.
type trust struct {
	// address is "host:port", name is the name in known_hosts format.
	address, name string
	keys          []ssh.PublicKey
	revoked       []ssh.PublicKey
	// authority says that known_hosts names a certificate authority for the host, which is not supported.
	authority bool
	// unusable are the unusable pins or known_hosts lines that may be meant for the host.
	unusable []error
}

// trustOf returns which keys the host may have: the target's pins, otherwise those of known_hosts. A key that known_hosts
// revokes stays revoked even if it is pinned. A pin that cannot be parsed is ignored, but at least one must be valid.
func trustOf(t Target) (trust, error) {
	known := t.Credentials.knownHosts
	result := trust{address: t.hostPort(), name: hostkeys.HostName(t.Address, t.port()), revoked: known.Revoked()}
	if len(t.HostKeys) == 0 {
		result.keys, result.authority = known.Lookup(result.name)
		for _, line := range known.Unusable(result.name) {
			result.unusable = append(result.unusable, line)
		}
		return result, nil
	}
	for _, line := range t.HostKeys {
		key, err := hostkeys.Parse(line)
		if err != nil {
			result.unusable = append(result.unusable, &UntrustedError{Address: result.address, Problem: PinUnreadable, Pin: line, Cause: err})
			continue
		}
		result.keys = append(result.keys, key)
	}
	if len(result.keys) == 0 {
		return trust{}, result.unusable[0]
	}
	return result, nil
}

// algorithms returns the signature algorithms that the host may use: those of its allowed keys and no others. For
// an unknown host they are all secure ones, so that its key can be shown to a person.
func (t trust) algorithms() []string {
	types := hostkeys.Types()
	if len(t.keys) > 0 {
		types = slices.DeleteFunc(types, func(keyType string) bool { return !slices.Contains(t.types(), keyType) })
	}
	var all []string
	for _, keyType := range types {
		all = append(all, hostkeys.SignatureAlgorithms(keyType)...)
	}
	return all
}

// types returns the types of the allowed keys.
func (t trust) types() []string {
	var types []string
	for _, key := range t.keys {
		if !slices.Contains(types, key.Type()) {
			types = append(types, key.Type())
		}
	}
	return types
}

// check returns nil if the key is allowed, and otherwise an *UntrustedError.
func (t trust) check(key ssh.PublicKey) error {
	refusal := &UntrustedError{
		Address:     t.address,
		Fingerprint: ssh.FingerprintSHA256(key),
		Line:        t.name + " " + hostkeys.Text(key),
		Authority:   t.authority,
		Unusable:    t.unusable,
	}
	for _, pinned := range t.keys {
		refusal.Expected = append(refusal.Expected, pinned.Type()+" "+ssh.FingerprintSHA256(pinned))
	}
	switch {
	case hostkeys.Contains(t.revoked, key):
		refusal.Problem = HostKeyRevoked
	case len(t.keys) == 0:
		refusal.Problem = HostUnknown
	case !hostkeys.Contains(t.keys, key):
		refusal.Problem = HostKeyChanged
	default:
		return nil
	}
	return refusal
}

// noCommonAlgorithm returns the error of a host that has no key of the pinned types.
func (t trust) noCommonAlgorithm(offered []string, cause error) error {
	return &UntrustedError{
		Address: t.address, Problem: HostKeyTypeMissing, Expected: t.types(), Offered: offered, Unusable: t.unusable, Cause: cause,
	}
}
