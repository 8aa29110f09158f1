package ssh

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

// Two unused keys.
const (
	keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	keyB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
)

func parsePin(t testing.TB, line string) ssh.PublicKey {
	t.Helper()
	key, err := hostkeys.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// assertProblem checks the error for a host that shows the key.
func assertProblem(t *testing.T, target Target, shown string, want UntrustedProblem) *UntrustedError {
	t.Helper()
	known, err := trustOf(target)
	if err != nil {
		t.Fatal(err)
	}
	var refused *UntrustedError
	if err := known.check(parsePin(t, shown)); !errors.As(err, &refused) || refused.Problem != want {
		t.Fatalf("error %v, want an *UntrustedError %s", err, want)
	}
	return refused
}

func TestThePinsOfATargetReplaceKnownHosts(t *testing.T) {
	t.Parallel()
	known := Credentials{knownHosts: parseKnown(t, "gw1 "+keyA+"\n")}
	pinned := Target{Address: "gw1", Credentials: known, HostKeys: []string{keyB + " root@gw1"}}
	_ = assertProblem(t, pinned, keyA, HostKeyChanged)
	accepted, err := trustOf(pinned)
	if err != nil {
		t.Fatal(err)
	}
	if err := accepted.check(parsePin(t, keyB)); err != nil {
		t.Errorf("the pinned key is refused: %v", err)
	}
	_ = assertProblem(t, Target{Address: "gw1", Credentials: known}, keyB, HostKeyChanged)
}

func TestAChangedKeyIsReportedWithTheExpectedAndTheActualKey(t *testing.T) {
	t.Parallel()
	err := assertProblem(t, Target{Address: "gw1", HostKeys: []string{keyA}}, keyB, HostKeyChanged)
	for _, part := range []string{
		ssh.FingerprintSHA256(parsePin(t, keyA)), ssh.FingerprintSHA256(parsePin(t, keyB)), "gw1 " + keyB, "somebody may be between",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestTheReportedLineMakesAnUnknownHostKnown(t *testing.T) {
	t.Parallel()
	for _, target := range []Target{
		{Address: "gw1"}, {Address: "GW1", Port: 22}, {Address: "gw1", Port: 2222}, {Address: "2001:db8::1"},
		{Address: "2001:db8::1", Port: 2222},
	} {
		refused := assertProblem(t, target, keyA, HostUnknown)
		if !strings.HasSuffix(refused.Error(), refused.Line) || refused.Fingerprint != ssh.FingerprintSHA256(parsePin(t, keyA)) {
			t.Errorf("%q does not give the line %q", refused, refused.Line)
		}
		target.Credentials.knownHosts = parseKnown(t, refused.Line)
		known, err := trustOf(target)
		if err != nil {
			t.Fatal(err)
		}
		if err := known.check(parsePin(t, keyA)); err != nil {
			t.Errorf("after adding %q: %v", refused.Line, err)
		}
	}
}

func TestOnlyTheAlgorithmsOfPinnedKeysAreNegotiated(t *testing.T) {
	t.Parallel()
	pin := func(keyType string) string { return hostkeys.Text(sshkeys.Public(t, sshkeys.NewOf(t, keyType))) }
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
			known, err := trustOf(Target{Address: "gw1", HostKeys: test.pins})
			if err != nil {
				t.Fatal(err)
			}
			if got := known.algorithms(); !slices.Equal(got, test.want) {
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
		_, err := Dial(t.Context(), Target{Address: "127.0.0.1", HostKeys: []string{pin, "nonsense"}})
		var refused *UntrustedError
		if !errors.As(err, &refused) || refused.Problem != PinUnreadable || refused.Pin != pin {
			t.Errorf("pin %q: error %v, want an *UntrustedError %s", pin, err, PinUnreadable)
		}
	}
}

// An invalid entry does not affect the others, and is reported if it may be the missing one.
func TestAnUnreadablePinDoesNotAffectAnotherPin(t *testing.T) {
	t.Parallel()
	target := Target{Address: "gw1", HostKeys: []string{"ssh-dss AAAA", keyA}}
	known, err := trustOf(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := known.check(parsePin(t, keyA)); err != nil {
		t.Errorf("the key that is pinned as well: %v", err)
	}
	if refused := assertProblem(t, target, keyB, HostKeyChanged); !strings.Contains(refused.Error(), `"ssh-dss AAAA"`) {
		t.Errorf("%q does not name the pin that cannot be read", refused)
	}
}

func TestAnUnusableLineThatMayBeMeantForAnUnknownHostIsReported(t *testing.T) {
	t.Parallel()
	known := parseKnown(t, "gw2 "+keyA+"\ngw1 ssh-dss AAAAB3NzaC1kc3MAAACBAA==\n")
	for host, want := range map[string]bool{"gw1": true, "gw3": false} {
		refused := assertProblem(t, Target{Address: host, Credentials: Credentials{knownHosts: known}}, keyB, HostUnknown)
		if got := strings.Contains(refused.Error(), "line 2 of known_hosts cannot be used: keys of the type ssh-dss are not supported"); got != want {
			t.Errorf("%s: %q", host, refused)
		}
	}
}

func TestARevokedKeyIsRefusedOnEveryHost(t *testing.T) {
	t.Parallel()
	known := parseKnown(t, "gw1 "+keyA+"\n@revoked gw9 "+keyA+"\n")
	_ = assertProblem(t, Target{Address: "gw1", Credentials: Credentials{knownHosts: known}}, keyA, HostKeyRevoked)
	pinned := Target{Address: "gw1", HostKeys: []string{keyA}, Credentials: Credentials{knownHosts: known}}
	_ = assertProblem(t, pinned, keyA, HostKeyRevoked)
}

func TestACertificateAuthorityVouchesForNothing(t *testing.T) {
	t.Parallel()
	known := parseKnown(t, "@cert-authority *.example.net "+keyA+"\n")
	err := assertProblem(t, Target{Address: "gw1.example.net", Credentials: Credentials{knownHosts: known}}, keyA, HostUnknown)
	if !strings.Contains(err.Error(), "certificate authority") {
		t.Errorf("%q does not speak of the certificate authority", err)
	}
}

func parseKnown(t testing.TB, text string) hostkeys.KnownHosts {
	t.Helper()
	known, err := hostkeys.ParseKnownHosts([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return known
}
