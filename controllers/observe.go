package controllers

import (
	"context"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/limits"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/record"
)

// observed is the cluster's input for one host.
type observed struct {
	key model.HostID
	// snapshot is about the objects that want the host.
	snapshot desired.Snapshot
	// detaching are the objects that the host must be freed from.
	detaching []detach.Object
}

// observe reads what the objects that name a host refer to, and what is known of the host. It waits for nothing.
func (r *hostReconciler) observe(ctx context.Context, named index.Named) (observed, error) {
	seen := observed{key: named.Host, detaching: named.Detaching}
	seen.snapshot = desired.Snapshot{Cluster: r.cluster, Objects: named.Wanting}
	if err := r.addRules(ctx, &seen.snapshot, named.Namespaces()); err != nil {
		return observed{}, err
	}
	if err := r.Gather(ctx, &seen.snapshot); err != nil {
		return observed{}, err
	}
	seen.snapshot.PeerOf = r.peerOf
	seen.snapshot.Egress, seen.snapshot.EgressHidden = r.records.Get(seen.key).ReachedFrom()
	seen.snapshot.Able = r.records.Get(seen.key).Able()
	for i, d := range seen.detaching {
		seen.detaching[i].Awaits = detach.MustAwait(d.EdgeLoadBalancer, func(host model.HostID) bool {
			known := r.records.Get(host)
			seen.detaching[i].Held = seen.detaching[i].Held || known.Held.Why != ""
			return known.Serves(d.EdgeLoadBalancer) && known.Held.Why == ""
		})
	}
	return seen, nil
}

// wantedOf returns what a host should run, as the cluster is now. The record of the host may be older.
func (r *hostReconciler) wantedOf(ctx context.Context, key model.HostID) (desired.Host, error) {
	named, err := index.OfHost(ctx, r.Here, key)
	if err != nil {
		return desired.Host{}, err
	}
	seen, err := r.observe(ctx, named)
	if err != nil {
		return desired.Host{}, err
	}
	return r.builder.Build(key, seen.snapshot), nil
}

// addRules reads the rules of namespaces, and the excess of their objects beyond the limits.
func (r *hostReconciler) addRules(ctx context.Context, snapshot *desired.Snapshot, namespaces []string) error {
	snapshot.Rules, snapshot.Excess = map[string]policy.Rules{}, map[string]limits.Excess{}
	for _, namespace := range namespaces {
		if _, known := snapshot.Rules[namespace]; known {
			continue
		}
		rules, err := r.rules.Of(ctx, namespace)
		if err != nil {
			return err
		}
		snapshot.Rules[namespace], snapshot.Excess[namespace] = rules, r.rules.ExcessOf(ctx, rules)
	}
	return nil
}

// mayHaveNone reports whether none of the objects that name the host may have it, and it must be freed from none.
func (o observed) mayHaveNone(known record.Host) bool {
	return len(o.snapshot.Objects) > 0 && len(known.Wanted.Members)+len(o.detaching) == 0
}

// onlyOf returns what was observed for one owner only. It detaches nothing.
func (o observed) onlyOf(owner spec.Owner) observed {
	return observed{key: o.key, snapshot: o.snapshot.OnlyOf(owner)}
}
