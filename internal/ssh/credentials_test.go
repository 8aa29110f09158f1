package ssh

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

func TestEveryKindOfPrivateKeyIsReadInBothForms(t *testing.T) {
	t.Parallel()
	for _, keyType := range hostkeys.Types() {
		t.Run(keyType, func(t *testing.T) {
			t.Parallel()
			key := sshkeys.NewOf(t, keyType)
			pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				t.Fatal(err)
			}
			inPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
			for _, text := range [][]byte{sshkeys.File(t, key), inPEM} {
				got, err := ParseCredentials(text, nil)
				if err != nil {
					t.Fatal(err)
				}
				if want := hostkeys.Text(sshkeys.Public(t, key)); got.AuthorizedKey() != want {
					t.Errorf("public key %q, want %q", got.AuthorizedKey(), want)
				}
				if want := ssh.FingerprintSHA256(sshkeys.Public(t, key)); got.Fingerprint() != want {
					t.Errorf("fingerprint %q, want %q", got.Fingerprint(), want)
				}
			}
		})
	}
}

func TestAnRSAKeySignsWithSHA2Only(t *testing.T) {
	t.Parallel()
	signer := credentials(t, sshkeys.NewOf(t, ssh.KeyAlgoRSA), "").signer
	algorithms := signer.(ssh.MultiAlgorithmSigner).Algorithms()
	if got, want := strings.Join(algorithms, ","), "rsa-sha2-512,rsa-sha2-256"; got != want {
		t.Errorf("signs with %s, want %s", got, want)
	}
}

func TestAPrivateKeyThatCannotBeUsedIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	encrypted, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	whole := sshkeys.File(t, key)
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
		{"a public key", ssh.MarshalAuthorizedKey(sshkeys.Public(t, key)), PrivateKeyPublic, ".pub"},
		{"a public key in PEM", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), PrivateKeyPublic, ".pub"},
		{"garbage", []byte("hunter2"), PrivateKeyUnreadable, "whole file"},
		{"cut off", whole[:len(whole)/2], PrivateKeyUnreadable, "END line"},
		{"damaged", block("OPENSSH PRIVATE KEY"), PrivateKeyUnreadable, "BEGIN line"},
		{"in PuTTY's form", []byte(puttyKey), PrivateKeyPuTTY, "puttygen key.ppk -O private-openssh -o key"},
		{"in PuTTY's form with a byte order mark", []byte("\ufeff" + puttyKey), PrivateKeyPuTTY, "puttygen"},
		{"a public key as PuTTY writes it", []byte(puttyPublicKey), PrivateKeyPublic, ".pub"},
		{"of a security key", securityKey(t), PrivateKeySecurityKey, "(sk-ssh-ed25519@openssh.com) works only together with the security key"},
		{"encoded twice", encoded(whole), PrivateKeyEncodedTwice, "once too often"},
		{"encoded three times", encoded(encoded(whole)), PrivateKeyEncodedTwice, "--from-file=ssh-privatekey=FILE"},
		{"in PuTTY's form, encoded twice", encoded([]byte(puttyKey)), PrivateKeyEncodedTwice, "once too often"},
		{"UTF-16", utf16Of(whole, binary.LittleEndian, "\ufeff"), PrivateKeyUTF16, "store it as UTF-8"},
		{"UTF-16 with the high byte first", utf16Of(whole, binary.BigEndian, "\ufeff"), PrivateKeyUTF16, "store it as UTF-8"},
		{"UTF-16 without a byte order mark", utf16Of(whole, binary.LittleEndian, ""), PrivateKeyUTF16, "store it as UTF-8"},
		{"of an old type", openSSHFile("ssh-dss"), PrivateKeyUnsupported, "(ssh-dss); use ed25519"},
		{"base64 of something else", encoded([]byte("hunter2")), PrivateKeyUnreadable, "whole file"},
		{"without its line ends", []byte(strings.Join(strings.Fields(string(whole)), " ")), PrivateKeyUnreadable, "with its line ends"},
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

// A byte order mark has no meaning in UTF-8, but some editors write one.
func TestAPrivateKeyMayBeginWithAByteOrderMark(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	got, err := ParseCredentials(append([]byte("\ufeff"), sshkeys.File(t, key)...), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := hostkeys.Text(sshkeys.Public(t, key)); got.AuthorizedKey() != want {
		t.Errorf("public key %q, want %q", got.AuthorizedKey(), want)
	}
}

// The output of puttygen 0.78 for an unused key.
const (
	puttyKey = `PuTTY-User-Key-File-3: ssh-ed25519
Encryption: none
Comment: root@laptop
Public-Lines: 2
AAAAC3NzaC1lZDI1NTE5AAAAICsH+j2YdySrFhbtn70NzTiUlfxb5C4n+ShK5Vnp
lwGy
Private-Lines: 1
AAAAIKglm2WipxsCTWG52ynsAUcLvDyuYLgtAnxyn/ivCv1z
Private-MAC: f7582b670aec5421391438c41f2bff4a6be1e7ce2979763170ef5276882b3d64
`
	puttyPublicKey = `---- BEGIN SSH2 PUBLIC KEY ----
Comment: "root@laptop"
AAAAC3NzaC1lZDI1NTE5AAAAICsH+j2YdySrFhbtn70NzTiUlfxb5C4n+ShK5Vnp
lwGy
---- END SSH2 PUBLIC KEY ----
`
)

// securityKey returns the file of a security key that ssh-keygen accepts.
func securityKey(t *testing.T) []byte {
	t.Helper()
	file := openSSHFile(ssh.KeyAlgoSKED25519)
	path := filepath.Join(t.TempDir(), "id_ed25519_sk")
	write(t, path, file)
	out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-lf", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ED25519-SK") {
		t.Fatalf("ssh-keygen says %s, error %v", out, err)
	}
	return file
}

// openSSHFile returns a file in OpenSSH format in which only the public key is complete.
func openSSHFile(keyType string) []byte {
	public := ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{keyType, make([]byte, 32), "ssh:"})
	file := ssh.Marshal(struct {
		Cipher, KDF, KDFOptions string
		Count                   uint32
		Public, Private         []byte
	}{"none", "none", "", 1, public, make([]byte, 64)})
	return pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: append([]byte("openssh-key-v1\x00"), file...)})
}

func encoded(text []byte) []byte {
	return []byte(base64.StdEncoding.EncodeToString(text) + "\n")
}

func utf16Of(text []byte, order binary.AppendByteOrder, mark string) []byte {
	var file []byte
	for _, unit := range utf16.Encode([]rune(mark + string(text))) {
		file = order.AppendUint16(file, unit)
	}
	return file
}

func block(blockType string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: []byte("nothing that can be read")})
}

func TestARevocationThatCannotBeReadIsRefusedTogetherWithTheKey(t *testing.T) {
	t.Parallel()
	_, err := ParseCredentials(sshkeys.File(t, sshkeys.New(t)), []byte("# a comment\n\n@revoked nonsense\n"))
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
