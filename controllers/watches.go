package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/status"
	"github.com/edgelb/edgelb/internal/watched"
)

// The names of the cache's indexes: EdgeLoadBalancers by host, by Service, by Secret of SSH, by Secret with a kubeconfig, and by
// the cluster whose nodes they use to reach Services. EndpointSlices have watched.IndexService.
const (
	indexHost    = "edgelb.host"
	indexService = "edgelb.target"
	indexSecret  = "edgelb.secret"
	indexCluster = "edgelb.cluster"
	indexNodes   = "edgelb.nodes"
)

// addIndexes adds the indexes that the watches use.
func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for name, keys := range map[string]func(*v1alpha1.EdgeLoadBalancer) []string{
		indexHost: func(o *v1alpha1.EdgeLoadBalancer) []string { return texts(hostKeys(o)) },
		indexService: func(o *v1alpha1.EdgeLoadBalancer) []string {
			return eachTarget(o, func(t *v1alpha1.Target) (string, bool) {
				key, found := desired.ServiceOf(o, t)
				return serviceText(key), found
			})
		},
		indexSecret:  func(o *v1alpha1.EdgeLoadBalancer) []string { return []string{desired.OwnerOf(o).String()} },
		indexCluster: func(o *v1alpha1.EdgeLoadBalancer) []string { return texts(otherClusters(o)) },
		indexNodes: func(o *v1alpha1.EdgeLoadBalancer) []string {
			return eachTarget(o, func(t *v1alpha1.Target) (string, bool) {
				cluster, found := desired.NodesOf(o, t)
				return cluster.String(), found
			})
		},
	} {
		ofObject := func(o client.Object) []string { return keys(o.(*v1alpha1.EdgeLoadBalancer)) }
		if err := indexer.IndexField(ctx, &v1alpha1.EdgeLoadBalancer{}, name, ofObject); err != nil {
			return err
		}
	}
	return indexer.IndexField(ctx, &discoveryv1.EndpointSlice{}, watched.IndexService, watched.ServiceNames)
}

