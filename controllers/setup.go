// Package controllers talks to the Kubernetes API. One controller has a queue of hosts and brings each of them to the state that
// the EdgeLoadBalancers want. Another one maintains the EdgeLoadBalancers' finalizers and statuses.
//
// The two share the records of the hosts and otherwise only queue work for each other.
package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters"
	"github.com/edgelb/edgelb/internal/metrics"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// The waits between retries after an error of the API server: it may be back at any moment.
const (
	firstAPIRetry   = 100 * time.Millisecond
	longestAPIRetry = 5 * time.Second
)

// downInterval is the least time between two syncs of a host because its connection has ended. Otherwise an sshd that closes every
// connection after its first use would be asked as fast as the network allows.
const downInterval = time.Second

// Signals pass events from the transport to the controllers. Its methods are safe for concurrent use.
type Signals struct {
	hosts    *queueSource[model.HostID]
	registry prometheus.Registerer
	counters *metrics.Counters
	now      func() time.Time

	mu sync.Mutex
	// syncs are the hosts' last syncs because of Down that still matter: pending ones, and those of the last second.
	syncs map[model.HostID]time.Time
}

// NewSignals registers the operator's metrics, one of which counts logins.
func NewSignals(registry prometheus.Registerer) (*Signals, error) {
	counters, err := metrics.NewCounters(registry)
	if err != nil {
		return nil, fmt.Errorf("register the metrics: %w", err)
	}
	return &Signals{
		hosts: &queueSource[model.HostID]{}, registry: registry, counters: counters, now: time.Now,
		syncs: map[model.HostID]time.Time{},
	}, nil
}

// Down reports that an established connection to a host has ended by itself: the host is synced again at once; within a second if
// the last connection has just ended, too.
func (s *Signals) Down(key model.HostID) {
	s.hosts.addAfter(key, s.pause(key))
}

// Dialled reports that an attempt to connect to a host has ended. Connector has the result.
func (s *Signals) Dialled(key model.HostID) { s.hosts.add(key) }

// pause returns how long a host's sync must wait for the previous one.
func (s *Signals) pause(key model.HostID) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.syncs, func(_ model.HostID, last time.Time) bool { return now.Sub(last) >= downInterval })
	next, found := s.syncs[key]
	switch {
	case !found:
		next = now
	case !next.After(now):
		next = next.Add(downInterval)
	}
	s.syncs[key] = next
	return next.Sub(now)
}

// Attempted counts an attempt to log in to a host, by its result.
func (s *Signals) Attempted(result string) { s.counters.Connected(result) }

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
	// HostsAtOnce bounds how many hosts are worked on at the same time; 0 means 2048.
	HostsAtOnce int
}

// Setup adds the controllers to the manager, whose cache must have been made with CacheOptions.
func Setup(ctx context.Context, mgr ctrl.Manager, options Options) error {
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("add the cache's indexes: %w", err)
	}
	options.HostsAtOnce = cmp.Or(options.HostsAtOnce, hostsAtOnce)
	hosts := newHostReconciler(mgr, options)
	objects := &edgeLoadBalancerReconciler{
		client:         mgr.GetClient(),
		recorder:       mgr.GetEventRecorder("edgelb"),
		records:        hosts.records,
		written:        newWrites(),
		removalTimeout: options.RemovalTimeout,
		now:            time.Now,
	}
	if err := registerGauges(options.Signals.registry, hosts); err != nil {
		return fmt.Errorf("register the gauges: %w", err)
	}
	if err := mgr.Add(hosts.Others); err != nil {
		return fmt.Errorf("add the other clusters: %w", err)
	}
	if err := (&clusterReconciler{hosts.Sources, hosts.credentials, hosts.rules}).setup(mgr); err != nil {
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
	hosts := &hostReconciler{
		Sources: clusters.Sources{
			Here: mgr.GetClient(), CrossNamespace: options.CrossNamespace,
			Namespaces: options.Namespaces, NoNodes: options.MissingRights.Nodes,
		},
		cluster:     options.Cluster,
		connector:   options.Connector,
		sync:        options.Sync,
		credentials: newCredentials(mgr.GetCache(), mgr.GetAPIReader(), namedIn(mgr.GetClient())),
		records:     record.NewStore(),
		caches:      newSyncCaches(),
		places:      newPlaces(options.HostsAtOnce, options.Signals.hosts.add),
		counters:    options.Signals.counters,
		objects:     &queueSource[ctrl.Request]{},
		hostEvents:  options.Signals.hosts,
		now:         time.Now,
		random:      rand.Float64,
		rules:       &rulebook{cache: mgr.GetCache(), missingRights: options.MissingRights},
	}
	hosts.Others = clusters.NewSet(elsewhere{hosts}, clusters.Interval)
	return hosts
}

