package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// ClusterGauge reports, for each other cluster that a target names, whether it can be read.
type ClusterGauge struct {
	up   func() map[types.NamespacedName]bool
	desc *prometheus.Desc
}

// NewClusterGauge returns a gauge to register. up returns, for each cluster in use, by the Secret with its kubeconfig, whether it
// can be read; it is called at each scrape.
func NewClusterGauge(up func() map[types.NamespacedName]bool) *ClusterGauge {
	return &ClusterGauge{up: up, desc: prometheus.NewDesc("edgelb_cluster_up",
		"1 if the other cluster can be read, 0 if what was last known of it is used.", []string{"namespace", "secret"}, nil)}
}

// Describe implements prometheus.Collector.
func (g *ClusterGauge) Describe(to chan<- *prometheus.Desc) { to <- g.desc }

// Collect implements prometheus.Collector.
func (g *ClusterGauge) Collect(to chan<- prometheus.Metric) {
	for secret, isUp := range g.up() {
		value := 0.0
		if isUp {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, secret.Namespace, secret.Name)
	}
}
