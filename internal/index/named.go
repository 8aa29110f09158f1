package index

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/status"
)

// Finalizer keeps an EdgeLoadBalancer until its hosts are clean.
const Finalizer = "edgelb.io/hosts"

// IsHeld reports whether an object has the finalizer. One without it changes no host: it could be gone before its hosts are cleaned.
func IsHeld(object *v1alpha1.EdgeLoadBalancer) bool {
	return slices.Contains(object.Finalizers, Finalizer)
}

// Named are the objects that name a host.
type Named struct {
	Host model.HostID
	// Wanting are those that want the host.
	Wanting []*v1alpha1.EdgeLoadBalancer
	// Detaching are those that the host must be freed from: they are being deleted, or have it only in their status.
	Detaching []detach.Object
	// Unsettled reports that an object that may be on the host has lost the finalizer, and is about to get it back.
	Unsettled bool
}

// OfHost returns the objects that name a host.
func OfHost(ctx context.Context, reader client.Reader, key model.HostID) (Named, error) {
	var list v1alpha1.EdgeLoadBalancerList
	if err := reader.List(ctx, &list, client.MatchingFields{byHost: key.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return Named{}, fmt.Errorf("list the EdgeLoadBalancers of host %s: %w", key, err)
	}
	named := Named{Host: key}
	for i := range list.Items {
		named.add(&list.Items[i])
	}
	return named, nil
}

// add classifies an object.
func (n *Named) add(object *v1alpha1.EdgeLoadBalancer) {
	entry, wanted := entryOf(object, n.Host)
	switch {
	case !IsHeld(object) && object.DeletionTimestamp.IsZero():
		// The object was replaced as a whole. Without it, the host would lose its listeners for that moment.
		_, known := StatusOf(object, n.Host)
		n.Unsettled = n.Unsettled || known
	case !IsHeld(object) || detach.Retains(object):
	case wanted && object.DeletionTimestamp.IsZero():
		n.Wanting = append(n.Wanting, object)
	default:
		reported, known := StatusOf(object, n.Host)
		if known && !wanted {
			object = spec.ReachedAs(object, &reported)
		}
		n.Detaching = append(n.Detaching, detach.Object{EdgeLoadBalancer: object, Entry: entry, Served: reported.ObservedGeneration > 0})
	}
}

// Namespaces returns the namespaces of the objects: of those that want the host first.
func (n *Named) Namespaces() []string {
	var all []string
	for _, object := range n.Wanting {
		all = append(all, object.Namespace)
	}
	for _, d := range n.Detaching {
		all = append(all, d.Namespace)
	}
	return all
}

// entryOf returns the object's entry for a host; for a host that is only in its status, the entry is built from that.
func entryOf(object *v1alpha1.EdgeLoadBalancer, key model.HostID) (entry v1alpha1.Host, inSpec bool) {
	for i := range object.Spec.Hosts {
		if spec.IsHost(&object.Spec.SSH, &object.Spec.Hosts[i], key) {
			return object.Spec.Hosts[i], true
		}
	}
	entry = v1alpha1.Host{Address: key.Address, Port: &key.Port}
	if reported, found := StatusOf(object, key); found {
		entry.Name, entry.User = reported.Name, reported.User
	}
	return entry, false
}

// StatusOf returns the host in the object's status.
func StatusOf(object *v1alpha1.EdgeLoadBalancer, key model.HostID) (host v1alpha1.HostStatus, found bool) {
	i := slices.IndexFunc(object.Status.Hosts, func(host v1alpha1.HostStatus) bool { return status.KeyOf(host) == key })
	if i < 0 {
		return v1alpha1.HostStatus{}, false
	}
	return object.Status.Hosts[i], true
}

// Wants returns a function that reports whether objects of a namespace still want a host of a name, according to the cache at the
// time of the call.
func Wants(ctx context.Context, reader client.Reader, namespace string) func(host string) bool {
	return func(host string) bool {
		var list v1alpha1.EdgeLoadBalancerList
		err := reader.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{byHost: host}, client.UnsafeDisableDeepCopy)
		// If the list fails, the host may be wanted.
		return err != nil || slices.ContainsFunc(list.Items, func(o v1alpha1.EdgeLoadBalancer) bool { return wantsHost(&o, host) })
	}
}

func wantsHost(object *v1alpha1.EdgeLoadBalancer, host string) bool {
	return object.DeletionTimestamp.IsZero() && slices.ContainsFunc(object.Spec.Hosts, func(entry v1alpha1.Host) bool {
		return spec.IDOf(&object.Spec.SSH, &entry).String() == host
	})
}