func registerGauges(registry prometheus.Registerer, hosts *hostReconciler) error {
	return errors.Join(
		registry.Register(metrics.NewGauges(objectsOf(hosts.Here), hosts.records)),
		registry.Register(metrics.NewClusterGauge(hosts.Others.Up)),
	)
}

// scrapeTimeout bounds how long a scrape waits for a cache that is not filled yet.
const scrapeTimeout = time.Second

// objectsOf returns all EdgeLoadBalancers of the cache. Callers must not change them.
func objectsOf(reader client.Reader) func() ([]v1alpha1.EdgeLoadBalancer, error) {
	return func() ([]v1alpha1.EdgeLoadBalancer, error) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		var list v1alpha1.EdgeLoadBalancerList
		err := reader.List(ctx, &list, client.UnsafeDisableDeepCopy)
		return list.Items, err
	}
}

// setup watches the objects, and receives changes of hosts from the host controller. The object's own writes trigger it, too, so
// that it recovers from a stale cache.
func (r *edgeLoadBalancerReconciler) setup(mgr ctrl.Manager, changes *queueSource[ctrl.Request]) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.EdgeLoadBalancer{}).
		WatchesRawSource(changes).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4, EnableWarmup: new(true), RateLimiter: apiRetries[ctrl.Request]()}).
		Complete(r)
}

// setup watches everything that a host's configuration is made of.
func (r *hostReconciler) setup(mgr ctrl.Manager, atOnce int) error {
	to := handler.TypedEnqueueRequestsFromMapFunc[client.Object, model.HostID]
	control := builder.TypedControllerManagedBy[model.HostID](mgr)
	if !r.NoNodes {
		control.Watches(&corev1.Node{}, to(r.hostsOfNode), builder.WithPredicates(contentChanged(), sinceStart()))
	}
	watchRules(control, r.rules.missingRights, r.hostsOfPolicy, r.hostsOfNamespace)
	return control.
		Named("host").
		Watches(&v1alpha1.EdgeLoadBalancer{}, to(r.hostsOfObject), builder.WithPredicates(hostsConcerned())).
		Watches(&corev1.Service{}, to(r.hostsOfService), builder.WithPredicates(contentChanged())).
		Watches(&discoveryv1.EndpointSlice{}, r.sliceHandler(), builder.WithPredicates(contentChanged())).
		WatchesMetadata(&corev1.Secret{}, to(r.hostsOfSecret), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WatchesRawSource(r.hostEvents).
		WithOptions(controller.TypedOptions[model.HostID]{
			MaxConcurrentReconciles: atOnce, EnableWarmup: new(true), RateLimiter: apiRetries[model.HostID](),
		}).
		WithLogConstructor(func(key *model.HostID) logr.Logger {
			logger := mgr.GetLogger().WithValues("controller", "host")
			if key != nil {
				logger = logger.WithValues("host", key.String())
			}
			return logger
		}).
		Complete(r)
}

// watchRules queues what is affected by a change of what policies allow. Nothing is done before the policies are known.
func watchRules[key comparable](control *builder.TypedBuilder[key], missingRights MissingRights,
	ofPolicy, ofNamespace handler.TypedMapFunc[client.Object, key]) {
	to := handler.TypedEnqueueRequestsFromMapFunc[client.Object, key]
	if !missingRights.Policies {
		control.Watches(&v1alpha1.EdgePolicy{}, to(ofPolicy), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	if !missingRights.Namespaces {
		control.WatchesMetadata(&corev1.Namespace{}, to(ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{}, sinceStart()))
	}
}

// apiRetries returns the backoff after an error, which is always one of the API server: failures of hosts have their own backoff.
func apiRetries[request comparable]() workqueue.TypedRateLimiter[request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[request](firstAPIRetry, longestAPIRetry)
}

// ClusterID returns an identifier that lasts as long as the cluster: the UID of its namespace kube-system.
func ClusterID(ctx context.Context, reader client.Reader) (string, error) {
	namespace := &corev1.Namespace{}
	if err := reader.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, namespace); err != nil {
		return "", fmt.Errorf("read the namespace kube-system, whose UID identifies the cluster: %w. "+
			"Give the operator the right to get it, or set --cluster-id", err)
	}
	return string(namespace.UID), nil
}
