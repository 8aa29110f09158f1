// Package operator puts the operator together: its flags, its manager, and the controllers with their connections to hosts.
package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers"
	"github.com/edgelb/edgelb/controllers/rights"
	"github.com/edgelb/edgelb/controllers/signals"
	"github.com/edgelb/edgelb/internal/connect"
	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/install"
	keepalived "github.com/edgelb/edgelb/internal/keepalived/driver"
	"github.com/edgelb/edgelb/internal/metrics/access"
	"github.com/edgelb/edgelb/internal/outage"
)

// shutdownTimeout is how long ongoing changes may take to end on shutdown.
const shutdownTimeout = 70 * time.Second

// Run runs the operator until the context ends.
func Run(ctx context.Context, f Flags) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	options, err := managerOptions(f)
	if err != nil {
		return err
	}
	if err := awaitCluster(ctx, config, f, ctrl.Log); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	reader, err := surviveOutages(ctx, config, f, &options)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return fmt.Errorf("make the manager: %w", err)
	}
	hosts, err := addControllers(ctx, mgr, reader, f)
	if err != nil {
		return err
	}
	defer hosts.Close()
	if err := addProbes(mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func managerOptions(f Flags) (ctrl.Options, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return ctrl.Options{}, err
	}
	return ctrl.Options{
		Scheme:                        scheme,
		Cache:                         controllers.CacheOptions(f.namespaces()),
		Metrics:                       metricsOptions(f),
		HealthProbeBindAddress:        f.probeAddress,
		LeaderElection:                f.leaderElect,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       new(shutdownTimeout),
	}, nil
}

// surviveOutages makes the caches, and the lease if there is one, wait for an unreachable API server instead of polling it. The
// reader also waits, because the start needs its results. No worker waits: its reads and writes fail at once.
func surviveOutages(ctx context.Context, config *rest.Config, f Flags, options *ctrl.Options) (client.Reader, error) {
	patient, err := outage.Patient(ctx, config, ctrl.Log.WithName("cluster"))
	if err != nil {
		return nil, err
	}
	if options.Cache.HTTPClient, err = rest.HTTPClientFor(patient); err != nil {
		return nil, fmt.Errorf("make a client for the caches: %w", err)
	}
	if f.leaderElect {
		if options.LeaderElectionResourceLockInterface, err = newLease(ctx, config, f.leaderElectionNamespace); err != nil {
			return nil, err
		}
	}
	return client.New(patient, client.Options{Scheme: options.Scheme})
}

// metricsOptions returns how metrics are served. The certificate is created at the start, and self-signed.
func metricsOptions(f Flags) metricsserver.Options {
	options := metricsserver.Options{BindAddress: f.metricsAddress, SecureServing: f.metricsSecure}
	if f.metricsSecure {
		options.FilterProvider = access.Reviewed
	}
	return options
}

// addControllers connects the controllers to SSH. The reader waits for an unreachable API server.
func addControllers(ctx context.Context, mgr ctrl.Manager, reader client.Reader, f Flags) (*connect.Connector, error) {
	if f.clusterID == "" {
		id, err := rights.ClusterID(ctx, reader)
		if err != nil {
			return nil, err
		}
		f.clusterID = id
	}
	signals, err := signals.New(metrics.Registry)
	if err != nil {
		return nil, err
	}
	missing, err := rights.FindMissing(ctx, reader)
	if err != nil {
		return nil, err
	}
	hosts := connect.New(signals)
	return hosts, controllers.Setup(ctx, mgr, controllers.Options{
		Cluster:        f.clusterID,
		Connector:      hosts,
		Sync:           install.HAProxy(driver.Sync),
		SyncVirtual:    install.Keepalived(keepalived.Sync),
		LookVirtual:    keepalived.Look,
		Signals:        signals,
		RemovalTimeout: f.removalTimeout,
		CrossNamespace: f.crossNamespace,
		MissingRights:  missing,
		Namespaces:     f.namespaces(),
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
