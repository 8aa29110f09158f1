package spec

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// Owner is what a host can belong to: the objects of one namespace with one SSH Secret. It is named after the Secret.
type Owner = types.NamespacedName

// OwnerOf returns the owner of an object.
func OwnerOf(object *v1alpha1.EdgeLoadBalancer) Owner {
	return Owner{Namespace: object.Namespace, Name: object.Spec.SSH.SecretRef.Name}
}

// NameOf returns the name of an object.
func NameOf(object *v1alpha1.EdgeLoadBalancer) types.NamespacedName {
	return types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
}

// OwnersOf returns the owners of the objects, with the holder of the host first. The objects are sorted by age. To name a
// host proves nothing, so age decides only between owners of which nothing else is known:
//
//	the owner has logged in, and still can                 it holds the host
//	an object's status says that the host serves it        else this one, until another has logged in
//	an object's status says that the host once served it   else this one, likewise
//	the oldest object                                      else this one, likewise
func OwnersOf(objects []*v1alpha1.EdgeLoadBalancer, key model.HostID, able map[Owner]bool) []Owner {
	var owners []Owner
	served := map[Owner]int{}
	for _, object := range objects {
		owner := OwnerOf(object)
		if !slices.Contains(owners, owner) {
			owners = append(owners, owner)
		}
		served[owner] = max(served[owner], servedBy(object, key))
	}
	slices.SortStableFunc(owners, func(a, b Owner) int {
		return cmp.Or(compareBool(able[b], able[a]), cmp.Compare(served[b], served[a]))
	})
	return owners
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// servedBy returns what an object's status says of the host: 2 if it serves the object, 1 if it once did, else 0.
func servedBy(object *v1alpha1.EdgeLoadBalancer, key model.HostID) int {
	for i := range object.Status.Hosts {
		host := &object.Status.Hosts[i]
		if host.ObservedGeneration == 0 || IDOfStatus(host) != key {
			continue
		}
		if host.State == v1alpha1.HostPending {
			return 1
		}
		return 2
	}
	return 0
}
