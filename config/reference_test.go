package config_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/policy"
)

// What a change of a field costs.
const (
	atRuntime = "runtime"
	reload    = "reload"
	nothing   = "none"
)

// everyKind has a listener and a target of every kind. Each of the fields that changes names is in it once, on a line of its own.
const everyKind = `
metadata: {name: web, namespace: shop}
spec:
  ssh: {secretRef: {name: edge-ssh}}
  hosts:
  - {name: gw1, address: 192.0.2.1}
  - {name: gw2, address: 192.0.2.2}
  listeners:
  - name: tls
    protocol: TLS
    bind: [":443"]
    hosts: [gw1]
    target: app
    routes:
    - {hostnames: [a.example.com], target: app}
    connectionRate:
      perSource: 10
      interval: 10s
  - {name: http, protocol: HTTP, bind: [":80"]}
  targets:
  - name: app
    service: {name: app, port: web}
    via: NodePort
    nodeAddressType: ExternalIP
    healthCheck:
      type: HTTP
    sessionAffinity:
      type: SourceIP
  - name: fixed
    proxyProtocol: V1
    healthCheck:
      type: TLSHello
    addresses:
    - address: 192.0.2.5
      port: 443
      weight: 10
    - address: db.example.net
      port: 443
      weight: 20
  - name: both
    split:
    - {target: app, weight: 90}
    - {target: fixed, weight: 10}
  - {name: safe, addresses: [{address: 192.0.2.6, port: 443}], fallback: app}
`

// changes say, by the field as the reference calls it, what becomes of a part of everyKind, and what that costs.
var changes = map[string][]struct{ before, after, cost string }{
	// Of listeners.
	"name":                       {{"- name: tls", "- name: other", reload}, {"{name: safe", "{name: other", reload}},
	"protocol":                   {{"{name: http, protocol: HTTP,", "{name: http, protocol: TLS,", reload}},
	"bind":                       {{`[":443"]`, `[":443", ":8443"]`, reload}},
	"hosts":                      {{"hosts: [gw1]", "hosts: [gw2]", reload}},
	"target":                     {{"hosts: [gw1]\n    target: app", "hosts: [gw1]\n    target: fixed", reload}},
	"routes":                     {{"[a.example.com]", "[a.example.com, b.example.com]", atRuntime}, {"routes:\n    - {hostnames: [a.example.com], target: app}", "routes: []", atRuntime}, {"target: app}\n    conn", "target: both}\n    conn", atRuntime}},
	"redirectToHTTPS":            {{`bind: [":80"]`, `bind: [":80"], redirectToHTTPS: true`, reload}},
	"allowedSources":             {{"hosts: [gw1]", "hosts: [gw1]\n    allowedSources: [192.0.2.0/24]", reload}},
	"acceptProxyProtocolFrom":    {{"hosts: [gw1]", "hosts: [gw1]\n    acceptProxyProtocolFrom: [192.0.2.0/24]", reload}},
	"requireProxyProtocol":       {{"hosts: [gw1]", "hosts: [gw1]\n    acceptProxyProtocolFrom: [192.0.2.0/24]\n    requireProxyProtocol: true", reload}},
	"maxConnections":             {{"hosts: [gw1]", "hosts: [gw1]\n    maxConnections: 5", reload}},
	"connectionRate.perSource":   {{"perSource: 10", "perSource: 11", reload}},
	"connectionRate.interval":    {{"interval: 10s", "interval: 11s", reload}},
	"service.name, service.port": {{"name: app, port: web}", "name: other, port: web}", atRuntime}, {"name: app, port: web}", "name: app, port: https}", atRuntime}},
	// Of targets.
	"service.namespace":                {{"name: app, port: web}", "name: app, port: web, namespace: other}", atRuntime}},
	"service.kubeconfigSecretRef.name": {{"name: app, port: web}", "name: app, port: web, kubeconfigSecretRef: {name: b}}", atRuntime}},
	"via":                              {{"via: NodePort", "via: PodIP", atRuntime}},
	"nodeAddressType":                  {{"nodeAddressType: ExternalIP", "nodeAddressType: InternalIP", atRuntime}, {"nodeAddressType: ExternalIP", "nodeAddressType: Egress", atRuntime}},
	"addresses[].address, .port":       {{"address: 192.0.2.5", "address: 192.0.2.7", atRuntime}, {"192.0.2.5\n      port: 443", "192.0.2.5\n      port: 444", atRuntime}, {"address: db.example.net", "address: db2.example.net", reload}},
	"addresses[].weight":               {{"weight: 10\n", "weight: 11\n", atRuntime}, {"weight: 20\n", "weight: 21\n", atRuntime}},
	"split[].target, .weight":          {{"weight: 90}", "weight: 50}", atRuntime}, {"weight: 90}", "weight: 0}", atRuntime}, {"- {target: fixed, weight: 10}", "- {target: safe, weight: 10}", atRuntime}, {"weight: 90}", "weight: 90}\n    - {target: safe, weight: 5}", reload}},
	"fallback":                         {{"fallback: app", "fallback: fixed", atRuntime}, {"via: NodePort", "via: NodePort\n    fallback: fixed", reload}},
	"proxyProtocol":                    {{"via: NodePort", "via: NodePort\n    proxyProtocol: V2", reload}},
	"balance":                          {{"via: NodePort", "via: NodePort\n    balance: RoundRobin", reload}},
	"sessionAffinity.type":             {{"type: SourceIP", "type: TLSSessionID", reload}},
	"sessionAffinity.timeout":          {{"type: SourceIP", "type: SourceIP\n      timeout: 1m", reload}},
	"maxConnectionsPerServer":          {{"via: NodePort", "via: NodePort\n    maxConnectionsPerServer: 5", reload}},
	"healthCheck.type":                 {{"type: HTTP\n", "type: None\n", reload}},
	"healthCheck.interval":             {{"type: HTTP\n", "type: HTTP\n      interval: 9s\n", reload}},
	"healthCheck.rise, .fall":          {{"type: HTTP\n", "type: HTTP\n      rise: 9\n", reload}, {"type: HTTP\n", "type: HTTP\n      fall: 9\n", reload}},
	"healthCheck.port":                 {{"type: HTTP\n", "type: HTTP\n      port: 9\n", reload}},
	"healthCheck.path":                 {{"type: HTTP\n", "type: HTTP\n      path: /ping\n", reload}},
	"healthCheck.proxyProtocol":        {{"type: TLSHello\n", "type: TLSHello\n      proxyProtocol: Never\n", reload}},
	"healthCheck.tls":                  {{"type: HTTP\n", "type: HTTP\n      tls: true\n", reload}},
	"drainTimeout":                     {{"via: NodePort", "via: NodePort\n    drainTimeout: 1m", nothing}},
}

