package clusters

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters/kubeconfig"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

func TestAClusterIsReadWithNoMoreRightsThanItsNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keep()
	w.becomesKnown()
	w.hears("scope shop/cluster-b " + w.namespace)
	service := &corev1.Service{}
	if err := w.set.Read(at(w.namespace)).Reader.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "app"}, service); err != nil {
		t.Fatal(err)
	}
	if got := w.endpoint(w.namespace); got != "10.1.0.1" || service.ManagedFields != nil {
		t.Errorf("read are endpoint %s and a Service with %d managed fields", got, len(service.ManagedFields))
	}
	if up := w.set.Up(); !up[cluster] || len(up) != 1 {
		t.Errorf("up are %v", up)
	}
}

func TestWhatExpiresIsReportedOfTheCredentialsInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expiring := func() string {
		var kinds []string
		for _, credential := range w.set.Expiring()[cluster] {
			if left := time.Until(credential.To); left < time.Minute {
				t.Errorf("%s is valid for %s", credential.Kind, left)
			}
			kinds = append(kinds, credential.Kind)
		}
		slices.Sort(kinds)
		return strings.Join(kinds, " ")
	}
	w.keep()
	w.becomesKnown()
	if got := expiring(); got != "certificate-authority client-certificate" {
		t.Errorf("expiring are %q", got)
	}
	// The kubeconfig that cannot be used does not replace the one in use.
	w.set.Keep(cluster, here(map[string][]byte{v1alpha1.SecretKeyKubeconfig: []byte("x")}), w.use())
	w.becomesBad(true, v1alpha1.ReasonClusterInvalid)
	if got := expiring(); got != "certificate-authority client-certificate" {
		t.Errorf("expiring are %q while the previous kubeconfig is in use", got)
	}
	w.set.Keep(cluster, here(nil), w.use())
	w.eventually("a deleted Secret is not in use", func() error {
		if got := expiring(); got != "" {
			return fmt.Errorf("expiring are %q", got)
		}
		return nil
	})
}

func TestOfEachKindTheFirstThatExpiresCounts(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	first, next := kubeconfig.Credential{Kind: "token", To: noon}, kubeconfig.Credential{Kind: "token", To: noon.Add(time.Hour)}
	other := kubeconfig.Credential{Kind: "client-certificate", To: noon}
	for _, all := range [][]kubeconfig.Credential{{first, other, next}, {next, other, first}} {
		var got []kubeconfig.Credential
		for _, credential := range all {
			got = withEarliest(got, credential)
		}
		if want := []kubeconfig.Credential{first, other}; !slices.Equal(got, want) {
			t.Errorf("of %v count %v", all, got)
		}
	}
}

func TestChangesInAClusterAreReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keep()
	w.becomesKnown()
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	w.setEndpoint("10.1.0.2", map[string]string{corev1.EndpointsLastChangeTriggerTime: at.Format(time.RFC3339)})
	w.hears("endpoints app")
	w.endpointBecomes(w.namespace, "10.1.0.2")
	if w.recorder.events["service app"] != 0 {
		t.Error("it heard of a Service that has not changed")
	}
	if !slices.ContainsFunc(w.recorder.triggers, at.Equal) {
		t.Errorf("the triggers are %v, want %s", w.recorder.triggers, at)
	}
	if err := w.Delete(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "app"}}); err != nil {
		t.Fatal(err)
	}
	w.hears("service app")
	if err := w.Delete(t.Context(), &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "app-1"}}); err != nil {
		t.Fatal(err)
	}
	w.eventually("the slice is gone", func() error {
		if got := w.endpoint(w.namespace); got != "0 slices, <nil>" {
			return fmt.Errorf("read is %s", got)
		}
		return nil
	})
}

func TestAnotherNamespaceIsReadOnceItIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.newNamespace()
	w.addService(other, "10.2.0.1")
	secret := w.secret(w.user([]string{w.namespace, other}, enough()...))
	w.set.Keep(cluster, here(secret), w.use())
	w.becomesKnown()
	if view := w.set.Read(at(other)); view != (ScopeView{}) {
		t.Errorf("read is %+v", view)
	}
	w.set.Keep(cluster, here(secret), Use{Namespaces: []string{w.namespace, other}})
	w.endpointBecomes(other, "10.2.0.1")
	w.endpointBecomes(w.namespace, "10.1.0.1")
	w.set.Keep(cluster, here(secret), w.use())
	if view := w.set.Read(at(other)); view != (ScopeView{}) {
		t.Errorf("what is not used any more is %+v", view)
	}
}

func TestNodesAreReadOnlyIfTheyAreUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.user([]string{w.namespace}, enough()...)
	w.set.Keep(cluster, here(w.secret(user)), Use{Namespaces: []string{w.namespace}, Nodes: true})
	got := w.partBecomesBad(at(""), false, v1alpha1.ReasonClusterForbidden)
	if !strings.Contains(got, "may not list nodes, watch nodes on") {
		t.Errorf("got %q", got)
	}
	w.becomesKnown()
	w.set.Keep(cluster, here(w.secret(apiServer.Config)), Use{Namespaces: []string{w.namespace}, Nodes: true})
	w.partBecomesKnown(at(""))
	w.create(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-" + w.namespace}})
	w.hears("nodes")
	var nodes corev1.NodeList
	if err := w.set.Read(at("")).Reader.List(t.Context(), &nodes, client.UnsafeDisableDeepCopy); err != nil || len(nodes.Items) == 0 {
		t.Errorf("read are %d nodes, error %v", len(nodes.Items), err)
	}
}

func TestAClusterThatGoesAwayKeepsWhatWasReadOfIt(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*proxy){"ends": (*proxy).stop, "hangs": (*proxy).hang} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.keep()
			w.becomesKnown()
			fail(w.proxy)
			got := w.becomesBad(true, v1alpha1.ReasonClusterUnreachable)
			if want := "https://" + w.proxy.address + ", the cluster of Secret shop/cluster-b, does not answer"; !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q…", got, want)
			}
			if up := w.set.Up(); up[cluster] {
				t.Error("it is said to be up")
			}
			w.setEndpoint("10.1.0.2", nil)
			if got := w.endpoint(w.namespace); got != "10.1.0.1" {
				t.Errorf("the endpoint is %s", got)
			}
			w.proxy.comeBack()
			w.becomesKnown()
			w.endpointBecomes(w.namespace, "10.1.0.2")
		})
	}
}

func TestAClusterThatWasNeverReadIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.proxy.stop()
	w.keep()
	w.becomesBad(false, v1alpha1.ReasonClusterUnreachable)
	if reader := w.set.Read(at(w.namespace)).Reader; reader != nil {
		t.Error("it can be read")
	}
	w.proxy.comeBack()
	w.becomesKnown()
}

func TestOneClusterThatHangsDelaysNoOther(t *testing.T) {
	t.Parallel()
	slow, w := newWorld(t), newWorld(t)
	slow.proxy.hang()
	other := Key{Namespace: "shop", Name: "hanging"}
	w.set.Keep(other, here(slow.secret(apiServer.Config)), slow.use())
	began := time.Now()
	w.keep()
	w.becomesKnown()
	if took := time.Since(began); took > waiting.Of(answerTimeout) {
		t.Errorf("it took %s", took)
	}
	if state := w.set.Read(spec.Scope{Cluster: other, Namespace: slow.namespace}).State; state.Known {
		t.Errorf("the one that hangs is %+v", state)
	}
	w.set.Drop(other)
	if _, found := w.set.Up()[other]; found {
		t.Error("a cluster that was dropped is kept")
	}
}

func TestMissingRightsAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.user([]string{w.namespace}, may("", "services", "list", "watch"), may("discovery.k8s.io", "endpointslices", "list"))
	w.set.Keep(cluster, here(w.secret(user)), w.use())
	got := w.becomesBad(false, v1alpha1.ReasonClusterForbidden)
	if want := "may not watch endpointslices in namespace " + w.namespace + " on"; !strings.Contains(got, want) {
		t.Errorf("got %q, want …%s…", got, want)
	}
}

func TestRevokedRightsAreReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keep()
	w.becomesKnown()
	binding := bindingOf(w.namespace)
	if err := w.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	w.becomesBad(true, v1alpha1.ReasonClusterForbidden)
	if got := w.endpoint(w.namespace); got != "10.1.0.1" {
		t.Errorf("the endpoint is %s", got)
	}
}

func TestNewCredentialsAreUsedOnceTheyWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keep()
	w.becomesKnown()
	for _, test := range []struct {
		secret map[string][]byte
		reason string
	}{
		{secretWith(t, clusterOf(w), tokenOf("wrong")), v1alpha1.ReasonClusterUnauthorized},
		{map[string][]byte{v1alpha1.SecretKeyKubeconfig: []byte("}")}, v1alpha1.ReasonClusterInvalid},
	} {
		w.set.Keep(cluster, here(test.secret), w.use())
		w.becomesBad(true, test.reason)
		address := "10.1.0." + fmt.Sprint(len(test.reason))
		w.setEndpoint(address, nil)
		// The previous credentials stay in use.
		w.endpointBecomes(w.namespace, address)
	}
	w.set.Keep(cluster, here(w.secret(apiServer.Config)), w.use())
	w.becomesKnown()
}

func TestCredentialsAreNotUsedAfterTheirSecretIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keep()
	w.becomesKnown()
	w.set.Keep(cluster, here(nil), w.use())
	w.becomesBad(true, v1alpha1.ReasonClusterInvalid)
	w.eventually("no connection is open", func() error {
		if open := w.proxy.count(); open > 0 {
			return fmt.Errorf("%d are", open)
		}
		return nil
	})
	if got := w.endpoint(w.namespace); got != "10.1.0.1" {
		t.Errorf("the endpoint is %s", got)
	}
}
