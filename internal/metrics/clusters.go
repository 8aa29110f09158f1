package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// Credential is what expires of a Secret.
type Credential struct {
	// Secret has it, and Kind says which part it is.
	Secret types.NamespacedName
	Kind   string
	// From is when it began to be valid; zero if that is unknown. To is when it expires.
	From, To time.Time
}

// ClusterGauges report, for each other cluster that a target names, whether it can be read, and until when the credentials are valid
// that it is read with, and those that log in to hosts.
type ClusterGauges struct {
	up                   func() map[types.NamespacedName]bool
	expiring             func() []Credential
	isUp, from, expiries *prometheus.Desc
}

// NewClusterGauges returns gauges to register. up returns, for each cluster in use, by the Secret with its kubeconfig, whether it
// can be read, and expiring what expires of these kubeconfigs, and of the Secrets that log in to hosts, each kind once. Both are called at each scrape.
func NewClusterGauges(up func() map[types.NamespacedName]bool, expiring func() []Credential) *ClusterGauges {
	of := []string{"namespace", "secret"}
	ofCredential := append(of, "credential")
	return &ClusterGauges{
		up: up, expiring: expiring,
		isUp: prometheus.NewDesc("edgelb_cluster_up",
			"1 if the other cluster can be read, 0 if what was last known of it is used.", of, nil),
		from: prometheus.NewDesc("edgelb_credential_valid_from_timestamp_seconds",
			"When a credential of another cluster's kubeconfig or of hosts began to be valid, in seconds since 1970.", ofCredential, nil),
		expiries: prometheus.NewDesc("edgelb_credential_expiry_timestamp_seconds",
			"When a credential of another cluster's kubeconfig or of hosts expires, in seconds since 1970.", ofCredential, nil),
	}
}

// Describe implements prometheus.Collector.
func (g *ClusterGauges) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{g.isUp, g.from, g.expiries} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (g *ClusterGauges) Collect(to chan<- prometheus.Metric) {
	for secret, isUp := range g.up() {
		to <- prometheus.MustNewConstMetric(g.isUp, prometheus.GaugeValue, oneIf(isUp), secret.Namespace, secret.Name)
	}
	for _, c := range g.expiring() {
		send := func(desc *prometheus.Desc, at time.Time) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, secondsOf(at), c.Secret.Namespace, c.Secret.Name, c.Kind)
		}
		send(g.expiries, c.To)
		if !c.From.IsZero() {
			send(g.from, c.From)
		}
	}
}

// oneIf returns the value of a gauge that answers a question.
func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// secondsOf returns the value of a gauge for a time.
func secondsOf(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
