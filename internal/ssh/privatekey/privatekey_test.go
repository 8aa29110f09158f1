package privatekey

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"os"
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
				requireKey(t, text, key)
			}
		})
	}
}

// requireKey fails unless the text is read as the key.
func requireKey(t *testing.T, text []byte, key crypto.Signer) {
	t.Helper()
	got, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hostkeys.Text(got.PublicKey()), hostkeys.Text(sshkeys.Public(t, key)); got != want {
		t.Errorf("public key %q, want %q", got, want)
	}
}

func TestAnRSAKeySignsWithSHA2Only(t *testing.T) {
	t.Parallel()
	signer, err := Parse(sshkeys.File(t, sshkeys.NewOf(t, ssh.KeyAlgoRSA)))
	if err != nil {
		t.Fatal(err)
	}
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
		want Problem
		says string
	}{
		{"missing", nil, Missing, "ssh-keygen -t ed25519"},
		{"only blanks", []byte(" \n\t\n"), Missing, "empty"},
		{"encrypted in OpenSSH's form", pem.EncodeToMemory(encrypted), Encrypted, "ssh-keygen -p"},
		{"encrypted in PKCS 8", block("ENCRYPTED PRIVATE KEY"), Encrypted, "passphrase"},
		{"a public key", ssh.MarshalAuthorizedKey(sshkeys.Public(t, key)), Public, ".pub"},
		{"a public key in PEM", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), Public, ".pub"},
		{"garbage", []byte("hunter2"), Unreadable, "whole file"},
		{"cut off", whole[:len(whole)/2], Unreadable, "END line"},
		{"damaged", block("OPENSSH PRIVATE KEY"), Unreadable, "BEGIN line"},
		{"in PuTTY's form", []byte(puttyKey), PuTTY, "puttygen key.ppk -O private-openssh -o key"},
		{"in PuTTY's form with a byte order mark", []byte("\ufeff" + puttyKey), PuTTY, "puttygen"},
		{"a public key as PuTTY writes it", []byte(puttyPublicKey), Public, ".pub"},
		{"of a security key", securityKey(t), SecurityKey, "(sk-ssh-ed25519@openssh.com) works only together with the security key"},
		{"encoded twice", encoded(whole), EncodedTwice, "once too often"},
		{"encoded three times", encoded(encoded(whole)), EncodedTwice, "--from-file=ssh-privatekey=FILE"},
		{"in PuTTY's form, encoded twice", encoded([]byte(puttyKey)), EncodedTwice, "once too often"},
		{"UTF-16", utf16Of(whole, binary.LittleEndian, "\ufeff"), UTF16, "store it as UTF-8"},
		{"UTF-16 with the high byte first", utf16Of(whole, binary.BigEndian, "\ufeff"), UTF16, "store it as UTF-8"},
		{"UTF-16 without a byte order mark", utf16Of(whole, binary.LittleEndian, ""), UTF16, "store it as UTF-8"},
		{"of an old type", openSSHFile("ssh-dss"), Unsupported, "(ssh-dss); use ed25519"},
		{"base64 of something else", encoded([]byte("hunter2")), Unreadable, "whole file"},
		{"without its line ends", []byte(strings.Join(strings.Fields(string(whole)), " ")), Unreadable, "with its line ends"},
		{"a certificate", block("CERTIFICATE"), Unreadable, "OpenSSH or PEM"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(test.text)
			var refused *Error
			if !errors.As(err, &refused) || refused.Problem != test.want {
				t.Fatalf("error %#v, want an *Error %s", err, test.want)
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
	requireKey(t, append([]byte("\ufeff"), sshkeys.File(t, key)...), key)
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
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
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
