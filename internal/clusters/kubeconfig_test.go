package clusters

import (
	"errors"
	"strings"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters/kubeconfig"
)

func TestKubeconfigsAreNoMoreThanData(t *testing.T) {
	t.Parallel()
	type both struct {
		*clientcmdapi.Cluster
		*clientcmdapi.AuthInfo
	}
	for name, test := range map[string]struct {
		edit func(both)
		want string
	}{
		"plain HTTP":         {func(b both) { b.Server = "http://192.0.2.1:6443" }, "does not begin with https://"},
		"no server":          {func(b both) { b.Server = "" }, "does not begin with https://"},
		"a server's path":    {func(b both) { b.Server = "/var/run/secrets" }, "does not begin with https://"},
		"a user's address":   {func(b both) { b.Server = "https://admin:secret@192.0.2.1:6443" }, "has a user in the address of its server"},
		"a user's name":      {func(b both) { b.Server = "https://secret@192.0.2.1:6443" }, "has a user in the address of its server"},
		"no verification":    {func(b both) { b.InsecureSkipTLSVerify, b.CertificateAuthorityData = true, nil }, "insecure-skip-tls-verify"},
		"a CA file":          {func(b both) { b.CertificateAuthority = "/ca.crt" }, "write certificate-authority-data instead"},
		"a certificate file": {func(b both) { b.ClientCertificate = "/tls.crt" }, "write client-certificate-data and client-key-data instead"},
		"a key file":         {func(b both) { b.ClientKey = "/tls.key" }, "write client-certificate-data and client-key-data instead"},
		"a token file":       {func(b both) { b.TokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" }, "write token instead"},
		"a program": {func(b both) {
			b.Exec = &clientcmdapi.ExecConfig{Command: "sh", APIVersion: "client.authentication.k8s.io/v1"}
		}, "exec plugin"},
		"a provider":             {func(b both) { b.AuthProvider = &clientcmdapi.AuthProviderConfig{Name: "oidc"} }, "auth-provider"},
		"a proxy":                {func(b both) { b.ProxyURL = "no proxy" }, "has a proxy-url that cannot be read"},
		"no CA that is one":      {func(b both) { b.CertificateAuthorityData = []byte("secret") }, "do not fit together"},
		"no pair of keys":        {func(b both) { b.ClientCertificateData, b.ClientKeyData = []byte("secret"), []byte("secret") }, "do not fit together"},
		"a token and a password": {func(b both) { b.Username, b.Password = "u", "secret" }, "do not fit together"},
		"all that is allowed": {func(b both) {
			b.ProxyURL, b.TLSServerName, b.Impersonate = "socks5://192.0.2.2:1080", "kubernetes", "somebody"
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := both{&clientcmdapi.Cluster{Server: "https://192.0.2.1:6443"}, &clientcmdapi.AuthInfo{Token: "secret"}}
			test.edit(b)
			requireTrouble(t, secretWith(t, b.Cluster, b.AuthInfo), test.want)
		})
	}
}

// requireTrouble fails unless the Secret's content is refused with the text, and without "secret" in the message.
func requireTrouble(t *testing.T, secret map[string][]byte, text string) {
	t.Helper()
	m := newMember(at("x"), NewSet(nil, often))
	config, err := kubeconfig.Parse(cluster, secret)
	if err != nil {
		err = invalid("%v", err)
	} else {
		_, err = m.connect(config, guard{onLoopback()})
	}
	if text == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var known *trouble
	if !errors.As(err, &known) || known.reason != v1alpha1.ReasonClusterInvalid || !strings.Contains(known.sentence, text) {
		t.Fatalf("got %v, want …%s…", err, text)
	}
	if strings.Contains(known.sentence, "secret") {
		t.Errorf("%q repeats what may be secret", known.sentence)
	}
}
