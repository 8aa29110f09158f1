package controllers

import (
	"context"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// clusterReconciler reads each other cluster that a target names, with the access that its Secret gives, and no more of it than is
// used.
type clusterReconciler struct {
	clusters.Sources
	credentials *credentials
	rules       *rulebook
}

// Reconcile never talks to the cluster.
func (r *clusterReconciler) Reconcile(ctx context.Context, key desired.ClusterKey) (ctrl.Result, error) {
	use := useOf(key, objectsBy(ctx, r.Here, indexCluster, key.String()))
	if len(use.Namespaces) == 0 {
		r.Others.Drop(key)
		r.credentials.prune(ctx)
		return ctrl.Result{}, nil
	}
	rules, err := r.rules.of(ctx, key.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	version, err := r.credentials.version(ctx, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	if version == "" {
		r.Others.Keep(key, clusters.Access{Reach: rules.KubeconfigServers}, use)
		return ctrl.Result{}, nil
	}
	content, err := r.credentials.load(ctx, key, version, rules.Limits.SecretBytes.Most)
	if err != nil {
		return ctrl.Result{}, err
	}
	access := clusters.Access{Secret: content.data, Reach: rules.KubeconfigServers}
	if content.tooLarge {
		access.Forbidden = rules.Limits.SecretBytes.Exceeded().Error()
	}
	r.Others.Keep(key, access, use)
	return ctrl.Result{}, nil
}

// useOf returns what the objects need of a cluster. An object that is being deleted needs nothing: its hosts are only cleaned.
func useOf(cluster desired.ClusterKey, objects []v1alpha1.EdgeLoadBalancer) clusters.Use {
	use := clusters.Use{}
	for i := range objects {
		object := &objects[i]
		for j := range object.Spec.Targets {
			key, found := desired.ServiceOf(object, &object.Spec.Targets[j])
			if !found || key.Cluster != cluster || !object.DeletionTimestamp.IsZero() {
				continue
			}
			_, byNodes := desired.NodesOf(object, &object.Spec.Targets[j])
			use = use.With(key.Namespace, byNodes)
		}
	}
	return use
}

// setup watches the objects that name clusters, and the Secrets with their kubeconfigs.
func (r *clusterReconciler) setup(mgr ctrl.Manager) error {
	to := handler.TypedEnqueueRequestsFromMapFunc[client.Object, desired.ClusterKey]
	control := builder.TypedControllerManagedBy[desired.ClusterKey](mgr)
	watchRules(control, r.rules.missingRights, r.clustersOfPolicy, r.clustersOfNamespace)
	return control.
		Named("cluster").
		Watches(&v1alpha1.EdgeLoadBalancer{}, to(func(_ context.Context, o client.Object) []desired.ClusterKey {
			return otherClusters(o.(*v1alpha1.EdgeLoadBalancer))
		}), builder.WithPredicates(hostsConcerned())).
		WatchesMetadata(&corev1.Secret{}, to(r.clustersOfSecret), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WithOptions(controller.TypedOptions[desired.ClusterKey]{EnableWarmup: new(true), RateLimiter: apiRetries[desired.ClusterKey]()}).
		WithLogConstructor(func(key *desired.ClusterKey) logr.Logger {
			logger := mgr.GetLogger().WithValues("controller", "cluster")
			if key != nil {
				logger = logger.WithValues("cluster", key.String())
			}
			return logger
		}).
		Complete(r)
}

// clustersOfSecret returns the cluster of the Secret, if it has one.
func (r *clusterReconciler) clustersOfSecret(ctx context.Context, o client.Object) []desired.ClusterKey {
	key := client.ObjectKeyFromObject(o)
	if len(objectsBy(ctx, r.Here, indexCluster, key.String())) == 0 {
		return nil
	}
	return []desired.ClusterKey{key}
}

// elsewhere queues the hosts that are affected by changes in other clusters.
type elsewhere struct {
	*hostReconciler
}

var _ clusters.Listener = elsewhere{}

// ScopeChanged queues the hosts that serve a target that needs the scope.
func (e elsewhere) ScopeChanged(scope desired.Scope) {
	ctx := context.Background()
	state := e.Others.Read(scope).State
	log.FromContext(ctx).Info("Cluster changed", "cluster", scope.Cluster, "namespace", scope.Namespace, "nodes", scope.Namespace == "",
		"known", state.Known, "reason", state.Reason, "message", state.Message)
	e.enqueue(e.touched(e.servingHosts(ctx, indexCluster, scope.Cluster.String(),
		func(o *v1alpha1.EdgeLoadBalancer, t *v1alpha1.Target) bool {
			return slices.Contains(desired.ScopesOf(o, t), scope)
		})))
}

// ServiceChanged queues the hosts that serve the Service.
func (e elsewhere) ServiceChanged(key desired.ServiceKey) {
	e.enqueue(e.touched(e.hostsThatServe(context.Background(), key)))
}

// EndpointsChanged queues the hosts that serve the Service, and records when the change began.
func (e elsewhere) EndpointsChanged(key desired.ServiceKey, trigger time.Time) {
	e.enqueue(e.endpointsChanged(context.Background(), key, trigger))
}

// NodesChanged queues the hosts that serve a target by the cluster's nodes.
func (e elsewhere) NodesChanged(cluster desired.ClusterKey) {
	e.enqueue(e.touched(e.hostsThatUseNodes(context.Background(), cluster)))
}

func (e elsewhere) enqueue(keys []model.HostID) {
	for _, key := range keys {
		e.hostEvents.add(key)
	}
}
