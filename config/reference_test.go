package config_test

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/hack/docs/cost"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/policy"
)

// everyKind has a listener and a target of every kind. Each of the fields that changes names is in it once, on a line of its own.
const everyKind = `
metadata: {name: web, namespace: shop}
spec:
  ssh: {jumpHost: {address: b}, secretRef: {name: edge-ssh}}
  hosts:
  - {name: gw1, address: 192.0.2.1}
  - {name: gw2, address: 192.0.2.2}
  virtualIPs:
    addresses: [192.0.2.100/24]
    virtualRouterID: 33
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
  - {name: virtual, bind: ["192.0.2.200:444"], target: fixed}
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
  - name: long
    split:
    - {target: app, weight: 1}
    - {target: fixed, weight: 1}
    - {target: spare, weight: 1}
  - {name: spare, addresses: [{address: 192.0.2.8, port: 443}]}
  - {name: safe, addresses: [{address: 192.0.2.6, port: 443}], fallback: app}
`

// withEndpoint is everyKind with a health endpoint.
var withEndpoint = strings.Replace(everyKind, "spec:\n", "spec:\n  haproxy: {healthEndpoint: {bind: \":8405\", path: /}}\n", 1)

// firstWithEndpoint is how withEndpoint begins, up to its first host.
var firstWithEndpoint = withEndpoint[strings.Index(withEndpoint, "spec:"):strings.Index(withEndpoint, "\n  - {name: gw2")]

