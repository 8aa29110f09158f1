// Package hostkeys says which keys hosts may have: it reads known_hosts files and single keys, and knows the types of keys that
// are sound.
package hostkeys

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Parse reads one key: a line such as "ssh-ed25519 AAAA…", with or without a comment.
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

// Text is a public key in one line without a comment: "ssh-ed25519 AAAA…".
func Text(key ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}

// Contains says whether the key is one of the keys.
func Contains(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(other ssh.PublicKey) bool {
		return bytes.Equal(other.Marshal(), key.Marshal())
	})
}

// Types are the types of keys that are supported, in the order of preference.
func Types() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
	}
}

// SignatureAlgorithms are the signatures that a type of key is accepted with; nil if the type is not supported. An RSA
// key is not accepted with SHA-1, which is what the algorithm "ssh-rsa" means.
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
