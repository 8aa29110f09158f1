package desired

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
)

// TestTheAPIServersDefaultsChangeNothing keeps the defaults of package spec and those of the CRD in line.
func TestTheAPIServersDefaultsChangeNothing(t *testing.T) {
	t.Parallel()
	bare := edgeLB("a")
	filled := throughCRD(t, bare)
	if filled.Spec.SSH.User == "" || filled.Spec.HAProxy.Timeouts.Client == nil {
		t.Fatalf("spec %+v, want the CRD's defaults in it", filled.Spec)
	}
	want, got := build(gw1(), snapshotOf(bare)), build(gw1(), snapshotOf(filled))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("host %+v with the CRD's defaults, and %+v without", got, want)
	}
}

// leftOut and writtenOut are the same listeners and targets, without their defaults and with all of them, as former versions of the CRD
// have stored them.
const (
	leftOut = `
listeners:
- {name: https, bind: [":443"], target: app}
- {name: rated, bind: [":444"], target: all, connectionRate: {perSource: 5}}
targets:
- {name: app, service: {name: app, port: web}, sessionAffinity: {}}
- {name: fixed, addresses: [{address: 192.0.2.9, port: 443}, {address: 192.0.2.10, port: 443, weight: 0}], healthCheck: {path: /, type: HTTP}}
- {name: nodes, service: {name: app, port: web}, via: NodePort}
- {name: all, split: [{target: app, weight: 1}, {target: fixed, weight: 0}], fallback: nodes}
`
	writtenOut = `
listeners:
- {name: https, protocol: TCP, bind: [":443"], target: app}
- {name: rated, protocol: TCP, bind: [":444"], target: all, connectionRate: {perSource: 5, interval: 10s}}
targets:
- name: app
  service: {name: app, port: web}
  via: PodIP
  nodeAddressType: ExternalIP
  proxyProtocol: None
  balance: LeastConn
  sessionAffinity: {type: SourceIP, timeout: 30m}
  healthCheck: {type: TCP, interval: 2s, rise: 2, fall: 3, proxyProtocol: Auto}
  drainTimeout: 5m
- name: fixed
  addresses: [{address: 192.0.2.9, port: 443, weight: 1}, {address: 192.0.2.10, port: 443, weight: 0}]
  via: PodIP
  nodeAddressType: ExternalIP
  proxyProtocol: None
  balance: LeastConn
  healthCheck: {path: /, type: HTTP, interval: 2s, rise: 2, fall: 3, proxyProtocol: Auto}
  drainTimeout: 5m
- name: nodes
  service: {name: app, port: web}
  via: NodePort
  nodeAddressType: ExternalIP
  proxyProtocol: None
  balance: LeastConn
  healthCheck: {type: TCP, interval: 2s, rise: 2, fall: 3, proxyProtocol: Auto}
  drainTimeout: 5m
- name: all
  split: [{target: app, weight: 1}, {target: fixed, weight: 0}]
  fallback: nodes
  via: PodIP
  nodeAddressType: ExternalIP
  proxyProtocol: None
  balance: LeastConn
  healthCheck: {type: TCP, interval: 2s, rise: 2, fall: 3, proxyProtocol: Auto}
  drainTimeout: 5m
`
)

func TestDefaultsOfListenersAndTargetsMeanTheSameLeftOutAndWrittenOut(t *testing.T) {
	t.Parallel()
	built := func(lists string) (Host, cfg.File) {
		node := nodeAt("node-a", "10.0.0.1")
		node.Status.Addresses[0].Type = corev1.NodeExternalIP
		s := byNodes("")
		s.Nodes = map[spec.ClusterKey][]*corev1.Node{{}: {node}}
		s.Objects[0] = edgeLB("a", func(o *v1alpha1.EdgeLoadBalancer) {
			o.Spec.Listeners, o.Spec.Targets = nil, nil
			if err := yaml.UnmarshalStrict([]byte(lists), &o.Spec); err != nil {
				t.Fatal(err)
			}
		})
		host := build(gw1(), s)
		file, err := cfg.Render(host.Config.WithServers(nil), cfg.Platform{StateFile: "/state", NamesPrefix: "/names-"})
		if err != nil {
			t.Fatal(err)
		}
		return host, file
	}
	want, wantFile := built(writtenOut)
	got, gotFile := built(leftOut)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("left out, the host is %+v; written out, %+v", got, want)
	}
	if !reflect.DeepEqual(gotFile, wantFile) {
		t.Errorf("left out, its configuration is\n%s\nwritten out\n%s", gotFile.Text, wantFile.Text)
	}
	if len(want.Problems) > 0 || len(want.Config.Frontends) != 2 || len(want.Config.Backends) != 3 {
		t.Errorf("problems %v, and the host has %+v, want 2 frontends and 3 backends", want.Problems, want.Config)
	}
}

// throughCRD fills in the CRD's defaults, as the API server does.
func throughCRD(t *testing.T, object *v1alpha1.EdgeLoadBalancer) *v1alpha1.EdgeLoadBalancer {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/edgelb.io_edgeloadbalancers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	convert(t, object, &fields)
	fillDefaults(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, fields)
	filled := new(v1alpha1.EdgeLoadBalancer)
	convert(t, fields, filled)
	return filled
}

// convert copies a value into one of another type with the same JSON.
func convert(t *testing.T, from, to any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatal(err)
	}
}

// fillDefaults sets missing fields of value to the schema's defaults, at every depth.
func fillDefaults(schema map[string]any, value any) {
	switch value := value.(type) {
	case []any:
		items, _ := schema["items"].(map[string]any)
		for _, item := range value {
			fillDefaults(items, item)
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			property, _ := property.(map[string]any)
			if unset, found := property["default"]; found && value[name] == nil {
				value[name] = unset
			}
			fillDefaults(property, value[name])
		}
	}
}
