package controllers

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status"
)

// observed is the cluster's input for one host.
type observed struct {
	// snapshot is about the objects that want the host.
	snapshot desired.Snapshot
	// detaching are the objects that the host must be freed from: they are being deleted, or have it only in their status.
	detaching []record.Detaching
	// unsettled reports that an object that may be on the host has lost the finalizer, and is about to get it back.
	unsettled bool
}

// find returns the objects that concern a host. What they refer to is gathered later.
func (r *hostReconciler) find(ctx context.Context, key model.HostID) (observed, error) {
	var list v1alpha1.EdgeLoadBalancerList
	// Nobody changes the objects; see objectsBy.
	if err := r.Here.List(ctx, &list, client.MatchingFields{indexHost: key.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return observed{}, fmt.Errorf("list the EdgeLoadBalancers of host %s: %w", key, err)
	}
	seen := observed{snapshot: desired.Snapshot{Cluster: r.cluster}}
	for i := range list.Items {
		seen.add(key, &list.Items[i])
	}
	return seen, r.addRules(ctx, &seen)
}

// namespace returns the one whose share of the workers the host counts to: that of the Secret that last logged in to it, or that of
// an object that names it.
func (o *observed) namespace(known record.Host) string {
	switch {
	case known.Wanted.Login.Secret.Namespace != "":
		return known.Wanted.Login.Secret.Namespace
	case len(o.snapshot.Objects) > 0:
		return o.snapshot.Objects[0].Namespace
	default:
		return o.detaching[0].Object.Namespace
	}
}

// add classifies an object. One without the finalizer is left alone: it could be gone before its hosts are cleaned.
func (o *observed) add(key model.HostID, object *v1alpha1.EdgeLoadBalancer) {
	entry, wanted := entryOf(object, key)
	switch {
	case !isHeld(object) && object.DeletionTimestamp.IsZero():
		// The object was replaced as a whole. Without it, the host would lose its listeners for that moment.
		_, known := statusOf(object, key)
		o.unsettled = o.unsettled || known
	case !isHeld(object) || status.Retains(object):
	case wanted && object.DeletionTimestamp.IsZero():
		o.snapshot.Objects = append(o.snapshot.Objects, object)
	default:
		reported, _ := statusOf(object, key)
		o.detaching = append(o.detaching, record.Detaching{Object: object, Entry: entry, Served: reported.ObservedGeneration > 0})
	}
}

// await records which detaching objects keep being served until other hosts serve them. recordOf returns the record of a host.
func (o *observed) await(recordOf func(model.HostID) record.Host) {
	for i := range o.detaching {
		o.detaching[i].Awaits = record.MustAwait(o.detaching[i].Object, recordOf)
	}
}

// entryOf returns the object's entry for a host; for a host that is only in its status, the entry is built from that.
func entryOf(object *v1alpha1.EdgeLoadBalancer, key model.HostID) (entry v1alpha1.Host, inSpec bool) {
	for i := range object.Spec.Hosts {
		if spec.IsHost(&object.Spec.SSH, &object.Spec.Hosts[i], key) {
			return object.Spec.Hosts[i], true
		}
	}
	entry = v1alpha1.Host{Address: key.Address, Port: &key.Port}
	if reported, found := statusOf(object, key); found {
		entry.Name, entry.User = reported.Name, reported.User
	}
	return entry, false
}

// statusOf returns the host in the object's status.
func statusOf(object *v1alpha1.EdgeLoadBalancer, key model.HostID) (host v1alpha1.HostStatus, found bool) {
	i := slices.IndexFunc(object.Status.Hosts, func(host v1alpha1.HostStatus) bool { return status.KeyOf(host) == key })
	if i < 0 {
		return v1alpha1.HostStatus{}, false
	}
	return object.Status.Hosts[i], true
}

// wanting returns a function that reports whether objects of a namespace still want a host of a name, according to the cache at the
// time of the call.
func wanting(ctx context.Context, reader client.Reader, namespace string) func(host string) bool {
	return func(host string) bool {
		var list v1alpha1.EdgeLoadBalancerList
		err := reader.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{indexHost: host}, client.UnsafeDisableDeepCopy)
		// If the list fails, the host may be wanted.
		return err != nil || slices.ContainsFunc(list.Items, func(o v1alpha1.EdgeLoadBalancer) bool { return wantsHost(&o, host) })
	}
}

func wantsHost(object *v1alpha1.EdgeLoadBalancer, host string) bool {
	return object.DeletionTimestamp.IsZero() && slices.ContainsFunc(object.Spec.Hosts, func(entry v1alpha1.Host) bool {
		return spec.IDOf(&object.Spec.SSH, &entry).String() == host
	})
}
