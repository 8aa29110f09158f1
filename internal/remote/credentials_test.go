package remote

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/remote/hostkeys"
)

func TestEveryKindOfPrivateKeyIsReadInBothForms(t *testing.T) {
	t.Parallel()
	for _, keyType := range hostkeys.Types() {
		t.Run(keyType, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, keyType)
			pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				t.Fatal(err)
			}
			inPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
			for _, text := range [][]byte{openSSHKey(t, key), inPEM} {
				got, err := ParseCredentials(text, nil)
				if err != nil {
					t.Fatal(err)
				}
				if want := hostkeys.Text(publicKey(t, key)); got.AuthorizedKey() != want {
					t.Errorf("public key %q, want %q", got.AuthorizedKey(), want)
				}
				if want := ssh.FingerprintSHA256(publicKey(t, key)); got.Fingerprint() != want {
					t.Errorf("fingerprint %q, want %q", got.Fingerprint(), want)
				}
			}
		})
	}
}

func TestAnRSAKeySignsWithSHA2Only(t *testing.T) {
	t.Parallel()
	signer := credentials(t, newKey(t, ssh.KeyAlgoRSA), "").signer
	algorithms := signer.(ssh.MultiAlgorithmSigner).Algorithms()
	if got, want := strings.Join(algorithms, ","), "rsa-sha2-512,rsa-sha2-256"; got != want {
		t.Errorf("signs with %s, want %s", got, want)
	}
}

func TestAPrivateKeyThatCannotBeUsedIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	key := newKey(t, ssh.KeyAlgoED25519)
	encrypted, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	whole := openSSHKey(t, key)
	tests := []struct {
		name string
		text []byte
		want PrivateKeyProblem
		says string
	}{
		{"missing", nil, PrivateKeyMissing, "ssh-keygen -t ed25519"},
		{"only blanks", []byte(" \n\t\n"), PrivateKeyMissing, "empty"},
		{"encrypted in OpenSSH's form", pem.EncodeToMemory(encrypted), PrivateKeyEncrypted, "ssh-keygen -p"},
		{"encrypted in PKCS 8", block("ENCRYPTED PRIVATE KEY"), PrivateKeyEncrypted, "passphrase"},
		{"a public key", ssh.MarshalAuthorizedKey(publicKey(t, key)), PrivateKeyPublic, ".pub"},
		{"a public key in PEM", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), PrivateKeyPublic, ".pub"},
		{"garbage", []byte("hunter2"), PrivateKeyUnreadable, "whole file"},
		{"cut off", whole[:len(whole)/2], PrivateKeyUnreadable, "END line"},
		{"damaged", block("OPENSSH PRIVATE KEY"), PrivateKeyUnreadable, "BEGIN line"},
		{"a certificate", block("CERTIFICATE"), PrivateKeyUnreadable, "OpenSSH or PEM"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseCredentials(test.text, nil)
			var refused *PrivateKeyError
			if !errors.As(err, &refused) || refused.Problem != test.want {
				t.Fatalf("error %#v, want a *PrivateKeyError %s", err, test.want)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
		})
	}
}

func block(blockType string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: []byte("nothing that can be read")})
}

func TestARevocationThatCannotBeReadIsRefusedTogetherWithTheKey(t *testing.T) {
	t.Parallel()
	_, err := ParseCredentials(openSSHKey(t, newKey(t, ssh.KeyAlgoED25519)), []byte("# a comment\n\n@revoked nonsense\n"))
	var refused *hostkeys.KnownHostsError
	if !errors.As(err, &refused) || refused.Line != 3 {
		t.Fatalf("error %v, want a *hostkeys.KnownHostsError of line 3", err)
	}
}

func TestTheZeroCredentialsHaveNoKey(t *testing.T) {
	t.Parallel()
	var none Credentials
	if none.AuthorizedKey() != "" || none.Fingerprint() != "" {
		t.Errorf("key %q, fingerprint %q, want none", none.AuthorizedKey(), none.Fingerprint())
	}
	_, err := Dial(t.Context(), Target{Address: "127.0.0.1", User: "somebody"})
	var refused *UnauthorizedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "no private key") {
		t.Errorf("error %v, want an *UnauthorizedError that misses the key", err)
	}
}
