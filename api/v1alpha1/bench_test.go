package v1alpha1_test

import (
	"fmt"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// BenchmarkWrite measures what the API server takes for a write of an object with 10 hosts, 20 listeners and 100 names, of which the
// rules of the CRD are a part: the same without them.
func BenchmarkWrite(b *testing.B) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		b.Fatal(err)
	}
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		b.Fatal(err)
	}
	c, err := client.New(apiServer, client.Options{Scheme: scheme})
	if err != nil {
		b.Fatal(err)
	}
	object := largeObject()
	if err := c.Create(b.Context(), object); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Delete(b.Context(), object) }) // the API server ends with the benchmarks
	writes := func(b *testing.B) {
		b.Run("spec", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				object.Spec.Listeners[0].Routes[0].Hostnames[0] = v1alpha1.Hostname(fmt.Sprintf("c%d.example.com", i))
				if err := c.Update(b.Context(), object); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("status", func(b *testing.B) {
			for b.Loop() {
				object.Status.ObservedGeneration++
				if err := c.Status().Update(b.Context(), object); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("with the rules", writes)
	removeRules(b, c)
	b.Run("without", writes)
}

// removeRules takes the rules out of the CRD, and returns when the API server no longer applies them.
func removeRules(b *testing.B, c client.Client) {
	b.Helper()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := c.Get(b.Context(), client.ObjectKey{Name: "edgeloadbalancers.edgelb.io"}, &crd); err != nil {
			return err
		}
		for _, version := range crd.Spec.Versions {
			withoutRules(version.Schema.OpenAPIV3Schema)
		}
		return c.Update(b.Context(), &crd)
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Context().Err() == nil {
		invalid := largeObject()
		invalid.Name, invalid.Spec.Listeners[0].Target = "invalid", "missing"
		if c.Create(b.Context(), invalid) == nil {
			break
		}
	}
}

func withoutRules(schema *apiextensionsv1.JSONSchemaProps) {
	schema.XValidations = nil
	for name, property := range schema.Properties {
		withoutRules(&property)
		schema.Properties[name] = property
	}
	if schema.Items != nil {
		withoutRules(schema.Items.Schema)
	}
}

func largeObject() *v1alpha1.EdgeLoadBalancer {
	object := &v1alpha1.EdgeLoadBalancer{}
	object.Name, object.Namespace = "large", "default"
	object.Spec.SSH.SecretRef.Name = "edge-ssh"
	for i := range 10 {
		host, address := fmt.Sprintf("gw%d", i), fmt.Sprintf("192.0.2.%d", i+1)
		object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{Name: host, Address: address})
		var names []v1alpha1.Hostname
		for j := range 10 {
			names = append(names, v1alpha1.Hostname(fmt.Sprintf("n%d.example.com", j)))
		}
		bind := func(port string) []v1alpha1.BindAddress {
			return []v1alpha1.BindAddress{v1alpha1.BindAddress("ipv4@" + address + ":" + port)}
		}
		object.Spec.Listeners = append(object.Spec.Listeners,
			v1alpha1.Listener{
				Name: "names-" + host, Protocol: v1alpha1.ProtocolHTTP, Bind: bind("8444"), Hosts: []string{host}, Target: "first",
				Routes: []v1alpha1.Route{{Hostnames: names, Target: "first"}},
			},
			v1alpha1.Listener{Name: "split-" + host, Protocol: v1alpha1.ProtocolTCP, Bind: bind("8443"), Hosts: []string{host}, Target: "both"})
	}
	object.Spec.Targets = []v1alpha1.Target{
		{Name: "first", Addresses: []v1alpha1.TargetAddress{{Address: "198.51.100.1", Port: 80}}},
		{Name: "second", Addresses: []v1alpha1.TargetAddress{{Address: "198.51.100.2", Port: 80}}},
		{Name: "both", Split: []v1alpha1.SplitTarget{{Target: "first", Weight: 50}, {Target: "second", Weight: 50}}},
	}
	return object
}
