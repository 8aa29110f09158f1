package privatekey

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
)

func signerOf(t *testing.T, key any) ssh.Signer {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestACertificateThatCannotBeUsedIsReportedWithItsRemedy(t *testing.T) {
	t.Parallel()
	key, authority := sshkeys.New(t), sshkeys.New(t)
	line := func(of ssh.PublicKey, template ssh.Certificate) string {
		return string(ssh.MarshalAuthorizedKey(sshkeys.Certify(t, authority, of, template)))
	}
	good := line(sshkeys.Public(t, key), ssh.Certificate{CertType: ssh.UserCert})
	for name, test := range map[string]struct {
		text string
		want CertificateProblem
		says string
	}{
		"good":                      {good, "", ""},
		"good, as Windows writes":   {byteOrderMark + strings.TrimSpace(good) + " edgelb\r\n", "", ""},
		"nothing":                   {" \n", CertificateUnreadable, "cannot be read"},
		"nonsense":                  {"\x1b[2Jnonsense", CertificateUnreadable, "cannot be read"},
		"cut off":                   {good[:len(good)/2], CertificateUnreadable, "cannot be read"},
		"two":                       {good + good, CertificateUnreadable, "one line"},
		"an authority's line":       {"cert-authority " + good, CertificateUnreadable, "cannot be read"},
		"the private key":           {string(sshkeys.File(t, key)), CertificateUnreadable, "cannot be read"},
		"a public key":              {string(ssh.MarshalAuthorizedKey(sshkeys.Public(t, key))), NoCertificate, "a public key and not a certificate"},
		"the certificate of a host": {line(sshkeys.Public(t, key), ssh.Certificate{CertType: ssh.HostCert}), OfAHost, "without the option -h"},
		"of another key": {line(sshkeys.Public(t, authority), ssh.Certificate{CertType: ssh.UserCert}), OfAnotherKey,
			"is the certificate of the key " + ssh.FingerprintSHA256(sshkeys.Public(t, authority)) + ", and ssh-privatekey is the key " + ssh.FingerprintSHA256(sshkeys.Public(t, key))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseCertificate([]byte(test.text), signerOf(t, key))
			var refused *CertificateError
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want == "":
			case !errors.As(err, &refused) || refused.Problem != test.want || !strings.Contains(err.Error(), test.says):
				t.Errorf("error %v, want %s that says %q", err, test.want, test.says)
			case strings.ContainsRune(err.Error(), '\x1b') || strings.Contains(err.Error(), "BEGIN"):
				t.Errorf("%q has what was read", err)
			}
		})
	}
}

func TestWhatIsWrongWithARefusedCertificateIsSaid(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	root := []string{"edge", "root"}
	for name, test := range map[string]struct {
		certificate ssh.Certificate
		want        string
	}{
		"nothing":       {ssh.Certificate{ValidPrincipals: root, ValidBefore: ssh.CertTimeInfinity}, ""},
		"expired":       {ssh.Certificate{ValidPrincipals: root, ValidBefore: uint64(now.Unix())}, "has expired at 2026-03-04T12:00:00Z: sign"},
		"of the future": {ssh.Certificate{ValidPrincipals: root, ValidBefore: ssh.CertTimeInfinity, ValidAfter: uint64(now.Unix() + 1)}, "is not valid before 2026-03-04T12:00:01Z"},
		"of no time":    {ssh.Certificate{ValidPrincipals: root, ValidBefore: ssh.CertTimeInfinity, ValidAfter: ssh.CertTimeInfinity}, "is not valid before"},
		"of nobody":     {ssh.Certificate{ValidBefore: ssh.CertTimeInfinity}, "names no principal"},
		"of others":     {ssh.Certificate{ValidPrincipals: []string{"edge", "\x1b[2J"}, ValidBefore: ssh.CertTimeInfinity}, `for the principals edge, \x1b[2J, which "root" is not among`},
		"from elsewhere": {ssh.Certificate{ValidPrincipals: root, ValidBefore: ssh.CertTimeInfinity, Permissions: ssh.Permissions{
			CriticalOptions: map[string]string{"source-address": "192.0.2.0/24"}}}, "for connections from 192.0.2.0/24 only"},
	} {
		got := Doubt(&test.certificate, "root", now)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) || strings.ContainsRune(got, '\x1b') {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// FuzzParseCertificate: no text causes a panic, and what is accepted is a user certificate of the key.
func FuzzParseCertificate(f *testing.F) {
	_, err := ParseCertificate(nil, nil)
	if err == nil {
		f.Fatal("nothing is a certificate")
	}
	f.Add("ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t")
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f")
	f.Fuzz(func(t *testing.T, text string) {
		signer := signerOf(t, sshkeys.New(t))
		if got, err := ParseCertificate([]byte(text), signer); err == nil && got.CertType != ssh.UserCert {
			t.Fatalf("%q is accepted", text)
		}
	})
}
