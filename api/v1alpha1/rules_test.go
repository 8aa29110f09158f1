package v1alpha1_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

type (
	object = map[string]any
	list   = []any
)

func listener(name string, hosts, binds list) object {
	l := object{"name": name, "target": "traefik", "bind": binds}
	if hosts != nil {
		l["hosts"] = hosts
	}
	return l
}

func target(name string) object {
	return object{"name": name, "service": object{"name": "traefik", "port": int64(443)}}
}

func host(name string) object {
	return object{"name": name, "address": name + ".example.net"}
}

// many makes n entries.
func many[T any](n int, make func(name string) T) list {
	entries := list{}
	for i := range n {
		entries = append(entries, make(fmt.Sprintf("n%03d", i)))
	}
	return entries
}

func name(n string) string { return n }

// refusal is a value that the API server refuses, and an excerpt of its message.
type refusal struct {
	value any
	want  string
}

const (
	dnsLabel     = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
	noName       = "a host key begins with its type, as in \"ssh-ed25519 AAAA…\": remove the host's name before it"
	bindForm     = "a bind is ADDRESS:PORT"
	addressForm  = "address must be a host name or a valid IP address"
	virtualForm  = "virtual addresses are IP addresses with the length of their network's prefix, such as 203.0.113.10/24"
	logForm      = "target must be Journal, None, or udp:// or tcp:// with an IP address and a port"
	endpointBind = "haproxy.healthEndpoint wants the bind of a listener"
	pathForm     = "a path begins with / and has letters, digits"
	required     = "Required value"
	tooMany      = "must have at most"
)

// rule says which values of a field the API server accepts, and which it refuses with which message.
type rule struct {
	path     string
	accepted list
	refused  []refusal
}

// rules are the rules of all fields.
var rules = slices.Concat(settingRules, listenerRules, targetRules)

