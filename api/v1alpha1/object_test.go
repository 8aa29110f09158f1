package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// withDefaults is the smallest object's spec with the defaults of the API server and of Default. Former versions of the CRD, which had
// all defaults, have stored it like this.
const withDefaults = `
driftPolicy: Repair
deletionPolicy: Remove
ssh:
  user: root
  port: 22
  secretRef: {name: edge-ssh}
  connectTimeout: 5s
hosts:
  - {name: gw1, address: gw1.example.net}
  - {name: gw2, address: 198.51.100.7}
listeners:
  - {name: https, protocol: TCP, bind: ["ipv4@:443", "ipv6@:443"], target: traefik}
targets:
  - name: traefik
    service: {name: traefik, port: websecure}
    via: PodIP
    nodeAddressType: ExternalIP
    proxyProtocol: V2
    balance: LeastConn
    healthCheck: {type: TCP, interval: 2s, rise: 2, fall: 3, proxyProtocol: Auto}
    drainTimeout: 5m
haproxy:
  install: Never
  maxConnections: 40000
  timeouts: {connect: 5s, client: 1h, server: 1h, queue: 5s}
  logging: {target: Journal, connections: Errors, format: HAProxy}
  paths: {config: /etc/haproxy/haproxy.cfg, adminSocket: /run/haproxy/admin.sock}
`

func TestTheSmallestObjectGetsTheDocumentedDefaults(t *testing.T) {
	t.Parallel()
	object := parse(t, smallest)
	if err := client.NewDryRunClient(newClient(t)).Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := yaml.Unmarshal([]byte(withDefaults), &want); err != nil {
		t.Fatal(err)
	}
	got := typed[v1alpha1.EdgeLoadBalancer](t, object.Object)
	got.Default()
	if want := typed[v1alpha1.EdgeLoadBalancer](t, map[string]any{"spec": want}); !reflect.DeepEqual(got.Spec, want.Spec) {
		t.Errorf("got  %s\nwant %s", toJSON(t, got.Spec), toJSON(t, want.Spec))
	}
}

func TestTheAPIServerAddsNothingToLists(t *testing.T) {
	t.Parallel()
	for _, text := range []string{smallest, room} {
		object := parse(t, text)
		if err := client.NewDryRunClient(newClient(t)).Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"hosts", "listeners", "targets"} {
			got, sent := at(object.Object, []string{"spec", name}), at(parse(t, text).Object, []string{"spec", name})
			if toJSON(t, got) != toJSON(t, sent) {
				t.Errorf("%s: got  %s\nsent %s", name, toJSON(t, got), toJSON(t, sent))
			}
		}
	}
}

func TestAnObjectThatAFormerCRDHasFilledInIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	object := parse(t, smallest)
	var stored map[string]any
	if err := yaml.Unmarshal([]byte(withDefaults), &stored); err != nil {
		t.Fatal(err)
	}
	set(t, object, "spec", stored)
	if err := client.NewDryRunClient(newClient(t)).Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if got, want := toJSON(t, object.Object["spec"]), toJSON(t, stored); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnObjectWithEveryFieldIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	object := parse(t, everything)
	sent := toJSON(t, object.Object["spec"])
	if err := client.NewDryRunClient(newClient(t)).Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if got := toJSON(t, object.Object["spec"]); got != sent {
		t.Errorf("got  %s\nsent %s", got, sent)
	}
}

func TestAnObjectAsLargeAsItMayBeIsNotTooMuchForTheRules(t *testing.T) {
	t.Parallel()
	listeners := list{}
	for i := range 8 {
		routes := many(256, func(n string) object {
			names := many(64/(1+i), func(m string) string { return m + "." + n + ".example.com" })
			return object{"hostnames": names, "target": "traefik"}
		})
		listeners = append(listeners, object{"name": fmt.Sprintf("l%d", i), "protocol": "TLS", "bind": list{fmt.Sprintf(":%d", 1000+i)}, "routes": routes})
	}
	object := parse(t, smallest)
	set(t, object, "spec.hosts", many(500, host))
	set(t, object, "spec.listeners", listeners)
	set(t, object, "spec.targets", wide())
	if err := client.NewDryRunClient(newClient(t)).Create(t.Context(), object); err != nil {
		t.Errorf("refused: %.1000v", err)
	}
}

