package clusters

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters/kubeconfig"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

func TestAForbiddenNamespaceDelaysNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.newNamespace()
	w.addService(other, "10.2.0.1")
	use := Use{Namespaces: []string{w.namespace, other}, Nodes: true}
	w.set.Keep(cluster, here(w.secret(w.user([]string{w.namespace}, enough()...))), use)
	w.becomesKnown()
	got := w.partBecomesBad(at(other), false, v1alpha1.ReasonClusterForbidden)
	if !strings.Contains(got, "list services in namespace "+other) || strings.Contains(got, w.namespace) {
		t.Errorf("got %q", got)
	}
	w.partBecomesBad(at(""), false, v1alpha1.ReasonClusterForbidden)
	w.setEndpoint("10.1.0.2", nil)
	w.endpointBecomes(w.namespace, "10.1.0.2")
	if up := w.set.Up(); up[cluster] || len(up) != 1 {
		t.Errorf("up are %v", up)
	}

	// The permission is granted later.
	w.give("user-of-"+w.namespace, other, enough()...)
	w.partBecomesKnown(at(other))
	w.endpointBecomes(other, "10.2.0.1")
}

func TestNewCredentialsAreUsedForTheScopesTheyMayRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.newNamespace()
	w.addService(other, "10.2.0.1")
	use := Use{Namespaces: []string{w.namespace, other}}
	w.set.Keep(cluster, here(w.secret(apiServer.Config)), use)
	w.becomesKnown()
	w.partBecomesKnown(at(other))
	w.set.Keep(cluster, here(w.secret(w.user([]string{w.namespace}, enough()...))), use)
	w.partBecomesBad(at(other), true, v1alpha1.ReasonClusterForbidden)
	w.becomesKnown()
	w.setEndpoint("10.1.0.2", nil)
	w.endpointBecomes(w.namespace, "10.1.0.2")
	w.endpointBecomes(other, "10.2.0.1")
}

// Each new object names another namespace. If each interrupted the initial read, it would never finish.
func TestTheInitialReadIsNotInterruptedByOtherNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := w.secret(apiServer.Config)
	uses := []Use{w.use(), w.use().With("default", false)}
	deadline := time.Now().Add(patience)
	for i := 0; !w.set.Read(at(w.namespace)).State.Known; i++ {
		if time.Now().After(deadline) {
			t.Fatalf("it is not read after %d changes of what is used", i)
		}
		w.set.Keep(cluster, here(secret), uses[i%len(uses)])
		time.Sleep(time.Millisecond)
	}
}

func TestAConnectionWithoutAWatchIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := newMember(at(w.namespace), NewSet(w.recorder, often))
	config, err := kubeconfig.Parse(cluster, w.secret(apiServer.Config))
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.connect(config, guard{onLoopback()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.probe(t.Context(), m.scope); err != nil {
		t.Fatal(err)
	}
	c.mapper = meta.NewDefaultRESTMapper(nil)
	_, err = m.follow(t.Context(), c)
	var known *trouble
	if !errors.As(err, &known) || known.reason != v1alpha1.ReasonClusterInvalid {
		t.Errorf("got %v, want a *trouble", err)
	}
	w.eventually("no connection is open", func() error {
		if open := w.proxy.count(); open > 0 {
			return fmt.Errorf("%d are", open)
		}
		return nil
	})
}

func TestAClusterWithoutEndpointSlicesIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/namespaces/x/services", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("watch") {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`))
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	m := newMember(at("x"), NewSet(&recorder{events: map[string]int{}}, often))
	m.want(here(secretWith(t, &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: authority}, tokenOf("a"))))
	began := time.Now()
	m.check(t.Context())
	if took := time.Since(began); took > waiting.Of(syncTimeout/2) {
		t.Errorf("it took %s", took)
	}
	got := m.read().State
	if got.Known || got.Reason != v1alpha1.ReasonClusterUnreachable || !strings.Contains(got.Message, "that it is Kubernetes 1.21 or newer") {
		t.Errorf("it is %+v", got)
	}
}
