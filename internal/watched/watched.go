// Package watched defines what the operator watches in a cluster, its own or another: which fields it keeps in memory, how it
// finds the EndpointSlices of a Service, and which changes matter. It is pure.
package watched

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// IndexService is the name of the index that finds EndpointSlices by ServiceNames.
const IndexService = "edgelb.service"

// ServiceNames returns the index keys of an EndpointSlice: its Service, as namespace/name.
func ServiceNames(slice client.Object) []string {
	return []string{ServiceOf(slice).String()}
}

// ServiceOf returns the Service that an EndpointSlice belongs to.
func ServiceOf(slice client.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: slice.GetNamespace(), Name: slice.GetLabels()[discoveryv1.LabelServiceName]}
}

// ServicesOf returns the Services affected by a change of an EndpointSlice: two if its Service label changed. Either may be nil.
func ServicesOf(before, after client.Object) []types.NamespacedName {
	var services []types.NamespacedName
	for _, slice := range []client.Object{before, after} {
		if slice != nil && !slices.Contains(services, ServiceOf(slice)) {
			services = append(services, ServiceOf(slice))
		}
	}
	return services
}

// Trim drops the fields that the operator does not read, before the object enters a cache. It never fails.
func Trim(o any) (any, error) {
	if object, ok := o.(metav1.Object); ok {
		object.SetManagedFields(nil)
	}
	switch object := o.(type) {
	case *metav1.PartialObjectMetadata:
		// kubectl apply stores a copy of the whole object in an annotation, even of a Secret.
		object.Annotations = nil
	case *corev1.Service:
		object.Annotations = nil
	case *discoveryv1.EndpointSlice:
		object.Annotations = onlyTrigger(object.Annotations)
		for i := range object.Endpoints {
			endpoint := &object.Endpoints[i]
			endpoint.Hints, endpoint.Zone, endpoint.DeprecatedTopology = nil, nil, nil
		}
	case *corev1.Node:
		trimNode(object)
	}
	return o, nil
}

// trimNode keeps the fields that say whether and where a node is reachable. Kubelets report much more, and often.
func trimNode(node *corev1.Node) {
	node.ObjectMeta = metav1.ObjectMeta{
		Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion, DeletionTimestamp: node.DeletionTimestamp,
		Labels: onlyExclusion(node.Labels),
	}
	node.Spec = corev1.NodeSpec{Taints: node.Spec.Taints}
	node.Status = corev1.NodeStatus{Addresses: node.Status.Addresses, Conditions: onlyReady(node.Status.Conditions)}
}

func onlyExclusion(labels map[string]string) map[string]string {
	value, found := labels[corev1.LabelNodeExcludeBalancers]
	if !found {
		return nil
	}
	return map[string]string{corev1.LabelNodeExcludeBalancers: value}
}

// onlyReady keeps the Ready condition without its timestamps.
func onlyReady(conditions []corev1.NodeCondition) []corev1.NodeCondition {
	i := slices.IndexFunc(conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
	if i < 0 {
		return nil
	}
	return []corev1.NodeCondition{{Type: corev1.NodeReady, Status: conditions[i].Status}}
}

// Differs reports whether a change of a trimmed Service, EndpointSlice or Node can affect a host. For other types it returns true.
func Differs(before, after client.Object) bool {
	same := equality.Semantic.DeepEqual
	switch before := before.(type) {
	case *corev1.Service:
		return !same(before.Spec, after.(*corev1.Service).Spec)
	case *discoveryv1.EndpointSlice:
		after := after.(*discoveryv1.EndpointSlice)
		return !same(before.Endpoints, after.Endpoints) || !same(before.Ports, after.Ports) || ServiceOf(before) != ServiceOf(after)
	case *corev1.Node:
		after := after.(*corev1.Node)
		return !same(before.Labels, after.Labels) || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			!same(before.Spec, after.Spec) || !same(before.Status, after.Status)
	default:
		return true
	}
}
