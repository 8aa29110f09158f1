package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/hack/docs/cost"
	"github.com/edgelb/edgelb/hack/docs/defaults"
)

const repository = "../.."

func TestThePagesOfTheReferenceAreCurrent(t *testing.T) {
	t.Parallel()
	for name, page := range pages {
		want, err := page(repository)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := os.ReadFile(filepath.Join(repository, "docs/reference", name))
		if err != nil || string(got) != generated+want {
			t.Errorf("docs/reference/%s is not what the code says (%v): run make docs", name, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(repository, "docs/reference/*"))
	if err != nil || len(files) != len(pages) {
		t.Errorf("docs/reference has %q (%v), want what is generated and nothing else", files, err)
	}
}

func TestEveryFieldHasAHeadingOfItsOwn(t *testing.T) {
	t.Parallel()
	heading := regexp.MustCompile("(?m)^##+ `(.*)`$")
	for _, kind := range []string{"edgeloadbalancer", "edgepolicy"} {
		schema := crdOf(t, kind+"s").Spec.Versions[0].Schema.OpenAPIV3Schema
		var want []string
		for _, top := range []string{"spec", "status"} {
			if property, found := schema.Properties[top]; found {
				want = append(want, pathsOf(top, property)...)
			}
		}
		text, err := pages[kind+".md"](repository)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, match := range heading.FindAllStringSubmatch(text, -1) {
			got = append(got, match[1])
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(want) < 14 {
			t.Errorf("%s has the headings %q, want %q", kind, got, want)
		}
	}
}

func TestAFieldWithoutACostIsNoPage(t *testing.T) {
	t.Parallel()
	crd := crdOf(t, "edgeloadbalancers")
	for name, test := range map[string]struct {
		field, want string
		change      func(costs map[string]string, field string)
	}{
		"a field has no cost":     {"spec.listeners[].bind", "spec.listeners[].bind has no cost", func(costs map[string]string, field string) { delete(costs, field) }},
		"a cost is of no field":   {"spec.colour", "spec.colour has a cost and is no field", func(costs map[string]string, field string) { costs[field] = cost.None }},
		"a list of objects lacks": {"spec.targets", "spec.targets has no cost", func(costs map[string]string, field string) { delete(costs, field) }},
	} {
		costs := maps.Clone(cost.Of["EdgeLoadBalancer"])
		test.change(costs, test.field)
		if _, err := render(crd, costs, ""); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

func TestADescriptionSaysTheDefaultThatIsNotInTheCRD(t *testing.T) {
	t.Parallel()
	sentence := regexp.MustCompile(`Defaults to (.*)\.$`)
	for _, kind := range []string{"EdgeLoadBalancer", "EdgePolicy"} {
		said := map[string]string{}
		for path, description := range descriptionsOf("spec", crdOf(t, strings.ToLower(kind)+"s").Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]) {
			if match := sentence.FindStringSubmatch(description); match != nil {
				said[path] = match[1]
			}
		}
		if set := defaults.Of[kind]; !maps.Equal(said, set) {
			t.Errorf("%s: the descriptions say the defaults %v, and Default sets %v", kind, said, set)
		}
	}
	if len(defaults.Of["EdgeLoadBalancer"]) < 15 {
		t.Errorf("Default sets only %v", defaults.Of)
	}
}

func TestTheReferenceShowsEachDefaultOnce(t *testing.T) {
	t.Parallel()
	text, err := pages["edgeloadbalancer.md"](repository)
	if err != nil {
		t.Fatal(err)
	}
	for path, value := range defaults.Of["EdgeLoadBalancer"] {
		_, field, _ := strings.Cut(text, "\n### `"+path+"`\n\n")
		summary, _, _ := strings.Cut(field, "\n")
		if !strings.Contains(summary, " · default `"+value+"` · ") {
			t.Errorf("%s is shown as %q, want the default %s", path, summary, value)
		}
	}
	if strings.Contains(text, "Defaults to") {
		t.Error("a description repeats the default")
	}
}

func TestTheCostOfEveryFieldBeginsWithItsWord(t *testing.T) {
	t.Parallel()
	for kind, costs := range cost.Of {
		for field, said := range costs {
			word, _, _ := strings.Cut(strings.ReplaceAll(said, ";", " "), " ")
			if !slices.Contains([]string{cost.None, cost.Runtime, cost.Reload}, word) {
				t.Errorf("%s: a change of %s costs %q", kind, field, said)
			}
		}
	}
}

func TestACommentBecomesTextThatNothingFormats(t *testing.T) {
	t.Parallel()
	for comment, want := range map[string]string{
		"ipv4@:443, [::1]:443 or :443 (IPv4)": "`ipv4@:443`, `[::1]:443` or `:443` (IPv4)",
		"see spec.hosts[].adopt.":             "see `spec.hosts[].adopt`.",
		"by healthCheck.port, or not":         "by `healthCheck.port`, or not",
		`such as "ssh-ed25519 AAAA…": no`:     "such as `\"ssh-ed25519 AAAA…\"`: no",
		"write *. before it, or * for all":    "write `*.` before it, or `*` for all",
		"below /etc/haproxy.":                 "below `/etc/haproxy`.",
		"None takes it":                       "`None` takes it",
		"HAProxy, EndpointSlices and v1":      "HAProxy, EndpointSlices and v1",
	} {
		if got := prose(comment, []string{"None"}); got != want {
			t.Errorf("%q became %q, want %q", comment, got, want)
		}
	}
}

func TestConstraintsAreSentences(t *testing.T) {
	t.Parallel()
	var schema apiextensionsv1.JSONSchemaProps
	text := `{type: array, minItems: 1, maxItems: 2, x-kubernetes-list-type: set, items: {type: string, enum: [A, B], pattern: "^x$"}}`
	if err := yaml.Unmarshal([]byte(text), &schema); err != nil {
		t.Fatal(err)
	}
	want := []string{"at least 1", "at most 2", "no entry twice", "each entry: one of `A`, `B`", "each entry: matches `^x$`"}
	if got := constraints(schema); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func crdOf(t *testing.T, plural string) apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	if plural == "edgepolicys" {
		plural = "edgepolicies"
	}
	text, err := os.ReadFile(filepath.Join(repository, "config/crd/bases/edgelb.io_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		t.Fatal(err)
	}
	return crd
}

// descriptionsOf are the descriptions of all fields from one on, by their paths.
func descriptionsOf(path string, schema apiextensionsv1.JSONSchemaProps) map[string]string {
	all := map[string]string{path: schema.Description}
	if schema.Items != nil && len(schema.Items.Schema.Properties) > 0 {
		schema, path = *schema.Items.Schema, path+"[]"
	}
	for name, property := range schema.Properties {
		maps.Copy(all, descriptionsOf(path+"."+name, property))
	}
	return all
}

// pathsOf are the paths of all fields from one on.
func pathsOf(path string, schema apiextensionsv1.JSONSchemaProps) []string {
	if schema.Items != nil && len(schema.Items.Schema.Properties) > 0 {
		schema, path = *schema.Items.Schema, path+"[]"
	}
	all := []string{path}
	for name, property := range schema.Properties {
		all = append(all, pathsOf(path+"."+name, property)...)
	}
	return all
}
