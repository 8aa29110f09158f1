package controllers

import (
	"context"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/queue"
	"github.com/edgelb/edgelb/internal/rulebook"
	"github.com/edgelb/edgelb/internal/watched"
)

// setup watches everything that a host's configuration is made of.
func (r *hostReconciler) setup(mgr ctrl.Manager) error {
	to := handler.TypedEnqueueRequestsFromMapFunc[client.Object, model.HostID]
	control := builder.TypedControllerManagedBy[model.HostID](mgr)
	if !r.NoNodes {
		control.Watches(&corev1.Node{}, to(r.hostsOfNode), builder.WithPredicates(contentChanged(), sinceStart()))
	}
	watchRules(control, r.rules.Missing(), r.hostsOfPolicy, r.hostsOfNamespace)
	return control.
		Named("host").
		Watches(&v1alpha1.EdgeLoadBalancer{}, to(r.hostsOfObject), builder.WithPredicates(hostsConcerned())).
		Watches(&corev1.Service{}, to(r.hostsOfService), builder.WithPredicates(contentChanged())).
		Watches(&discoveryv1.EndpointSlice{}, r.sliceHandler(), builder.WithPredicates(contentChanged())).
		WatchesMetadata(&corev1.Secret{}, to(r.hostsOfSecret), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WatchesRawSource(r.hostEvents).
		WithOptions(controller.TypedOptions[model.HostID]{
			MaxConcurrentReconciles: queue.Workers, EnableWarmup: new(true), RateLimiter: apiRetries[model.HostID](),
		}).
		WithLogConstructor(func(key *model.HostID) logr.Logger {
			logger := mgr.GetLogger().WithValues("controller", "host")
			if key != nil {
				logger = logger.WithValues("host", key.String())
			}
			return logger
		}).
		Complete(r)
}

// watchRules queues what is affected by a change of what policies allow. Nothing is done before the policies are known.
func watchRules[key comparable](control *builder.TypedBuilder[key], missing rulebook.Missing,
	ofPolicy, ofNamespace handler.TypedMapFunc[client.Object, key]) {
	to := handler.TypedEnqueueRequestsFromMapFunc[client.Object, key]
	if !missing.Policies {
		control.Watches(&v1alpha1.EdgePolicy{}, to(ofPolicy), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	if !missing.Namespaces {
		control.WatchesMetadata(&corev1.Namespace{}, to(ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{}, sinceStart()))
	}
}

// hostsOfObject returns the hosts to work on when an EdgeLoadBalancer changes.
func (r *hostReconciler) hostsOfObject(ctx context.Context, o client.Object) []model.HostID {
	object := o.(*v1alpha1.EdgeLoadBalancer)
	return r.touched(append(index.HostsOf(object), r.hostsBesides(ctx, object)...))
}

// hostsBesides returns the hosts of the other objects of a namespace, if a change of one object leaves more or less of the limits
// to them.
func (r *hostReconciler) hostsBesides(ctx context.Context, object *v1alpha1.EdgeLoadBalancer) []model.HostID {
	rules, err := r.rules.Of(ctx, object.Namespace)
	if err != nil || !r.rules.ExcessChanged(ctx, rules) {
		return nil
	}
	return index.HostsOfAll(index.In(ctx, r.Here, object.Namespace))
}

// hostsOfPolicy returns the hosts of the objects that a policy is for.
func (r *hostReconciler) hostsOfPolicy(ctx context.Context, o client.Object) []model.HostID {
	return r.touched(index.HostsOfAll(r.rules.ObjectsOf(ctx, o.(*v1alpha1.EdgePolicy))))
}

// hostsOfNamespace returns the hosts of the objects of a namespace.
func (r *hostReconciler) hostsOfNamespace(ctx context.Context, o client.Object) []model.HostID {
	return r.touched(index.HostsOfAll(index.In(ctx, r.Here, o.GetName())))
}

// hostsOfSecret returns the hosts that a Secret logs in to.
func (r *hostReconciler) hostsOfSecret(ctx context.Context, o client.Object) []model.HostID {
	return index.HostsOfAll(index.BySecret(ctx, r.Here, client.ObjectKeyFromObject(o)))
}

// hostsOfService returns the hosts that have a listener whose connections can go to a Service of this cluster.
func (r *hostReconciler) hostsOfService(ctx context.Context, o client.Object) []model.HostID {
	return r.touched(r.hostsThatServe(ctx, spec.ServiceKey{NamespacedName: client.ObjectKeyFromObject(o)}))
}

func (r *hostReconciler) hostsThatServe(ctx context.Context, key spec.ServiceKey) []model.HostID {
	return index.HostsThatServe(ctx, r.Here, key, r.Allows)
}

// hostsOfNode returns the hosts that have a listener whose connections can go to nodes of this cluster.
func (r *hostReconciler) hostsOfNode(ctx context.Context, _ client.Object) []model.HostID {
	return r.touched(index.HostsThatUseNodes(ctx, r.Here, spec.ClusterKey{}))
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
			index.IsHeld(before) != index.IsHeld(after) ||
			!slices.Equal(sortedHosts(before), sortedHosts(after))
	}}
}

func sortedHosts(object *v1alpha1.EdgeLoadBalancer) []string {
	var keys []string
	for _, key := range index.HostsOf(object) {
		keys = append(keys, key.String())
	}
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
