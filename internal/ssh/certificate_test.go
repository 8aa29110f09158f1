package ssh

import (
	"crypto"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
	"github.com/edgelb/edgelb/internal/ssh/credentials"
	"github.com/edgelb/edgelb/internal/ssh/failure"
	"github.com/edgelb/edgelb/internal/ssh/hostkeys"
)

// authority is a certificate authority, whose certificates ssh-keygen signs.
type authority struct {
	key    crypto.Signer
	public string
	file   string
}

func newAuthority(t *testing.T, keyType string) *authority {
	t.Helper()
	a := &authority{key: sshkeys.NewOf(t, keyType), file: filepath.Join(t.TempDir(), "ca")}
	a.public = hostkeys.Text(sshkeys.Public(t, a.key))
	write(t, a.file, sshkeys.File(t, a.key))
	return a
}

// sign returns the certificate that ssh-keygen makes of the key with the options.
func (a *authority) sign(t *testing.T, key ssh.PublicKey, options ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	write(t, file+".pub", ssh.MarshalAuthorizedKey(key))
	args := append([]string{"-q", "-s", a.file, "-I", "edgelb"}, options...)
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", append(args, file+".pub")...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	return read(t, file+"-cert.pub")
}

// certified returns a target that logs in to the sshd with the certificate.
func certified(t *testing.T, server *sshd, files credentials.Files) Target {
	t.Helper()
	parsed, err := credentials.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	target := server.target(t, sshkeys.New(t))
	target.Credentials = parsed
	return target
}

func TestAUserCertificateLogsIn(t *testing.T) {
	t.Parallel()
	for _, keyType := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSA} {
		t.Run(keyType, func(t *testing.T) {
			t.Parallel()
			ca, key := newAuthority(t, keyType), sshkeys.NewOf(t, keyType)
			server := startSSHD(t, sshkeys.Public(t, sshkeys.New(t)), "TrustedUserCAKeys "+trusted(t, ca))
			certificate := ca.sign(t, sshkeys.Public(t, key), "-n", currentUser(t)+",other")
			conn := dial(t, certified(t, server, credentials.Files{PrivateKey: sshkeys.File(t, key), Certificate: certificate}))
			echoes(t, conn, "in")
		})
	}
}

// trusted returns a file with the authority's public key.
func trusted(t *testing.T, ca *authority) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "user_ca.pub")
	write(t, file, []byte(ca.public+"\n"))
	return file
}

func TestARefusedUserCertificateIsReportedWithItsReason(t *testing.T) {
	t.Parallel()
	ca, other, key := newAuthority(t, ssh.KeyAlgoED25519), newAuthority(t, ssh.KeyAlgoED25519), sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, sshkeys.New(t)), "TrustedUserCAKeys "+trusted(t, ca))
	me := currentUser(t)
	for name, test := range map[string]struct {
		by      *authority
		options []string
		says    string
	}{
		"expired":              {ca, []string{"-n", me, "-V", "20200101000000Z:20200102000000Z"}, "the certificate in ssh-privatekey-cert.pub has expired at 2020-01-02T00:00:00Z"},
		"not yet valid":        {ca, []string{"-n", me, "-V", "20990101000000Z:20990102000000Z"}, "is not valid before 2099-01-01T00:00:00Z"},
		"for another":          {ca, []string{"-n", "somebody,else"}, "is for the principals somebody, else, which"},
		"for nobody":           {ca, nil, "names no principal"},
		"from elsewhere":       {ca, []string{"-n", me, "-O", "source-address=192.0.2.0/24"}, "for connections from 192.0.2.0/24 only"},
		"of another authority": {other, []string{"-n", me}, "name a file with its authority's public key (" + other.public + ")"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := credentials.Files{PrivateKey: sshkeys.File(t, key), Certificate: test.by.sign(t, sshkeys.Public(t, key), test.options...)}
			_, err := Dial(t.Context(), certified(t, server, files))
			var refused *failure.UnauthorizedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error %v, want an *failure.UnauthorizedError that says %q", err, test.says)
			}
		})
	}
}

// The key alone, and then the previous key, log in where the certificate does not.
func TestWhatIsOfferedAfterARefusedCertificateLogsIn(t *testing.T) {
	t.Parallel()
	ca, key, previous := newAuthority(t, ssh.KeyAlgoED25519), sshkeys.New(t), sshkeys.NewOf(t, ssh.KeyAlgoRSA)
	files := credentials.Files{
		PrivateKey: sshkeys.File(t, key), Previous: sshkeys.File(t, previous),
		Certificate: ca.sign(t, sshkeys.Public(t, key), "-n", currentUser(t), "-V", "20200101000000Z:20200102000000Z"),
	}
	for name, authorized := range map[string]crypto.Signer{"the key": key, "the previous key": previous} {
		server := startSSHD(t, sshkeys.Public(t, authorized), "TrustedUserCAKeys "+trusted(t, ca))
		conn, err := Dial(t.Context(), certified(t, server, files))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		echoes(t, conn, "in")
		conn.Close()
	}
}

