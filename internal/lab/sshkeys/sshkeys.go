// Package sshkeys makes SSH keys for tests.
package sshkeys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"testing"

	"golang.org/x/crypto/ssh"
)

// New returns a new ed25519 key.
func New(t testing.TB) crypto.Signer {
	t.Helper()
	return NewOf(t, ssh.KeyAlgoED25519)
}

// NewOf returns a new key of a type, such as "ssh-rsa".
func NewOf(t testing.TB, keyType string) crypto.Signer {
	t.Helper()
	key, err := generate(keyType)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func generate(keyType string) (key crypto.Signer, err error) {
	switch keyType {
	case ssh.KeyAlgoED25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case ssh.KeyAlgoECDSA256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ssh.KeyAlgoECDSA384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ssh.KeyAlgoECDSA521:
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case ssh.KeyAlgoRSA:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("no key of the type %s", keyType)
	}
	return key, err
}

// Public returns the public key of a key.
func Public(t testing.TB, key crypto.Signer) ssh.PublicKey {
	t.Helper()
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// File returns a private key as ssh-keygen writes it to a file.
func File(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

// Certify returns a certificate of the key, with the fields of the template, signed by the authority.
func Certify(t testing.TB, authority crypto.Signer, key ssh.PublicKey, template ssh.Certificate) *ssh.Certificate {
	t.Helper()
	signer, err := ssh.NewSignerFromSigner(authority)
	if err != nil {
		t.Fatal(err)
	}
	template.Key = key
	if template.ValidBefore == 0 {
		template.ValidBefore = ssh.CertTimeInfinity
	}
	if err := template.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	return &template
}