// referenceRow is a row of the reference's tables of fields: the field, and what a change of it costs.
var referenceRow = regexp.MustCompile("(?m)^\\| (`[^|]*`) \\| .* \\| ([^|]+) \\|$")

func TestAChangeCostsWhatTheReferenceSays(t *testing.T) {
	t.Parallel()
	rows := map[string]string{}
	for _, row := range referenceRow.FindAllStringSubmatch(string(read(t, "../docs/reference.md")), -1) {
		rows[strings.ReplaceAll(row[1], "`", "")] += row[2]
	}
	for field, said := range rows {
		if len(changes[field]) == 0 {
			t.Errorf("the reference has %s, and no change of it is tested", field)
		}
		for _, change := range changes[field] {
			if !strings.Contains(said, change.cost) {
				t.Errorf("the reference says that a change of %s is %q, want %s", field, said, change.cost)
			}
			if got := costOf(t, change.before, change.after); got != change.cost {
				t.Errorf("%s: to make %q of %q is %s, want %s", field, change.after, change.before, got, change.cost)
			}
		}
	}
	for field := range changes {
		if rows[field] == "" {
			t.Errorf("the reference does not say what a change of %s costs", field)
		}
	}
}

func TestTheReferenceHasEveryFieldOfAPolicy(t *testing.T) {
	t.Parallel()
	text := string(read(t, "../docs/reference.md"))
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(read(t, "crd/bases/edgelb.io_edgepolicies.yaml"), &crd); err != nil {
		t.Fatal(err)
	}
	fields := leavesOf("spec", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"])
	if len(fields) < 10 {
		t.Errorf("the CRD has only the fields %q", fields)
	}
	for _, field := range fields {
		if !strings.Contains(text, "| `"+field+"` |") {
			t.Errorf("the reference does not have %s", field)
		}
	}
	limits := policy.Builtin("shop").Limits
	for field, limit := range map[string]policy.Limit{"hosts": limits.Hosts, "listeners": limits.Listeners, "hostnames": limits.Hostnames,
		"secretBytes": limits.SecretBytes, "changesPerSecond": limits.ChangesPerSecond} {
		row, _, _ := strings.Cut(text[strings.Index(text, "| `spec.limits."+field+"`"):], "\n")
		description := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["limits"].Properties[field].Description
		for _, said := range []string{row, description} {
			if want := fmt.Sprintf("Built in: %d", limit.Most); !strings.Contains(strings.ReplaceAll(said, "\n", " "), want) {
				t.Errorf("%q: want %q", said, want)
			}
		}
	}
}

// leavesOf are the paths of the fields that have no fields themselves.
func leavesOf(path string, schema apiextensionsv1.JSONSchemaProps) []string {
	if len(schema.Properties) == 0 {
		return []string{path}
	}
	var all []string
	for name, property := range schema.Properties {
		all = append(all, leavesOf(path+"."+name, property)...)
	}
	return all
}

// costOf is what it costs a host to replace a part of everyKind.
func costOf(t *testing.T, before, after string) string {
	t.Helper()
	if strings.Count(everyKind, before) != 1 {
		t.Fatalf("%q is there %d times", before, strings.Count(everyKind, before))
	}
	was, is := hostOf(t, everyKind), hostOf(t, strings.Replace(everyKind, before, after, 1))
	switch change, ok := is.Config.ChangeFrom(was.Config); {
	case !ok:
		return reload
	case change.Empty():
		return nothing
	default:
		return atRuntime
	}
}

// hostOf is what gw1 is to be.
func hostOf(t *testing.T, text string) desired.Host {
	t.Helper()
	object := &v1alpha1.EdgeLoadBalancer{}
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatal(err)
	}
	return build(t, object, &object.Spec.Hosts[0])
}

