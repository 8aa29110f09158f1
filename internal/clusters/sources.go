package clusters

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/watched"
)

// Sources reads Services, EndpointSlices and nodes of the operator's own cluster and of other clusters. It waits for no cluster.
type Sources struct {
	// Here is the cache of the operator's own cluster, with watched.IndexService.
	Here   client.Reader
	Others *Set
	// CrossNamespace allows targets to name Services of other namespaces than their object's.
	CrossNamespace bool
	// Namespaces are the readable namespaces of Here; empty means all. NoNodes says that its nodes cannot be read.
	Namespaces []string
	NoNodes    bool
}

// Allows reports whether the object may use a Service. In another cluster, the permissions of the kubeconfig decide.
func (s *Sources) Allows(object *v1alpha1.EdgeLoadBalancer, key spec.ServiceKey) bool {
	return key.Namespace == object.Namespace || key.Cluster != Key{} || s.CrossNamespace && s.watches(key.Namespace)
}

func (s *Sources) watches(namespace string) bool {
	return len(s.Namespaces) == 0 || slices.Contains(s.Namespaces, namespace)
}

// gathering fills a snapshot with the objects that the targets refer to.
type gathering struct {
	*Sources
	snapshot *desired.Snapshot
	// readers keeps the reader of each scope, so that everything is read from the same view.
	readers map[spec.Scope]client.Reader
}

// Gather reads the Services, EndpointSlices and nodes of the targets into the snapshot. The error is that of a cache; a started
// cache returns none.
func (s *Sources) Gather(ctx context.Context, snapshot *desired.Snapshot) error {
	snapshot.CrossNamespace, snapshot.Namespaces, snapshot.NoNodes = s.CrossNamespace, s.Namespaces, s.NoNodes
	snapshot.Services = map[spec.ServiceKey]*corev1.Service{}
	snapshot.Slices = map[spec.ServiceKey][]*discoveryv1.EndpointSlice{}
	snapshot.Nodes = map[Key][]*corev1.Node{}
	snapshot.Scopes = map[spec.Scope]desired.ScopeState{}
	g := &gathering{Sources: s, snapshot: snapshot, readers: map[spec.Scope]client.Reader{}}
	for _, object := range snapshot.Objects {
		for i := range object.Spec.Targets {
			if err := g.add(ctx, object, &object.Spec.Targets[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gathering) add(ctx context.Context, object *v1alpha1.EdgeLoadBalancer, target *v1alpha1.Target) error {
	key, found := spec.ServiceOf(object, target)
	if !found || !g.Allows(object, key) {
		return nil
	}
	if reader := g.readerOf(spec.Scope{Cluster: key.Cluster, Namespace: key.Namespace}); reader != nil {
		if err := g.addService(ctx, reader, key); err != nil {
			return fmt.Errorf("read Service %s: %w", key.NamespacedName, err)
		}
	}
	if _, byNodes := spec.NodesOf(object, target); !byNodes || g.NoNodes && key.Cluster == (Key{}) {
		return nil
	}
	if reader := g.readerOf(spec.Scope{Cluster: key.Cluster}); reader != nil {
		if err := g.addNodes(ctx, reader, key.Cluster); err != nil {
			return fmt.Errorf("list the nodes: %w", err)
		}
	}
	return nil
}

// readerOf returns the reader of a scope; nil if the scope was not read yet.
func (g *gathering) readerOf(scope spec.Scope) client.Reader {
	if scope.Cluster == (Key{}) {
		return g.Here
	}
	reader, found := g.readers[scope]
	if !found {
		view := g.Others.Read(scope)
		reader = view.Reader
		g.readers[scope], g.snapshot.Scopes[scope] = reader, withReason(view.State, scope)
	}
	return reader
}

// withReason adds a reason to the state of a scope that was not read yet.
func withReason(state desired.ScopeState, scope spec.Scope) desired.ScopeState {
	if state.Known || state.Reason != "" {
		return state
	}
	what := "namespace " + scope.Namespace + " is"
	if scope.Namespace == "" {
		what = "nodes are"
	}
	return desired.ScopeState{
		Reason:  v1alpha1.ReasonProgressing,
		Message: fmt.Sprintf("in the cluster of Secret %s, the %s being read for the first time", scope.Cluster, what),
	}
}

// addService reads a Service and its EndpointSlices. The slices are not copied, because they are read-only: copying thousands of
// endpoints at each change would cost more than all the rest.
func (g *gathering) addService(ctx context.Context, reader client.Reader, key spec.ServiceKey) error {
	if _, known := g.snapshot.Services[key]; known {
		return nil
	}
	service := &corev1.Service{}
	if err := reader.Get(ctx, key.NamespacedName, service); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	var list discoveryv1.EndpointSliceList
	err := reader.List(ctx, &list, client.InNamespace(key.Namespace),
		client.MatchingFields{watched.IndexService: key.NamespacedName.String()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return err
	}
	g.snapshot.Services[key] = service
	g.snapshot.Slices[key] = pointers(list.Items)
	return nil
}

func (g *gathering) addNodes(ctx context.Context, reader client.Reader, cluster Key) error {
	if _, known := g.snapshot.Nodes[cluster]; known {
		return nil
	}
	var list corev1.NodeList
	if err := reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	g.snapshot.Nodes[cluster] = pointers(list.Items)
	return nil
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}
