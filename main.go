// Command manager is the edgelb operator: it keeps the HAProxy hosts outside of a cluster in line with its EdgeLoadBalancers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/edgelb/edgelb/internal/logging"
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
