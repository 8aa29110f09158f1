package v1alpha1_test

import (
	"fmt"
	"os"
	"regexp"
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

// specFields are all fields of the spec of EdgeLoadBalancers.
func specFields(t *testing.T) []specField {
	t.Helper()
	return fieldsOf(t, "edgeloadbalancers")
}

// fieldsOf are all fields of the spec in a CRD that is shipped, so that a test that goes through them forgets none.
func fieldsOf(t *testing.T, resource string) []specField {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/edgelb.io_" + resource + ".yaml")
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
	// HAProxy takes what follows uri for what it is, and expands nothing in it.
	percents := []string{"spec.targets.0.healthCheck.path"}
	for _, field := range specFields(t) {
		if field.schema.Type != "string" && !field.schema.XIntOrString {
			continue
		}
		paths := entries(parse(t, everything), field.path)
		if len(paths) == 0 {
			t.Errorf("%s is not set in the object that has everything", field.path)
			continue
		}
		good, isString := at(parse(t, everything).Object, strings.Split(paths[0], ".")).(string)
		if !isString {
			t.Errorf("%s is no string in the object that has everything", field.path)
			continue
		}
		for _, bad := range spoiled(good, slices.Contains(words, field.path), slices.Contains(percents, field.path)) {
			t.Run(fmt.Sprintf("%s refuses %.80q", field.path, bad), func(t *testing.T) {
				t.Parallel()
				object := parse(t, everything)
				set(t, object, paths[0], bad)
				if err := dryRun.Create(t.Context(), object); !refusedAt(err, paths[0]) {
					t.Errorf("want a refusal of %s, got: %.500v", paths[0], err)
				}
			})
		}
	}
}

// spoiled are values made of a good one that no field has room for: something that ends a word or a line, that HAProxy or a
// shell expands, that is not ASCII, or that is far too long. Some fields have words, and some take a percent sign.
func spoiled(good string, words, percents bool) []string {
	bad := []string{good + strings.Repeat("a", 64<<10)}
	for _, char := range []string{
		"\n", "\r", " ", "\t", `"`, "'", "`", "$", "${HOME}", "$(id)", `\`, "#", "|", "<", "\x00", "\x7f", "\u0085", "\u00a0", "\u2028", "ü", "\U0001f600", "%", "%[env(HOME)]",
	} {
		if char == "%" && percents {
			continue
		}
		for _, value := range []string{good + char, char + good, good[:len(good)/2] + char + good[len(good)/2:]} {
			if char != " " || !words || strings.TrimSpace(value) != value {
				bad = append(bad, value)
			}
		}
	}
	return bad
}

// refusedAt says that the API server refused the value of the field itself.
func refusedAt(err error, path string) bool {
	status, ok := err.(apierrors.APIStatus)
	if !ok || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return false
	}
	want := regexp.MustCompile(`[.]([0-9]+)\b`).ReplaceAllString(path, "[$1]")
	for _, cause := range status.Status().Details.Causes {
		if cause.Field == want {
			return true
		}
	}
	return false
}
