package kubeconfig_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters/kubeconfig"
	within "github.com/edgelb/edgelb/internal/lab/bounded"
)

func far() types.NamespacedName { return types.NamespacedName{Namespace: "shop", Name: "far"} }

func TestKubeconfigsThatCannotBeReadSayWhy(t *testing.T) {
	t.Parallel()
	const header = "apiVersion: v1\nkind: Config\n"
	for name, test := range map[string]struct {
		secret map[string][]byte
		want   string
	}{
		"no Secret":               {nil, "Secret shop/far does not exist: create it with the key kubeconfig"},
		"an empty Secret":         {map[string][]byte{}, "Secret shop/far has no key kubeconfig"},
		"no YAML":                 {map[string][]byte{v1alpha1.SecretKeyKubeconfig: []byte("secret: {")}, "cannot be read"},
		"a value of another type": {map[string][]byte{v1alpha1.SecretKeyKubeconfig: []byte(header + "users: secret")}, "cannot be read"},
		"nothing":                 {map[string][]byte{v1alpha1.SecretKeyKubeconfig: nil}, "names no current-context"},
		"no context":              {map[string][]byte{v1alpha1.SecretKeyKubeconfig: []byte(header + "current-context: a")}, "names no current-context"},
		"no cluster": {map[string][]byte{v1alpha1.SecretKeyKubeconfig: []byte(header + "current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]")},
			`add cluster "b" and user "c"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := kubeconfig.Parse(far(), test.secret)
			if err == nil || config != nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want …%s…", err, test.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q repeats what may be secret", err)
			}
		})
	}
}

// Tenants write kubeconfigs. Messages must repeat only their names and their server.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"",
		"apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{name: c, cluster: {server: https://192.0.2.1}}]\n" +
			"users: [{name: u, user: {token: secret}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n",
		"a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c, *c, *c]\n",
		strings.Repeat("[", 1000),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		within.Run(t, "reading it", 100*len(text), func() {
			config, err := kubeconfig.Parse(far(), map[string][]byte{v1alpha1.SecretKeyKubeconfig: text})
			if err == nil && (config.BearerTokenFile != "" || config.CAFile != "" || config.ExecProvider != nil || !strings.HasPrefix(config.Host, "https://")) {
				t.Errorf("%q was accepted", text)
			}
			if err == nil {
				kubeconfig.Expiring(config)
			}
		})
	})
}
