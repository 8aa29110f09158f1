package v1alpha1_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// specField is one field of the spec. The path goes through the first entry of lists: spec.hosts.0.name.
type specField struct {
	path   string
	schema apiextensionsv1.JSONSchemaProps
}

// specFields are all fields of the spec in the CRD that is shipped, so that a test that goes through them forgets none.
func specFields(t *testing.T) []specField {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/edgelb.io_edgeloadbalancers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		t.Fatal(err)
	}
	fields := below(specField{"spec", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]})
	slices.SortFunc(fields, func(a, b specField) int { return strings.Compare(a.path, b.path) })
	return fields
}

func below(field specField) []specField {
	var fields []specField
	for name, schema := range field.schema.Properties {
		child := specField{field.path + "." + name, schema}
		fields = append(append(fields, child), below(child)...)
	}
	if field.schema.Items != nil {
		child := specField{field.path + ".0", *field.schema.Items.Schema}
		fields = append(append(fields, child), below(child)...)
	}
	return fields
}

func TestNoStringHasRoomForWhatCouldEndAWordOrALine(t *testing.T) {
	t.Parallel()
	dryRun := client.NewDryRunClient(newClient(t))
	// The parts of these two are separated by a blank, and by nothing else.
	words := []string{"spec.hosts.0.hostKeys.0", "spec.haproxy.reloadCommand"}
	for _, field := range specFields(t) {
		if field.schema.Type != "string" && !field.schema.XIntOrString {
			continue
		}
		good, isString := at(parse(t, everything).Object, strings.Split(field.path, ".")).(string)
		if !isString {
			t.Errorf("%s is not set in the object that has everything", field.path)
			continue
		}
		for _, char := range []string{"\n", "\r", " ", "\t", `"`, "'", "$", `\`, "#", "\x00", "\u2028", "\u00a0"} {
			for _, bad := range []string{good + char, char + good, good[:len(good)/2] + char + good[len(good)/2:]} {
				if char == " " && slices.Contains(words, field.path) && strings.TrimSpace(bad) == bad {
					continue
				}
				t.Run(fmt.Sprintf("%s refuses %q", field.path, bad), func(t *testing.T) {
					t.Parallel()
					object := parse(t, everything)
					set(t, object, field.path, bad)
					if err := dryRun.Create(t.Context(), object); !refusedAt(err, field.path) {
						t.Errorf("want a refusal of %s, got: %v", field.path, err)
					}
				})
			}
		}
	}
}

// refusedAt says that the API server refused the value of the field itself.
func refusedAt(err error, path string) bool {
	status, ok := err.(apierrors.APIStatus)
	if !ok || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return false
	}
	want := strings.ReplaceAll(path, ".0", "[0]")
	for _, cause := range status.Status().Details.Causes {
		if cause.Field == want {
			return true
		}
	}
	return false
}