// settingRules are the rules of the object itself, of its hosts, and of its SSH and HAProxy settings.
var settingRules = []rule{
	{"metadata.name", list{strings.Repeat("n", 63)}, []refusal{{strings.Repeat("n", 64), "metadata.name must be at most 63 characters"}}},
	{"spec.suspend", list{true, false}, []refusal{{"yes", "boolean"}}},
	{"spec.driftPolicy", list{"Repair", "Report"}, []refusal{{"Ignore", `supported values: "Repair", "Report"`}}},
	{"spec.deletionPolicy", list{"Remove", "Retain"}, []refusal{{"Keep", `supported values: "Remove", "Retain"`}}},
	{"spec.ssh", nil, []refusal{{nil, required}}},
	{"spec.ssh.user", list{"root", "edge_lb-1", "_x"}, []refusal{{"Root", "should match"}, {"-oProxyCommand", "should match"}, {strings.Repeat("u", 33), "Too long"}}},
	{"spec.ssh.port", list{int64(1), int64(65535)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(65536), "less than or equal to 65535"}}},
	{"spec.ssh.secretRef", nil, []refusal{{nil, required}, {object{}, required}}},
	{"spec.ssh.secretRef.name", list{"edge-ssh", "a.b"}, []refusal{{"Edge", "should match"}, {"../x", "should match"}}},
	{"spec.ssh.connectTimeout", list{"100ms", "1.5s", "60s"}, []refusal{
		{"99ms", "between 100ms and 60s"}, {"61s", "between 100ms and 60s"}, {"5", "should match"}, {"-5s", "should match"},
	}},
	{"spec.ssh.jumpHost", list{object{"address": "bastion"}}, []refusal{{object{}, required}}},
	{"spec.ssh.jumpHost.address", list{"bastion.example.net", "198.51.100.1", "2001:db8::1"}, []refusal{
		{"256.1.1.1", addressForm}, {"jump@bastion", "should match"}, {"bastion:22", addressForm}, {"-oProxyCommand=x", "should match"}, {"", "should match"},
	}},
	{"spec.ssh.jumpHost.port", list{int64(1), int64(65535)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(65536), "less than or equal to 65535"}}},
	{"spec.ssh.jumpHost.user", list{"jump", "_x-1"}, []refusal{{"Jump", "should match"}, {"-l", "should match"}, {strings.Repeat("u", 33), "Too long"}}},
	{"spec.ssh.jumpHost.hostKeys", list{list{"ssh-ed25519 AAAAC3Nz", "ecdsa-sha2-nistp256 AAAA+/== root@bastion"}}, []refusal{
		{list{"AAAAC3Nz"}, "should match"}, {list{"bastion ssh-ed25519 AAAA"}, noName}, {list{"bastion ecdsa-sha2-nistp256 AAAA"}, noName},
		{list{"ssh-ed25519 AAAA", "ssh-ed25519 AAAA"}, "Duplicate value"}, {many(17, func(n string) string { return "ssh-ed25519 " + n }), tooMany},
	}},
	{"spec.hosts", list{
		many(500, host),
	}, []refusal{
		{nil, required}, {list{}, "at least 1"}, {many(501, host), tooMany}, {list{host("gw1"), host("gw1")}, "Duplicate value"},
	}},
	{"spec.hosts.0.name", list{"gw-1", "1"}, []refusal{{"gw.1", dnsLabel}, {"GW1", dnsLabel}, {"-gw", dnsLabel}, {strings.Repeat("g", 64), "Too long"}, {nil, required}}},
	{"spec.hosts.0.address", list{"gw", "gw1.example.net", "198.51.100.1", "2001:db8::1", "::1"}, []refusal{
		{"256.1.1.1", addressForm}, {"1.2.3", addressForm}, {"gw1:22", addressForm}, {"2001:db8::g", "should match"}, {"2001:db8:::1", addressForm},
		{"[2001:db8::1]", "should match"}, {"", "should match"}, {"-oProxyCommand=x", "should match"}, {nil, required},
	}},
	{"spec.hosts.0.port", list{int64(1), int64(65535)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(65536), "less than or equal to 65535"}}},
	{"spec.hosts.0.user", list{"root", "edge_lb-1"}, []refusal{{"Root", "should match"}, {"-l", "should match"}}},
	{"spec.hosts.0.hostKeys", list{
		list{"ssh-ed25519 AAAAC3Nz", "ecdsa-sha2-nistp256 AAAA+/=="}, list{"sk-ssh-ed25519@openssh.com AAAA"},
		list{"ssh-ed25519 AAAA root@gw1"}, list{"ssh-ed25519 AAAA= root@(none)"}, list{"ssh-rsa AAAA of gw1, from 2026"}, list{"ssh-rsa AAAA old ssh-rsa key"},
	}, []refusal{
		{list{"AAAAC3Nz"}, "should match"}, {list{"ssh-ed25519  AAAA"}, "should match"}, {list{"gw1 ssh-ed25519 AAAA"}, noName}, {list{"[gw1]:2222 ecdsa-sha2-nistp256 AAAA"}, noName},
		{list{"ssh-ed25519 AAAA", "ssh-ed25519 AAAA"}, "Duplicate value"}, {many(17, func(n string) string { return "ssh-ed25519 " + n }), tooMany},
	}},
	{"spec.hosts.0.publicAddresses", list{list{"198.51.100.1", "2001:db8::1"}}, []refusal{
		{list{"256.1.1.1"}, "must be IP addresses"}, {list{"gw1.example.net"}, "must be IP addresses"}, {list{"198.51.100.0/24"}, "must be IP addresses"},
		{list{"::1", "::1"}, "Duplicate value"}, {many(17, func(n string) string { return "2001:db8::" + n[1:] }), tooMany},
	}},
	{"spec.hosts.0.priority", list{int64(1), int64(254)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(255), "less than or equal to 254"}}},
	{"spec.hosts.0.vrrpAddress", list{"203.0.113.1", "2001:db8::1"}, []refusal{{"203.0.113.0/24", "vrrpAddress must be an IP address"}, {"gw1", "vrrpAddress must be an IP address"}}},
	{"spec.hosts.0.maintenance", list{true, false}, []refusal{{"yes", "boolean"}}},
	{"spec.virtualIPs", list{nil}, nil},
	{"spec.virtualIPs.addresses", list{
		list{"203.0.113.10/24"}, list{"2001:db8::10/64", "203.0.113.10/32"},
	}, []refusal{
		{nil, required}, {list{}, "at least 1"}, {list{"203.0.113.10"}, virtualForm}, {list{"::ffff:203.0.113.10/120"}, virtualForm}, {list{"203.0.113.10/33"}, virtualForm},
		{list{"vip.example.net/24"}, virtualForm}, {list{"203.0.113.10/24", "203.0.113.10/24"}, "Duplicate value"},
		{many(17, func(n string) string { return "2001:db8::" + n[1:] + "/64" }), tooMany},
	}},
	{"spec.virtualIPs.interface", list{"eth0", "br-lan", "vlan.100", "enp1s0f0np0", "e"}, []refusal{
		{"", "should match"}, {"eth0 }", "should match"}, {"-eth0", "should match"}, {"eth0.", "should match"}, {"a/b", "should match"}, {strings.Repeat("e", 16), "Too long"},
	}},
	{"spec.virtualIPs.virtualRouterID", list{int64(1), int64(255)}, []refusal{{nil, required}, {int64(0), "greater than or equal to 1"}, {int64(256), "less than or equal to 255"}}},
	{"spec.virtualIPs.advertisementInterval", list{"100ms", "1.5s", "40s"}, []refusal{{"99ms", "between 100ms and 40s"}, {"41s", "between 100ms and 40s"}, {"1", "should match"}}},
	{"spec.virtualIPs.unicast", list{true, false}, []refusal{{"yes", "boolean"}}},
	{"spec.virtualIPs.preempt", list{true, false}, []refusal{{"yes", "boolean"}}},
	{"spec.virtualIPs.notifyCommand", list{"/usr/local/bin/assign 4711", "", "/bin/sh assign a@b x:y=z"}, []refusal{
		{"assign", "should match"}, {"/bin/a; b", "should match"}, {"/bin/a  b", "should match"}, {"/bin/a $(b)", "should match"}, {"/bin/a `b`", "should match"},
		{"/bin/a 'b'", "should match"}, {"/bin/a\nb", "should match"}, {"/" + strings.Repeat("a", 256), "Too long"},
	}},
	{"spec.virtualIPs", nil, []refusal{{
		object{"addresses": list{"203.0.113.10/24"}, "virtualRouterID": int64(33), "notifySecretRef": object{"name": "hcloud"}}, "notifySecretRef is for notifyCommand",
	}}},
	{"spec.virtualIPs.notifySecretRef.name", list{"hcloud"}, []refusal{{nil, required}, {"", "should match"}, {"Hcloud", "should match"}}},
	{"spec.hosts.0.adopt", list{true, false}, []refusal{{"yes", "boolean"}}},
	{"spec.rollout", list{object{"canary": "gw1"}}, []refusal{{object{}, required}, {object{"canary": "gw9"}, "spec.rollout.canary must be the name of an entry of spec.hosts"}}},
	{"spec.rollout.canary", list{"gw1"}, []refusal{
		{nil, required}, {"GW1", "should match"}, {strings.Repeat("g", 64), "Too long"}, {"gw9", "spec.rollout.canary must be the name of an entry of spec.hosts"},
	}},
	{"spec.rollout.pause", list{"0s", "1.5s", "1h"}, []refusal{{"61m", "between 0s and 1h"}, {"5", "should match"}, {"-5s", "should match"}, {"1 s", "should match"}}},
	{"spec.rollout.maxUnavailable", list{int64(1), int64(500)}, []refusal{{int64(0), "greater than or equal to 1"}, {int64(501), "less than or equal to 500"}}},
	{"spec.haproxy.install", list{"Never", "IfMissing"}, []refusal{{"Always", `supported values: "Never", "IfMissing"`}, {"ifmissing", "supported values"}}},
	{"spec.haproxy.maxConnections", list{int64(100), int64(1000000)}, []refusal{{int64(99), "greater than or equal to 100"}, {int64(1000001), "less than or equal to 1000000"}}},
	{"spec.haproxy.maxHeaderBytes", list{int64(15360), int64(131072)}, []refusal{
		{int64(15359), "greater than or equal to 15360"}, {int64(131073), "less than or equal to 131072"}, {"64k", "must be of type integer"},
	}},
	{"spec.haproxy.timeouts.connect", list{"10ms", "1h"}, []refusal{{"9ms", "between 10ms and 1h"}, {"61m", "between 10ms and 1h"}, {"5 s", "should match"}}},
	{"spec.haproxy.timeouts.client", list{"1s", "240h", "1h30m0s"}, []refusal{{"999ms", "between 1s and 240h"}, {"241h", "between 1s and 240h"}, {"1d", "should match"}}},
	{"spec.haproxy.timeouts.server", list{"1s", "240h"}, []refusal{{"999ms", "between 1s and 240h"}, {"241h", "between 1s and 240h"}, {"0", "should match"}}},
	{"spec.haproxy.timeouts.queue", list{"10ms", "1h"}, []refusal{{"9ms", "between 10ms and 1h"}, {"61m", "between 10ms and 1h"}, {"", "should match"}}},
	{"spec.haproxy.healthEndpoint", list{object{"bind": ":8405"}}, []refusal{{object{}, required}, {object{"bind": ":80"}, endpointBind}}},
	{"spec.haproxy.healthEndpoint.bind", list{"*:8405", "ipv4@:8405", "ipv6@[::1]:8405", "127.0.0.1:8405"}, []refusal{
		{nil, required}, {"8405", bindForm}, {"localhost:8405", bindForm}, {":0", bindForm}, {":65536", "must be between 1 and 65535"},
		{":80", endpointBind}, {"ipv4@:80", endpointBind}, {"ipv4@:443", endpointBind}, {":443", endpointBind}, {"ipv6@:443", endpointBind},
	}},
	{"spec.haproxy.healthEndpoint.path", list{"/", "/healthz", "/a/b.c~d_e-f"}, []refusal{
		{"", pathForm}, {"healthz", pathForm}, {"/a b", pathForm}, {"/a?b", pathForm}, {"/%41", pathForm}, {"/a'", pathForm}, {"/" + strings.Repeat("p", 128), "Too long"},
	}},
	{"spec.haproxy.logging.target", list{
		"Journal", "None", "udp://192.0.2.9:514", "tcp://192.0.2.9:65535", "udp://[2001:db8::9]:1", "tcp://[2001:DB8:0::9]:6514",
	}, []refusal{
		{"", logForm}, {"journal", logForm}, {"syslog", logForm}, {"udp://192.0.2.9", logForm}, {"udp://192.0.2.9:0", logForm}, {"udp://192.0.2.9:65536", logForm},
		{"192.0.2.9:514", logForm}, {"tls://192.0.2.9:514", logForm}, {"udp://logs.example.net:514", logForm}, {"udp://256.0.2.9:514", logForm}, {"udp://192.0.2.9:514/", logForm},
		{"udp://2001:db8::9:514", logForm}, {"udp://[fe80::1%25eth0]:514", logForm}, {"udp://[::ffff:192.0.2.9]:514", logForm}, {"udp://user@192.0.2.9:514", logForm},
		{"udp://192.0.2.9:514 local0", logForm}, {"udp://192.0.2.9:514\n", logForm}, {"/dev/log", logForm}, {"udp://[2001:db8::9]:" + strings.Repeat("1", 64), "Too long"},
	}},
	{"spec.haproxy.logging.connections", list{"Errors", "All"}, []refusal{{"None", `supported values: "Errors", "All"`}, {"", "supported values"}}},
	{"spec.haproxy.logging.format", list{"HAProxy", "JSON"}, []refusal{{"json", `supported values: "HAProxy", "JSON"`}, {"", "supported values"}}},
	{"spec.haproxy.paths.config", list{"/etc/haproxy/haproxy.cfg"}, []refusal{{"haproxy.cfg", "should match"}, {"/etc/../x", "without . and .."}, {"/etc/", "should match"}}},
	{"spec.haproxy.paths.adminSocket", list{"/run/haproxy/admin.sock"}, []refusal{{"admin.sock", "should match"}, {"/run/./x", "without . and .."}, {"/" + strings.Repeat("s", 90), "Too long"}}},
	{"spec.haproxy.reloadCommand", list{"/usr/sbin/service haproxy reload", "", "systemctl reload haproxy@edge"}, []refusal{
		{"a; b", "should match"}, {"a  b", "should match"}, {"$(a)", "should match"}, {"a | b", "should match"}, {" a", "should match"},
	}},
}

