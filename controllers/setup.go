// Package controllers holds what talks to the Kubernetes API: one controller whose queue holds hosts and brings each of
// them to where the EdgeLoadBalancers want it, and one that keeps the EdgeLoadBalancers' finalizers and statuses.
//
// The two share the records of the hosts and otherwise only wake each other up.
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

// The waits between tries of what the API server refused: it may be back at any moment.
const (
	firstAPIRetry   = 100 * time.Millisecond
	longestAPIRetry = 5 * time.Second
)

// downInterval is the least time between two turns of a host because its connection has ended. An sshd that closes every
// connection after its first use would otherwise be asked as fast as the network allows.
const downInterval = time.Second

// Signals carry what happens by itself from the transport to the controllers. Its methods may be called at any time.
type Signals struct {
	hosts    *queueSource[model.HostID]
	registry prometheus.Registerer
	counters *metrics.Counters
	now      func() time.Time

	mu sync.Mutex
	// turns are the hosts' last turns because of Down, as far as they matter still: those to come and those of the last second.
	turns map[model.HostID]time.Time
}

// NewSignals registers the operator's metrics, of which one counts logins.
func NewSignals(registry prometheus.Registerer) (*Signals, error) {
	counters, err := metrics.NewCounters(registry)
	if err != nil {
		return nil, fmt.Errorf("register the metrics: %w", err)
	}
	return &Signals{
		hosts: &queueSource[model.HostID]{}, registry: registry, counters: counters, now: time.Now,
		turns: map[model.HostID]time.Time{},
	}, nil
}

// Down says that an established connection to a host has ended by itself: the host is looked at again at once; within a
// second if the last connection has just ended, too.
func (s *Signals) Down(key model.HostID) {
	s.hosts.addAfter(key, s.pause(key))
}

// Dialled says that an attempt to connect to a host has ended, which Connector has the result of.
func (s *Signals) Dialled(key model.HostID) { s.hosts.add(key) }

// pause is how long a host's turn has to wait for the one before it.
func (s *Signals) pause(key model.HostID) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.turns, func(_ model.HostID, turn time.Time) bool { return now.Sub(turn) >= downInterval })
	turn, found := s.turns[key]
	switch {
	case !found:
		turn = now
	case !turn.After(now):
		turn = turn.Add(downInterval)
	}
	s.turns[key] = turn
	return turn.Sub(now)
}

// Attempted counts an attempt to log in to a host, by its result.
func (s *Signals) Attempted(result string) { s.counters.Connected(result) }

// Options are what the controllers need besides the manager.
type Options struct {
	// Cluster identifies the cluster on the hosts; see ClusterID.
	Cluster string
	// Connector reaches hosts, and Sync brings one to what is wanted.
	Connector Connector
	Sync      SyncFunc
	// Signals are those that Connector gives.
	Signals *Signals
	// RemovalTimeout bounds how long a host that an object leaves may take to be freed.
	RemovalTimeout time.Duration
	// CrossNamespace allows targets to name Services of other namespaces than their object's.
	CrossNamespace bool
	// Lacks says what the operator cannot read, as from FindLacks.
	Lacks Lacks
	// Namespaces are those that the manager's cache watches; none stands for all.
	Namespaces []string
	// HostsAtOnce bounds how many hosts are worked on at the same time; 0 stands for 2048.
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
			Namespaces: options.Namespaces, NoNodes: options.Lacks.Nodes,
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
		rules:       &rulebook{cache: mgr.GetCache(), lacks: options.Lacks},
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

// objectsOf returns all EdgeLoadBalancers of the cache, which nobody may change.
func objectsOf(reader client.Reader) func() ([]v1alpha1.EdgeLoadBalancer, error) {
	return func() ([]v1alpha1.EdgeLoadBalancer, error) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		var list v1alpha1.EdgeLoadBalancerList
		err := reader.List(ctx, &list, client.UnsafeDisableDeepCopy)
		return list.Items, err
	}
}

// setup watches the objects, and hears from the host controller when a host has news. Its own writes come back to it, too:
// that is how it gets past a cache that was behind.
func (r *edgeLoadBalancerReconciler) setup(mgr ctrl.Manager, news *queueSource[ctrl.Request]) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.EdgeLoadBalancer{}).
		WatchesRawSource(news).
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
	watchRules(control, r.rules.lacks, r.hostsOfPolicy, r.hostsOfNamespace)
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

// watchRules has a controller look again at what is concerned by a change of what policies allow. Nothing is done before it is known.
func watchRules[key comparable](control *builder.TypedBuilder[key], lacks Lacks,
	ofPolicy, ofNamespace handler.TypedMapFunc[client.Object, key]) {
	to := handler.TypedEnqueueRequestsFromMapFunc[client.Object, key]
	if !lacks.Policies {
		control.Watches(&v1alpha1.EdgePolicy{}, to(ofPolicy), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	if !lacks.Namespaces {
		control.WatchesMetadata(&corev1.Namespace{}, to(ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{}, sinceStart()))
	}
}

// apiRetries says how to wait after an error, which is always one of the API server: a host's failures have waits of their own.
func apiRetries[request comparable]() workqueue.TypedRateLimiter[request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[request](firstAPIRetry, longestAPIRetry)
}

// ClusterID is an identifier of the cluster that lasts as long as it does: the UID of its namespace kube-system.
func ClusterID(ctx context.Context, reader client.Reader) (string, error) {
	namespace := &corev1.Namespace{}
	if err := reader.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, namespace); err != nil {
		return "", fmt.Errorf("read the namespace kube-system, whose UID identifies the cluster: %w. "+
			"Give the operator the right to get it, or set --cluster-id", err)
	}
	return string(namespace.UID), nil
}
