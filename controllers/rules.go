package controllers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/limits"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
)

// rulebook returns the rules of namespaces, from the EdgePolicies in the cache.
type rulebook struct {
	cache client.Reader
	// missingRights is what the operator must not read of it.
	missingRights MissingRights

	mu sync.Mutex
	// set is built from the policies of that version.
	set     *policy.Set
	version string
}

// of returns the rules for the objects of a namespace. The error is one of the cache, which does not fail once it has started.
func (b *rulebook) of(ctx context.Context, namespace string) (policy.Rules, error) {
	set, err := b.current(ctx)
	if err != nil {
		return policy.Rules{}, err
	}
	labels := map[string]string(nil)
	if set.AsksForLabels() && !b.missingRights.Namespaces {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		if err := b.cache.Get(ctx, client.ObjectKey{Name: namespace}, meta); client.IgnoreNotFound(err) != nil {
			return policy.Rules{}, fmt.Errorf("read namespace %s: %w", namespace, err)
		}
		labels = meta.Labels
	}
	return set.For(namespace, labels), nil
}

// current returns the current policies. They are parsed again only if one of them has changed.
func (b *rulebook) current(ctx context.Context) (*policy.Set, error) {
	var list v1alpha1.EdgePolicyList
	if !b.missingRights.Policies {
		if err := b.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list the EdgePolicies: %w", err)
		}
	}
	var version strings.Builder
	for i := range list.Items {
		version.WriteString(string(list.Items[i].UID) + "@" + list.Items[i].ResourceVersion + " ")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.set == nil || b.version != version.String() {
		b.set, b.version = policy.NewSet(list.Items), version.String()
	}
	return b.set, nil
}

// addRules reads the rules of the namespaces of all objects that concern the host, and their excess beyond the limits.
func (r *hostReconciler) addRules(ctx context.Context, o *observed) error {
	o.snapshot.Rules, o.snapshot.Excess = map[string]policy.Rules{}, map[string]limits.Excess{}
	namespaces := map[string]bool{}
	for _, object := range o.snapshot.Objects {
		namespaces[object.Namespace] = true
	}
	for _, d := range o.detaching {
		namespaces[d.Object.Namespace] = true
	}
	for namespace := range namespaces {
		rules, err := r.rules.of(ctx, namespace)
		if err != nil {
			return err
		}
		o.snapshot.Rules[namespace], o.snapshot.Excess[namespace] = rules, r.excesses.of(ctx, r.Here, rules)
	}
	return nil
}

// rules returns those of the namespace whose Secret logs in to the host.
func (t *hostSync) rules() policy.Rules {
	return t.seen.snapshot.RulesOf(t.task.Host.Login.Secret.Namespace)
}

// awaitPace returns how long a change of an object that is new in the task must wait. An object that the host was already tried
// with, or proved to run before this operator started, is not new.
func (r *hostReconciler) awaitPace(t *hostSync) time.Duration {
	var wait time.Duration
	for _, object := range t.seen.snapshot.Objects {
		generation, wanted := t.task.Objects[object.UID]
		reported, _ := statusOf(object, t.key)
		if !wanted || generation == t.known.Tried[object.UID] || generation == reported.ObservedGeneration {
			continue
		}
		perSecond := t.seen.snapshot.RulesOf(object.Namespace).Limits.ChangesPerSecond.Most
		wait = max(wait, r.pace.Wait(object.Namespace, object.UID, generation, perSecond, r.now()))
	}
	return wait
}

// isLeftAlone reports whether none of the objects that name the host may have it, and it must be freed from none.
func (t *hostSync) isLeftAlone() bool {
	return len(t.seen.snapshot.Objects) > 0 && len(t.known.Wanted.Members)+len(t.seen.detaching) == 0
}

// forbidden returns the outcome of a host that must not be dialled.
func forbidden(found *policy.Violation) model.Outcome {
	return model.Outcome{State: model.Refused, Message: "the host is left alone as it is: " + found.Error()}
}

// disconnect ends the connection to a host that must not be dialled.
func (r *hostReconciler) disconnect(key model.HostID) {
	r.caches.forget(key)
	r.connector.Forget(key)
}

// hostsOfPolicy returns the hosts of the objects that a policy is for.
func (r *hostReconciler) hostsOfPolicy(ctx context.Context, o client.Object) []model.HostID {
	var keys []model.HostID
	for _, object := range r.rules.objectsOf(ctx, o.(*v1alpha1.EdgePolicy)) {
		keys = append(keys, hostKeys(&object)...)
	}
	return r.touched(keys)
}

// hostsBesides returns the hosts of the other objects of a namespace, if a change of one object leaves more or less of the limits
// to them.
func (r *hostReconciler) hostsBesides(ctx context.Context, object *v1alpha1.EdgeLoadBalancer) []model.HostID {
	rules, err := r.rules.of(ctx, object.Namespace)
	if err != nil || !r.excesses.changed(ctx, r.Here, rules) {
		return nil
	}
	var keys []model.HostID
	for _, other := range objectsIn(ctx, r.Here, object.Namespace) {
		keys = append(keys, hostKeys(&other)...)
	}
	return keys
}

// hostsOfNamespace returns the hosts of the objects of a namespace.
func (r *hostReconciler) hostsOfNamespace(ctx context.Context, o client.Object) []model.HostID {
	var keys []model.HostID
	for _, object := range objectsIn(ctx, r.Here, o.GetName()) {
		keys = append(keys, hostKeys(&object)...)
	}
	return r.touched(keys)
}

// clustersOfPolicy returns the other clusters of the objects that a policy is for, and clustersOfNamespace those of a namespace.
func (r *clusterReconciler) clustersOfPolicy(ctx context.Context, o client.Object) []desired.ClusterKey {
	var keys []desired.ClusterKey
	for _, object := range r.rules.objectsOf(ctx, o.(*v1alpha1.EdgePolicy)) {
		keys = append(keys, otherClusters(&object)...)
	}
	return keys
}

func (r *clusterReconciler) clustersOfNamespace(ctx context.Context, o client.Object) []desired.ClusterKey {
	var keys []desired.ClusterKey
	for _, object := range objectsIn(ctx, r.Here, o.GetName()) {
		keys = append(keys, otherClusters(&object)...)
	}
	return keys
}

// objectsOf returns the objects that a policy is for. For one that selects by labels, these may be any.
func (b *rulebook) objectsOf(ctx context.Context, p *v1alpha1.EdgePolicy) []v1alpha1.EdgeLoadBalancer {
	if names := p.Spec.Namespaces.Names; len(names) > 0 && len(p.Spec.Namespaces.MatchLabels) == 0 {
		return objectsIn(ctx, b.cache, names...)
	}
	return objectsIn(ctx, b.cache, metav1.NamespaceAll)
}

// objectsIn returns the objects of namespaces. Callers must not change them.
func objectsIn(ctx context.Context, reader client.Reader, namespaces ...string) []v1alpha1.EdgeLoadBalancer {
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