// room is the object that a value is put into, with each kind of listener and of target.
const room = `
apiVersion: edgelb.io/v1alpha1
kind: EdgeLoadBalancer
metadata: {name: web, namespace: default}
spec:
  ssh:
    secretRef: {name: edge-ssh}
    jumpHost: {address: bastion.example.net}
  hosts:
    - {name: gw1, address: gw1.example.net}
    - {name: gw2, address: 198.51.100.7}
  virtualIPs: {addresses: [203.0.113.10/24], virtualRouterID: 33}
  listeners:
    - {name: https, bind: ["ipv4@:443", "ipv6@:443"], target: traefik, timeouts: {}}
    - name: names
      protocol: TLS
      bind: [":8443"]
      routes: [{hostnames: [app.example.com], target: traefik}]
      connectionRate: {perSource: 10}
    - {name: http, protocol: HTTP, bind: [":80"], target: traefik}
  targets:
    - name: traefik
      service: {name: traefik, port: websecure, kubeconfigSecretRef: {name: cluster-b}}
      via: NodePort
      healthCheck: {}
      sessionAffinity: {}
      timeouts: {}
    - name: fixed
      addresses: [{address: 192.0.2.5, port: 443}]
      healthCheck: {type: HTTP}
    - name: canary
      split: [{target: traefik, weight: 90}, {target: fixed, weight: 10}]
  haproxy: {timeouts: {}, logging: {}, paths: {}}
`

