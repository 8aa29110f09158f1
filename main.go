// Command manager is the edgelb operator: it keeps the HAProxy hosts outside of a cluster in line with its EdgeLoadBalancers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers"
	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/logging"
	"github.com/edgelb/edgelb/internal/metrics/access"
	"github.com/edgelb/edgelb/internal/outage"
)

// shutdownTimeout is how long ongoing changes may take to end on shutdown.
const shutdownTimeout = 70 * time.Second

// settings are the values of the flags.
type settings struct {
	metricsAddress, probeAddress string
	metricsSecure                bool
	leaderElect                  bool
	leaderElectionNamespace      string
	removalTimeout               time.Duration
	clusterID                    string
	crossNamespace               bool
	watchNamespaces              string
	log                          zap.Options
}

// gcPercent makes the garbage collector start earlier than Go's default of 100: much of the operator's memory is the stacks of its
// connections, which count double there. It costs a few percent of the time. GOGC overrides it.
const gcPercent = 50

func main() {
	var s settings
	s.addTo(flag.CommandLine)
	flag.Parse()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctrl.SetLogger(logging.New(&s.log))
	if err := run(ctrl.SetupSignalHandler(), s); err != nil {
		ctrl.Log.Error(err, "The operator ended")
		os.Exit(1)
	}
}

func (s *settings) addTo(flags *flag.FlagSet) {
	flags.StringVar(&s.metricsAddress, "metrics-bind-address", ":8443", "address that serves Prometheus metrics; 0 for none")
	flags.BoolVar(&s.metricsSecure, "metrics-secure", true,
		"serve metrics over HTTPS, and only to whom the cluster lets get /metrics; false: over HTTP, to everybody")
	flags.StringVar(&s.probeAddress, "health-probe-bind-address", ":8081", "address that serves /healthz and /readyz")
	flags.BoolVar(&s.leaderElect, "leader-elect", false, "work only while this replica holds the lease")
	flags.StringVar(&s.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the lease; default: the operator's own")
	flags.DurationVar(&s.removalTimeout, "removal-timeout", 2*time.Minute,
		"how long a host may take to be freed from an object before it is given up")
	flags.StringVar(&s.clusterID, "cluster-id", "", "identifies this cluster on the hosts; default: the UID of the namespace kube-system")
	flags.BoolVar(&s.crossNamespace, "allow-cross-namespace-services", false,
		"allow targets to name Services of other namespaces than their EdgeLoadBalancer's")
	flags.StringVar(&s.watchNamespaces, "watch-namespaces", "",
		"namespaces whose objects are watched, separated by commas; nothing of others is read. Default: all")
	s.log.BindFlags(flags)
}

// namespaces returns those that are watched; empty means all.
func (s *settings) namespaces() []string {
	return strings.FieldsFunc(s.watchNamespaces, func(r rune) bool { return r == ',' || r == ' ' })
}

func run(ctx context.Context, s settings) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	options, err := managerOptions(s)
	if err != nil {
		return err
	}
	reader, err := surviveOutages(ctx, config, s, &options)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return fmt.Errorf("make the manager: %w", err)
	}
	hosts, err := addControllers(ctx, mgr, reader, s)
	if err != nil {
		return err
	}
	defer hosts.Close()
	if err := addProbes(mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func managerOptions(s settings) (ctrl.Options, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return ctrl.Options{}, err
	}
	return ctrl.Options{
		Scheme:                        scheme,
		Cache:                         controllers.CacheOptions(s.namespaces()),
		Metrics:                       metricsOptions(s),
		HealthProbeBindAddress:        s.probeAddress,
		LeaderElection:                s.leaderElect,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       new(shutdownTimeout),
	}, nil
}

// surviveOutages makes the caches, and the lease if there is one, wait for an unreachable API server instead of polling it. The
// reader also waits, because the start needs its results. No worker waits: its reads and writes fail at once.
func surviveOutages(ctx context.Context, config *rest.Config, s settings, options *ctrl.Options) (client.Reader, error) {
	patient, err := outage.Patient(ctx, config, ctrl.Log.WithName("cluster"))
	if err != nil {
		return nil, err
	}
	if options.Cache.HTTPClient, err = rest.HTTPClientFor(patient); err != nil {
		return nil, fmt.Errorf("make a client for the caches: %w", err)
	}
	if s.leaderElect {
		if options.LeaderElectionResourceLockInterface, err = newLease(ctx, config, s.leaderElectionNamespace); err != nil {
			return nil, err
		}
	}
	return client.New(patient, client.Options{Scheme: options.Scheme})
}

// metricsOptions returns how metrics are served. The certificate is created at the start, and self-signed.
func metricsOptions(s settings) metricsserver.Options {
	options := metricsserver.Options{BindAddress: s.metricsAddress, SecureServing: s.metricsSecure}
	if s.metricsSecure {
		options.FilterProvider = access.Reviewed
	}
	return options
}

// addControllers connects the controllers to SSH. The reader waits for an unreachable API server.
func addControllers(ctx context.Context, mgr ctrl.Manager, reader client.Reader, s settings) (*transport, error) {
	if s.clusterID == "" {
		id, err := controllers.ClusterID(ctx, reader)
		if err != nil {
			return nil, err
		}
		s.clusterID = id
	}
	signals, err := controllers.NewSignals(metrics.Registry)
	if err != nil {
		return nil, err
	}
	lacks, err := controllers.FindLacks(ctx, reader)
	if err != nil {
		return nil, err
	}
	hosts := newTransport(signals)
	return hosts, controllers.Setup(ctx, mgr, controllers.Options{
		Cluster:        s.clusterID,
		Connector:      hosts,
		Sync:           edge.Sync,
		Signals:        signals,
		RemovalTimeout: s.removalTimeout,
		CrossNamespace: s.crossNamespace,
		Lacks:          lacks,
		Namespaces:     s.namespaces(),
	})
}

// addProbes makes the operator live once it runs, and ready once its caches are synced.
func addProbes(mgr ctrl.Manager) error {
	ready := func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 100*time.Millisecond)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("the caches are not synced yet")
		}
		return nil
	}
	return errors.Join(mgr.AddHealthzCheck("healthz", healthz.Ping), mgr.AddReadyzCheck("readyz", ready))
}
