package metrics

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/record"
)

const uid = types.UID("1234")

// noon is the time of the tests.
func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// twoHosts is an object with the hosts gw1 and gw2.
func twoHosts() *v1alpha1.EdgeLoadBalancer {
	return &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: uid, Generation: 2},
		Spec: v1alpha1.EdgeLoadBalancerSpec{
			SSH:   v1alpha1.SSH{User: "root", Port: 22},
			Hosts: []v1alpha1.Host{{Name: "gw1", Address: "a"}, {Name: "gw2", Address: "b"}},
		},
	}
}

func registered(t *testing.T) (*Counters, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	m, err := NewCounters(registry)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

// values returns the values of the registry's series that are not 0, such as `edgelb_updates_total{runtime,synced}`. The value of a
// histogram is its number of observations.
func values(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			if value != 0 {
				all[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = value
			}
		}
	}
	return all
}

func requireValues(t *testing.T, registry *prometheus.Registry, want map[string]float64) {
	t.Helper()
	if got := values(t, registry); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestAttemptsAreCountedByTheirResult(t *testing.T) {
	t.Parallel()
	const (
		programming = "edgelb_programming_duration_seconds"
		network     = "edgelb_network_programming_duration_seconds{}"
	)
	touched := record.Host{UnprovedSince: noon(), UnprovedTriggers: []time.Time{noon(), noon().Add(-time.Second)}}
	drifted := record.Host{Outcome: model.Outcome{State: model.Drifted}}
	drift := []string{"server x added"}
	tests := map[string]struct {
		before  record.Host
		outcome model.Outcome
		want    map[string]float64
	}{
		"a check": {touched, model.Outcome{State: model.Synced}, nil},
		"a runtime update": {touched, model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateRuntime}, map[string]float64{
			"edgelb_updates_total{synced,runtime}": 1, programming + "{runtime}": 1, network: 2,
		}},
		"a reload": {touched, model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateReload}, map[string]float64{
			"edgelb_updates_total{synced,reload}": 1, "edgelb_reloads_total{first}": 1, programming + "{reload}": 1, network: 2,
		}},
		"a file write": {touched, model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateFile}, map[string]float64{
			"edgelb_updates_total{synced,file}": 1,
		}},
		"a refused file": {touched, model.Outcome{State: model.Rejected, Update: model.UpdateReload, Reasons: drift}, map[string]float64{
			"edgelb_updates_total{rejected,reload}": 1,
		}},
		"an unreachable host": {touched, model.Outcome{State: model.Unreachable}, nil},
		"a repair": {record.Host{}, model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateRuntime, Drift: drift},
			map[string]float64{
				"edgelb_updates_total{synced,runtime}": 1, "edgelb_drift_total{repaired}": 1,
			}},
		"a repair of the file": {record.Host{}, model.Outcome{State: model.Synced, Changed: true, Update: model.UpdateFile,
			Drift: drift}, map[string]float64{
			"edgelb_updates_total{synced,file}": 1, "edgelb_drift_total{repaired}": 1,
		}},
		"a drift that is found": {record.Host{}, model.Outcome{State: model.Drifted, Drift: drift},
			map[string]float64{"edgelb_drift_total{reported}": 1}},
		"a drift that stays": {drifted, model.Outcome{State: model.Drifted, Drift: drift}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, registry := registered(t)
			m.Attempted(test.before, record.Attempt{Task: &record.Task{}, Outcome: test.outcome}, noon().Add(time.Second))
			requireValues(t, registry, test.want)
		})
	}
}

func TestDurationsAreMeasuredFromTheirStart(t *testing.T) {
	t.Parallel()
	m, registry := registered(t)
	before := record.Host{UnprovedSince: noon(), UnprovedTriggers: []time.Time{noon().Add(-time.Second), noon().Add(time.Hour)}}
	m.Attempted(before, record.Attempt{Task: &record.Task{}, Outcome: model.Outcome{
		State: model.Synced, Changed: true, Update: model.UpdateRuntime,
	}}, noon().Add(500*time.Millisecond))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if h := family.GetMetric()[0].GetHistogram(); h != nil {
			got[family.GetName()] = h.GetSampleSum()
		}
	}
	// The later trigger comes from a wrong clock; no duration is less than 0.
	want := map[string]float64{"edgelb_programming_duration_seconds": 0.5, "edgelb_network_programming_duration_seconds": 1.5}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	t.Parallel()
	m, registry := registered(t)
	m.Connected("connected")
	if got := testutil.ToFloat64(m.connections.WithLabelValues("connected")); got != 1 {
		t.Errorf("counted %v connections", got)
	}
	if _, err := NewCounters(registry); err == nil {
		t.Error("a second registration is no error")
	}
}