// changes say, by the field's path, what becomes of a part of everyKind, or else of withEndpoint, and what that costs.
var changes = map[string][]struct{ before, after, cost string }{
	"spec.suspend":                 {{"spec:\n", "spec:\n  suspend: true\n", cost.None}},
	"spec.driftPolicy":             {{"spec:\n", "spec:\n  driftPolicy: Report\n", cost.None}},
	"spec.deletionPolicy":          {{"spec:\n", "spec:\n  deletionPolicy: Retain\n", cost.None}},
	"spec.ssh.user":                {{"secretRef: {name: edge-ssh}}", "secretRef: {name: edge-ssh}, user: edgelb}", cost.None}},
	"spec.ssh.port":                {{"secretRef: {name: edge-ssh}}", "secretRef: {name: edge-ssh}, port: 2222}", cost.Reload}},
	"spec.ssh.secretRef.name":      {{"secretRef: {name: edge-ssh}}", "secretRef: {name: other}}", cost.None}},
	"spec.ssh.jumpHost.address":    {{"jumpHost: {address: b}", "jumpHost: {address: c}", cost.Reload}},
	"spec.ssh.jumpHost.port":       {{"jumpHost: {address: b}", "jumpHost: {address: b, port: 2222}", cost.Reload}},
	"spec.ssh.jumpHost.user":       {{"jumpHost: {address: b}", "jumpHost: {address: b, user: jump}", cost.None}},
	"spec.ssh.jumpHost.hostKeys":   {{"jumpHost: {address: b}", "jumpHost: {address: b, hostKeys: [ssh-ed25519 AAAA]}", cost.None}},
	"spec.ssh.connectTimeout":      {{"secretRef: {name: edge-ssh}}", "secretRef: {name: edge-ssh}, connectTimeout: 9s}", cost.None}},
	"spec.rollout.canary":          {{"spec:\n", "spec:\n  rollout: {canary: gw1}\n", cost.None}},
	"spec.rollout.pause":           {{"spec:\n", "spec:\n  rollout: {canary: gw1, pause: 9s}\n", cost.None}},
	"spec.rollout.maxUnavailable":  {{"spec:\n", "spec:\n  rollout: {canary: gw1, maxUnavailable: 9}\n", cost.None}},
	"spec.hosts":                   {{"- {name: gw2, address: 192.0.2.2}", "- {name: gw2, address: 192.0.2.2}\n  - {name: gw3, address: 192.0.2.3}", cost.None}},
	"spec.hosts[].name":            {{"{name: gw2, address", "{name: other, address", cost.None}},
	"spec.hosts[].address":         {{"address: 192.0.2.1}", "address: gw1.example.net}", cost.Reload}},
	"spec.hosts[].port":            {{"address: 192.0.2.1}", "address: 192.0.2.1, port: 2222}", cost.Reload}},
	"spec.hosts[].user":            {{"address: 192.0.2.1}", "address: 192.0.2.1, user: edgelb}", cost.None}},
	"spec.hosts[].hostKeys":        {{"address: 192.0.2.1}", "address: 192.0.2.1, hostKeys: [ssh-ed25519 AAAA]}", cost.None}},
	"spec.hosts[].publicAddresses": {{"address: 192.0.2.1}", "address: 192.0.2.1, publicAddresses: [192.0.2.1]}", cost.None}},
	"spec.hosts[].priority":        {{"address: 192.0.2.1}", "address: 192.0.2.1, priority: 9}", cost.None}},
	"spec.hosts[].vrrpAddress":     {{"address: 192.0.2.1}", "address: 192.0.2.1, vrrpAddress: 192.0.2.1}", cost.None}},
	"spec.hosts[].maintenance": {{"address: 192.0.2.1}", "address: 192.0.2.1, maintenance: true}", cost.None},
		{firstWithEndpoint, strings.TrimSuffix(firstWithEndpoint, "}") + ", maintenance: true}", cost.Reload}},
	"spec.haproxy.healthEndpoint.bind":                {{"spec:\n", "spec:\n  haproxy: {healthEndpoint: {bind: \":8405\"}}\n", cost.Reload}, {`":8405"`, `":8406"`, cost.Reload}},
	"spec.haproxy.healthEndpoint.path":                {{"path: /}", "path: /healthz}", cost.Reload}},
	"spec.virtualIPs.addresses":                       {{"[192.0.2.100/24]", "[192.0.2.100/24, 192.0.2.101/24]", cost.None}, {`[192.0.2.100/24]`, `[192.0.2.200/24]`, cost.Reload}},
	"spec.virtualIPs.interface":                       {{"virtualRouterID: 33", "virtualRouterID: 33\n    interface: eth0", cost.None}},
	"spec.virtualIPs.virtualRouterID":                 {{"virtualRouterID: 33", "virtualRouterID: 34", cost.None}},
	"spec.virtualIPs.advertisementInterval":           {{"virtualRouterID: 33", "virtualRouterID: 33\n    advertisementInterval: 2s", cost.None}},
	"spec.virtualIPs.unicast":                         {{"virtualRouterID: 33", "virtualRouterID: 33\n    unicast: false", cost.None}},
	"spec.virtualIPs.notifyCommand":                   {{"virtualRouterID: 33", "virtualRouterID: 33\n    notifyCommand: /bin/true", cost.None}},
	"spec.virtualIPs.notifySecretRef.name":            {{"virtualRouterID: 33", "virtualRouterID: 33\n    notifyCommand: /bin/true\n    notifySecretRef: {name: hcloud}", cost.None}},
	"spec.virtualIPs.preempt":                         {{"virtualRouterID: 33", "virtualRouterID: 33\n    preempt: true", cost.None}},
	"spec.hosts[].adopt":                              {{"address: 192.0.2.1}", "address: 192.0.2.1, adopt: true}", cost.None}},
	"spec.listeners":                                  {{`- {name: http, protocol: HTTP, bind: [":80"]}`, `- {name: http, protocol: HTTP, bind: [":80"]}` + "\n" + `  - {name: more, bind: [":81"], target: app}`, cost.Reload}},
	"spec.listeners[].name":                           {{"- name: tls", "- name: other", cost.Reload}},
	"spec.listeners[].protocol":                       {{"{name: http, protocol: HTTP,", "{name: http, protocol: TLS,", cost.Reload}},
	"spec.listeners[].bind":                           {{`[":443"]`, `[":443", ":8443"]`, cost.Reload}},
	"spec.listeners[].hosts":                          {{"hosts: [gw1]", "hosts: [gw2]", cost.Reload}},
	"spec.listeners[].target":                         {{"hosts: [gw1]\n    target: app", "hosts: [gw1]\n    target: fixed", cost.Reload}},
	"spec.listeners[].routes":                         {{"routes:\n    - {hostnames: [a.example.com], target: app}", "routes: []", cost.Runtime}},
	"spec.listeners[].routes[].hostnames":             {{"[a.example.com]", "[a.example.com, b.example.com]", cost.Runtime}},
	"spec.listeners[].routes[].target":                {{"target: app}\n    conn", "target: both}\n    conn", cost.Runtime}},
	"spec.listeners[].redirectToHTTPS":                {{`bind: [":80"]`, `bind: [":80"], redirectToHTTPS: true`, cost.Reload}},
	"spec.listeners[].allowedSources":                 {{"hosts: [gw1]", "hosts: [gw1]\n    allowedSources: [192.0.2.0/24]", cost.Reload}},
	"spec.listeners[].deniedSources":                  {{"hosts: [gw1]", "hosts: [gw1]\n    deniedSources: [192.0.2.0/24]", cost.Reload}},
	"spec.listeners[].acceptProxyProtocolFrom":        {{"hosts: [gw1]", "hosts: [gw1]\n    acceptProxyProtocolFrom: [192.0.2.0/24]", cost.Reload}},
	"spec.listeners[].requireProxyProtocol":           {{"hosts: [gw1]", "hosts: [gw1]\n    acceptProxyProtocolFrom: [192.0.2.0/24]\n    requireProxyProtocol: true", cost.Reload}},
	"spec.listeners[].maxConnections":                 {{"hosts: [gw1]", "hosts: [gw1]\n    maxConnections: 5", cost.Reload}},
	"spec.listeners[].connectionRate.perSource":       {{"perSource: 10", "perSource: 11", cost.Reload}},
	"spec.listeners[].connectionRate.interval":        {{"interval: 10s", "interval: 11s", cost.Reload}},
	"spec.listeners[].timeouts.client":                {{"hosts: [gw1]", "hosts: [gw1]\n    timeouts: {client: 9s}", cost.Reload}},
	"spec.targets[].timeouts.connect":                 {{"via: NodePort", "via: NodePort\n    timeouts: {connect: 9s}", cost.Reload}},
	"spec.targets[].timeouts.server":                  {{"via: NodePort", "via: NodePort\n    timeouts: {server: 9s}", cost.Reload}},
	"spec.targets[].timeouts.queue":                   {{"via: NodePort", "via: NodePort\n    timeouts: {queue: 9s}", cost.Reload}},
	"spec.targets[].timeouts.tunnel":                  {{"via: NodePort", "via: NodePort\n    timeouts: {tunnel: 9s}", cost.Reload}},
	"spec.targets":                                    {{"- name: both", "- {name: more, addresses: [{address: 192.0.2.18, port: 443}]}\n  - name: both", cost.Reload}},
	"spec.targets[].name":                             {{"{name: safe", "{name: other", cost.Reload}},
	"spec.targets[].service.name":                     {{"name: app, port: web}", "name: other, port: web}", cost.Runtime}},
	"spec.targets[].service.port":                     {{"name: app, port: web}", "name: app, port: https}", cost.Runtime}},
	"spec.targets[].service.namespace":                {{"name: app, port: web}", "name: app, port: web, namespace: other}", cost.Runtime}},
	"spec.targets[].service.kubeconfigSecretRef.name": {{"name: app, port: web}", "name: app, port: web, kubeconfigSecretRef: {name: b}}", cost.Runtime}},
	"spec.targets[].via":                              {{"via: NodePort", "via: PodIP", cost.Runtime}},
	"spec.targets[].nodeAddressType":                  {{"nodeAddressType: ExternalIP", "nodeAddressType: InternalIP", cost.Runtime}, {"nodeAddressType: ExternalIP", "nodeAddressType: Egress", cost.Runtime}},
	"spec.targets[].addresses":                        {{"    - address: db", "    - {address: 192.0.2.9, port: 443}\n    - address: db", cost.Runtime}, {"    - address: db", "    - {address: more.example.net, port: 443}\n    - address: db", cost.Reload}, {"    - address: db", "    - {address: 192.0.2.9, port: 443, backup: true}\n    - address: db", cost.Reload}},
	"spec.targets[].addresses[].address":              {{"address: 192.0.2.5", "address: 192.0.2.7", cost.Runtime}, {"address: db.example.net", "address: db2.example.net", cost.Reload}},
	"spec.targets[].addresses[].port":                 {{"192.0.2.5\n      port: 443", "192.0.2.5\n      port: 444", cost.Runtime}, {"db.example.net\n      port: 443", "db.example.net\n      port: 444", cost.Reload}},
	"spec.targets[].addresses[].weight":               {{"weight: 10\n", "weight: 11\n", cost.Runtime}, {"weight: 20\n", "weight: 21\n", cost.Runtime}},
	"spec.targets[].split":                            {{"\n    - {target: fixed, weight: 10}", "", cost.Runtime}, {"weight: 90}", "weight: 90}\n    - {target: safe, weight: 5}\n    - {target: spare, weight: 5}", cost.Reload}},
	"spec.targets[].split[].target":                   {{"- {target: fixed, weight: 10}", "- {target: safe, weight: 10}", cost.Runtime}},
	"spec.targets[].split[].weight":                   {{"weight: 90}", "weight: 50}", cost.Runtime}, {"weight: 90}", "weight: 0}", cost.Runtime}},
	"spec.targets[].fallback":                         {{"fallback: app", "fallback: fixed", cost.Runtime}, {"via: NodePort", "via: NodePort\n    fallback: fixed", cost.Reload}},
	"spec.targets[].proxyProtocol":                    {{"via: NodePort", "via: NodePort\n    proxyProtocol: V2", cost.Reload}},
	"spec.targets[].balance":                          {{"via: NodePort", "via: NodePort\n    balance: RoundRobin", cost.Reload}},
	"spec.targets[].sessionAffinity.type":             {{"type: SourceIP", "type: TLSSessionID", cost.Reload}},
	"spec.targets[].sessionAffinity.timeout":          {{"type: SourceIP", "type: SourceIP\n      timeout: 1m", cost.Reload}},
	"spec.targets[].maxConnectionsPerServer":          {{"via: NodePort", "via: NodePort\n    maxConnectionsPerServer: 5", cost.Reload}},
	"spec.targets[].healthCheck.type":                 {{"type: HTTP\n", "type: None\n", cost.Reload}},
	"spec.targets[].healthCheck.interval":             {{"type: HTTP\n", "type: HTTP\n      interval: 9s\n", cost.Reload}},
	"spec.targets[].healthCheck.rise":                 {{"type: HTTP\n", "type: HTTP\n      rise: 9\n", cost.Reload}},
	"spec.targets[].healthCheck.fall":                 {{"type: HTTP\n", "type: HTTP\n      fall: 9\n", cost.Reload}},
	"spec.targets[].healthCheck.port":                 {{"type: HTTP\n", "type: HTTP\n      port: 9\n", cost.Reload}},
	"spec.targets[].healthCheck.path":                 {{"type: HTTP\n", "type: HTTP\n      path: /ping\n", cost.Reload}},
	"spec.targets[].healthCheck.proxyProtocol":        {{"type: TLSHello\n", "type: TLSHello\n      proxyProtocol: Never\n", cost.Reload}},
	"spec.targets[].healthCheck.tls":                  {{"type: HTTP\n", "type: HTTP\n      tls: true\n", cost.Reload}},
	"spec.targets[].maxQueuedConnections":             {{"via: NodePort", "via: NodePort\n    maxConnectionsPerServer: 5\n    maxQueuedConnections: 5", cost.Reload}},
	"spec.targets[].http2":                            {{"via: NodePort", "via: NodePort\n    http2: true", cost.Reload}},
	"spec.targets[].slowStart":                        {{"via: NodePort", "via: NodePort\n    slowStart: 9s", cost.Reload}},
	"spec.targets[].addresses[].backup":               {{"weight: 10\n", "weight: 10\n      backup: true\n", cost.Reload}},
	"spec.targets[].healthCheck.timeout":              {{"type: HTTP\n", "type: HTTP\n      timeout: 9s\n", cost.Reload}},
	"spec.targets[].healthCheck.host":                 {{"type: HTTP\n", "type: HTTP\n      host: a.example.com\n", cost.Reload}},
	"spec.targets[].healthCheck.sni":                  {{"type: TLSHello\n", "type: TLSHello\n      sni: a.example.com\n", cost.Reload}},
	"spec.targets[].healthCheck.expectedStatuses":     {{"type: HTTP\n", "type: HTTP\n      expectedStatuses: 200\n", cost.Reload}},
	"spec.targets[].healthCheck.expectedBody":         {{"type: HTTP\n", "type: HTTP\n      expectedBody: ok\n", cost.Reload}},
	"spec.targets[].drainTimeout":                     {{"via: NodePort", "via: NodePort\n    drainTimeout: 1m", cost.None}},
	"spec.haproxy.install":                            {{"spec:\n", "spec:\n  haproxy: {install: IfMissing}\n", cost.None}},
	"spec.haproxy.maxConnections":                     {{"spec:\n", "spec:\n  haproxy: {maxConnections: 500}\n", cost.Reload}},
	"spec.haproxy.maxHeaderBytes":                     {{"spec:\n", "spec:\n  haproxy: {maxHeaderBytes: 65536}\n", cost.Reload}},
	"spec.haproxy.timeouts.connect":                   {{"spec:\n", "spec:\n  haproxy: {timeouts: {connect: 9s}}\n", cost.Reload}},
	"spec.haproxy.timeouts.client":                    {{"spec:\n", "spec:\n  haproxy: {timeouts: {client: 9s}}\n", cost.Reload}},
	"spec.haproxy.timeouts.server":                    {{"spec:\n", "spec:\n  haproxy: {timeouts: {server: 9s}}\n", cost.Reload}},
	"spec.haproxy.timeouts.queue":                     {{"spec:\n", "spec:\n  haproxy: {timeouts: {queue: 9s}}\n", cost.Reload}},
	"spec.haproxy.logging.target":                     {{"spec:\n", "spec:\n  haproxy: {logging: {target: None}}\n", cost.Reload}, {"spec:\n", "spec:\n  haproxy: {logging: {target: \"udp://192.0.2.9:514\"}}\n", cost.Reload}},
	"spec.haproxy.logging.connections":                {{"spec:\n", "spec:\n  haproxy: {logging: {connections: All}}\n", cost.Reload}},
	"spec.haproxy.logging.format":                     {{"spec:\n", "spec:\n  haproxy: {logging: {format: JSON}}\n", cost.Reload}},
	"spec.haproxy.paths.adminSocket":                  {{"spec:\n", "spec:\n  haproxy: {paths: {adminSocket: /run/haproxy/other.sock}}\n", cost.Reload}},
	"spec.haproxy.paths.config":                       {{"spec:\n", "spec:\n  haproxy: {paths: {config: /etc/haproxy/other.cfg}}\n", cost.None}},
	"spec.haproxy.reloadCommand":                      {{"spec:\n", "spec:\n  haproxy: {reloadCommand: /bin/true}\n", cost.None}},
}

