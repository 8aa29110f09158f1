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

// login is when the hosts of these tests are logged in to.
var login = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func unix(after time.Duration) uint64 { return uint64(login.Add(after).Unix()) }

func TestAHostCertificateIsAcceptedOrRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	authority, other := sshkeys.New(t), sshkeys.New(t)
	host := sshkeys.Public(t, sshkeys.New(t))
	line := "@cert-authority *.example.net,gw1 " + Text(sshkeys.Public(t, authority)) + "\n"
	for name, test := range map[string]struct {
		template ssh.Certificate
		byOther  bool
		known    string
		want     UntrustedProblem
		says     string
	}{
		"for the host":             {template: ssh.Certificate{ValidPrincipals: []string{"gw2", "gw1.example.net"}}},
		"in other letters":         {template: ssh.Certificate{ValidPrincipals: []string{"GW1.example.NET"}}},
		"with a wildcard":          {template: ssh.Certificate{ValidPrincipals: []string{"*.example.net"}}},
		"for every host":           {template: ssh.Certificate{}},
		"valid a moment more":      {template: ssh.Certificate{ValidBefore: unix(time.Second), ValidAfter: unix(0)}},
		"for another host":         {ssh.Certificate{ValidPrincipals: []string{"gw1", "evil\x1b[2J"}}, false, "", CertificateForOthers, "not for gw1.example.net"},
		"expired":                  {ssh.Certificate{ValidBefore: unix(0)}, false, "", CertificateExpired, "expired at 2026-03-04T12:00:00Z: sign"},
		"never valid":              {ssh.Certificate{ValidAfter: 1 << 63}, false, "", CertificateNotYetValid, "not valid before"},
		"expired in 1970":          {ssh.Certificate{ValidAfter: 0, ValidBefore: 1}, false, "", CertificateExpired, "expired at 1970-01-01T00:00:01Z"},
		"not yet valid":            {ssh.Certificate{ValidAfter: unix(time.Second)}, false, "", CertificateNotYetValid, "not valid before 2026-03-04T12:00:01Z"},
		"of a user":                {ssh.Certificate{CertType: ssh.UserCert}, false, "", CertificateOfUser, "certificate of a user"},
		"an option that is new":    {ssh.Certificate{Permissions: ssh.Permissions{CriticalOptions: map[string]string{"new@x": ""}}}, false, "", CertificateForged, "unsupported critical option"},
		"of another authority":     {ssh.Certificate{}, true, "", UnknownAuthority, "known_hosts names " + "ssh-ed25519 " + ssh.FingerprintSHA256(sshkeys.Public(t, authority))},
		"of another, of a pin":     {ssh.Certificate{}, true, "gw1.example.net " + Text(host) + "\n", "", ""},
		"of another, not of a pin": {ssh.Certificate{}, true, "gw1.example.net " + keyA + "\n", Changed, "somebody may be between"},
		"expired, of a pin":        {ssh.Certificate{ValidBefore: unix(0)}, false, "gw1.example.net " + Text(host) + "\n", CertificateExpired, "expired"},
		"its key revoked":          {ssh.Certificate{}, false, "@revoked x " + Text(host) + "\n", Revoked, "revokes one of these keys"},
		"its authority revoked":    {ssh.Certificate{}, false, "@revoked x " + Text(sshkeys.Public(t, authority)) + "\n", Revoked, "revokes one of these keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer := authority
			if test.byOther {
				signer = other
			}
			if test.template.CertType == 0 {
				test.template.CertType = ssh.HostCert
			}
			certificate := sshkeys.Certify(t, signer, host, test.template)
			err := trustIn(t, "gw1.example.net", 2222, nil, parseKnown(t, line+strings.ReplaceAll(test.known, "gw1.example.net", "[gw1.example.net]:2222"))).Check(certificate, login)
			requireProblem(t, err, test.want, test.says)
		})
	}
}

