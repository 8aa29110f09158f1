// Package hostkeys says which keys a host may have: it parses known_hosts files and pins, checks the key that a host shows, and
// says how to trust one that is not trusted.
package hostkeys

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Parse parses one key: a line such as "ssh-ed25519 AAAA…", with or without a comment.
func Parse(line string) (ssh.PublicKey, error) {
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
	if SignatureAlgorithms(key.Type()) == nil {
		return nil, errors.New("keys of the type " + key.Type() + " are not supported")
	}
	return key, nil
}

// Text returns a public key as one line without a comment: "ssh-ed25519 AAAA…".
func Text(key ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}

// Contains reports whether the key is one of the keys.
func Contains(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(other ssh.PublicKey) bool {
		return bytes.Equal(other.Marshal(), key.Marshal())
	})
}

// Types returns the supported key types, in order of preference.
func Types() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
	}
}

// SignatureAlgorithms returns the accepted signature algorithms of a key type; nil if the type is not supported. RSA with
// SHA-1, which the algorithm "ssh-rsa" means, is not accepted.
func SignatureAlgorithms(keyType string) []string {
	switch {
	case keyType == ssh.KeyAlgoRSA:
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	case slices.Contains(Types(), keyType):
		return []string{keyType}
	default:
		return nil
	}
}
