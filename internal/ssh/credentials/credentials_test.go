package credentials

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
	"github.com/edgelb/edgelb/internal/ssh/privatekey"
)

func TestCredentialsNameTheirKey(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	got, err := Parse(Files{PrivateKey: sshkeys.File(t, key)})
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

func TestARevocationThatCannotBeReadIsRefusedTogetherWithTheKey(t *testing.T) {
	t.Parallel()
	_, err := Parse(Files{PrivateKey: sshkeys.File(t, sshkeys.New(t)), KnownHosts: []byte("# a comment\n\n@revoked nonsense\n")})
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
	if none.CanLogIn() || none.CertificateValidity() != (hostkeys.Validity{}) {
		t.Error("it has a key or a certificate")
	}
}

func TestTheCertificateIsOfferedBeforeTheKeyAndThePreviousKeyLast(t *testing.T) {
	t.Parallel()
	key, previous := sshkeys.New(t), sshkeys.NewOf(t, ssh.KeyAlgoRSA)
	from := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	certificate := sshkeys.Certify(t, sshkeys.New(t), sshkeys.Public(t, key), ssh.Certificate{
		CertType: ssh.UserCert, ValidAfter: uint64(from.Unix()), ValidBefore: uint64(from.Add(time.Hour).Unix()),
	})
	files := Files{PrivateKey: sshkeys.File(t, key), Certificate: ssh.MarshalAuthorizedKey(certificate), Previous: sshkeys.File(t, previous)}
	got, err := Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, signer := range got.Signers() {
		types = append(types, signer.PublicKey().Type())
	}
	if want := []string{ssh.CertAlgoED25519v01, ssh.KeyAlgoED25519, ssh.KeyAlgoRSA}; !slices.Equal(types, want) {
		t.Errorf("offered are %v, want %v", types, want)
	}
	if want := (hostkeys.Validity{From: from, To: from.Add(time.Hour)}); got.CertificateValidity() != want {
		t.Errorf("the certificate is valid %v, want %v", got.CertificateValidity(), want)
	}
	if !strings.Contains(got.Fingerprint(), "and the previous key "+ssh.FingerprintSHA256(sshkeys.Public(t, previous))) {
		t.Errorf("fingerprints %q", got.Fingerprint())
	}
	identities := map[[32]byte]bool{got.Identity(): true}
	for _, fewer := range []Files{
		{PrivateKey: files.PrivateKey}, {PrivateKey: files.PrivateKey, Previous: files.Previous}, {PrivateKey: files.Previous, Previous: files.PrivateKey},
		{PrivateKey: files.PrivateKey, Certificate: files.Certificate},
	} {
		other, err := Parse(fewer)
		if err != nil || identities[other.Identity()] {
			t.Errorf("error %v, the same identity as another: %t", err, identities[other.Identity()])
		}
		identities[other.Identity()] = true
	}
}

func TestAPreviousKeyThatCannotBeUsedIsReportedAsSuch(t *testing.T) {
	t.Parallel()
	key := sshkeys.File(t, sshkeys.New(t))
	for text, want := range map[string]string{
		" \n":                           "the previous private key is empty; store its file as ssh-privatekey-previous, or remove",
		"nonsense":                      "of ssh-privatekey-previous: the private key cannot be read",
		"PuTTY-User-Key-File-3: x\nx\n": "of ssh-privatekey-previous: the private key is in PuTTY's own form",
	} {
		_, err := Parse(Files{PrivateKey: key, Previous: []byte(text)})
		var invalid *privatekey.Error
		if !errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
