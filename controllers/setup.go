// Package controllers has the controllers. That of hosts has a queue of hosts and brings each of them to the state that the
// EdgeLoadBalancers want. That of EdgeLoadBalancers maintains their finalizers and statuses. That of clusters has the other clusters
// read that targets name.
//
// The first two share the records of the hosts. Otherwise the controllers only queue work for each other.
package controllers

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers/rights"
	"github.com/edgelb/edgelb/controllers/signals"
	"github.com/edgelb/edgelb/controllers/virtualips"
	"github.com/edgelb/edgelb/internal/clusters"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/publish"
	"github.com/edgelb/edgelb/internal/queue"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rollout"
	"github.com/edgelb/edgelb/internal/rollout/conduct"
	"github.com/edgelb/edgelb/internal/rulebook"
	"github.com/edgelb/edgelb/internal/secrets"
	"github.com/edgelb/edgelb/internal/watched"
)

// The waits between retries after an error of the API server: it may be back at any moment.
const (
	firstAPIRetry   = 100 * time.Millisecond
	longestAPIRetry = 5 * time.Second
)

// Options are what the controllers need besides the manager.
type Options struct {
	// Cluster identifies the cluster on the hosts; see ClusterID.
	Cluster string
	// Connector reaches hosts, and Sync brings one to the wanted state.
	Connector Connector
	Sync      SyncFunc
	// SyncVirtual brings keepalived of a host to the wanted state, and LookVirtual looks at it.
	SyncVirtual, LookVirtual virtualips.SyncFunc
	// Signals are those that Connector sends.
	Signals *signals.Signals
	// RemovalTimeout bounds how long a host may take to be freed from an object.
	RemovalTimeout time.Duration
	// CrossNamespace allows targets to name Services of other namespaces than their object's.
	CrossNamespace bool
	// MissingRights is what the operator cannot read, from rights.FindMissing.
	MissingRights rights.Missing
	// Namespaces are those that the manager's cache watches; empty means all.
	Namespaces []string
	// HostsAtOnce bounds how many hosts are worked on at the same time; 0 means queue.HostsAtOnce.
	HostsAtOnce int
}

// Setup adds the controllers to the manager, whose cache must have been made with CacheOptions.
func Setup(ctx context.Context, mgr ctrl.Manager, options Options) error {
	if err := index.Add(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("add the cache's indexes: %w", err)
	}
	options.HostsAtOnce = cmp.Or(options.HostsAtOnce, queue.HostsAtOnce)
	hosts := newHostReconciler(mgr, options)
	objects := &edgeLoadBalancerReconciler{
		client:         mgr.GetClient(),
		writer:         publish.New(mgr.GetClient(), mgr.GetEventRecorder("edgelb")),
		records:        hosts.records,
		removalTimeout: options.RemovalTimeout,
		now:            time.Now,
	}
	if err := registerGauges(options.Signals.Registry, hosts, mgr.Elected()); err != nil {
		return fmt.Errorf("register the gauges: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(hosts.background.Wait)); err != nil {
		return fmt.Errorf("add the end of the syncs: %w", err)
	}
	if err := mgr.Add(hosts.Others); err != nil {
		return fmt.Errorf("add the other clusters: %w", err)
	}
	if err := (&clusterReconciler{hosts.Sources, hosts.secrets, hosts.rules}).setup(mgr); err != nil {
		return fmt.Errorf("set up the controller of clusters: %w", err)
	}
	if err := objects.setup(mgr, hosts.objects); err != nil {
		return fmt.Errorf("set up the controller of EdgeLoadBalancers: %w", err)
	}
	if err := hosts.setup(mgr); err != nil {
		return fmt.Errorf("set up the controller of hosts: %w", err)
	}
	if err := hosts.newVirtualIPs(options.SyncVirtual, options.LookVirtual).Setup(mgr); err != nil {
		return fmt.Errorf("set up the controller of virtual addresses: %w", err)
	}
	return nil
}

func newHostReconciler(mgr ctrl.Manager, options Options) *hostReconciler {
	missing := options.MissingRights
	hosts := &hostReconciler{
		Sources: clusters.Sources{
			Here: mgr.GetClient(), CrossNamespace: options.CrossNamespace,
			Namespaces: options.Namespaces, NoNodes: missing.Nodes,
		},
		cluster:    options.Cluster,
		connector:  options.Connector,
		sync:       options.Sync,
		secrets:    secrets.NewReader(mgr.GetCache(), mgr.GetAPIReader(), index.NamesSecret(mgr.GetClient())),
		records:    record.NewStore(),
		caches:     newSyncCaches(),
		places:     queue.NewPlaces(options.HostsAtOnce, options.Signals.Hosts.Add),
		background: queue.NewBackground(options.Signals.Hosts, apiRetries[model.HostID]()),
		counters:   options.Signals.Counters,
		objects:    &queue.Source[ctrl.Request]{},
		hostEvents: options.Signals.Hosts,
		virtual:    &queue.Source[model.HostID]{},
		now:        time.Now,
		random:     rand.Float64,
		rules:      rulebook.New(mgr.GetCache(), missing.Missing),
	}
	hosts.conductor = &conduct.Conductor{Records: hosts.records, Slots: rollout.NewSlots(), Wanted: hosts.wantedOf, Now: time.Now}
	hosts.Others = clusters.NewSet(elsewhere{hosts}, clusters.Interval)
	return hosts
}

// apiRetries returns the backoff after an error, which is always one of the API server: failures of hosts have their own backoff.
func apiRetries[request comparable]() workqueue.TypedRateLimiter[request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[request](firstAPIRetry, longestAPIRetry)
}

// CacheOptions returns what the operator keeps of the cluster's objects in memory: only what it uses, and of namespaced objects
// only those in these namespaces; without any, those in all.
func CacheOptions(namespaces []string) cache.Options {
	options := cache.Options{
		DefaultTransform: watched.Trim,
		ByObject:         map[client.Object]cache.ByObject{&v1alpha1.EdgeLoadBalancer{}: {Transform: withDefaults}},
	}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// withDefaults trims an EdgeLoadBalancer and sets its defaults before it enters the cache. Everything that the operator reads of one
// comes from there, and what it writes are differences, which have no defaults in them: see package publish.
func withDefaults(o any) (any, error) {
	if object, ok := o.(*v1alpha1.EdgeLoadBalancer); ok {
		object.Default()
	}
	return watched.Trim(o)
}
