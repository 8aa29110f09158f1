package access

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/edgelb/edgelb/internal/lab/programs"
)

// apiServer is how an administrator connects to the API server that the tests share.
var apiServer *rest.Config

func TestMain(m *testing.M) {
	code, err := runWithAPIServer(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runWithAPIServer(m *testing.M) (code int, err error) {
	binaries, err := programs.ControlPlane()
	if err != nil {
		return 1, err
	}
	ctrl.SetLogger(logr.Discard())
	environment := &envtest.Environment{BinaryAssetsDirectory: binaries}
	// Also after a start that failed half-way: what did start is to end.
	defer func() { err = errors.Join(err, environment.Stop()) }()
	if apiServer, err = environment.Start(); err != nil {
		return 1, fmt.Errorf("start the API server: %w", err)
	}
	return m.Run(), nil
}

// tokenOf makes a ServiceAccount that may do this, and returns a token of it.
func tokenOf(t *testing.T, name string, rules ...rbacv1.PolicyRule) string {
	t.Helper()
	c := kubernetes.NewForConfigOrDie(apiServer)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	if _, err := c.CoreV1().ServiceAccounts("default").Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(rules) > 0 {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
		if _, err := c.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		binding := &rbacv1.ClusterRoleBinding{ObjectMeta: role.ObjectMeta, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: name}}}
		if _, err := c.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	made, err := c.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Status.Token
}

// serve serves "the metrics" behind the filter of somebody who connects so.
func serve(t *testing.T, config *rest.Config) *httptest.Server {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	filter, err := Reviewed(config, client)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the metrics") }))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, url, authorization string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestOnlyWhoMayReadTheMetricsSeesThem(t *testing.T) {
	t.Parallel()
	reader := tokenOf(t, "reader", rbacv1.PolicyRule{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}})
	other := tokenOf(t, "other", rbacv1.PolicyRule{NonResourceURLs: []string{"/other"}, Verbs: []string{"get"}})
	server := serve(t, apiServer)
	for name, test := range map[string]struct {
		path, authorization string
		want                int
	}{
		"who may":                {"/metrics", "Bearer " + reader, http.StatusOK},
		"who may not":            {"/metrics", "Bearer " + other, http.StatusForbidden},
		"another path":           {"/debug", "Bearer " + reader, http.StatusForbidden},
		"nobody":                 {"/metrics", "", http.StatusUnauthorized},
		"an empty token":         {"/metrics", "Bearer ", http.StatusUnauthorized},
		"a password":             {"/metrics", "Basic YTpi", http.StatusUnauthorized},
		"somebody's own token":   {"/metrics", "Bearer " + reader[:len(reader)-8] + "AAAAAAAA", http.StatusUnauthorized},
		"a token without end":    {"/metrics", "Bearer " + strings.Repeat("x", longestToken+1), http.StatusUnauthorized},
		"a token that is no one": {"/metrics", "Bearer x", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := get(t, server.URL+test.path, test.authorization)
			if status != test.want || (body == "the metrics") != (test.want == http.StatusOK) {
				t.Errorf("got %d, %q, want %d", status, body, test.want)
			}
		})
	}
}

func TestWhoCannotAskShowsNothing(t *testing.T) {
	t.Parallel()
	reader := tokenOf(t, "reader-of-others", rbacv1.PolicyRule{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}})
	reviews := rbacv1.PolicyRule{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}}
	for name, token := range map[string]string{"no right": tokenOf(t, "no-reviewer"), "half of the rights": tokenOf(t, "half-reviewer", reviews)} {
		config := rest.AnonymousClientConfig(apiServer)
		config.BearerToken = token
		if status, body := get(t, serve(t, config).URL+"/metrics", "Bearer "+reader); status != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d, %q", name, status, body)
		}
	}
}

func TestOnlySomeAreAskedAboutAtOnce(t *testing.T) {
	t.Parallel()
	r := &reviewer{asking: make(chan struct{}, 1)}
	r.asking <- struct{}{}
	request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	request.Header.Set("Authorization", "Bearer x")
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, request)
	if answer.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d", answer.Code)
	}
}
