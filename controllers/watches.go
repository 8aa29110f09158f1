package controllers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/status"
)

// The names of the cache's indexes: EdgeLoadBalancers by host, by Service and by Secret, and EndpointSlices by Service.
const (
	indexHost    = "edgelb.host"
	indexService = "edgelb.service"
	indexSecret  = "edgelb.secret"
)

// addIndexes makes the cache find objects the way the watches ask for them.
func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		object client.Object
		name   string
		keys   client.IndexerFunc
	}{
		{&v1alpha1.EdgeLoadBalancer{}, indexHost, func(o client.Object) []string {
			keys := []string{}
			for _, key := range hostKeys(o.(*v1alpha1.EdgeLoadBalancer)) {
				keys = append(keys, key.String())
			}
			return keys
		}},
		{&v1alpha1.EdgeLoadBalancer{}, indexService, func(o client.Object) []string {
			return serviceNames(o.(*v1alpha1.EdgeLoadBalancer))
		}},
		{&v1alpha1.EdgeLoadBalancer{}, indexSecret, func(o client.Object) []string {
			return []string{secretName(o.(*v1alpha1.EdgeLoadBalancer)).String()}
		}},
		{&discoveryv1.EndpointSlice{}, indexService, func(o client.Object) []string {
			return []string{serviceOf(o).String()}
		}},
	} {
		if err := indexer.IndexField(ctx, index.object, index.name, index.keys); err != nil {
			return err
		}
	}
	return nil
}

// hostKeys are the hosts that an object names in its spec or, because they are not clean of it yet, in its status.
func hostKeys(object *v1alpha1.EdgeLoadBalancer) []desired.HostKey {
	keys := map[desired.HostKey]bool{}
	for i := range object.Spec.Hosts {
		keys[desired.KeyOf(&object.Spec.SSH, &object.Spec.Hosts[i])] = true
	}
	for _, host := range object.Status.Hosts {
		keys[status.KeyOf(host)] = true
	}
	return slices.Collect(maps.Keys(keys))
}

func secretName(object *v1alpha1.EdgeLoadBalancer) types.NamespacedName {
	return types.NamespacedName{Namespace: object.Namespace, Name: object.Spec.SSH.SecretRef.Name}
}

func serviceNames(object *v1alpha1.EdgeLoadBalancer) []string {
	names := map[string]bool{}
	for i := range object.Spec.Targets {
		if key, found := desired.ServiceOf(object, &object.Spec.Targets[i]); found {
			names[key.NamespacedName.String()] = true
		}
	}
	return slices.Collect(maps.Keys(names))
}

// serviceOf is the Service that an EndpointSlice belongs to.
func serviceOf(slice client.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: slice.GetNamespace(), Name: slice.GetLabels()[discoveryv1.LabelServiceName]}
}

// hostsOfObject are the hosts to work on when an EdgeLoadBalancer changes.
func (r *hostReconciler) hostsOfObject(_ context.Context, o client.Object) []desired.HostKey {
	return r.touched(hostKeys(o.(*v1alpha1.EdgeLoadBalancer)))
}

// hostsOfSecret are the hosts that are logged in to with a Secret.
func (r *hostReconciler) hostsOfSecret(ctx context.Context, o client.Object) []desired.HostKey {
	var keys []desired.HostKey
	for _, object := range r.objectsBy(ctx, indexSecret, client.ObjectKeyFromObject(o)) {
		keys = append(keys, hostKeys(&object)...)
	}
	return keys
}

// hostsOfService are the hosts that have a listener whose connections go to a Service.
func (r *hostReconciler) hostsOfService(ctx context.Context, o client.Object) []desired.HostKey {
	return r.touched(r.hostsThatServe(ctx, client.ObjectKeyFromObject(o)))
}

func (r *hostReconciler) hostsThatServe(ctx context.Context, service types.NamespacedName) []desired.HostKey {
	var keys []desired.HostKey
	for _, object := range r.objectsBy(ctx, indexService, service) {
		keys = append(keys, servingHosts(&object, service)...)
	}
	return keys
}