func requireProblem(t *testing.T, err error, want UntrustedProblem, says string) {
	t.Helper()
	var refused *UntrustedError
	switch {
	case want == "" && err != nil:
		t.Fatalf("refused: %v", err)
	case want == "":
	case !errors.As(err, &refused) || refused.Problem != want || !strings.Contains(err.Error(), says):
		t.Fatalf("error %v, want %s that says %q", err, want, says)
	case strings.ContainsRune(err.Error(), '\x1b'):
		t.Fatalf("%q has an escape", err)
	}
}

func TestARevokedCertificateIsRefused(t *testing.T) {
	t.Parallel()
	authority, host := sshkeys.New(t), sshkeys.Public(t, sshkeys.New(t))
	revoked := sshkeys.Certify(t, authority, host, ssh.Certificate{CertType: ssh.HostCert, Serial: 1})
	next := sshkeys.Certify(t, authority, host, ssh.Certificate{CertType: ssh.HostCert, Serial: 2})
	known := parseKnown(t, "@cert-authority * "+Text(sshkeys.Public(t, authority))+"\n@revoked * "+Text(revoked)+"\n")
	requireProblem(t, trust(t, nil, known).Check(revoked, login), Revoked, "revokes")
	requireProblem(t, trust(t, nil, known).Check(next, login), "", "")
}

func TestACertificateWhoseSignatureIsNotItsAuthoritysIsRefused(t *testing.T) {
	t.Parallel()
	authority, forger := sshkeys.New(t), sshkeys.New(t)
	forged := sshkeys.Certify(t, forger, sshkeys.Public(t, sshkeys.New(t)), ssh.Certificate{CertType: ssh.HostCert})
	forged.SignatureKey = sshkeys.Public(t, authority)
	known := parseKnown(t, "@cert-authority * "+Text(sshkeys.Public(t, authority))+"\n")
	requireProblem(t, trust(t, nil, known).Check(forged, login), CertificateForged, "signature does not verify")

	weak := sshkeys.NewOf(t, ssh.KeyAlgoRSA)
	signed := sshkeys.Certify(t, weak, sshkeys.Public(t, sshkeys.New(t)), ssh.Certificate{CertType: ssh.HostCert})
	signed.Signature.Format = ssh.KeyAlgoRSA
	known = parseKnown(t, "@cert-authority * "+Text(sshkeys.Public(t, weak))+"\n")
	requireProblem(t, trust(t, nil, known).Check(signed, login), CertificateForged, "signed by ssh-rsa, which is not safe")
}

// Where an authority is named, certificates come before keys, and keys that are not known are not asked for.
func TestCertificatesAreNegotiatedWhereAnAuthorityIsNamedOnly(t *testing.T) {
	t.Parallel()
	named := parseKnown(t, "@cert-authority *.example.net "+keyA+"\n")
	both := parseKnown(t, "@cert-authority *.example.net "+keyA+"\ngw1.example.net "+keyB+"\n")
	certificates := certificateAlgorithms()
	for name, test := range map[string]struct {
		trust Trust
		want  []string
	}{
		"an authority":              {trustIn(t, "gw1.example.net", 22, nil, named), certificates},
		"an authority and a key":    {trustIn(t, "gw1.example.net", 22, nil, both), append(slices.Clone(certificates), "ssh-ed25519")},
		"an authority and a pin":    {trustIn(t, "gw1.example.net", 22, []string{keyB}, named), []string{"ssh-ed25519"}},
		"an authority of others":    {trustIn(t, "gw1.example.com", 22, nil, named), trustIn(t, "gw1", 22, nil, KnownHosts{}).Algorithms()},
		"an authority, other ports": {trustIn(t, "gw1.example.net", 2222, nil, named), certificates},
	} {
		if got := test.trust.Algorithms(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	missing := trustIn(t, "gw1.example.net", 22, nil, named).NoCommonAlgorithm([]string{"ssh-ed25519"}, errors.New("x"))
	requireProblem(t, missing, CertificateMissing, "ssh-keygen -s CA -h -I gw1.example.net -n gw1.example.net")
}
