package metrics

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/record"
)

// The size of the benchmark's edge: each host serves one object.
const (
	benchObjects       = 100
	benchHostsOfObject = 10
)

// benchObject is an object whose hosts match the records and its status.
func benchObject(n int, records *record.Store) v1alpha1.EdgeLoadBalancer {
	object := twoHosts()
	object.Name, object.UID, object.Spec.Hosts = fmt.Sprintf("web%d", n), types.UID(fmt.Sprint(n)), nil
	for i := range benchHostsOfObject {
		name := fmt.Sprintf("gw%d", i)
		entry := v1alpha1.Host{Name: name, Address: fmt.Sprintf("10.0.%d.%d", n, i)}
		object.Spec.Hosts = append(object.Spec.Hosts, entry)
		object.Status.Hosts = append(object.Status.Hosts,
			v1alpha1.HostStatus{Name: name, Address: entry.Address, Port: 22, State: v1alpha1.HostSynced})
		backend := fmt.Sprintf("shop_%s_app", object.Name)
		key := model.NewHostID(entry.Address, 22)
		records.Look(key, noon())
		records.Update(key, func(r *record.Host) {
			r.Wanted.Members = []desired.Member{{Object: spec.NameOf(object), Backends: []string{backend}, Counts: []string{backend}}}
			r.Apply(record.Attempt{Task: &record.Task{Objects: map[types.UID]int64{object.UID: 2}}, Outcome: model.Outcome{
				State: model.Synced, Fingerprint: "f", Servers: map[string]model.ServerCount{backend: {Up: 100, Total: 100}},
			}}, noon(), 0)
		})
	}
	return *object
}

// BenchmarkScrape measures the computation of the series of a thousand hosts.
func BenchmarkScrape(b *testing.B) {
	records, registry := record.NewStore(), prometheus.NewRegistry()
	var objects []v1alpha1.EdgeLoadBalancer
	for n := range benchObjects {
		objects = append(objects, benchObject(n, records))
	}
	registry.MustRegister(NewGauges(func() ([]v1alpha1.EdgeLoadBalancer, error) { return objects, nil }, records))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
	series, err := testutil.GatherAndCount(registry)
	if err != nil || series != benchObjects*benchHostsOfObject*(len(reason.States())+9) {
		b.Errorf("%d series (error %v)", series, err)
	}
	b.ReportMetric(float64(series), "series")
}