// knownHosts are the records of host a, which is synced, and of host b, which is unreachable.
func knownHosts(object *v1alpha1.EdgeLoadBalancer) *record.Store {
	records := record.NewStore()
	member := desired.Member{Object: spec.NameOf(object), Counts: []string{"shop_web_api", "shop_web_app"}}
	task := &record.Task{Objects: map[types.UID]int64{uid: 2}}
	for address, outcome := range map[string]model.Outcome{
		"a": {State: model.Synced, Fingerprint: "f", Changed: true, Update: model.UpdateReload, OldWorkers: 3, FailedReloads: 1, Servers: map[string]model.ServerCount{
			"shop_web_app": {Up: 2, Total: 3}, "shop_web_api": {Up: 1, Total: 1}, "shop_other_app": {Up: 7, Total: 7},
		}},
		"b": {State: model.Unreachable, Message: "x"},
	} {
		key := model.NewHostID(address, 22)
		records.Update(key, func(r *record.Host) {
			r.Wanted.Members = []desired.Member{member}
			r.Apply(record.Attempt{Task: task, Outcome: outcome}, noon(), 0)
		})
	}
	return records
}

func TestGaugesReportTheCurrentStateOfHosts(t *testing.T) {
	t.Parallel()
	objects := []v1alpha1.EdgeLoadBalancer{*twoHosts()}
	records, registry := knownHosts(&objects[0]), prometheus.NewRegistry()
	registry.MustRegister(NewGauges(func() ([]v1alpha1.EdgeLoadBalancer, error) { return objects, nil }, records))
	requireValues(t, registry, nil) // a standby replica

	records.Look(model.NewHostID("a", 22), noon())
	synced := map[string]float64{
		"edgelb_host_state{gw1,web,shop,Synced}": 1,
		"edgelb_servers{gw1,web,shop}":           4, "edgelb_servers_up{gw1,web,shop}": 3,
		"edgelb_target_servers{gw1,web,shop,app}": 3, "edgelb_target_servers_up{gw1,web,shop,app}": 2,
		"edgelb_target_servers{gw1,web,shop,api}": 1, "edgelb_target_servers_up{gw1,web,shop,api}": 1,
		"edgelb_last_proof_timestamp_seconds{gw1,web,shop}":  float64(noon().Unix()),
		"edgelb_last_change_timestamp_seconds{gw1,web,shop}": float64(noon().Unix()),
		"edgelb_last_reload_timestamp_seconds{gw1,web,shop}": float64(noon().Unix()),
		"edgelb_haproxy_old_workers{gw1,web,shop}":           3, "edgelb_haproxy_failed_reloads{gw1,web,shop}": 1,
	}
	records.Update(model.NewHostID("a", 22), func(r *record.Host) {
		r.Down = []model.DownServers{
			{Backend: "shop_web_app", Check: "L4CON (Connection refused)", Count: 2}, {Backend: "shop_web_app", Check: "L4CON", Count: 1},
			{Backend: "shop_web_api", Check: "evil text", Count: 1}, {Backend: "shop_other_app", Check: "L4CON", Count: 1},
		}
	})
	synced["edgelb_target_servers_down{L4CON,gw1,web,shop,app}"] = 3
	synced["edgelb_target_servers_down{other,gw1,web,shop,api}"] = 1
	both := maps.Clone(synced)
	both["edgelb_host_state{gw2,web,shop,Unreachable}"] = 1
	requireValues(t, registry, both)

	records.Update(model.NewHostID("b", 22), func(r *record.Host) {
		r.Apply(record.Attempt{Task: &record.Task{Objects: map[types.UID]int64{uid: 2}}, Outcome: model.Outcome{State: model.Drifted}}, noon(), 0)
	})
	delete(both, "edgelb_host_state{gw2,web,shop,Unreachable}")
	both["edgelb_host_state{gw2,web,shop,Drifted}"] = 1
	requireValues(t, registry, both)

	objects[0].Spec.Hosts = objects[0].Spec.Hosts[:1]
	requireValues(t, registry, synced)
	objects = nil
	requireValues(t, registry, nil)
}

