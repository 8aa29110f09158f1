// Package index finds the EdgeLoadBalancers in the cache of the operator's own cluster that name something, such as a host or a
// Service, and the hosts that they name. Of a host it says which of them want it, and which detach from it.
//
// The objects that it returns are those of the cache, and must not be changed: copies of all hosts of all objects at each change of an
// EndpointSlice would cost more than everything else.
package index

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/status"
	"github.com/edgelb/edgelb/internal/watched"
)

// The names of the cache's indexes: EdgeLoadBalancers by host, by Service, by Secret that reaches their hosts, by Secret with a kubeconfig, and by
// the cluster whose nodes they use to reach Services. EndpointSlices have watched.IndexService.
const (
	byHost    = "edgelb.host"
	byService = "edgelb.target"
	bySecret  = "edgelb.secret"
	byCluster = "edgelb.cluster"
	byNodes   = "edgelb.nodes"
)

// Add adds the indexes to a cache.
func Add(ctx context.Context, indexer client.FieldIndexer) error {
	for name, keys := range map[string]func(*v1alpha1.EdgeLoadBalancer) []string{
		byHost: func(o *v1alpha1.EdgeLoadBalancer) []string { return texts(HostsOf(o)) },
		byService: func(o *v1alpha1.EdgeLoadBalancer) []string {
			return eachTarget(o, func(t *v1alpha1.Target) (string, bool) {
				key, found := spec.ServiceOf(o, t)
				return serviceText(key), found
			})
		},
		bySecret:  secretsOf,
		byCluster: func(o *v1alpha1.EdgeLoadBalancer) []string { return texts(ClustersOf(o)) },
		byNodes: func(o *v1alpha1.EdgeLoadBalancer) []string {
			return eachTarget(o, func(t *v1alpha1.Target) (string, bool) {
				cluster, found := spec.NodesOf(o, t)
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

// secretsOf returns the Secrets that an object brings to hosts, or logs in to them with.
func secretsOf(o *v1alpha1.EdgeLoadBalancer) []string {
	secrets := []string{spec.OwnerOf(o).String()}
	if v := o.Spec.VirtualIPs; v != nil && v.NotifySecretRef != nil {
		secrets = append(secrets, types.NamespacedName{Namespace: o.Namespace, Name: v.NotifySecretRef.Name}.String())
	}
	return secrets
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

func serviceText(key spec.ServiceKey) string {
	return key.Cluster.String() + " " + key.NamespacedName.String()
}

// ClustersOf returns the other clusters that the object's targets name.
func ClustersOf(object *v1alpha1.EdgeLoadBalancer) []spec.ClusterKey {
	return eachTarget(object, func(t *v1alpha1.Target) (spec.ClusterKey, bool) {
		key, _ := spec.ServiceOf(object, t)
		return key.Cluster, key.Cluster != spec.ClusterKey{}
	})
}

// HostsOf returns the hosts in an object's spec, and those in its status, which may not be clean yet.
func HostsOf(object *v1alpha1.EdgeLoadBalancer) []model.HostID {
	keys := map[model.HostID]bool{}
	for i := range object.Spec.Hosts {
		keys[spec.IDOf(&object.Spec.SSH, &object.Spec.Hosts[i])] = true
	}
	for _, host := range object.Status.Hosts {
		keys[status.KeyOf(host)] = true
	}
	return slices.Collect(maps.Keys(keys))
}

// HostsOfAll returns the hosts in the specs and statuses of objects.
func HostsOfAll(objects []v1alpha1.EdgeLoadBalancer) []model.HostID {
	var keys []model.HostID
	for i := range objects {
		keys = append(keys, HostsOf(&objects[i])...)
	}
	return keys
}

// BySecret returns the objects that log in to their hosts with a Secret, or bring it there.
func BySecret(ctx context.Context, reader client.Reader, secret types.NamespacedName) []v1alpha1.EdgeLoadBalancer {
	return find(ctx, reader, bySecret, secret.String())
}

// ByCluster returns the objects with a target in another cluster.
func ByCluster(ctx context.Context, reader client.Reader, cluster spec.ClusterKey) []v1alpha1.EdgeLoadBalancer {
	return find(ctx, reader, byCluster, cluster.String())
}

// In returns the objects of namespaces.
func In(ctx context.Context, reader client.Reader, namespaces ...string) []v1alpha1.EdgeLoadBalancer {
	var all []v1alpha1.EdgeLoadBalancer
	for _, namespace := range namespaces {
		var list v1alpha1.EdgeLoadBalancerList
		// The cache fails for a namespace that is not watched, where there is nothing to do.
		if err := reader.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err == nil {
			all = append(all, list.Items...)
		}
	}
	return all
}

// NamesSecret returns a function that reports whether some object names a Secret.
func NamesSecret(reader client.Reader) func(context.Context, types.NamespacedName) bool {
	return func(ctx context.Context, name types.NamespacedName) bool {
		return len(BySecret(ctx, reader, name))+len(ByCluster(ctx, reader, name)) > 0
	}
}

// find queries an index. Only the cache could fail here, and it does not fail once it has started.
func find(ctx context.Context, reader client.Reader, index, key string) []v1alpha1.EdgeLoadBalancer {
	var list v1alpha1.EdgeLoadBalancerList
	if err := reader.List(ctx, &list, client.MatchingFields{index: key}, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	return list.Items
}

// HostsThatServe returns the hosts that have a listener whose connections can go to a Service, of the objects that may use it.
func HostsThatServe(
	ctx context.Context, reader client.Reader, key spec.ServiceKey, allows func(*v1alpha1.EdgeLoadBalancer, spec.ServiceKey) bool,
) []model.HostID {
	return servingHosts(find(ctx, reader, byService, serviceText(key)), func(o *v1alpha1.EdgeLoadBalancer, t *v1alpha1.Target) bool {
		service, found := spec.ServiceOf(o, t)
		return found && service == key && allows(o, key)
	})
}

// HostsThatUseNodes returns the hosts that have a listener whose connections can go to nodes of a cluster.
func HostsThatUseNodes(ctx context.Context, reader client.Reader, cluster spec.ClusterKey) []model.HostID {
	return servingHosts(find(ctx, reader, byNodes, cluster.String()), func(o *v1alpha1.EdgeLoadBalancer, t *v1alpha1.Target) bool {
		of, found := spec.NodesOf(o, t)
		return found && of == cluster
	})
}

// HostsThatNeed returns the hosts that have a listener whose connections can go to what is read of a scope of another cluster.
func HostsThatNeed(ctx context.Context, reader client.Reader, scope spec.Scope) []model.HostID {
	return servingHosts(ByCluster(ctx, reader, scope.Cluster), func(o *v1alpha1.EdgeLoadBalancer, t *v1alpha1.Target) bool {
		return slices.Contains(spec.ScopesOf(o, t), scope)
	})
}

// servingHosts returns the hosts of the objects that serve a concerned target.
func servingHosts(
	objects []v1alpha1.EdgeLoadBalancer, concerned func(*v1alpha1.EdgeLoadBalancer, *v1alpha1.Target) bool,
) []model.HostID {
	var keys []model.HostID
	for i := range objects {
		object := &objects[i]
		keys = append(keys, spec.ServingHosts(object, func(t *v1alpha1.Target) bool { return concerned(object, t) })...)
	}
	return keys
}

// readTimeout bounds how long a read waits for a cache that is not filled yet.
const readTimeout = time.Second

// All returns a function that returns all EdgeLoadBalancers of the cache. Its callers must not change them.
func All(reader client.Reader) func() ([]v1alpha1.EdgeLoadBalancer, error) {
	return func() ([]v1alpha1.EdgeLoadBalancer, error) {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		var list v1alpha1.EdgeLoadBalancerList
		err := reader.List(ctx, &list, client.UnsafeDisableDeepCopy)
		return list.Items, err
	}
}
