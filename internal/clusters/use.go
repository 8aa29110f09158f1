package clusters

import (
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/desired/spec"
)

// Use is what is read of a cluster. The kubeconfig's user needs permissions for this only.
type Use struct {
	// Namespaces are the namespaces whose Services and EndpointSlices are read, sorted. If empty, the cluster is not used.
	Namespaces []string
	// Nodes says that the nodes are read as well.
	Nodes bool
}

// With returns the use with one more namespace, and with the nodes if they are needed.
func (u Use) With(namespace string, nodes bool) Use {
	i, found := slices.BinarySearch(u.Namespaces, namespace)
	if !found {
		u.Namespaces = slices.Insert(slices.Clone(u.Namespaces), i, namespace)
	}
	u.Nodes = u.Nodes || nodes
	return u
}

// scopes returns the scopes of a cluster that the use needs.
func (u Use) scopes(key Key) []spec.Scope {
	scopes := make([]spec.Scope, 0, len(u.Namespaces)+1)
	for _, namespace := range u.Namespaces {
		scopes = append(scopes, spec.Scope{Cluster: key, Namespace: namespace})
	}
	if u.Nodes {
		scopes = append(scopes, spec.Scope{Cluster: key})
	}
	return scopes
}

// kindsOf returns the kinds that are read of a scope.
func kindsOf(scope spec.Scope) []client.Object {
	if scope.Namespace == "" {
		return []client.Object{&corev1.Node{}}
	}
	return []client.Object{&corev1.Service{}, &discoveryv1.EndpointSlice{}}
}

// rightsOf returns the permissions that reading a scope needs.
func rightsOf(scope spec.Scope) []authorizationv1.ResourceAttributes {
	var all []authorizationv1.ResourceAttributes
	add := func(group, resource string) {
		for _, verb := range []string{"list", "watch"} {
			all = append(all, authorizationv1.ResourceAttributes{Group: group, Resource: resource, Namespace: scope.Namespace, Verb: verb})
		}
	}
	if scope.Namespace == "" {
		add(corev1.GroupName, "nodes")
		return all
	}
	add(corev1.GroupName, "services")
	add(discoveryv1.GroupName, "endpointslices")
	return all
}