func TestAHostIsReportedAsSuspendedAndItsReloadAsWaiting(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	records, registry := knownHosts(object), prometheus.NewRegistry()
	records.Look(model.NewHostID("a", 22), noon())
	registry.MustRegister(NewGauges(func() ([]v1alpha1.EdgeLoadBalancer, error) { return []v1alpha1.EdgeLoadBalancer{*object}, nil }, records))
	requireFlags := func(want ...string) {
		t.Helper()
		var got []string
		for series := range values(t, registry) {
			if strings.HasPrefix(series, "edgelb_host_suspended") || strings.HasPrefix(series, "edgelb_host_reload_waits") {
				got = append(got, series)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	requireFlags()
	records.Update(model.NewHostID("a", 22), func(r *record.Host) {
		// As another object on the host says.
		r.Wanted.Suspend = true
		r.Outcome = model.Outcome{State: model.Pending, RetryAfter: time.Minute}
	})
	requireFlags("edgelb_host_reload_waits{gw1,web,shop}", "edgelb_host_suspended{gw1,web,shop}")
	object.Spec.Suspend = true
	requireFlags("edgelb_host_reload_waits{gw1,web,shop}", "edgelb_host_suspended{gw1,web,shop}", "edgelb_host_suspended{gw2,web,shop}")
}

func TestAReplicaLeadsOnceItIsElected(t *testing.T) {
	t.Parallel()
	elected := make(chan struct{})
	leading := NewLeadingGauge(elected)
	if got := testutil.ToFloat64(leading); got != 0 {
		t.Errorf("a replica that stands by reports %v", got)
	}
	close(elected)
	if got := testutil.ToFloat64(leading); got != 1 {
		t.Errorf("the replica that leads reports %v", got)
	}
}

func TestTheProofOfAHostIsNotReportedForAnObjectThatIsNoMember(t *testing.T) {
	t.Parallel()
	other := twoHosts()
	other.Name, other.UID = "other", "5678"
	records, registry := knownHosts(twoHosts()), prometheus.NewRegistry()
	records.Look(model.NewHostID("a", 22), noon())
	registry.MustRegister(NewGauges(func() ([]v1alpha1.EdgeLoadBalancer, error) { return []v1alpha1.EdgeLoadBalancer{*other}, nil }, records))
	requireValues(t, registry, map[string]float64{
		"edgelb_host_state{gw1,other,shop,Pending}": 1, "edgelb_host_state{gw2,other,shop,Pending}": 1,
	})
}

func TestAScrapeReportsThatObjectsCannotBeRead(t *testing.T) {
	t.Parallel()
	records, registry := knownHosts(twoHosts()), prometheus.NewRegistry()
	records.Look(model.NewHostID("a", 22), noon())
	registry.MustRegister(NewGauges(func() ([]v1alpha1.EdgeLoadBalancer, error) { return nil, errors.New("the cache is empty") }, records))
	if _, err := registry.Gather(); err == nil || !strings.Contains(err.Error(), "the cache is empty") {
		t.Errorf("the scrape says %v", err)
	}
}

func TestEveryStateHasASeries(t *testing.T) {
	t.Parallel()
	objects := []v1alpha1.EdgeLoadBalancer{*twoHosts()}
	records, registry := knownHosts(&objects[0]), prometheus.NewRegistry()
	records.Look(model.NewHostID("a", 22), noon())
	registry.MustRegister(NewGauges(func() ([]v1alpha1.EdgeLoadBalancer, error) { return objects, nil }, records))
	if got, err := testutil.GatherAndCount(registry, "edgelb_host_state"); err != nil || got != 2*len(reason.States()) {
		t.Errorf("%d series (error %v), want %d for each of two hosts", got, err, len(reason.States()))
	}
	crd, err := os.ReadFile("../../config/crd/bases/edgelb.io_edgeloadbalancers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, states, _ := strings.Cut(string(crd), "description: State is the state of the host.")
	_, states, _ = strings.Cut(states, "enum:")
	states, _, _ = strings.Cut(states, "type:")
	var exported []string
	for _, state := range reason.States() {
		exported = append(exported, string(state))
	}
	if want := strings.Fields(strings.ReplaceAll(states, "- ", "")); !slices.Equal(slices.Sorted(slices.Values(exported)),
		slices.Sorted(slices.Values(want))) {
		t.Errorf("states %v, want those of the API: %v", exported, want)
	}
}

func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `edgelb_") {
			documented = append(documented, strings.Trim(cells[1], " `"))
		}
	}
	descs := make(chan *prometheus.Desc, 100)
	NewGauges(nil, nil).Describe(descs)
	NewClusterGauges(nil, nil).Describe(descs)
	NewLeadingGauge(nil).Describe(descs)
	m, _ := registered(t)
	for _, c := range []prometheus.Collector{m.updates, m.reloads, m.drift, m.connections, m.programming, m.network} {
		c.Describe(descs)
	}
	close(descs)
	var have []string
	for desc := range descs {
		_, name, _ := strings.Cut(desc.String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		have = append(have, name)
	}
	slices.Sort(have)
	slices.Sort(documented)
	if !slices.Equal(have, documented) {
		t.Errorf("documented are %v\nthere are %v", documented, have)
	}
}
