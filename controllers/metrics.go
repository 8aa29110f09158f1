package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/edge"
)

// metrics are what the operator tells Prometheus. Every label has few values, but for the names of objects and hosts, whose
// series go when they do.
type metrics struct {
	hostState   *prometheus.GaugeVec
	serversUp   *prometheus.GaugeVec
	servers     *prometheus.GaugeVec
	updates     *prometheus.CounterVec
	reloads     prometheus.Counter
	connections *prometheus.CounterVec
	programming *prometheus.HistogramVec
}

// newMetrics registers the operator's metrics.
func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	perHost := []string{"namespace", "name", "host"}
	m := &metrics{
		hostState: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "edgelb_host_state", Help: "1 for the state that the host is in, 0 for the others.",
		}, append(perHost, "state")),
		serversUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "edgelb_servers_up", Help: "The object's servers that the host's HAProxy takes for up.",
		}, perHost),
		servers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "edgelb_servers", Help: "The object's servers that the host's HAProxy has.",
		}, perHost),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edgelb_updates_total", Help: "Attempts to change what a host runs, by how and by the state that the host was in afterwards.",
		}, []string{"update", "result"}),
		reloads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "edgelb_reloads_total", Help: "Reloads of HAProxy that were proved.",
		}),
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edgelb_ssh_connections_total", Help: "Attempts to log in to hosts, by result.",
		}, []string{"result"}),
		programming: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "edgelb_programming_duration_seconds",
			Help:    "The time from the change that the watch delivered to the proof that a host runs it.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"update"}),
	}
	for _, c := range []prometheus.Collector{
		m.hostState, m.serversUp, m.servers, m.updates, m.reloads, m.connections, m.programming,
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// attempted counts an attempt. changedSince is when the change came that it proved; zero if there was none.
func (m *metrics) attempted(outcome edge.Outcome, changedSince, now time.Time) {
	if outcome.Changed || len(outcome.Reasons) > 0 {
		m.updates.WithLabelValues(string(v1alpha1.UpdateReload), string(outcome.State)).Inc()
	}
	if outcome.Changed && outcome.Update == edge.UpdateReload {
		m.reloads.Inc()
	}
	if outcome.Changed && !changedSince.IsZero() {
		m.programming.WithLabelValues(string(v1alpha1.UpdateReload)).Observe(now.Sub(changedSince).Seconds())
	}
}

// connected counts an attempt to log in to a host.
func (m *metrics) connected(result string) {
	m.connections.WithLabelValues(result).Inc()
}

// publish sets what the status of an object says of its hosts, and drops the hosts that it had before.
func (m *metrics) publish(object types.NamespacedName, before, after []v1alpha1.HostStatus) {
	stays := map[string]bool{}
	for _, host := range after {
		stays[host.Name] = true
		for _, state := range hostStates() {
			value := 0.0
			if host.State == state {
				value = 1
			}
			m.hostState.WithLabelValues(object.Namespace, object.Name, host.Name, string(state)).Set(value)
		}
		m.serversUp.WithLabelValues(object.Namespace, object.Name, host.Name).Set(float64(host.ServersUp))
		m.servers.WithLabelValues(object.Namespace, object.Name, host.Name).Set(float64(host.Servers))
	}
	for _, host := range before {
		if !stays[host.Name] {
			m.drop(prometheus.Labels{"namespace": object.Namespace, "name": object.Name, "host": host.Name})
		}
	}
}

func hostStates() []v1alpha1.HostState {
	return []v1alpha1.HostState{
		v1alpha1.HostSynced, v1alpha1.HostPending, v1alpha1.HostUnreachable, v1alpha1.HostUntrusted,
		v1alpha1.HostUnauthorized, v1alpha1.HostRejected, v1alpha1.HostRefused, v1alpha1.HostSuspended,
	}
}

// forget drops the series of an object that has gone.
func (m *metrics) forget(object types.NamespacedName) {
	m.drop(prometheus.Labels{"namespace": object.Namespace, "name": object.Name})
}

func (m *metrics) drop(labels prometheus.Labels) {
	for _, vec := range []*prometheus.GaugeVec{m.hostState, m.serversUp, m.servers} {
		vec.DeletePartialMatch(labels)
	}
}
