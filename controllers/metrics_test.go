package controllers

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/edge"
)

func registered(t *testing.T) (*metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	m, err := newMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

func TestSeriesOfHostsComeAndGoWithThem(t *testing.T) {
	t.Parallel()
	m, registry := registered(t)
	web, other := types.NamespacedName{Namespace: "shop", Name: "web"}, types.NamespacedName{Namespace: "shop", Name: "other"}
	both := []v1alpha1.HostStatus{
		{Name: "gw1", State: v1alpha1.HostSynced, ServersUp: 2, Servers: 3}, {Name: "gw2", State: v1alpha1.HostUnreachable},
	}
	m.publish(web, nil, both)
	m.publish(other, nil, both[:1])
	for state, want := range map[v1alpha1.HostState]float64{v1alpha1.HostSynced: 0, v1alpha1.HostUnreachable: 1} {
		if got := testutil.ToFloat64(m.hostState.WithLabelValues("shop", "web", "gw2", string(state))); got != want {
			t.Errorf("gw2 is %s: %v, want %v", state, got, want)
		}
	}
	if got := testutil.ToFloat64(m.serversUp.WithLabelValues("shop", "web", "gw1")); got != 2 {
		t.Errorf("servers up: %v, want 2", got)
	}
	series := func() int {
		count, err := testutil.GatherAndCount(registry, "edgelb_host_state", "edgelb_servers", "edgelb_servers_up")
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	perHost := len(hostStates()) + 2
	for _, step := range []struct {
		name string
		do   func()
		want int
	}{
		{"all hosts", func() {}, 3 * perHost},
		{"a host that left", func() { m.publish(web, both, both[:1]) }, 2 * perHost},
		{"an object that went", func() { m.forget(web) }, perHost},
	} {
		step.do()
		if got := series(); got != step.want {
			t.Errorf("%s: %d series, want %d", step.name, got, step.want)
		}
	}
}

func TestAttemptsAreCountedByWhatTheyDid(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outcome                                        edge.Outcome
		changedSince                                   time.Time
		wantSynced, wantRejected, wantReloads, wantHow float64
	}{
		"a look":         {edge.Outcome{State: edge.Synced}, noon(), 0, 0, 0, 0},
		"a reload":       {edge.Outcome{State: edge.Synced, Changed: true, Update: edge.UpdateReload}, noon(), 1, 0, 1, 1},
		"a repair":       {edge.Outcome{State: edge.Synced, Changed: true, Update: edge.UpdateReload}, time.Time{}, 1, 0, 1, 0},
		"a refused file": {edge.Outcome{State: edge.Rejected, Reasons: []string{"new"}}, noon(), 0, 1, 0, 0},
		"an absent host": {edge.Outcome{State: edge.Unreachable}, noon(), 0, 0, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, registry := registered(t)
			m.attempted(test.outcome, test.changedSince, noon().Add(time.Second))
			measured, err := testutil.GatherAndCount(registry, "edgelb_programming_duration_seconds")
			if err != nil {
				t.Fatal(err)
			}
			got := []float64{
				testutil.ToFloat64(m.updates.WithLabelValues("Reload", "Synced")),
				testutil.ToFloat64(m.updates.WithLabelValues("Reload", "Rejected")),
				testutil.ToFloat64(m.reloads), float64(measured),
			}
			for i, want := range []float64{test.wantSynced, test.wantRejected, test.wantReloads, test.wantHow} {
				if got[i] != want {
					t.Errorf("counted %v, want %v at %d", got, want, i)
				}
			}
		})
	}
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	t.Parallel()
	m, registry := registered(t)
	m.connected("connected")
	if got := testutil.ToFloat64(m.connections.WithLabelValues("connected")); got != 1 {
		t.Errorf("counted %v connections", got)
	}
	if _, err := NewSignals(registry); err == nil {
		t.Error("a second registration is no error")
	}
}
