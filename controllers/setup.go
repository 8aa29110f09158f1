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

	"github.com/edgelb/edgelb/internal/clusters"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/publish"
	"github.com/edgelb/edgelb/internal/queue"
	"github.com/edgelb/edgelb/internal/record"
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
	// Signals are those that Connector sends.
	Signals *Signals
	// RemovalTimeout bounds how long a host may take to be freed from an object.
	RemovalTimeout time.Duration
	// CrossNamespace allows targets to name Services of other namespaces than their object's.
	CrossNamespace bool
	// MissingRights is what the operator cannot read, from FindMissingRights.
	MissingRights MissingRights
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
	if err := registerGauges(options.Signals.registry, hosts); err != nil {
		return fmt.Errorf("register the gauges: %w", err)
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
	if err := hosts.setup(mgr, options.HostsAtOnce); err != nil {
		return fmt.Errorf("set up the controller of hosts: %w", err)
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
		places:     queue.NewPlaces(options.HostsAtOnce, options.Signals.hosts.Add),
		counters:   options.Signals.counters,
		objects:    &queue.Source[ctrl.Request]{},
		hostEvents: options.Signals.hosts,
		now:        time.Now,
		random:     rand.Float64,
		rules:      rulebook.New(mgr.GetCache(), missing.Missing),
	}
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
	options := cache.Options{DefaultTransform: watched.Trim}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}
