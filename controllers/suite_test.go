package controllers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers/signals"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// patience bounds how long a test waits for something that must happen.
const patience = waiting.Long

// apiServer is the connection to the API server that all tests of the package share. Each test has its own namespaces.
var apiServer *rest.Config

func TestMain(m *testing.M) {
	code, err := runWithAPIServer(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runWithAPIServer(m *testing.M) (code int, err error) {
	ctrl.SetLogger(logr.Discard())
	binaries, err := programs.ControlPlane()
	if err != nil {
		return 1, err
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory:    binaries,
		ControlPlaneStartTimeout: patience,
		ControlPlaneStopTimeout:  patience,
		CRDDirectoryPaths:        []string{"../config/crd/bases"},
		ErrorIfCRDPathMissing:    true,
	}
	if apiServer, err = environment.Start(); err != nil {
		return 1, fmt.Errorf("start the API server: %w", err)
	}
	apiServer.QPS, apiServer.Burst = 500, 500
	defer func() { err = environment.Stop() }()
	return m.Run(), nil
}

// world is a namespace of the API server, an operator that watches it, and the hosts that the operator reaches.
type world struct {
	client.Client
	t         *testing.T
	namespace string
	hosts     *fakeHosts
	// keepalived is that of the hosts.
	keepalived *fakeKeepalived
	registry   *prometheus.Registry
	stop       func()
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

// newWorld creates a namespace with a Secret, a Service and its endpoints.
func newWorld(t *testing.T) *world {
	t.Helper()
	c, err := client.New(apiServer, client.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w := &world{Client: c, t: t, namespace: namespace.Name, hosts: newFakeHosts(), keepalived: newFakeKeepalived()}
	// The API server is also used as other clusters, and has a loopback address.
	w.allow("clusters", v1alpha1.EdgePolicySpec{KubeconfigServers: []v1alpha1.AllowedAddress{"127.0.0.0/8", "0.0.0.0/0", "*"}})
	w.create(&corev1.Secret{ObjectMeta: w.meta("edge-ssh"), Data: map[string][]byte{"ssh-privatekey": []byte("right")}})
	w.addService("app", "10.1.0.1")
	return w
}

// allow creates a policy for the namespace, which lasts until the test ends.
func (w *world) allow(name string, spec v1alpha1.EdgePolicySpec) *v1alpha1.EdgePolicy {
	w.t.Helper()
	if len(spec.Namespaces.MatchLabels) == 0 {
		spec.Namespaces.Names = []string{w.namespace}
	}
	p := &v1alpha1.EdgePolicy{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + name}, Spec: spec}
	w.create(p)
	w.t.Cleanup(func() {
		if err := w.Delete(context.Background(), p); client.IgnoreNotFound(err) != nil {
			w.t.Error(err)
		}
	})
	return p
}

// start runs an operator until the test ends or stop is called. It watches the world's namespace, and others. The race detector
// supports some 8,000 goroutines, so few hosts are worked on at once.
func (w *world) start(removalTimeout time.Duration, others ...string) {
	w.t.Helper()
	w.startWith(Options{RemovalTimeout: removalTimeout, HostsAtOnce: 16}, others...)
}

func (w *world) startWith(options Options, others ...string) {
	w.t.Helper()
	w.startAs(apiServer, options, others...)
}

// startAs starts an operator with this connection.
func (w *world) startAs(config *rest.Config, options Options, others ...string) {
	w.t.Helper()
	mgr, err := ctrl.NewManager(config, w.managerOptions(others))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	w.registry = prometheus.NewRegistry()
	signals, err := signals.New(w.registry)
	if err != nil {
		w.t.Fatal(err)
	}
	w.hosts.signals = signals
	options.Cluster, options.Connector, options.Sync, options.Signals = "test", w.hosts, w.hosts.sync, signals
	options.SyncVirtual, options.LookVirtual = w.keepalived.sync, w.keepalived.look
	if err := Setup(ctx, mgr, options); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the manager ended: %v", err)
		}
	}
	w.t.Cleanup(w.stop)
}

func (w *world) managerOptions(others []string) ctrl.Options {
	return ctrl.Options{
		Scheme:     newScheme(w.t),
		Cache:      CacheOptions(append(others, w.namespace)),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
	}
}

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.namespace, Name: name}
}

