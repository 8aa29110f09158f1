package metrics

import "github.com/prometheus/client_golang/prometheus"

// NewLeadingGauge returns a gauge to register, which reports whether this replica leads: the channel is closed once it does, and a
// replica that no longer leads ends.
func NewLeadingGauge(elected <-chan struct{}) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "edgelb_leading", Help: "1 if this replica works on the hosts, 0 if it stands by.",
	}, func() float64 {
		select {
		case <-elected:
			return 1
		default:
			return 0
		}
	})
}