// costWord is a word that says what a change costs.
var costWord = regexp.MustCompile(`\b(none|runtime|reload)\b`)

func TestAChangeCostsWhatTheReferenceSays(t *testing.T) {
	t.Parallel()
	table := cost.Of["EdgeLoadBalancer"]
	for field, said := range table {
		measured := map[string]bool{}
		for _, change := range changes[field] {
			measured[change.cost] = true
			if got := costOf(t, change.before, change.after); got != change.cost {
				t.Errorf("%s: to make %q of %q is %s, want %s", field, change.after, change.before, got, change.cost)
			}
		}
		words := map[string]bool{}
		for _, word := range costWord.FindAllString(said, -1) {
			words[word] = true
		}
		if !reflect.DeepEqual(words, measured) {
			t.Errorf("the table says that a change of %s is %q, and the changes that are tested are %v", field, said, slices.Sorted(maps.Keys(measured)))
		}
	}
	for field := range changes {
		if table[field] == "" {
			t.Errorf("the table does not say what a change of %s costs", field)
		}
	}
}

func TestTheDescriptionsOfLimitsHaveTheBuiltInValues(t *testing.T) {
	t.Parallel()
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(read(t, "crd/bases/edgelb.io_edgepolicies.yaml"), &crd); err != nil {
		t.Fatal(err)
	}
	described := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["limits"].Properties
	limits := policy.Builtin("shop").Limits
	builtIn := map[string]policy.Limit{"hosts": limits.Hosts, "listeners": limits.Listeners, "hostnames": limits.Hostnames,
		"secretBytes": limits.SecretBytes, "changesPerSecond": limits.ChangesPerSecond}
	for field, limit := range builtIn {
		if want, said := fmt.Sprintf("Built in: %d", limit.Most), described[field].Description; !strings.Contains(strings.ReplaceAll(said, "\n", " "), want) {
			t.Errorf("%s: %q, want %q", field, said, want)
		}
	}
	for field := range described {
		if _, found := builtIn[field]; !found {
			t.Errorf("the limit %s is not tested", field)
		}
	}
}

