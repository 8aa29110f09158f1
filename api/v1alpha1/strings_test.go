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

// spoil is a value that a field must refuse.
type spoil struct{ path, value string }

// Spoiled values of all fields are put into one object, and again those of them that were not refused then: the API server does not judge the
// rules of an object that has a string of the wrong form.
func TestNoStringHasRoomForWhatCouldEndAWordOrALine(t *testing.T) {
	t.Parallel()
	dryRun := client.NewDryRunClient(newClient(t))
	var together [][]spoil
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
		for i, bad := range spoiled(good, field.path) {
			if i == len(together) {
				together = append(together, nil)
			}
			together[i] = append(together[i], spoil{paths[0], bad})
		}
	}
	for i, all := range together {
		t.Run(fmt.Sprintf("values such as %.80q, %d", all[0].value, i), func(t *testing.T) {
			t.Parallel()
			for _, taken := range takenOf(t, dryRun, all) {
				t.Errorf("%s takes %.80q", taken.path, taken.value)
			}
		})
	}
}

// takenOf returns those of the values that the API server does not refuse.
func takenOf(t *testing.T, dryRun client.Client, all []spoil) []spoil {
	t.Helper()
	object := parse(t, everything)
	for _, s := range all {
		set(t, object, s.path, s.value)
	}
	err := dryRun.Create(t.Context(), object)
	left := slices.DeleteFunc(slices.Clone(all), func(s spoil) bool { return refusedAt(err, s.path) })
	switch {
	case len(left) == 0, len(all) == 1:
		return left
	case len(left) < len(all):
		return takenOf(t, dryRun, left)
	default:
		var taken []spoil
		for _, s := range all {
			taken = append(taken, takenOf(t, dryRun, []spoil{s})...)
		}
		return taken
	}
}

// Fields in which something is allowed that others refuse.
var (
	// A blank separates the words of these, and nothing else does.
	haveWords = []string{"spec.hosts.0.hostKeys.0", "spec.ssh.jumpHost.hostKeys.0", "spec.haproxy.reloadCommand"}
	// HAProxy takes the text after uri literally, and expands nothing in it.
	havePercents = []string{"spec.targets.0.healthCheck.path"}
)

// tooLong is longer than any field may be, and short enough for all fields of one request.
const tooLong = 16 << 10

// spoiled returns values made from a valid one that the field must refuse: with something that ends a word or a line, or
// that HAProxy or a shell expands, with non-ASCII characters, or far too long.
func spoiled(good, path string) []string {
	bad := []string{good + strings.Repeat("a", tooLong)}
	for _, char := range []string{
		"\n", "\r", " ", "\t", `"`, "'", "`", "$", "${HOME}", "$(id)", `\`, "#", "|", "<", "\x00", "\x7f", "\u0085", "\u00a0", "\u2028", "ü", "\U0001f600", "%", "%[env(HOME)]",
	} {
		if char == "%" && slices.Contains(havePercents, path) {
			continue
		}
		for _, value := range []string{good + char, char + good, good[:len(good)/2] + char + good[len(good)/2:]} {
			if char != " " || !slices.Contains(haveWords, path) || strings.TrimSpace(value) != value {
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
