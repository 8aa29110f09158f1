package kubeconfig_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"reflect"
	"slices"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/edgelb/edgelb/internal/clusters/kubeconfig"
)

// day is that many days after the beginning of 2026.
func day(n int) time.Time { return time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC) }

// certificate returns a PEM certificate that is valid between these days.
func certificate(t *testing.T, from, to int) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: day(from), NotAfter: day(to)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// token returns a JWT with these claims.
func token(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestWhatExpiresOfAKubeconfigIsFound(t *testing.T) {
	t.Parallel()
	certificateOf := func(kind string, from, to int) kubeconfig.Credential {
		return kubeconfig.Credential{Kind: kind, From: day(from), To: day(to)}
	}
	for name, test := range map[string]struct {
		config rest.Config
		want   []kubeconfig.Credential
	}{
		"nothing":  {rest.Config{}, nil},
		"password": {rest.Config{Username: "edgelb", Password: "secret"}, nil},
		"a ServiceAccount's token": {rest.Config{BearerToken: token(`{"iat":1767225600,"exp":1767312000.5,"sub":"x"}`)},
			[]kubeconfig.Credential{{Kind: kubeconfig.KindToken, From: day(0), To: day(1).Add(500 * time.Millisecond)}}},
		"a token that does not say when it was issued": {rest.Config{BearerToken: token(`{"exp":1767312000}`)},
			[]kubeconfig.Credential{{Kind: kubeconfig.KindToken, To: day(1)}}},
		"a token that never expires":           {rest.Config{BearerToken: token(`{"iat":1767225600}`)}, nil},
		"a token that expires at no time":      {rest.Config{BearerToken: token(`{"exp":1e300}`)}, nil},
		"a token that expires before 1970":     {rest.Config{BearerToken: token(`{"exp":-5}`)}, nil},
		"a token whose claims are no JSON":     {rest.Config{BearerToken: token(`{`)}, nil},
		"a token with a claim of another type": {rest.Config{BearerToken: token(`{"exp":"soon"}`)}, nil},
		"a token that is no base64":            {rest.Config{BearerToken: "a.???.c"}, nil},
		"another token":                        {rest.Config{BearerToken: "abcdef.0123456789abcdef"}, nil},
		"a client certificate, and that of its authority": {
			rest.Config{TLSClientConfig: rest.TLSClientConfig{CertData: slices.Concat(certificate(t, 0, 90), certificate(t, 0, 5))}},
			[]kubeconfig.Credential{certificateOf(kubeconfig.KindClientCertificate, 0, 90)}},
		"an authority that is being replaced": {
			rest.Config{TLSClientConfig: rest.TLSClientConfig{
				CAData: slices.Concat(certificate(t, 0, 3), []byte("# the next one\n"), certificate(t, 1, 365), certificate(t, 0, 4)),
			}},
			[]kubeconfig.Credential{certificateOf(kubeconfig.KindAuthority, 1, 365)}},
		"no certificates": {rest.Config{TLSClientConfig: rest.TLSClientConfig{
			CertData: []byte("x"), CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
		}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := kubeconfig.Expiring(&test.config)
			for i := range got {
				got[i].To = got[i].To.UTC()
				if !got[i].From.IsZero() {
					got[i].From = got[i].From.UTC()
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %v\nwant %v", got, test.want)
			}
		})
	}
}
