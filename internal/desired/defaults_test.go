package desired

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// TestTheAPIServersDefaultsChangeNothing keeps the defaults here and those of the CRD in line.
func TestTheAPIServersDefaultsChangeNothing(t *testing.T) {
	t.Parallel()
	bare := edgeLB("a")
	filled := throughCRD(t, bare)
	if filled.Spec.SSH.User == "" || filled.Spec.HAProxy.Timeouts.Client == nil || filled.Spec.Targets[0].HealthCheck.Interval == nil {
		t.Fatalf("spec %+v, want the CRD's defaults in it", filled.Spec)
	}
	want, got := build(gw1(), snapshotOf(bare)), build(gw1(), snapshotOf(filled))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("host %+v with the CRD's defaults, and %+v without", got, want)
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
