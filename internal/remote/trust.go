package remote

import (
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/remote/hostkeys"
)

// trust is what is known about the keys of one host.
type trust struct {
	// address is "host:port", name is how known_hosts files write it.
	address, name string
	keys          []ssh.PublicKey
	revoked       []ssh.PublicKey
	// authority says that a certificate authority is named for the host, which is not enough.
	authority bool
	// unusable are what may have been meant for the host's key and cannot be used: a pin, or a line of known_hosts.
	unusable []error
}

// trustOf finds out which keys the host may have: the target's own pins, else what known_hosts says. A key that
// known_hosts revokes stays revoked even if it is pinned. A pin that cannot be read pins nothing, but one of them has to be readable.
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

// algorithms are the signatures that the host may prove itself with: those of the keys it may have and no others. For
// an unknown host they are all that are sound, so that its key can be shown to a person.
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

// types are the types of the keys that the host may have.
func (t trust) types() []string {
	var types []string
	for _, key := range t.keys {
		if !slices.Contains(types, key.Type()) {
			types = append(types, key.Type())
		}
	}
	return types
}

// check returns nil if the host may have the key, and else a *UntrustedError.
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

// noCommonAlgorithm is the refusal of a host that has no key of the types that are pinned.
func (t trust) noCommonAlgorithm(offered []string, cause error) error {
	return &UntrustedError{
		Address: t.address, Problem: HostKeyTypeMissing, Expected: t.types(), Offered: offered, Unusable: t.unusable, Cause: cause,
	}
}