func TestEachFieldManagerOwnsTheServersThatItApplied(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	// Others list what is in their namespace.
	namespace := parse(t, `{apiVersion: v1, kind: Namespace, metadata: {name: appliers}}`)
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	apply := func(manager, addresses string) {
		object := parse(t, `
apiVersion: edgelb.io/v1alpha1
kind: EdgeLoadBalancer
metadata: {name: applied, namespace: appliers}
spec:
  ssh: {secretRef: {name: edge-ssh}}
  hosts: [{name: gw1, address: gw1.example.net}]
  listeners: [{name: https, bind: [":443"], target: fixed}]
  targets: [{name: fixed, addresses: `+addresses+`}]`)
		if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(manager)); err != nil {
			t.Fatal(err)
		}
	}
	apply("one", `[{address: 192.0.2.1, port: 443}, {address: 192.0.2.1, port: 8443}]`)
	apply("other", `[{address: 192.0.2.2, port: 443, weight: 5}]`)
	apply("one", `[{address: 192.0.2.1, port: 8443, weight: 0}]`)

	object := parse(t, smallest)
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "appliers", Name: "applied"}, object); err != nil {
		t.Fatal(err)
	}
	got := toJSON(t, at(object.Object, []string{"spec", "targets", "0", "addresses"}))
	if want := `[{"address":"192.0.2.1","port":8443,"weight":0},{"address":"192.0.2.2","port":443,"weight":5}]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheGoTypesKeepEveryFieldOfTheSpec(t *testing.T) {
	t.Parallel()
	object := parse(t, everything)
	var typed v1alpha1.EdgeLoadBalancer
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true); err != nil {
		t.Fatal(err)
	}
	back, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	// Go formats durations differently; everything else stays the same.
	set(t, object, "spec.targets.0.healthCheck.interval", "1.5s")
	set(t, object, "spec.targets.0.drainTimeout", "1m30s")
	set(t, object, "spec.targets.0.sessionAffinity.timeout", "10m0s")
	set(t, object, "spec.targets.1.drainTimeout", "5m0s")
	set(t, object, "spec.targets.2.drainTimeout", "5m0s")
	set(t, object, "spec.listeners.0.connectionRate.interval", "1m0s")
	set(t, object, "spec.listeners.0.timeouts.client", "8h0m0s")
	set(t, object, "spec.targets.0.timeouts.server", "8h0m0s")
	set(t, object, "spec.targets.0.timeouts.tunnel", "24h0m0s")
	for field, want := range map[string]string{"client": "1h30m0s", "server": "240h0m0s"} {
		set(t, object, "spec.haproxy.timeouts."+field, want)
	}
	if got, want := toJSON(t, back["spec"]), toJSON(t, object.Object["spec"]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnUnknownFieldIsDroppedOrRefusedAsTheClientAsks(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	send := func(validation string) (*unstructured.Unstructured, error) {
		object := parse(t, smallest)
		set(t, object, "spec.services", map[string]any{})
		err := c.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(validation))
		return object, err
	}
	if _, err := send(metav1.FieldValidationStrict); err == nil || !strings.Contains(err.Error(), `unknown field "spec.services"`) {
		t.Errorf("strict: want a refusal that names the field, got: %v", err)
	}
	object, err := send(metav1.FieldValidationIgnore)
	if err != nil {
		t.Fatal(err)
	}
	if at(object.Object, []string{"spec", "services"}) != nil {
		t.Error("ignore: the field is still there")
	}
}

func TestTheResourceHasItsShortNamesAndCategory(t *testing.T) {
	t.Parallel()
	d, err := discovery.NewDiscoveryClientForConfig(apiServer)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := d.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range resources.APIResources {
		if resource.Name != "edgeloadbalancers" {
			continue
		}
		if want := []string{"elb", "edgelb"}; !reflect.DeepEqual(resource.ShortNames, want) {
			t.Errorf("short names are %v, want %v", resource.ShortNames, want)
		}
		if want := []string{"edgelb"}; !reflect.DeepEqual(resource.Categories, want) {
			t.Errorf("categories are %v, want %v", resource.Categories, want)
		}
		return
	}
	t.Error("the API server does not serve edgeloadbalancers")
}

func TestStatusIsWrittenOnItsOwnAndKubectlShowsIt(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	object := parse(t, smallest)
	object.SetName("shown")
	set(t, object, "status", map[string]any{"summary": map[string]any{"hosts": "9/9"}})
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if at(object.Object, []string{"status", "summary", "hosts"}) != nil {
		t.Error("creating the object wrote its status")
	}
	generation := object.GetGeneration()
	set(t, object, "spec.suspend", true)
	set(t, object, "status", status(t))
	if err := c.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if object.GetGeneration() != generation || at(object.Object, []string{"spec", "suspend"}) != nil {
		t.Error("writing the status changed the spec")
	}

	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"elb"}, []string{
			"NAME READY HOSTS SERVERS ADDRESS REASON AGE",
			`shown False 1/2 5/6 198.51.100.1,2001:db8::1 Unreachable`,
		}},
		{[]string{"edgelb", "-o", "wide"}, []string{
			"NAME READY HOSTS SERVERS ADDRESS REASON AGE BINDS NOT SYNCED",
			`shown False 1/2 5/6 198.51.100.1,2001:db8::1 Unreachable`,
		}},
	} {
		got := kubectlGet(t, tt.args...)
		for i, want := range tt.want {
			if len(got) <= i || !strings.HasPrefix(got[i], want) {
				t.Errorf("kubectl get %v: got %q, want line %d to be %q", tt.args, got, i, want)
			}
		}
	}
	wide := kubectlGet(t, "elb", "shown", "-o", "wide")
	if want := `ipv4@:443,ipv6@:443 gw2`; !strings.HasSuffix(wide[len(wide)-1], want) {
		t.Errorf("got %q, want it to end with %q", wide, want)
	}
}

// status returns a status such as the operator writes.
func status(t *testing.T) map[string]any {
	t.Helper()
	now := metav1.Now()
	value, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.EdgeLoadBalancerStatus{
		ObservedGeneration: 1,
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: string(v1alpha1.HostUnreachable), LastTransitionTime: now,
		}},
		Addresses: []string{"198.51.100.1", "2001:db8::1"},
		Summary:   v1alpha1.Summary{Hosts: "1/2", Servers: "5/6", Addresses: "198.51.100.1,2001:db8::1", Binds: "ipv4@:443,ipv6@:443", NotSynced: "gw2"},
		Hosts: []v1alpha1.HostStatus{
			{Name: "gw1", Address: "gw1.example.net", State: v1alpha1.HostSynced, LastUpdate: v1alpha1.UpdateReload, LastReloadTime: &now},
			{Name: "gw2", Address: "198.51.100.7", State: v1alpha1.HostUnreachable},
			{Name: "gw3", Address: "198.51.100.8", State: v1alpha1.HostDrifted, LastUpdate: v1alpha1.UpdateRuntime},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// kubectlGet returns the output of the real kubectl, line by line, with single blanks between the columns.
func kubectlGet(t *testing.T, args ...string) []string {
	t.Helper()
	binaries, err := programs.ControlPlane()
	if err != nil {
		t.Fatal(err)
	}
	// Without its cache, kubectl would leave files behind in the home directory.
	args = append([]string{"--kubeconfig", kubeconfig(t, apiServer), "--cache-dir", t.TempDir(), "get"}, args...)
	out, err := exec.CommandContext(t.Context(), filepath.Join(binaries, "kubectl"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %v: %v: %s", args, err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

func kubeconfig(t *testing.T, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: "https://" + strings.TrimPrefix(config.Host, "https://"), CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func toJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
