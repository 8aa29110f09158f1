package clusters

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/watched"
)

// Sources are what Services, EndpointSlices and nodes are read from, of the operator's own cluster and of others. Reading waits for
// no cluster.
type Sources struct {
	// Here is the cache of the operator's own cluster, with watched.IndexService.
	Here   client.Reader
	Others *Set
	// CrossNamespace allows targets to name Services of other namespaces than their object's.
	CrossNamespace bool
}

// Allows says whether the object may know of a Service. Who may write into a namespace of another cluster is not ours to say: the
// kubeconfig's rights do.
func (s *Sources) Allows(object *v1alpha1.EdgeLoadBalancer, key desired.ServiceKey) bool {
	return s.CrossNamespace || key.Namespace == object.Namespace || key.Cluster != Key{}
}

// gathering fills a snapshot with what the objects' targets lead to.
type gathering struct {
	*Sources
	snapshot *desired.Snapshot
	// readings keeps what all is read from, so that all that is read of another cluster is of one time.
	readings map[Key]Reading
}

// Gather reads what the targets of the snapshot's objects lead to into the snapshot. The error is one of a cache, which has none once
// it has started.
func (s *Sources) Gather(ctx context.Context, snapshot *desired.Snapshot) error {
	snapshot.CrossNamespace = s.CrossNamespace
	snapshot.Services = map[desired.ServiceKey]*corev1.Service{}
	snapshot.Slices = map[desired.ServiceKey][]*discoveryv1.EndpointSlice{}
	snapshot.Nodes = map[Key][]*corev1.Node{}
	snapshot.Clusters = map[Key]desired.Cluster{}
	g := &gathering{Sources: s, snapshot: snapshot, readings: map[Key]Reading{}}
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
	key, found := desired.ServiceOf(object, target)
	if !found || !g.Allows(object, key) {
		return nil
	}
	_, byNodes := desired.NodesOf(object, target)
	reader := g.readerOf(key, byNodes)
	if reader == nil {
		return nil
	}
	if err := g.addService(ctx, reader, key); err != nil {
		return fmt.Errorf("read Service %s: %w", key.NamespacedName, err)
	}
	if !byNodes {
		return nil
	}
	if err := g.addNodes(ctx, reader, key.Cluster); err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	return nil
}

// readerOf is what a Service is read from; nil if that was not read yet.
func (g *gathering) readerOf(key desired.ServiceKey, nodes bool) client.Reader {
	if key.Cluster == (Key{}) {
		return g.Here
	}
	reading, found := g.readings[key.Cluster]
	if !found {
		reading = g.Others.Read(key.Cluster)
		g.readings[key.Cluster] = reading
		g.snapshot.Clusters[key.Cluster] = withReason(reading.State, key.Cluster)
	}
	if reading.Has(key.Namespace, nodes) {
		return reading.Reader
	}
	// What was read so far was for other targets.
	reading.State.Known = false
	g.snapshot.Clusters[key.Cluster] = withReason(reading.State, key.Cluster)
	return nil
}

// withReason is the state with a reason for what is not known.
func withReason(state desired.Cluster, key Key) desired.Cluster {
	if !state.Known && state.Reason == "" {
		state.Reason = v1alpha1.ReasonProgressing
		state.Message = fmt.Sprintf("the cluster of Secret %s is being read for the first time", key)
	}
	return state
}

// addService reads a Service and its EndpointSlices. Nobody changes the slices, and copies of thousands of endpoints at each change
// would cost more than all the rest.
func (g *gathering) addService(ctx context.Context, reader client.Reader, key desired.ServiceKey) error {
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