// build says what a host of the object is to be, where every Service that the object names has a pod of its own.
func build(t *testing.T, object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.Host) desired.Host {
	t.Helper()
	snapshot := desired.Snapshot{
		Cluster: "test", Objects: []*v1alpha1.EdgeLoadBalancer{object}, CrossNamespace: true, Egress: netip.MustParseAddr("192.0.2.99"),
		Services: map[spec.ServiceKey]*corev1.Service{}, Slices: map[spec.ServiceKey][]*discoveryv1.EndpointSlice{},
		Nodes: map[spec.ClusterKey][]*corev1.Node{}, Scopes: map[spec.Scope]desired.ScopeState{},
	}
	for i := range object.Spec.Targets {
		if key, found := spec.ServiceOf(object, &object.Spec.Targets[i]); found {
			addService(&snapshot, key)
		}
	}
	built := new(desired.Builder).Build(spec.IDOf(&object.Spec.SSH, host), snapshot)
	if len(built.Problems) > 0 {
		t.Fatalf("%s: %+v", object.Name, built.Problems)
	}
	return built
}

// addService adds a Service with some ports, a pod and a node. Those of Services whose names differ in length have other addresses.
func addService(s *desired.Snapshot, key spec.ServiceKey) {
	last := byte(len(key.Name + key.Namespace + key.Cluster.Name))
	address := func(network byte) string { return netip.AddrFrom4([4]byte{10, network, 0, last}).String() }
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace}}
	slice := &discoveryv1.EndpointSlice{
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{address(1)}, NodeName: new("node")}},
	}
	for i, name := range []string{"web", "websecure", "https", "mqtts", "inform"} {
		number := int32(8000 + i)
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: name, Port: number, NodePort: 30000 + number})
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: new(name), Port: new(number)})
	}
	s.Services[key], s.Slices[key] = service, []*discoveryv1.EndpointSlice{slice}
	s.Scopes[spec.Scope{Cluster: key.Cluster, Namespace: key.Namespace}] = desired.ScopeState{Known: true}
	s.Scopes[spec.Scope{Cluster: key.Cluster}] = desired.ScopeState{Known: true}
	s.Nodes[key.Cluster] = []*corev1.Node{{
		ObjectMeta: metav1.ObjectMeta{Name: "node"},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeExternalIP, Address: address(2)}, {Type: corev1.NodeInternalIP, Address: address(3)}},
		},
	}}
}
