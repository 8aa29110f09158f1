package spec

import (
	"cmp"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// ClusterKey names the Secret with the kubeconfig of another cluster; the zero ClusterKey is the operator's own cluster.
type ClusterKey = types.NamespacedName

// ServiceKey names a Service of any cluster.
type ServiceKey struct {
	Cluster ClusterKey
	types.NamespacedName
}

// Scope is a part of another cluster that is read separately: a kubeconfig may have the right to read one scope and not
// another.
type Scope struct {
	Cluster ClusterKey
	// Namespace is the namespace whose Services and EndpointSlices are read; the Scope without a namespace is the cluster's
	// nodes.
	Namespace string
}

// ServiceOf returns the Service that a target of the object names; false if it names none.
func ServiceOf(object *v1alpha1.EdgeLoadBalancer, target *v1alpha1.Target) (ServiceKey, bool) {
	service := target.Service
	if service == nil {
		return ServiceKey{}, false
	}
	key := ServiceKey{NamespacedName: types.NamespacedName{Namespace: cmp.Or(service.Namespace, object.Namespace), Name: service.Name}}
	if service.KubeconfigSecretRef != nil {
		key.Cluster = ClusterKey{Namespace: object.Namespace, Name: service.KubeconfigSecretRef.Name}
	}
	return key, true
}

// NodesOf returns the cluster whose nodes a target of the object uses; false if it needs no nodes.
func NodesOf(object *v1alpha1.EdgeLoadBalancer, target *v1alpha1.Target) (ClusterKey, bool) {
	key, found := ServiceOf(object, target)
	return key.Cluster, found && target.Via == v1alpha1.ViaNodePort && target.NodeAddressType != v1alpha1.NodeEgress
}

// ScopesOf returns the scopes of another cluster that a target of the object needs; none if it needs no other cluster.
func ScopesOf(object *v1alpha1.EdgeLoadBalancer, target *v1alpha1.Target) []Scope {
	key, found := ServiceOf(object, target)
	if !found || key.Cluster == (ClusterKey{}) {
		return nil
	}
	scopes := []Scope{{Cluster: key.Cluster, Namespace: key.Namespace}}
	if _, byNodes := NodesOf(object, target); byNodes {
		scopes = append(scopes, Scope{Cluster: key.Cluster})
	}
	return scopes
}

// UsesEgress reports whether a target uses the operator's own address, as the host sees it, as its server.
func UsesEgress(spec *v1alpha1.EdgeLoadBalancerSpec) bool {
	for i := range spec.Targets {
		if t := &spec.Targets[i]; t.Via == v1alpha1.ViaNodePort && t.NodeAddressType == v1alpha1.NodeEgress {
			return true
		}
	}
	return false
}