// A certificate is renewed in time: the connection is replaced, so that a mistake shows before the old certificate has expired.
func TestARenewedCertificateReplacesTheConnectionWithoutAGap(t *testing.T) {
	t.Parallel()
	ca, key := newAuthority(t, ssh.KeyAlgoED25519), sshkeys.New(t)
	server := startSSHD(t, sshkeys.Public(t, sshkeys.New(t)), "TrustedUserCAKeys "+trusted(t, ca))
	with := func(principal string) Target {
		return certified(t, server, credentials.Files{PrivateKey: sshkeys.File(t, key), Certificate: ca.sign(t, sshkeys.Public(t, key), "-n", principal)})
	}
	pool := newWatched(t)
	first := pool.mustGet(t, "x", with(currentUser(t)))
	wrong := with("somebody")
	var refused *failure.UnauthorizedError
	if _, err := pool.await(within(t, patience), "x", wrong); !errors.As(err, &refused) {
		t.Fatalf("error %v", err)
	}
	if pool.Former("x", wrong, nil) != first {
		t.Fatal("the former connection is gone")
	}
	echoes(t, first, "open")
	if next := pool.mustGet(t, "x", with(currentUser(t))); next == first {
		t.Error("the certificate was not tried")
	}
	eventually(t, "the former connection is closed", func() bool { return !first.isAlive() })
}

func TestAHostCertificateIsTrustedOrRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, ssh.KeyAlgoRSA), newAuthority(t, ssh.KeyAlgoED25519)
	line := "@cert-authority 127.0.0.* " + ca.public + "\n"
	for name, test := range map[string]struct {
		by      *authority
		options []string
		known   string
		want    hostkeys.UntrustedProblem
	}{
		"for the host":         {ca, []string{"-n", "gw1,127.0.0.1"}, line, ""},
		"for all hosts":        {ca, nil, line, ""},
		"for another host":     {ca, []string{"-n", "127.0.0.2"}, line, hostkeys.CertificateForOthers},
		"expired":              {ca, []string{"-V", "20200101000000Z:20200102000000Z"}, line, hostkeys.CertificateExpired},
		"not yet valid":        {ca, []string{"-V", "20990101000000Z:20990102000000Z"}, line, hostkeys.CertificateNotYetValid},
		"of another authority": {other, nil, line, hostkeys.UnknownAuthority},
		"revoked":              {ca, nil, line + "@revoked * " + ca.public + "\n", hostkeys.Revoked},
		"no authority":         {ca, nil, "", hostkeys.Unknown},
		"no certificate":       {nil, nil, line, hostkeys.CertificateMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, hostKey := sshkeys.New(t), sshkeys.New(t)
			var lines []string
			if test.by != nil {
				file := filepath.Join(t.TempDir(), "host-cert.pub")
				write(t, file, test.by.sign(t, sshkeys.Public(t, hostKey), append([]string{"-h"}, test.options...)...))
				lines = []string{"HostCertificate " + file}
			}
			target := startSSHDWithKey(t, hostKey, sshkeys.Public(t, key), lines...).target(t, key)
			target.HostKeys, target.Credentials = nil, credentialsOf(t, key, test.known)
			conn, err := Dial(t.Context(), target)
			var refused *hostkeys.UntrustedError
			switch {
			case test.want == "" && err == nil:
				echoes(t, conn, "in")
				conn.Close()
			case test.want == "" || !errors.As(err, &refused) || refused.Problem != test.want:
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// A host certificate that expires ends no connection; a revocation does.
func TestAConnectionOutlivesTheHostCertificateButNotItsRevocation(t *testing.T) {
	t.Parallel()
	ca, key, hostKey := newAuthority(t, ssh.KeyAlgoED25519), sshkeys.New(t), sshkeys.New(t)
	file := filepath.Join(t.TempDir(), "host-cert.pub")
	write(t, file, ca.sign(t, sshkeys.Public(t, hostKey), "-h", "-V", "-1m:+1m"))
	target := startSSHDWithKey(t, hostKey, sshkeys.Public(t, key), "HostCertificate "+file).target(t, key)
	line := "@cert-authority * " + ca.public + "\n"
	target.HostKeys, target.Credentials = nil, credentialsOf(t, key, line)
	conn := dial(t, target)
	// The check is as of the login, whenever it is made.
	target = target.withKnownHosts(parseKnown(t, line+"# changed\n"))
	if !conn.isAllowed(target) {
		t.Error("a connection with a certificate that was valid at its login is not allowed")
	}
	conn.began = conn.began.AddDate(0, 0, 1)
	if conn.isAllowed(target) {
		t.Error("a login after the end of the certificate would be allowed")
	}
	conn.began = conn.began.AddDate(0, 0, -1)
	for _, revoked := range []string{ca.public, hostkeys.Text(sshkeys.Public(t, hostKey))} {
		if conn.isAllowed(target.withKnownHosts(parseKnown(t, line+"@revoked * "+revoked+"\n"))) {
			t.Errorf("it is allowed although %s is revoked", revoked)
		}
	}
}
