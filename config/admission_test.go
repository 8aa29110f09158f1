package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/waiting"
	"github.com/edgelb/edgelb/internal/policy"
)

// balancerAt is the sample's object in a namespace, with hosts at these addresses.
func balancerAt(t *testing.T, namespace string, addresses ...string) *unstructured.Unstructured {
	t.Helper()
	const sample = "samples/edgelb_v1alpha1_edgeloadbalancer.yaml"
	object := decode(t, sample, read(t, sample))[0]
	object.SetNamespace(namespace)
	var hosts []any
	for i, address := range addresses {
		hosts = append(hosts, map[string]any{"name": fmt.Sprint("gw", i+1), "address": address})
	}
	if err := unstructured.SetNestedSlice(object.Object, hosts, "spec", "hosts"); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestTheSampleForAdmissionRefusesWhatItsPoliciesDoNotHave(t *testing.T) {
	t.Parallel()
	c := newClient(t, startAPIServer(t, controlPlane(t)))
	tenant := namespace("tenant")
	tenant.SetLabels(map[string]string{"edgelb.io/tenant": "true"})
	apply(t, c, tenant)
	// One that was there before.
	const elsewhere = "192.0.2.9"
	before := balancerAt(t, "tenant", elsewhere)
	before.SetName("before")
	before.SetFinalizers([]string{"edgelb.io/hosts"})
	apply(t, c, before)
	for _, file := range []string{"samples/edgepolicy.yaml", "samples/admission.yaml"} {
		for _, object := range decode(t, file, read(t, file)) {
			apply(t, c, object)
		}
	}
	awaitRefusal(t, c, balancerAt(t, "tenant", elsewhere))
	awaitRefusal(t, c, balancerAt(t, "kube-system", elsewhere))

	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf("203.0.113.%d", i%250+1)
	}
	for name, test := range map[string]struct {
		namespace string
		addresses []string
		// refused names the host that is, and the policy; empty for none.
		refused string
	}{
		"in the network":           {"kube-system", []string{"198.51.100.7"}, ""},
		"a name below":             {"kube-system", []string{"gw1.edge.example.net", "GW2.Edge.Example.Net"}, ""},
		"a name to be looked up":   {"kube-system", []string{"gw1.example.com"}, ""},
		"outside of the network":   {"kube-system", []string{"198.51.100.7", elsewhere}, "host gw2 (192.0.2.9) is not in spec.hostAddresses of EdgePolicy edge-team"},
		"another family":           {"kube-system", []string{"2001:db8::1"}, "host gw1 (2001:db8::1)"},
		"loopback":                 {"kube-system", []string{"127.0.0.1"}, "host gw1 (127.0.0.1)"},
		"the network of a tenant":  {"tenant", []string{"203.0.113.1"}, ""},
		"that of another one":      {"tenant", []string{"198.51.100.7"}, "EdgePolicy tenants: ask the administrators"},
		"as many as there may be":  {"tenant", many, ""},
		"a namespace without rule": {"default", []string{elsewhere}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			object := balancerAt(t, test.namespace, test.addresses...)
			switch err := c.Create(t.Context(), object, client.DryRunAll); {
			case test.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.refused != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), test.refused)):
				t.Errorf("got %v, want %q", err, test.refused)
			}
			checkOperator(t, test.namespace, test.addresses, test.refused != "")
		})
	}
	t.Run("an object from before can change, but not its hosts, and can go", func(t *testing.T) { checkFormer(t, c, before) })
	t.Run("only names are listed", func(t *testing.T) {
		listed := decode(t, "samples/edgepolicy.yaml", read(t, "samples/edgepolicy.yaml"))[0]
		if err := unstructured.SetNestedStringSlice(listed.Object, []string{"*.edge.example.net"}, "spec", "hostAddresses"); err != nil {
			t.Fatal(err)
		}
		apply(t, c, listed)
		awaitRefusal(t, c, balancerAt(t, "kube-system", "gw1.example.com"))
		if err := c.Create(t.Context(), balancerAt(t, "kube-system", "gw1.edge.example.net"), client.DryRunAll); err != nil {
			t.Error(err)
		}
	})
}

// awaitRefusal waits until the rule is in force, which takes the API server a moment.
func awaitRefusal(t *testing.T, c client.Client, object *unstructured.Unstructured) {
	t.Helper()
	var err error
	for end := time.Now().Add(waiting.Long); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		err = c.Create(t.Context(), object.DeepCopy(), client.DryRunAll)
		if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "is not in spec.hostAddresses") {
			return
		}
	}
	t.Fatalf("the rule is not in force: %v", err)
}

// checkOperator asks the operator's own rules for the same hosts: it refuses all that is refused at admission.
func checkOperator(t *testing.T, namespace string, addresses []string, want bool) {
	t.Helper()
	var policies []v1alpha1.EdgePolicy
	for _, object := range decode(t, "samples/edgepolicy.yaml", read(t, "samples/edgepolicy.yaml")) {
		var p v1alpha1.EdgePolicy
		if err := yaml.UnmarshalStrict([]byte(toYAML(t, object.Object)), &p); err != nil {
			t.Fatal(err)
		}
		policies = append(policies, p)
	}
	labels := map[string]string{}
	if namespace == "tenant" {
		labels["edgelb.io/tenant"] = "true"
	}
	rules := policy.NewSet(policies).For(namespace, labels)
	refused := false
	for _, address := range addresses {
		refused = refused || rules.Hosts.Check(address) != nil
	}
	if refused != want {
		t.Errorf("the operator refuses it: %t, want %t", refused, want)
	}
}

// checkFormer changes an object whose hosts the rule would refuse.
func checkFormer(t *testing.T, c client.Client, object *unstructured.Unstructured) {
	patch := func(text string) error {
		return c.Patch(t.Context(), object.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(text)))
	}
	if err := patch(`{"spec": {"suspend": true}}`); err != nil {
		t.Errorf("it cannot be changed: %v", err)
	}
	if err := patch(`{"spec": {"hosts": [{"name": "gw1", "address": "192.0.2.10"}]}}`); !apierrors.IsForbidden(err) {
		t.Errorf("got %v for another host, want it to be forbidden", err)
	}
	if err := c.Delete(t.Context(), object.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	if err := patch(`{"metadata": {"finalizers": null}}`); err != nil {
		t.Errorf("its finalizer cannot be taken away: %v", err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object.DeepCopy()); !apierrors.IsNotFound(err) {
		t.Errorf("got %v, want the object to be gone", err)
	}
}

// The operator takes the endpoints of its own cluster as Kubernetes has them, which lets nobody write these.
func TestKubernetesRefusesEndpointsOnTheHostItself(t *testing.T) {
	t.Parallel()
	c := newClient(t, startAPIServer(t, controlPlane(t)))
	for address, refused := range map[string]bool{
		"127.0.0.1": true, "169.254.169.254": true, "0.0.0.0": true, "224.0.0.1": true, "::1": true, "fe80::1": true,
		"10.0.0.1": false, "192.168.1.1": false,
	} {
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: "app-1", Namespace: "default"},
			AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}},
		}
		if strings.Contains(address, ":") {
			slice.AddressType = discoveryv1.AddressTypeIPv6
		}
		if err := c.Create(t.Context(), slice, client.DryRunAll); apierrors.IsInvalid(err) != refused || !refused && err != nil {
			t.Errorf("%s: got %v, want it to be refused: %t", address, err, refused)
		}
	}
}
