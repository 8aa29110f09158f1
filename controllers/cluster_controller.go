package controllers

import (
	"context"
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
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/rulebook"
	"github.com/edgelb/edgelb/internal/secrets"
)

// clusterReconciler reads each other cluster that a target names, with the access that its Secret gives, and no more of it than is
// used.
type clusterReconciler struct {
	clusters.Sources
	secrets *secrets.Reader
	rules   *rulebook.Book
}

// Reconcile never talks to the cluster.
func (r *clusterReconciler) Reconcile(ctx context.Context, key spec.ClusterKey) (ctrl.Result, error) {
	use := useOf(key, index.ByCluster(ctx, r.Here, key))
	if len(use.Namespaces) == 0 {
		r.Others.Drop(key)
		r.secrets.Prune(ctx)
		return ctrl.Result{}, nil
	}
	rules, err := r.rules.Of(ctx, key.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	version, err := r.secrets.Version(ctx, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	if version == "" {
		r.Others.Keep(key, clusters.Access{Reach: rules.KubeconfigServers}, use)
		return ctrl.Result{}, nil
	}
	content, err := r.secrets.Load(ctx, key, version, rules.Limits.SecretBytes.Most)
	if err != nil {
		return ctrl.Result{}, err
	}
	access := clusters.Access{Secret: content.Data, Reach: rules.KubeconfigServers}
	if content.TooLarge {
		access.Forbidden = rules.Limits.SecretBytes.Exceeded().Error()
	}
	r.Others.Keep(key, access, use)
	return ctrl.Result{}, nil
}

// useOf returns what the objects need of a cluster. An object that is being deleted needs nothing: its hosts are only cleaned.
func useOf(cluster spec.ClusterKey, objects []v1alpha1.EdgeLoadBalancer) clusters.Use {
	use := clusters.Use{}
	for i := range objects {
		object := &objects[i]
		for j := range object.Spec.Targets {
			key, found := spec.ServiceOf(object, &object.Spec.Targets[j])
			if !found || key.Cluster != cluster || !object.DeletionTimestamp.IsZero() {
				continue
			}
			_, byNodes := spec.NodesOf(object, &object.Spec.Targets[j])
			use = use.With(key.Namespace, byNodes)
		}
	}
	return use
}

// setup watches the objects that name clusters, and the Secrets with their kubeconfigs.
func (r *clusterReconciler) setup(mgr ctrl.Manager) error {
	to := handler.TypedEnqueueRequestsFromMapFunc[client.Object, spec.ClusterKey]
	control := builder.TypedControllerManagedBy[spec.ClusterKey](mgr)
	watchRules(control, r.rules.Missing(), r.clustersOfPolicy, r.clustersOfNamespace)
	return control.
		Named("cluster").
		Watches(&v1alpha1.EdgeLoadBalancer{}, to(func(_ context.Context, o client.Object) []spec.ClusterKey {
			return index.ClustersOf(o.(*v1alpha1.EdgeLoadBalancer))
		}), builder.WithPredicates(hostsConcerned())).
		WatchesMetadata(&corev1.Secret{}, to(r.clustersOfSecret), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WithOptions(controller.TypedOptions[spec.ClusterKey]{EnableWarmup: new(true), RateLimiter: apiRetries[spec.ClusterKey]()}).
		WithLogConstructor(func(key *spec.ClusterKey) logr.Logger {
			logger := mgr.GetLogger().WithValues("controller", "cluster")
			if key != nil {
				logger = logger.WithValues("cluster", key.String())
			}
			return logger
		}).
		Complete(r)
}

// clustersOfSecret returns the cluster of the Secret, if it has one.
func (r *clusterReconciler) clustersOfSecret(ctx context.Context, o client.Object) []spec.ClusterKey {
	key := client.ObjectKeyFromObject(o)
	if len(index.ByCluster(ctx, r.Here, key)) == 0 {
		return nil
	}
	return []spec.ClusterKey{key}
}

// clustersOfPolicy returns the other clusters of the objects that a policy is for.
func (r *clusterReconciler) clustersOfPolicy(ctx context.Context, o client.Object) []spec.ClusterKey {
	return clustersOf(r.rules.ObjectsOf(ctx, o.(*v1alpha1.EdgePolicy)))
}

// clustersOfNamespace returns the other clusters of the objects of a namespace.
func (r *clusterReconciler) clustersOfNamespace(ctx context.Context, o client.Object) []spec.ClusterKey {
	return clustersOf(index.In(ctx, r.Here, o.GetName()))
}

func clustersOf(objects []v1alpha1.EdgeLoadBalancer) []spec.ClusterKey {
	var keys []spec.ClusterKey
	for i := range objects {
		keys = append(keys, index.ClustersOf(&objects[i])...)
	}
	return keys
}

// elsewhere queues the hosts that are affected by changes in other clusters.
type elsewhere struct {
	*hostReconciler
}

var _ clusters.Listener = elsewhere{}

// ScopeChanged queues the hosts that serve a target that needs the scope.
func (e elsewhere) ScopeChanged(scope spec.Scope) {
	ctx := context.Background()
	state := e.Others.Read(scope).State
	log.FromContext(ctx).Info("Cluster changed", "cluster", scope.Cluster, "namespace", scope.Namespace, "nodes", scope.Namespace == "",
		"known", state.Known, "reason", state.Reason, "message", state.Message)
	e.enqueue(e.touched(index.HostsThatNeed(ctx, e.Here, scope)))
}

// ServiceChanged queues the hosts that serve the Service.
func (e elsewhere) ServiceChanged(key spec.ServiceKey) {
	e.enqueue(e.touched(e.hostsThatServe(context.Background(), key)))
}

// EndpointsChanged queues the hosts that serve the Service, and records when the change began.
func (e elsewhere) EndpointsChanged(key spec.ServiceKey, trigger time.Time) {
	e.enqueue(e.endpointsChanged(context.Background(), key, trigger))
}

// NodesChanged queues the hosts that serve a target by the cluster's nodes.
func (e elsewhere) NodesChanged(cluster spec.ClusterKey) {
	e.enqueue(e.touched(index.HostsThatUseNodes(context.Background(), e.Here, cluster)))
}

func (e elsewhere) enqueue(keys []model.HostID) {
	for _, key := range keys {
		e.hostEvents.Add(key)
	}
}
