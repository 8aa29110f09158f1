// Package metrics exports to Prometheus what the operator does and the state of the hosts. docs/metrics.md describes each metric.
package metrics

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// Counters count what the operator does. Every label has few values.
type Counters struct {
	updates     *prometheus.CounterVec
	reloads     *prometheus.CounterVec
	drift       *prometheus.CounterVec
	connections *prometheus.CounterVec
	programming *prometheus.HistogramVec
	network     prometheus.Histogram
}

// The results of a drift.
const (
	driftRepaired = "repaired"
	driftReported = "reported"
)

// NewCounters returns registered counters.
func NewCounters(registry prometheus.Registerer) (*Counters, error) {
	m := &Counters{
		updates: counter("edgelb_updates_total", "Attempts to change a host, by how and by the state that the host was in afterwards.",
			"update", "result"),
		reloads: counter("edgelb_reloads_total", "Reloads of HAProxy that were proved, by what they were for.", "reason"),
		drift:   counter("edgelb_drift_total", "Hosts that were found to be changed by somebody else, by what became of it.", "result"),
		connections: counter("edgelb_ssh_connections_total", "Attempts to log in to hosts, by result.",
			"result"),
		programming: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "edgelb_programming_duration_seconds",
			Help: "The time from the change that the watch delivered to the proof that a host runs it, once per host and change; " +
				"of changes that were brought to a host together, that of the oldest.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"update"}),
		network: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "edgelb_network_programming_duration_seconds",
			Help: "The time from the change of a Pod or Service, as the EndpointSlice tells it, to the proof that a host runs what " +
				"follows from it, once per host and change. The beginning is exact to a second where it is that of a Pod's condition.",
			Buckets: networkBuckets(),
		}),
	}
	for _, reason := range record.ReloadCauses() {
		m.reloads.WithLabelValues(reason)
	}
	for _, result := range []string{driftRepaired, driftReported} {
		m.drift.WithLabelValues(result)
	}
	var err error
	for _, c := range []prometheus.Collector{m.updates, m.reloads, m.drift, m.connections, m.programming, m.network} {
		err = errors.Join(err, registry.Register(c))
	}
	return m, err
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// networkBuckets returns those of kube-proxy's network_programming_duration_seconds, so that the two can be compared, plus finer
// ones below.
func networkBuckets() []float64 {
	return slices.Concat([]float64{.025, .05, .1}, prometheus.LinearBuckets(0.25, 0.25, 2), prometheus.LinearBuckets(1, 1, 59),
		prometheus.LinearBuckets(60, 5, 12), prometheus.LinearBuckets(120, 30, 7))
}

// Attempted counts an attempt. before is the host's record before it.
func (m *Counters) Attempted(before record.Host, attempt record.Attempt, now time.Time) {
	outcome := attempt.Outcome
	update := strings.ToLower(string(outcome.Update))
	if update != "" {
		m.updates.WithLabelValues(update, strings.ToLower(string(outcome.State))).Inc()
	}
	m.drifted(before, outcome)
	if !outcome.Changed || outcome.Update == model.UpdateFile {
		return
	}
	if outcome.Update == model.UpdateReload {
		m.reloads.WithLabelValues(before.ReloadCause(&attempt.Task.Host)).Inc()
	}
	for _, trigger := range before.UnprovedTriggers {
		m.network.Observe(max(0, now.Sub(trigger).Seconds()))
	}
	if since := before.UnprovedSince; !since.IsZero() {
		m.programming.WithLabelValues(update).Observe(now.Sub(since).Seconds())
	}
}

// drifted counts a drift once, even if it is left and found again at every check.
func (m *Counters) drifted(before record.Host, outcome model.Outcome) {
	switch {
	case outcome.State == model.Drifted && before.Outcome.State != model.Drifted:
		m.drift.WithLabelValues(driftReported).Inc()
	case outcome.State != model.Drifted && record.HasDrifted(outcome):
		m.drift.WithLabelValues(driftRepaired).Inc()
	}
}

// Connected counts an attempt to log in to a host.
func (m *Counters) Connected(result string) {
	m.connections.WithLabelValues(result).Inc()
}
