package clusters

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/watched"
)

// here starts a cache of namespaces, like the operator's cache of its own cluster.
func (w *world) here(namespaces ...string) client.Reader {
	w.t.Helper()
	options := cache.Options{DefaultNamespaces: map[string]cache.Config{}}
	for _, namespace := range namespaces {
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	own, err := cache.New(apiServer.Config, options)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := own.IndexField(w.t.Context(), &discoveryv1.EndpointSlice{}, watched.IndexService, watched.ServiceNames); err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = own.Start(w.t.Context()) }()
	if !own.WaitForCacheSync(w.t.Context()) {
		w.t.Fatal("the cache does not sync")
	}
	return own
}

// target returns a target for the Service app in a namespace, which may be in the other cluster.
func target(namespace string, there bool) v1alpha1.Target {
	t := v1alpha1.Target{Service: &v1alpha1.ServicePort{Namespace: namespace, Name: "app"}}
	if there {
		t.Service.KubeconfigSecretRef = &v1alpha1.SecretReference{Name: cluster.Name}
	}
	return t
}

// gather gathers the targets of an object in the namespace of the cluster's Secret.
func (w *world) gather(sources Sources, targets ...v1alpha1.Target) desired.Snapshot {
	w.t.Helper()
	object := &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: "web"}, Spec: v1alpha1.EdgeLoadBalancerSpec{Targets: targets},
	}
	sources.Others = w.set
	snapshot := desired.Snapshot{Objects: []*v1alpha1.EdgeLoadBalancer{object}}
	if err := sources.Gather(w.t.Context(), &snapshot); err != nil {
		w.t.Fatal(err)
	}
	return snapshot
}

func TestServicesAreGatheredFromTheClustersThatTargetsName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set.Keep(cluster, here(w.secret(apiServer.Config)), Use{Namespaces: []string{w.namespace}, Nodes: true})
	w.becomesKnown()
	w.partBecomesKnown(at(""))
	w.create(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "gathered-" + w.namespace}})
	w.hears("nodes")
	byNodes := target(w.namespace, true)
	byNodes.Via = v1alpha1.ViaNodePort
	got := w.gather(Sources{Here: w.here(w.namespace), CrossNamespace: true}, target(w.namespace, false), target(w.namespace, true), byNodes,
		v1alpha1.Target{Name: "fixed"}, v1alpha1.Target{Name: "none", Service: &v1alpha1.ServicePort{Namespace: w.namespace, Name: "none"}})
	name := types.NamespacedName{Namespace: w.namespace, Name: "app"}
	for _, key := range []spec.ServiceKey{{NamespacedName: name}, {Cluster: cluster, NamespacedName: name}} {
		if got.Services[key] == nil || len(got.Slices[key]) != 1 {
			t.Errorf("of %v it gathered Service %v and %d slices", key, got.Services[key], len(got.Slices[key]))
		}
	}
	named := func(n *corev1.Node) bool { return n.Name == "gathered-"+w.namespace }
	if len(got.Services) != 2 || len(got.Nodes) != 1 || !slices.ContainsFunc(got.Nodes[cluster], named) {
		t.Errorf("it gathered %d Services, and nodes of %d clusters", len(got.Services), len(got.Nodes))
	}
	want := map[spec.Scope]desired.ScopeState{at(w.namespace): {Known: true}, at(""): {Known: true}}
	if !reflect.DeepEqual(got.Scopes, want) || !got.CrossNamespace {
		t.Errorf("it gathered %+v, want %+v", got.Scopes, want)
	}
}

func TestServicesOfOtherNamespacesAreNotEvenRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// This cache does not have the namespace: reading it would be an error.
	got := w.gather(Sources{Here: w.here("default")}, target(w.namespace, false))
	if len(got.Services) != 0 || got.CrossNamespace {
		t.Errorf("it gathered %+v", got)
	}
}

func TestUnreadScopesAreReportedAsProgressing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set.Keep(cluster, here(w.secret(apiServer.Config)), w.use())
	w.becomesKnown()
	byNodes := target(w.namespace, true)
	byNodes.Via = v1alpha1.ViaNodePort
	other := target(w.namespace, true)
	other.Service.KubeconfigSecretRef.Name = "unheardof"
	unheard := spec.Scope{Cluster: Key{Namespace: cluster.Namespace, Name: "unheardof"}, Namespace: w.namespace}
	for name, test := range map[string]struct {
		target  v1alpha1.Target
		missing spec.Scope
		text    string
	}{
		"a cluster":   {other, unheard, "in the cluster of Secret shop/unheardof, the namespace " + w.namespace + " is being read"},
		"a namespace": {target("other", true), at("other"), "in the cluster of Secret shop/cluster-b, the namespace other is being read"},
		"nodes":       {byNodes, at(""), "in the cluster of Secret shop/cluster-b, the nodes are being read"},
	} {
		got := w.gather(Sources{}, target(w.namespace, true), test.target)
		if state := got.Scopes[test.missing]; state.Known || state.Reason != v1alpha1.ReasonProgressing || !strings.Contains(state.Message, test.text) {
			t.Errorf("%s: it is %+v, want …%s…", name, state, test.text)
		}
		if read := (desired.ScopeState{Known: true}); got.Scopes[at(w.namespace)] != read || len(got.Scopes) != 2 || len(got.Services) != 1 {
			t.Errorf("%s: it gathered %+v and %d Services", name, got.Scopes, len(got.Services))
		}
	}
}