// eachTarget collects a property of the object's targets, each value once.
func eachTarget[T comparable](object *v1alpha1.EdgeLoadBalancer, of func(*v1alpha1.Target) (T, bool)) []T {
	found := map[T]bool{}
	for i := range object.Spec.Targets {
		if key, ok := of(&object.Spec.Targets[i]); ok {
			found[key] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

func texts[T fmt.Stringer](keys []T) []string {
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = key.String()
	}
	return all
}

// otherClusters returns those that the object's targets name.
func otherClusters(object *v1alpha1.EdgeLoadBalancer) []desired.ClusterKey {
	return eachTarget(object, func(t *v1alpha1.Target) (desired.ClusterKey, bool) {
		key, _ := desired.ServiceOf(object, t)
		return key.Cluster, key.Cluster != desired.ClusterKey{}
	})
}

func serviceText(key desired.ServiceKey) string {
	return key.Cluster.String() + " " + key.NamespacedName.String()
}

// hostKeys returns the hosts in an object's spec, and those in its status, which may not be clean yet.
func hostKeys(object *v1alpha1.EdgeLoadBalancer) []model.HostID {
	keys := map[model.HostID]bool{}
	for i := range object.Spec.Hosts {
		keys[spec.IDOf(&object.Spec.SSH, &object.Spec.Hosts[i])] = true
	}
	for _, host := range object.Status.Hosts {
		keys[status.KeyOf(host)] = true
	}
	return slices.Collect(maps.Keys(keys))
}

// hostsOfObject returns the hosts to work on when an EdgeLoadBalancer changes.
func (r *hostReconciler) hostsOfObject(ctx context.Context, o client.Object) []model.HostID {
	object := o.(*v1alpha1.EdgeLoadBalancer)
	return r.touched(append(hostKeys(object), r.hostsBesides(ctx, object)...))
}

// hostsOfSecret returns the hosts that a Secret logs in to.
func (r *hostReconciler) hostsOfSecret(ctx context.Context, o client.Object) []model.HostID {
	var keys []model.HostID
	for _, object := range objectsBy(ctx, r.Here, indexSecret, client.ObjectKeyFromObject(o).String()) {
		keys = append(keys, hostKeys(&object)...)
	}
	return keys
}

// hostsOfService returns the hosts that have a listener whose connections can go to a Service of this cluster.
func (r *hostReconciler) hostsOfService(ctx context.Context, o client.Object) []model.HostID {
	return r.touched(r.hostsThatServe(ctx, desired.ServiceKey{NamespacedName: client.ObjectKeyFromObject(o)}))
}

func (r *hostReconciler) hostsThatServe(ctx context.Context, key desired.ServiceKey) []model.HostID {
	return r.servingHosts(ctx, indexService, serviceText(key), func(o *v1alpha1.EdgeLoadBalancer, t *v1alpha1.Target) bool {
		service, found := desired.ServiceOf(o, t)
		return found && service == key && r.Allows(o, key)
	})
}

// hostsOfNode returns the hosts that have a listener whose connections can go to nodes of this cluster.
func (r *hostReconciler) hostsOfNode(ctx context.Context, _ client.Object) []model.HostID {
	return r.touched(r.hostsThatUseNodes(ctx, desired.ClusterKey{}))
}

func (r *hostReconciler) hostsThatUseNodes(ctx context.Context, cluster desired.ClusterKey) []model.HostID {
	return r.servingHosts(ctx, indexNodes, cluster.String(), func(o *v1alpha1.EdgeLoadBalancer, t *v1alpha1.Target) bool {
		of, found := desired.NodesOf(o, t)
		return found && of == cluster
	})
}

// servingHosts returns the hosts that serve an affected target of the objects that an index has for the key.
func (r *hostReconciler) servingHosts(ctx context.Context, index, key string,
	concerned func(*v1alpha1.EdgeLoadBalancer, *v1alpha1.Target) bool) []model.HostID {
	var keys []model.HostID
	for _, object := range objectsBy(ctx, r.Here, index, key) {
		keys = append(keys, spec.ServingHosts(&object, func(t *v1alpha1.Target) bool { return concerned(&object, t) })...)
	}
	return keys
}

// namedIn reports whether some object names a Secret.
func namedIn(reader client.Reader) func(context.Context, types.NamespacedName) bool {
	return func(ctx context.Context, name types.NamespacedName) bool {
		return len(objectsBy(ctx, reader, indexSecret, name.String()))+len(objectsBy(ctx, reader, indexCluster, name.String())) > 0
	}
}

// objectsBy queries an index. Only the cache could fail here, and it does not fail once it has started. Callers must not change the
// objects: copies of all hosts of all objects at each change of a slice would cost more than everything else.
func objectsBy(ctx context.Context, reader client.Reader, index, key string) []v1alpha1.EdgeLoadBalancer {
	var list v1alpha1.EdgeLoadBalancerList
	if err := reader.List(ctx, &list, client.MatchingFields{index: key}, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	return list.Items
}

// touched records the time from which the duration until the proof is measured.
func (r *hostReconciler) touched(keys []model.HostID) []model.HostID {
	r.records.Touch(keys, r.now(), time.Time{})
	return keys
}

// hostsConcerned passes the changes of an EdgeLoadBalancer that affect its hosts. Most changes of its status do not.
func hostsConcerned() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.EdgeLoadBalancer), e.ObjectNew.(*v1alpha1.EdgeLoadBalancer)
		return before.Generation != after.Generation ||
			before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			isHeld(before) != isHeld(after) ||
			!slices.Equal(sortedHosts(before), sortedHosts(after))
	}}
}

func sortedHosts(object *v1alpha1.EdgeLoadBalancer) []string {
	keys := texts(hostKeys(object))
	slices.Sort(keys)
	return keys
}

// contentChanged passes the changes of a Service, EndpointSlice or Node that can affect a host.
func contentChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return watched.Differs(e.ObjectOld, e.ObjectNew) }}
}

// sinceStart drops the objects that exist when the operator starts. All hosts are worked on at that time anyway, because each
// object is new, and none before all objects are in the cache.
func sinceStart() predicate.Predicate {
	return predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList }}
}

// CacheOptions returns what the operator keeps of the cluster's objects in memory: only what it uses, and of namespaced objects
// only those in these namespaces; without any, those in all.
func CacheOptions(namespaces []string) cache.Options {
	options := cache.Options{DefaultTransform: watched.Trim}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// queueSource feeds a controller's queue from inside the program. Unlike a channel it never blocks the sender.
type queueSource[request comparable] struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[request]
	early []request
}

// Start implements source.TypedSource.
func (s *queueSource[request]) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[request]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = queue
	for _, r := range s.early {
		queue.Add(r)
	}
	s.early = nil
	return nil
}

// add puts a request into the queue, or keeps it until there is one.
func (s *queueSource[request]) add(r request) { s.addAfter(r, 0) }

// addAfter puts a request into the queue after a delay. A request that is kept until there is a queue is not delayed again.
func (s *queueSource[request]) addAfter(r request, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue == nil {
		s.early = append(s.early, r)
		return
	}
	s.queue.AddAfter(r, wait)
}