// roomFor returns the object that a value of the path is put into. A roll-out is only there where it is the subject, since its canary must
// be one of the hosts.
func roomFor(t *testing.T, path string) *unstructured.Unstructured {
	t.Helper()
	object := parse(t, room)
	if strings.HasPrefix(path, "spec.haproxy.healthEndpoint.") {
		set(t, object, "spec.haproxy.healthEndpoint", map[string]any{"bind": ":8405"})
	}
	if strings.HasPrefix(path, "spec.virtualIPs.notifySecretRef") {
		set(t, object, "spec.virtualIPs.notifyCommand", "/usr/local/bin/assign")
		set(t, object, "spec.virtualIPs.notifySecretRef", map[string]any{"name": "hcloud"})
	}
	if strings.HasPrefix(path, "spec.rollout.") {
		set(t, object, "spec.rollout", map[string]any{"canary": "gw1"})
	}
	return object
}

func TestEveryRuleAcceptsWhatIsRightAndRefusesTheRestWithASentence(t *testing.T) {
	t.Parallel()
	dryRun := client.NewDryRunClient(newClient(t))
	for _, rule := range rules {
		for _, value := range rule.accepted {
			t.Run(fmt.Sprintf("%s takes %.60v", rule.path, value), func(t *testing.T) {
				t.Parallel()
				object := roomFor(t, rule.path)
				set(t, object, rule.path, value)
				if err := dryRun.Create(t.Context(), object); err != nil {
					t.Errorf("refused: %v", err)
				}
			})
		}
		for _, refusal := range rule.refused {
			t.Run(fmt.Sprintf("%s refuses %.60v", rule.path, refusal.value), func(t *testing.T) {
				t.Parallel()
				object := roomFor(t, rule.path)
				set(t, object, rule.path, refusal.value)
				err := dryRun.Create(t.Context(), object)
				if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), refusal.want) {
					t.Errorf("want a refusal that says %q, got: %v", refusal.want, err)
				}
			})
		}
	}
}

// anyEntry matches the index of a list entry in a path.
var anyEntry = regexp.MustCompile(`[.][0-9]+\b`)

func TestTheTableHasARowForEveryFieldOfTheSpec(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, rule := range rules {
		tested[anyEntry.ReplaceAllString(rule.path, ".0")] = true
	}
	for _, field := range specFields(t) {
		switch {
		case tested[field.path], tested[strings.TrimSuffix(field.path, ".0")]:
		case field.schema.Type == "object":
			// Its fields have rows of their own.
		default:
			t.Errorf("%s has no row", field.path)
		}
	}
}

func TestWhatIsAboutVirtualAddressesNeedsSome(t *testing.T) {
	t.Parallel()
	dryRun := client.NewDryRunClient(newClient(t))
	for field, value := range map[string]any{"priority": int64(100), "vrrpAddress": "203.0.113.1", "maintenance": true} {
		object := parse(t, room)
		set(t, object, "spec.virtualIPs", nil)
		set(t, object, "spec.hosts.1."+field, value)
		err := dryRun.Create(t.Context(), object)
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "set spec.virtualIPs, or remove them") {
			t.Errorf("%s without virtual addresses: %v", field, err)
		}
	}
}
