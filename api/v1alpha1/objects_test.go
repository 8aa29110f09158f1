package v1alpha1_test

import (
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
  hosts:
    - name: gw1
      address: gw1.example.net
      port: 2200
      user: other
      hostKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4="]
      publicAddresses: ["198.51.100.1", "2001:db8::1"]
      adopt: true
  listeners:
    - {name: https, protocol: TCP, bind: ["ipv4@:443", "ipv6@[2001:db8::1]:443"], hosts: [gw1], target: traefik}
    - {name: http, bind: [":80"], target: traefik}
  targets:
    - name: traefik
      service: {name: traefik, port: websecure}
      via: PodIP
      proxyProtocol: V1
      balance: Source
      healthCheck: {type: TCP, interval: 1500ms, rise: 1, fall: 5}
      drainTimeout: 90s
  haproxy:
    maxConnections: 1000
    timeouts: {connect: 1s, client: 1h30m, server: 240h, queue: 10ms}
    paths: {config: /srv/haproxy.cfg, adminSocket: /srv/admin.sock}
    reloadCommand: /usr/sbin/service haproxy reload
`

// set puts the value at a path such as spec.hosts.0.name; a nil value removes what is there.
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

// at is the value at the end of the steps, nil when they lead nowhere.
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
