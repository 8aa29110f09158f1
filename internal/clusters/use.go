package clusters

import (
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
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

func (u Use) equal(other Use) bool {
	return u.Nodes == other.Nodes && slices.Equal(u.Namespaces, other.Namespaces)
}

// rights are what reading takes.
func (u Use) rights() []authorizationv1.ResourceAttributes {
	var all []authorizationv1.ResourceAttributes
	add := func(group, resource, namespace string) {
		for _, verb := range []string{"list", "watch"} {
			all = append(all, authorizationv1.ResourceAttributes{Group: group, Resource: resource, Namespace: namespace, Verb: verb})
		}
	}
	for _, namespace := range u.Namespaces {
		add(corev1.GroupName, "services", namespace)
		add(discoveryv1.GroupName, "endpointslices", namespace)
	}
	if u.Nodes {
		add(corev1.GroupName, "nodes", "")
	}
	return all
}
