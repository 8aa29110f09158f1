package v1alpha1_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// smallest is the smallest useful object.
const smallest = `
apiVersion: edgelb.io/v1alpha1
kind: EdgeLoadBalancer
metadata: {name: web, namespace: default}
spec:
  ssh:
    secretRef: {name: edge-ssh}
  hosts:
    - {name: gw1, address: gw1.example.net}
    - {name: gw2, address: 198.51.100.7}
  listeners:
    - {name: https, bind: ["ipv4@:443", "ipv6@:443"], target: traefik}
  targets:
    - name: traefik
      service: {name: traefik, port: websecure}
      proxyProtocol: V2
`

// everything has every field of the spec set.
const everything = `
apiVersion: edgelb.io/v1alpha1
kind: EdgeLoadBalancer
metadata: {name: everything, namespace: default}
spec:
  suspend: true
  driftPolicy: Report
  deletionPolicy: Retain
  ssh:
    user: edgelb
    port: 2222
    secretRef: {name: edge-ssh}
    connectTimeout: 10s
    jumpHost: {address: bastion.example.net, port: 2222, user: jump, hostKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAB"]}
  hosts:
    - name: gw1
      address: gw1.example.net
      port: 2200
      user: other
      hostKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4=", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8= root@gw1"]
      publicAddresses: ["198.51.100.1", "2001:db8::1"]
      priority: 150
      vrrpAddress: 203.0.113.1
      maintenance: true
      adopt: true
  listeners:
    - name: https
      protocol: TLS
      bind: ["ipv4@:443", "ipv6@[2001:db8::1]:443"]
      hosts: [gw1]
      target: canary
      routes: [{hostnames: [app.example.com, "*.apps.example.com"], target: traefik}]
      allowedSources: [203.0.113.0/24, "2001:db8::/32"]
      deniedSources: [203.0.113.66/32, "2001:db8:bad::/48"]
      acceptProxyProtocolFrom: [192.0.2.10/32]
      requireProxyProtocol: true
      maxConnections: 20000
      connectionRate: {perSource: 100, interval: 1m}
      timeouts: {client: 8h}
    - {name: http, protocol: HTTP, bind: [":80"], redirectToHTTPS: true}
    - {name: mqtt, bind: [":8883"], target: traefik}
  targets:
    - name: traefik
      service: {name: traefik, port: websecure, namespace: kube-system, kubeconfigSecretRef: {name: cluster-b}}
      via: NodePort
      nodeAddressType: Egress
      proxyProtocol: V1
      balance: Source
      sessionAffinity: {type: TLSSessionID, timeout: 10m}
      healthCheck: {type: HTTP, interval: 1500ms, rise: 1, fall: 5, port: 8080, path: /ping, tls: true, proxyProtocol: Always,
        timeout: 1s, host: "app.example.com:8443", sni: app.example.com, expectedStatuses: "200-399,401", expectedBody: '"status":"UP"'}
      maxConnectionsPerServer: 1000
      drainTimeout: 90s
      maxQueuedConnections: 100
      slowStart: 30s
      http2: true
      timeouts: {connect: 1s, server: 8h, queue: 3s, tunnel: 24h}
      fallback: fixed
    - name: fixed
      addresses: [{address: db.example.net, port: 443, weight: 10}, {address: 192.0.2.5, port: 443, weight: 0, backup: true}]
      via: PodIP
      nodeAddressType: ExternalIP
      proxyProtocol: None
      balance: LeastConn
      healthCheck: {type: None, interval: 2s, rise: 2, fall: 3, proxyProtocol: Auto}
      drainTimeout: 5m
    - name: canary
      split: [{target: traefik, weight: 90}, {target: fixed, weight: 10}]
      via: PodIP
      nodeAddressType: ExternalIP
      proxyProtocol: None
      balance: LeastConn
      healthCheck: {type: TCP, interval: 2s, rise: 2, fall: 3, proxyProtocol: Auto}
      drainTimeout: 5m
  virtualIPs:
    addresses: ["203.0.113.10/24", "2001:db8::10/64"]
    interface: eth0
    virtualRouterID: 33
    notifyCommand: /usr/local/bin/assign 4711
    notifySecretRef: {name: hcloud}
    advertisementInterval: 1s
    unicast: true
    preempt: true
  haproxy:
    install: IfMissing
    maxConnections: 1000
    maxHeaderBytes: 65536
    timeouts: {connect: 1s, client: 1h30m, server: 240h, queue: 10ms}
    healthEndpoint: {bind: "ipv6@[2001:db8::1]:8405", path: /alive}
    logging: {target: "tcp://[2001:db8::9]:6514", connections: All, format: JSON}
    paths: {config: /srv/haproxy.cfg, adminSocket: /srv/admin.sock}
    reloadCommand: /usr/sbin/service haproxy reload
  rollout: {canary: gw1, pause: 30s, maxUnavailable: 2}
`

// set sets the value at a path such as spec.hosts.0.name; a nil value removes it.
func set(t *testing.T, object *unstructured.Unstructured, path string, value any) {
	t.Helper()
	steps := strings.Split(path, ".")
	last := steps[len(steps)-1]
	parent := at(object.Object, steps[:len(steps)-1])
	switch parent := parent.(type) {
	case map[string]any:
		if value == nil {
			delete(parent, last)
			return
		}
		parent[last] = value
	case []any:
		index, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}
		parent[index] = value
	default:
		t.Fatalf("%s leads nowhere", path)
	}
}

// at returns the value at the end of the steps, nil if they lead nowhere.
func at(value any, steps []string) any {
	for _, step := range steps {
		switch parent := value.(type) {
		case map[string]any:
			value = parent[step]
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil || index >= len(parent) {
				return nil
			}
			value = parent[index]
		default:
			return nil
		}
	}
	return value
}

// entries returns the paths of one field that exist in the object: spec.hosts.0.name stands for spec.hosts.1.name as well.
func entries(object *unstructured.Unstructured, path string) []string {
	found := []string{""}
	for _, step := range strings.Split(path, ".") {
		var next []string
		for _, parent := range found {
			parent = strings.TrimPrefix(parent+".", ".")
			if step != "0" {
				next = append(next, parent+step)
				continue
			}
			items, _ := at(object.Object, strings.Split(strings.TrimSuffix(parent, "."), ".")).([]any)
			for i := range items {
				next = append(next, parent+strconv.Itoa(i))
			}
		}
		found = next
	}
	return slices.DeleteFunc(found, func(path string) bool { return at(object.Object, strings.Split(path, ".")) == nil })
}

// The objects that stand for files of people are served by a test of their own, without an API server.
func TestTheObjectsOfTheCasesAreTaken(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../test/cases/testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d cases (%v), want some", len(paths), err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name != "object.yaml" {
				continue
			}
			if err := client.NewDryRunClient(newClient(t)).Create(t.Context(), parse(t, string(file.Data))); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}