// servingHosts are the hosts of the object that have a listener for the Service.
func servingHosts(object *v1alpha1.EdgeLoadBalancer, service types.NamespacedName) []desired.HostKey {
	targets := map[string]bool{}
	for i := range object.Spec.Targets {
		key, found := desired.ServiceOf(object, &object.Spec.Targets[i])
		targets[object.Spec.Targets[i].Name] = found && key.NamespacedName == service
	}
	var keys []desired.HostKey
	for i := range object.Spec.Hosts {
		host := &object.Spec.Hosts[i]
		if slices.ContainsFunc(object.Spec.Listeners, func(l v1alpha1.Listener) bool {
			return targets[l.Target] && (len(l.Hosts) == 0 || slices.Contains(l.Hosts, host.Name))
		}) {
			keys = append(keys, desired.KeyOf(&object.Spec.SSH, host))
		}
	}
	return keys
}

// objectsBy asks an index. The cache is the only thing that could fail here, and it does not once it has started. Nobody may
// change the objects: copies of all hosts of all objects at each change of a slice would cost more than all the rest.
func (r *hostReconciler) objectsBy(ctx context.Context, index string, name types.NamespacedName) []v1alpha1.EdgeLoadBalancer {
	var list v1alpha1.EdgeLoadBalancerList
	if err := r.reader.List(ctx, &list, client.MatchingFields{index: name.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	return list.Items
}

// touched notes the moment from which the time to the proof is measured.
func (r *hostReconciler) touched(keys []desired.HostKey) []desired.HostKey {
	r.records.Touch(keys, r.now(), time.Time{})
	return keys
}

// hostsConcerned passes the changes of an EdgeLoadBalancer that concern its hosts. Most changes of its status do not.
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
	var keys []string
	for _, key := range hostKeys(object) {
		keys = append(keys, key.String())
	}
	slices.Sort(keys)
	return keys
}

// contentChanged passes the changes of a Service or EndpointSlice that can matter to a host.
func contentChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		switch before := e.ObjectOld.(type) {
		case *corev1.Service:
			return !equality.Semantic.DeepEqual(before.Spec, e.ObjectNew.(*corev1.Service).Spec)
		case *discoveryv1.EndpointSlice:
			after := e.ObjectNew.(*discoveryv1.EndpointSlice)
			return !equality.Semantic.DeepEqual(before.Endpoints, after.Endpoints) ||
				!equality.Semantic.DeepEqual(before.Ports, after.Ports) || serviceOf(before) != serviceOf(after)
		default:
			return true
		}
	}}
}

// CacheOptions say what the operator keeps of the cluster's objects in memory: nothing that it does not use.
func CacheOptions() cache.Options {
	return cache.Options{DefaultTransform: trim}
}

// trim drops what nobody here reads from an object on its way into the cache.
func trim(o any) (any, error) {
	if object, ok := o.(metav1.Object); ok {
		object.SetManagedFields(nil)
	}
	switch object := o.(type) {
	case *metav1.PartialObjectMetadata:
		// kubectl apply leaves a copy of the whole object in an annotation, be it a Secret.
		object.Annotations = nil
	case *corev1.Service:
		object.Annotations = nil
	case *discoveryv1.EndpointSlice:
		object.Annotations = onlyTrigger(object.Annotations)
		for i := range object.Endpoints {
			endpoint := &object.Endpoints[i]
			endpoint.Hints, endpoint.Zone, endpoint.DeprecatedTopology = nil, nil, nil
		}
	}
	return o, nil
}

// mailbox feeds a controller's queue from inside the program. Unlike a channel it never makes the sender wait.
type mailbox[request comparable] struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[request]
	early []request
}

// Start implements source.TypedSource.
func (m *mailbox[request]) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[request]) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = queue
	for _, r := range m.early {
		queue.Add(r)
	}
	m.early = nil
	return nil
}

// add puts a request into the queue, or keeps it until there is one.
func (m *mailbox[request]) add(r request) { m.addAfter(r, 0) }

// addAfter puts a request into the queue after a while; one that is kept until there is a queue has waited by then.
func (m *mailbox[request]) addAfter(r request, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.queue == nil {
		m.early = append(m.early, r)
		return
	}
	m.queue.AddAfter(r, wait)
}
