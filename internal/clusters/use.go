package clusters

import (
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/desired"
)

// Use is what is read of a cluster: no more than its user has to be given rights for.
type Use struct {
	// Namespaces are those whose Services and EndpointSlices are read, sorted. Without any, the cluster is not used.
	Namespaces []string
	// Nodes says that its nodes are read as well.
	Nodes bool
}

// With is the use with one more namespace, and its nodes if they are needed.
func (u Use) With(namespace string, nodes bool) Use {
	i, found := slices.BinarySearch(u.Namespaces, namespace)
	if !found {
		u.Namespaces = slices.Insert(slices.Clone(u.Namespaces), i, namespace)
	}
	u.Nodes = u.Nodes || nodes
	return u
}

// parts are what of a cluster has to be read for the use.
func (u Use) scopes(key Key) []desired.Scope {
	scopes := make([]desired.Scope, 0, len(u.Namespaces)+1)
	for _, namespace := range u.Namespaces {
		scopes = append(scopes, desired.Scope{Cluster: key, Namespace: namespace})
	}
	if u.Nodes {
		scopes = append(scopes, desired.Scope{Cluster: key})
	}
	return scopes
}

// kindsOf are the kinds that are read of a part.
func kindsOf(scope desired.Scope) []client.Object {
	if scope.Namespace == "" {
		return []client.Object{&corev1.Node{}}
	}
	return []client.Object{&corev1.Service{}, &discoveryv1.EndpointSlice{}}
}

// rightsOf are what reading a part takes.
func rightsOf(scope desired.Scope) []authorizationv1.ResourceAttributes {
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
