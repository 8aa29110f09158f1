package operator

import (
	"flag"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// Flags are the values of the operator's flags.
type Flags struct {
	metricsAddress, probeAddress string
	metricsSecure                bool
	leaderElect                  bool
	leaderElectionNamespace      string
	removalTimeout               time.Duration
	clusterID                    string
	crossNamespace               bool
	watchNamespaces              string
	// Version asks for the version instead of running.
	Version bool
	// Log configures the logger.
	Log zap.Options
}

// AddTo defines the flags in a set.
func (f *Flags) AddTo(set *flag.FlagSet) {
	set.StringVar(&f.metricsAddress, "metrics-bind-address", ":8443", "address that serves Prometheus metrics; 0 for none")
	set.BoolVar(&f.metricsSecure, "metrics-secure", true,
		"serve metrics over HTTPS, and only to whom the cluster lets get /metrics; false: over HTTP, to everybody")
	set.StringVar(&f.probeAddress, "health-probe-bind-address", ":8081", "address that serves /healthz and /readyz")
	set.BoolVar(&f.leaderElect, "leader-elect", false, "work only while this replica holds the lease")
	set.StringVar(&f.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the lease; default: the operator's own")
	set.DurationVar(&f.removalTimeout, "removal-timeout", 2*time.Minute,
		"how long a host may take to be freed from an object before it is given up")
	set.StringVar(&f.clusterID, "cluster-id", "", "identifies this cluster on the hosts; default: the UID of the namespace kube-system")
	set.BoolVar(&f.crossNamespace, "allow-cross-namespace-services", false,
		"allow targets to name Services of other namespaces than their EdgeLoadBalancer's")
	set.StringVar(&f.watchNamespaces, "watch-namespaces", "",
		"namespaces whose objects are watched, separated by commas; nothing of others is read. Default: all")
	set.BoolVar(&f.Version, "version", false, "print the version and end")
	f.Log.BindFlags(set)
}

// namespaces returns those that are watched; empty means all.
func (f *Flags) namespaces() []string {
	return strings.FieldsFunc(f.watchNamespaces, func(r rune) bool { return r == ',' || r == ' ' })
}
