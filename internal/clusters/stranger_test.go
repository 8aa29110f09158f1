package clusters

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// A kubeconfig can point to any server. Its responses must not appear in a status, or redirect the operator.
func TestWhateverAnswersCannotSpeakThroughTheStatus(t *testing.T) {
	t.Parallel()
	const text = "what nobody should read"
	var led atomic.Int32
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { led.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		reason string
		want   string
	}{
		"a page":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }, v1alpha1.ReasonClusterUnreachable, "something else than JSON"},
		"a redirection": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, v1alpha1.ReasonClusterUnreachable, "(Found)"},
		"a failure":     {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, http.StatusBadGateway) }, v1alpha1.ReasonClusterUnreachable, "(Bad Gateway)"},
		"nobody's user": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, http.StatusUnauthorized) }, v1alpha1.ReasonClusterUnauthorized, "credentials"},
		"no right":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, http.StatusForbidden) }, v1alpha1.ReasonClusterForbidden, "may not list services in namespace x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(test.answer)
			t.Cleanup(server.Close)
			authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			m := newMember(at("x"), NewSet(&recorder{events: map[string]int{}}, often))
			m.want(here(secretWith(t, &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: authority}, tokenOf("a"))))
			m.check(t.Context())
			got := m.read().State
			if got.Known || got.Reason != test.reason || !strings.Contains(got.Message, test.want) || strings.Contains(got.Message, text) {
				t.Errorf("it is %+v, want %s: …%s…", got, test.reason, test.want)
			}
			if led.Load() > 0 {
				t.Error("it went where it was led to")
			}
		})
	}
}
