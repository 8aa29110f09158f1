package ssh

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

func TestCredentialsNameTheirKey(t *testing.T) {
	t.Parallel()
	key := sshkeys.New(t)
	got := credentials(t, key, "")
	if want := hostkeys.Text(sshkeys.Public(t, key)); got.AuthorizedKey() != want {
		t.Errorf("public key %q, want %q", got.AuthorizedKey(), want)
	}
	if want := ssh.FingerprintSHA256(sshkeys.Public(t, key)); got.Fingerprint() != want {
		t.Errorf("fingerprint %q, want %q", got.Fingerprint(), want)
	}
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