func (w *world) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: name}
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.Create(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

// addService creates a Service with one EndpointSlice.
func (w *world) addService(name string, addresses ...string) {
	w.t.Helper()
	w.create(&corev1.Service{ObjectMeta: w.meta(name), Spec: corev1.ServiceSpec{
		Ports: []corev1.ServicePort{{Name: "web", Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}})
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: w.meta(name + "-1"), AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints(addresses...),
		Ports: []discoveryv1.EndpointPort{{Name: new("web"), Port: new(int32(8080)), Protocol: new(corev1.ProtocolTCP)}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: name}
	w.create(slice)
}

func endpoints(addresses ...string) []discoveryv1.Endpoint {
	var made []discoveryv1.Endpoint
	for _, address := range addresses {
		made = append(made, discoveryv1.Endpoint{
			Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true)},
		})
	}
	return made
}

func (w *world) setEndpoints(service string, addresses ...string) {
	w.t.Helper()
	change(w, service+"-1", func(slice *discoveryv1.EndpointSlice) { slice.Endpoints = endpoints(addresses...) })
}

// balancer is an EdgeLoadBalancer with a listener for the Service app on hosts with the given addresses, named gw1, gw2, ….
func (w *world) balancer(name string, addresses ...string) *v1alpha1.EdgeLoadBalancer {
	object := &v1alpha1.EdgeLoadBalancer{ObjectMeta: w.meta(name), Spec: v1alpha1.EdgeLoadBalancerSpec{
		SSH:       v1alpha1.SSH{SecretRef: v1alpha1.SecretReference{Name: "edge-ssh"}},
		Listeners: []v1alpha1.Listener{{Name: "https", Bind: []v1alpha1.BindAddress{":443"}, Target: "app"}},
		Targets: []v1alpha1.Target{{Name: "app",
			Service: &v1alpha1.ServicePort{Name: "app", Port: intstr.FromString("web")}}},
	}}
	for i, address := range addresses {
		object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{
			Name: fmt.Sprintf("gw%d", i+1), Address: address, PublicAddresses: []string{fmt.Sprintf("198.51.100.%d", i+1)},
		})
	}
	return object
}

// change reads, edits and writes an object, until that succeeds.
func change[T any, P interface {
	*T
	client.Object
}](w *world, name string, edit func(P)) {
	w.t.Helper()
	w.eventually("write "+name, func() error {
		object := P(new(T))
		if err := w.Get(w.t.Context(), w.key(name), object); err != nil {
			return err
		}
		edit(object)
		return w.Update(w.t.Context(), object)
	})
}

func (w *world) read(name string) *v1alpha1.EdgeLoadBalancer {
	w.t.Helper()
	object := &v1alpha1.EdgeLoadBalancer{}
	if err := w.Get(w.t.Context(), w.key(name), object); err != nil {
		w.t.Fatal(err)
	}
	return object
}

// eventually polls a condition until it holds.
func (w *world) eventually(what string, holds func() error) {
	w.t.Helper()
	var err error
	if !waiting.Until(patience, func() bool { err = holds(); return err == nil }) {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// passes waits until this much time has passed since a moment.
func (w *world) passes(d time.Duration, since time.Time) {
	w.t.Helper()
	w.eventually(d.String()+" pass", func() error {
		if left := d - time.Since(since); left > 0 {
			return fmt.Errorf("%s are left", left)
		}
		return nil
	})
}

// becomes waits until the object is as wanted.
func (w *world) becomes(name, what string, wanted func(*v1alpha1.EdgeLoadBalancer) bool) *v1alpha1.EdgeLoadBalancer {
	w.t.Helper()
	object := &v1alpha1.EdgeLoadBalancer{}
	w.eventually(name+" becomes "+what, func() error {
		if err := w.Get(w.t.Context(), w.key(name), object); err != nil {
			return err
		}
		if !wanted(object) {
			return fmt.Errorf("status is %+v", object.Status)
		}
		return nil
	})
	return object
}

// watch calls changed after each change of an object, until the test ends.
func (w *world) watch(name string, changed func()) {
	w.t.Helper()
	c, err := client.NewWithWatch(apiServer, client.Options{Scheme: newScheme(w.t)})
	if err != nil {
		w.t.Fatal(err)
	}
	before := w.read(name).ResourceVersion
	watching, err := c.Watch(w.t.Context(), &v1alpha1.EdgeLoadBalancerList{}, client.InNamespace(w.namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: before}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(watching.Stop)
	go func() {
		for e := range watching.ResultChan() {
			if object, ok := e.Object.(client.Object); ok && object.GetName() == name && e.Type == watch.Modified {
				changed()
			}
		}
	}()
}

func (w *world) isGone(name string) {
	w.t.Helper()
	w.eventually(name+" is gone", func() error {
		object := &v1alpha1.EdgeLoadBalancer{}
		err := w.Get(w.t.Context(), w.key(name), object)
		if err == nil {
			return fmt.Errorf("it is there, with finalizers %v and status %+v", object.Finalizers, object.Status)
		}
		return client.IgnoreNotFound(err)
	})
}

func (w *world) delete(object client.Object) {
	w.t.Helper()
	if err := w.Delete(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

// events counts the events about an object and one of its hosts by reason.
func (w *world) events(name, host string) map[string]int {
	w.t.Helper()
	var list eventsv1.EventList
	if err := w.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, e := range list.Items {
		field := ""
		if host != "" {
			field = "spec.hosts{" + host + "}"
		}
		if e.Regarding.Name == name && e.Regarding.FieldPath == field {
			counts[e.Reason]++
			if e.Series != nil {
				counts[e.Reason] += int(e.Series.Count) - 1
			}
		}
	}
	return counts
}

func (w *world) eventReported(name, host, reason string) {
	w.t.Helper()
	w.eventually("the event "+reason, func() error {
		if events := w.events(name, host); events[reason] == 0 {
			return fmt.Errorf("events are %v", events)
		}
		return nil
	})
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