// costOf is what it costs a host to replace a part of everyKind.
func costOf(t *testing.T, before, after string) string {
	t.Helper()
	text := everyKind
	if !strings.Contains(text, before) {
		text = withEndpoint
	}
	if strings.Count(text, before) != 1 {
		t.Fatalf("%q is there %d times", before, strings.Count(text, before))
	}
	was, is := hostOf(t, text), hostOf(t, strings.Replace(text, before, after, 1))
	switch change, ok := is.Config.ChangeFrom(was.Config); {
	case !ok:
		return cost.Reload
	case change.Empty():
		return cost.None
	default:
		return cost.Runtime
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
	object.Default()
	snapshot := desired.Snapshot{
		Cluster: "test", Objects: []*v1alpha1.EdgeLoadBalancer{object}, CrossNamespace: true, Egress: netip.MustParseAddr("192.0.2.99"),
		Services: map[spec.ServiceKey]*corev1.Service{}, Slices: map[spec.ServiceKey][]*discoveryv1.EndpointSlice{},
		Nodes: map[spec.ClusterKey][]*corev1.Node{}, Scopes: map[spec.Scope]desired.ScopeState{},
		Rules: map[string]policy.Rules{object.Namespace: everythingAllowed(object.Namespace)},
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

// everythingAllowed are the rules of a namespace whose objects may set every field.
func everythingAllowed(namespace string) policy.Rules {
	var allowed v1alpha1.EdgePolicy
	allowed.Spec.AllowedFields = []v1alpha1.AllowedField{v1alpha1.FieldReloadCommand, v1alpha1.FieldPaths, v1alpha1.FieldAdopt, v1alpha1.FieldNotifyCommand}
	return policy.NewSet([]v1alpha1.EdgePolicy{allowed}).For(namespace, nil)
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
	for i, name := range []string{"web", "websecure", "https", "mqtts", "inform", "http", "port-80", "port-443"} {
		number := int32(8000 + i)
		// Cilium names the ports of a Gateway after their numbers.
		if _, after, found := strings.Cut(name, "port-"); found {
			parsed, _ := strconv.Atoi(after)
			number = int32(parsed)
		}
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
