package hostkeys

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
)

// trust returns which keys the host gw1 may have.
func trust(t *testing.T, pins []string, known KnownHosts) Trust {
	t.Helper()
	return trustIn(t, "gw1", 22, pins, known)
}

func trustIn(t *testing.T, address string, port int, pins []string, known KnownHosts) Trust {
	t.Helper()
	trust, err := TrustOf(address, port, pins, known)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// assertProblem checks the error for a host that shows the key.
func assertProblem(t *testing.T, trust Trust, shown string, want UntrustedProblem) *UntrustedError {
	t.Helper()
	var refused *UntrustedError
	if err := trust.Check(parse(t, shown), time.Now()); !errors.As(err, &refused) || refused.Problem != want {
		t.Fatalf("error %v, want an *UntrustedError %s", err, want)
	}
	return refused
}

func TestPinsReplaceKnownHosts(t *testing.T) {
	t.Parallel()
	known := parseKnown(t, "gw1 "+keyA+"\n")
	pinned := trust(t, []string{keyB + " root@gw1"}, known)
	_ = assertProblem(t, pinned, keyA, Changed)
	if err := pinned.Check(parse(t, keyB), time.Now()); err != nil {
		t.Errorf("the pinned key is refused: %v", err)
	}
	_ = assertProblem(t, trust(t, nil, known), keyB, Changed)
}

func TestAChangedKeyIsReportedWithTheExpectedAndTheActualKey(t *testing.T) {
	t.Parallel()
	err := assertProblem(t, trust(t, []string{keyA}, KnownHosts{}), keyB, Changed)
	for _, part := range []string{
		ssh.FingerprintSHA256(parse(t, keyA)), ssh.FingerprintSHA256(parse(t, keyB)), "gw1 " + keyB, "somebody may be between",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestTheReportedLineMakesAnUnknownHostKnown(t *testing.T) {
	t.Parallel()
	for _, host := range []struct {
		address string
		port    int
	}{{"gw1", 22}, {"GW1", 22}, {"gw1", 2222}, {"2001:db8::1", 22}, {"2001:db8::1", 2222}} {
		refused := assertProblem(t, trustIn(t, host.address, host.port, nil, KnownHosts{}), keyA, Unknown)
		if !strings.HasSuffix(refused.Error(), refused.Line) || refused.Fingerprint != ssh.FingerprintSHA256(parse(t, keyA)) {
			t.Errorf("%q does not give the line %q", refused, refused.Line)
		}
		if err := trustIn(t, host.address, host.port, nil, parseKnown(t, refused.Line)).Check(parse(t, keyA), time.Now()); err != nil {
			t.Errorf("after adding %q: %v", refused.Line, err)
		}
	}
}

func TestOnlyTheAlgorithmsOfPinnedKeysAreNegotiated(t *testing.T) {
	t.Parallel()
	pin := func(keyType string) string { return Text(sshkeys.Public(t, sshkeys.NewOf(t, keyType))) }
	all := []string{
		"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256",
	}
	tests := []struct {
		name string
		pins []string
		want []string
	}{
		{"ed25519", []string{keyA}, []string{"ssh-ed25519"}},
		{"RSA means SHA-2", []string{pin(ssh.KeyAlgoRSA)}, []string{"rsa-sha2-512", "rsa-sha2-256"}},
		{"two types", []string{pin(ssh.KeyAlgoECDSA256), keyA}, []string{"ssh-ed25519", "ecdsa-sha2-nistp256"}},
		{"two keys of a type", []string{keyA, keyB}, []string{"ssh-ed25519"}},
		{"none, to see a key", nil, all},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := trust(t, test.pins, KnownHosts{}).Algorithms(); !slices.Equal(got, test.want) {
				t.Errorf("algorithms %v, want %v", got, test.want)
			}
		})
	}
}

func TestAPinThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, pin := range []string{
		"", "SHA256:abc", "ssh-ed25519", "ssh-ed25519 AAAA", keyA + "\n" + keyB, "restrict " + keyA, "gw1 " + keyA,
	} {
		_, err := TrustOf("gw1", 22, []string{pin, "nonsense"}, KnownHosts{})
		var refused *UntrustedError
		if !errors.As(err, &refused) || refused.Problem != PinUnreadable || refused.Pin != pin {
			t.Errorf("pin %q: error %v, want an *UntrustedError %s", pin, err, PinUnreadable)
		}
	}
}

// An invalid entry does not affect the others, and is reported if it may be the missing one.
func TestAnUnreadablePinDoesNotAffectAnotherPin(t *testing.T) {
	t.Parallel()
	pinned := trust(t, []string{"ssh-dss AAAA", keyA}, KnownHosts{})
	if err := pinned.Check(parse(t, keyA), time.Now()); err != nil {
		t.Errorf("the key that is pinned as well: %v", err)
	}
	if refused := assertProblem(t, pinned, keyB, Changed); !strings.Contains(refused.Error(), `"ssh-dss AAAA"`) {
		t.Errorf("%q does not name the pin that cannot be read", refused)
	}
}

func TestAnUnusableLineThatMayBeMeantForAnUnknownHostIsReported(t *testing.T) {
	t.Parallel()
	known := parseKnown(t, "gw2 "+keyA+"\ngw1 ssh-dss AAAAB3NzaC1kc3MAAACBAA==\n")
	for host, want := range map[string]bool{"gw1": true, "gw3": false} {
		refused := assertProblem(t, trustIn(t, host, 22, nil, known), keyB, Unknown)
		if got := strings.Contains(refused.Error(), "line 2 of known_hosts cannot be used: keys of the type ssh-dss are not supported"); got != want {
			t.Errorf("%s: %q", host, refused)
		}
	}
}

func TestARevokedKeyIsRefusedOnEveryHost(t *testing.T) {
	t.Parallel()
	known := parseKnown(t, "gw1 "+keyA+"\n@revoked gw9 "+keyA+"\n")
	_ = assertProblem(t, trust(t, nil, known), keyA, Revoked)
	_ = assertProblem(t, trust(t, []string{keyA}, known), keyA, Revoked)
}
