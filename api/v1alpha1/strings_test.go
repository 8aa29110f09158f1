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

// specFields returns all fields of the spec of EdgeLoadBalancers.
func specFields(t *testing.T) []specField {
	t.Helper()
	return fieldsOf(t, "edgeloadbalancers")
}

// fieldsOf returns all fields of the spec in a shipped CRD, so that a test that iterates over them misses none.
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
	// A blank separates the words of these, and nothing else does.
	words := []string{"spec.hosts.0.hostKeys.0", "spec.ssh.jumpHost.hostKeys.0", "spec.haproxy.reloadCommand", "spec.virtualIPs.notifyCommand"}
	// HAProxy takes the text after uri literally, and expands nothing in it.
	percents := []string{"spec.targets.0.healthCheck.path"}
	// HAProxy takes the text between single quotes literally. Words and double quotes are what bodies consist of.
	bodies := []string{"spec.targets.0.healthCheck.expectedBody"}
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
		for _, bad := range spoiled(good, slices.Contains(append(words, bodies...), field.path), slices.Contains(percents, field.path), slices.Contains(bodies, field.path)) {
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

// spoiled returns values made from a valid one that every field must refuse: with something that ends a word or a line, or
// that HAProxy or a shell expands, with non-ASCII characters, or far too long. Some fields allow several words, some a percent sign,
// and some double quotes.
func spoiled(good string, words, percents, quotes bool) []string {
	bad := []string{good + strings.Repeat("a", 64<<10)}
	for _, char := range []string{
		"\n", "\r", " ", "\t", `"`, "'", "`", "$", "${HOME}", "$(id)", `\`, "#", "|", "<", "\x00", "\x7f", "\u0085", "\u00a0", "\u2028", "ü", "\U0001f600", "%", "%[env(HOME)]",
	} {
		if char == "%" && percents || char == `"` && quotes {
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

// refusedAt reports whether the API server refused the value of the field itself.
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
