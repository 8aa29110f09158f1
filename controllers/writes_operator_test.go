package controllers

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/index"
)

// lists are listeners and targets without any default.
const lists = `
listeners:
- {name: https, bind: [":443"], target: app, connectionRate: {perSource: 5}}
targets:
- {name: app, service: {name: app, port: web}, sessionAffinity: {}, healthCheck: {port: 80}}
- {name: fixed, addresses: [{address: 192.0.2.5, port: 443}]}
`

// What the operator reads of an object has the defaults of fields in lists, and what it writes must not.
func TestTheOperatorWritesNoSpec(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(lists), &object.Object); err != nil {
		t.Fatal(err)
	}
	spec := object.Object
	spec["ssh"] = map[string]any{"secretRef": map[string]any{"name": "edge-ssh"}}
	spec["hosts"] = []any{map[string]any{"name": "gw1", "address": "a"}}
	object.Object = map[string]any{"spec": spec}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EdgeLoadBalancer"))
	object.SetNamespace(w.namespace)
	object.SetName("web")
	// With a finalizer of its own it can still be read when the operator has released it.
	object.SetFinalizers([]string{"example.com/stays"})
	w.create(object)
	w.keepsSpec(object, "adopted", func(o *v1alpha1.EdgeLoadBalancer) bool { return isReady(o) && index.IsHeld(o) })
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.keepsSpec(object, "changed by endpoints", func(o *v1alpha1.EdgeLoadBalancer) bool { return o.Status.Hosts[0].Servers == 2 })
	if err := w.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":true}}`))); err != nil {
		t.Fatal(err)
	}
	w.keepsSpec(object, "suspended", func(o *v1alpha1.EdgeLoadBalancer) bool { return o.Status.ObservedGeneration == o.Generation })
	if err := w.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":false}}`))); err != nil {
		t.Fatal(err)
	}
	w.delete(object)
	w.keepsSpec(object, "released", func(o *v1alpha1.EdgeLoadBalancer) bool { return !index.IsHeld(o) })
}

// keepsSpec waits until an object is as wanted, and compares its spec with what was sent.
func (w *world) keepsSpec(object *unstructured.Unstructured, what string, wanted func(*v1alpha1.EdgeLoadBalancer) bool) {
	w.t.Helper()
	w.becomes(object.GetName(), what, wanted)
	live := w.live(object).Object["spec"]
	if !reflect.DeepEqual(live, object.Object["spec"]) {
		w.t.Errorf("%s, its spec is %v; it was sent with %v", what, live, object.Object["spec"])
	}
	var sent map[string]any
	if err := yaml.Unmarshal([]byte(lists), &sent); err != nil {
		w.t.Fatal(err)
	}
	for name, want := range sent {
		if got := live.(map[string]any)[name]; string(toJSON(w.t, got)) != string(toJSON(w.t, want)) {
			w.t.Errorf("%s, its %s are %v; they were sent as %v", what, name, got, want)
		}
	}
}

// A change of endpoints changes every host that serves them.
func TestAnObjectIsNotWrittenOncePerHostWhenEndpointsChange(t *testing.T) {
	t.Parallel()
	const hosts = 200
	w := newWorld(t)
	w.startWith(Options{RemovalTimeout: time.Minute, HostsAtOnce: hosts})
	var addresses []string
	for i := range hosts {
		address := fmt.Sprintf("h%03d", i)
		addresses = append(addresses, address)
		w.hosts.set(address, func(h *fakeHost) { h.latency = time.Duration(i) * 10 * time.Millisecond })
	}
	w.create(w.balancer("web", addresses...))
	w.becomes("web", "ready", isReady)
	var writes atomic.Int64
	w.watch("web", func() { writes.Add(1) })
	began := time.Now()
	w.setEndpoints("app", "10.1.0.1", "10.1.0.2")
	w.becomes("web", "changed", func(o *v1alpha1.EdgeLoadBalancer) bool {
		return o.Status.Summary.Servers == fmt.Sprintf("%d/%d", 2*hosts, 2*hosts)
	})
	took := time.Since(began)
	t.Logf("%d writes for a change of %d hosts in %s", writes.Load(), hosts, took)
	if most := int64(took/time.Second) + 1; writes.Load() > most {
		t.Errorf("%d writes in %s, want at most %d", writes.Load(), took, most)
	}
}
