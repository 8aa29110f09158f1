package remote

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// trust is what is known about the keys of one host.
type trust struct {
	// address is "host:port", name is how known_hosts files write it.
	address, name string
	keys          []ssh.PublicKey
	revoked       []ssh.PublicKey
	// authority says that a certificate authority is named for the host, which is not enough.
	authority bool
}

// trustOf finds out which keys the host may have: the target's own pins, else what known_hosts says. A key that
// known_hosts revokes stays revoked even if it is pinned.
func trustOf(t Target) (trust, error) {
	known := t.Credentials.knownHosts
	result := trust{address: t.hostPort(), name: hostName(t.Address, t.port()), revoked: known.revoked}
	if len(t.HostKeys) == 0 {
		result.keys, result.authority = known.lookup(result.name)
		return result, nil
	}
	for _, line := range t.HostKeys {
		key, err := ParseHostKey(line)
		if err != nil {
			return trust{}, &UntrustedError{Address: result.address, Problem: PinUnreadable, Pin: line, Cause: err}
		}
		result.keys = append(result.keys, key)
	}
	return result, nil
}

// ParseHostKey reads one pin: a line such as "ssh-ed25519 AAAA…", with or without a comment.
func ParseHostKey(line string) (ssh.PublicKey, error) {
	line = strings.TrimSpace(line)
	if strings.ContainsAny(line, "\r\n") {
		return nil, errors.New("it has more than one line")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, err
	}
	if len(options) > 0 {
		return nil, errors.New("it has something before the type of the key")
	}
	if signatureAlgorithms(key.Type()) == nil {
		return nil, errors.New("keys of the type " + key.Type() + " are not supported")
	}
	return key, nil
}

// algorithms are the signatures that the host may prove itself with: those of the keys it may have and no others. For
// an unknown host they are all that are sound, so that its key can be shown to a person.
func (t trust) algorithms() []string {
	types := keyTypes()
	if len(t.keys) > 0 {
		types = slices.DeleteFunc(types, func(keyType string) bool { return !slices.Contains(t.types(), keyType) })
	}
	var all []string
	for _, keyType := range types {
		all = append(all, signatureAlgorithms(keyType)...)
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
		Line:        t.name + " " + keyText(key),
		Authority:   t.authority,
	}
	for _, pinned := range t.keys {
		refusal.Expected = append(refusal.Expected, pinned.Type()+" "+ssh.FingerprintSHA256(pinned))
	}
	switch {
	case containsKey(t.revoked, key):
		refusal.Problem = HostKeyRevoked
	case len(t.keys) == 0:
		refusal.Problem = HostUnknown
	case !containsKey(t.keys, key):
		refusal.Problem = HostKeyChanged
	default:
		return nil
	}
	return refusal
}

// noCommonAlgorithm is the refusal of a host that has no key of the types that are pinned.
func (t trust) noCommonAlgorithm(offered []string, cause error) error {
	return &UntrustedError{
		Address: t.address, Problem: HostKeyTypeMissing, Expected: t.types(), Offered: offered, Cause: cause,
	}
}

func containsKey(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(other ssh.PublicKey) bool {
		return bytes.Equal(other.Marshal(), key.Marshal())
	})
}

// keyTypes are the types of keys that are supported, in the order of preference.
func keyTypes() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
	}
}

// signatureAlgorithms are the signatures that a type of key is accepted with; nil if the type is not supported. An RSA
// key is not accepted with SHA-1, which is what the algorithm "ssh-rsa" means.
func signatureAlgorithms(keyType string) []string {
	switch {
	case keyType == ssh.KeyAlgoRSA:
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	case slices.Contains(keyTypes(), keyType):
		return []string{keyType}
	default:
		return nil
	}
}
