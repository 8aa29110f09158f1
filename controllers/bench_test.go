package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/metrics"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/queue"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rulebook"
	"github.com/edgelb/edgelb/internal/secrets"
	"github.com/edgelb/edgelb/internal/status"
	"github.com/edgelb/edgelb/internal/watched"
)

// The size of the benchmarks' cluster. Each object names the maximum number of hosts, the first of which serves all objects.
const (
	benchObjects   = 100
	benchHosts     = 500
	benchEndpoints = 100 // of each object's Service
)

// benchCache answers like the cache: from its indexes, without copies.
type benchCache struct {
	client.Reader
	objects  []v1alpha1.EdgeLoadBalancer
	services map[types.NamespacedName]*corev1.Service
	slices   map[string][]discoveryv1.EndpointSlice
}

func (c *benchCache) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	asked := (&client.ListOptions{}).ApplyOptions(options)
	switch list := list.(type) {
	case *v1alpha1.EdgeLoadBalancerList:
		list.Items = append(list.Items, c.objects...)
	case *discoveryv1.EndpointSliceList:
		service, _ := asked.FieldSelector.RequiresExactMatch(watched.IndexService)
		list.Items = append(list.Items, c.slices[service]...)
	}
	return nil
}

func (c *benchCache) Get(_ context.Context, name client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	switch object := object.(type) {
	case *corev1.Service:
		c.services[name].DeepCopyInto(object)
	case *metav1.PartialObjectMetadata:
		object.ResourceVersion = "1"
	case *corev1.Secret:
		object.ResourceVersion, object.Data = "1", map[string][]byte{"ssh-privatekey": []byte("right")}
	}
	return nil
}

func newBenchCache() *benchCache {
	c := &benchCache{services: map[types.NamespacedName]*corev1.Service{}, slices: map[string][]discoveryv1.EndpointSlice{}}
	for n := range benchObjects {
		name := types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("app%d", n)}
		c.objects = append(c.objects, *benchObject(n))
		c.services[name] = &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 80}}}}
		var addresses []string
		for i := range benchEndpoints {
			addresses = append(addresses, fmt.Sprintf("10.%d.0.%d", n, i))
		}
		c.slices[name.String()] = []discoveryv1.EndpointSlice{{
			ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Labels: map[string]string{discoveryv1.LabelServiceName: name.Name}},
			AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints(addresses...),
			Ports: []discoveryv1.EndpointPort{{Name: new("web"), Port: new(int32(8080))}},
		}}
	}
	return c
}

func benchObject(n int) *v1alpha1.EdgeLoadBalancer {
	object := named("shop", fmt.Sprintf("web%d", n), types.UID(fmt.Sprint(n)))
	object.Spec.Hosts = nil
	for i := range benchHosts {
		name := fmt.Sprintf("gw%d", i)
		object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{Name: name, Address: name + ".example.net"})
	}
	object.Spec.Listeners = []v1alpha1.Listener{{Name: "web",
		Bind: []v1alpha1.BindAddress{v1alpha1.BindAddress(fmt.Sprintf(":%d", 1000+n))}, Target: "app"}}
	object.Spec.Targets = []v1alpha1.Target{{Name: "app",
		Service: &v1alpha1.ServicePort{Name: fmt.Sprintf("app%d", n), Port: intstr.FromString("web")}}}
	object.Default()
	return object
}

func newBenchReconciler(b *testing.B, cache *benchCache) *hostReconciler {
	b.Helper()
	counted, err := metrics.NewCounters(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	hosts := newFakeHosts()
	r := &hostReconciler{
		Sources: clusters.Sources{Here: cache}, cluster: "bench", connector: hosts, sync: hosts.sync,
		secrets: secrets.NewReader(cache, cache, index.NamesSecret(cache)), rules: rulebook.New(cache,
			rulebook.Missing{Policies: true, Namespaces: true}),
		records: record.NewStore(), caches: newSyncCaches(), places: queue.NewPlaces(queue.HostsAtOnce,
			func(model.HostID) {}), counters: counted, objects: &queue.Source[ctrl.Request]{},
		now: time.Now, random: func() float64 { return 0 },
	}
	// Nobody works on the objects: a queue that is shut down takes nothing.
	ended := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[ctrl.Request]())
	ended.ShutDown()
	if err := r.objects.Start(b.Context(), ended); err != nil {
		b.Fatal(err)
	}
	return r
}

// BenchmarkSync measures the operator's own work for one sync of a host after a change of one endpoint of one Service.
func BenchmarkSync(b *testing.B) {
	cache := newBenchCache()
	r := newBenchReconciler(b, cache)
	key := model.NewHostID("gw0.example.net", 22)
	slice := &cache.slices["shop/app0"][0]
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		slice.Endpoints = append([]discoveryv1.Endpoint{}, slice.Endpoints...)
		slice.Endpoints[0] = endpoints(fmt.Sprintf("10.200.%d.%d", n/250%250, n%250))[0]
		if _, err := r.reconcile(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
	if changes := r.records.Get(key).Outcome.Servers; len(changes) != benchObjects {
		b.Errorf("the host has %d backends", len(changes))
	}
}

// BenchmarkSliceEvent measures finding and queueing all hosts that an EndpointSlice affects.
func BenchmarkSliceEvent(b *testing.B) {
	cache := newBenchCache()
	r := newBenchReconciler(b, cache)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[model.HostID]())
	b.Cleanup(queue.ShutDown)
	cache.objects = cache.objects[:1]
	slice := &cache.slices["shop/app0"][0]
	b.ReportAllocs()
	for b.Loop() {
		r.sliceChanged(b.Context(), queue, slice, slice)
	}
	if queue.Len() != benchHosts {
		b.Errorf("%d hosts were queued", queue.Len())
	}
}

// BenchmarkSummary measures the computation of the status of an object with all its hosts.
func BenchmarkSummary(b *testing.B) {
	cache := newBenchCache()
	r := newBenchReconciler(b, cache)
	for i := range benchHosts {
		if _, err := r.reconcile(b.Context(), model.NewHostID(fmt.Sprintf("gw%d.example.net", i), 22)); err != nil {
			b.Fatal(err)
		}
	}
	object := &cache.objects[0]
	b.ReportAllocs()
	for b.Loop() {
		object.Status = status.Summarize(object, status.ViewsOf(object, r.records.Get), noon())
	}
	if object.Status.Summary.Hosts != fmt.Sprintf("%d/%d", benchHosts, benchHosts) {
		b.Errorf("summary %+v", object.Status.Summary)
	}
}
