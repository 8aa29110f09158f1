package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgelb/edgelb/hack/docs/cost"
	"github.com/edgelb/edgelb/hack/docs/defaults"
)

const costLegend = `
*A change* says what it costs to change the field of an object that is in use:

- **none**: nothing on a host changes.
- **runtime**: the running HAProxy is updated. No reload, no connection is affected.
- **reload**: a new HAProxy worker takes over. Open connections stay with the previous one for up to 30 minutes. No
  connection is lost, with [two exceptions](../design.md#how-a-host-is-reloaded).
`

func edgeLoadBalancer(root string) (string, error) {
	return kindPage(root, "edgelb.io_edgeloadbalancers.yaml", `
The [quick start](../quickstart.md) has the smallest object, [routing](../routing.md) and [targets](../targets.md) say how listeners and
targets work together, and `+"`kubectl explain elb.spec`"+` says the same as this page in the cluster.
`)
}

func edgePolicy(root string) (string, error) {
	return kindPage(root, "edgelb.io_edgepolicies.yaml", `
[Policies](../policies.md) says how several policies of a namespace work together, and what happens to a working edge when a policy
forbids more. [edgepolicy.yaml](../../config/samples/edgepolicy.yaml) shows two of them. `+"`kubectl explain edgepolicy.spec`"+` says the
same as this page in the cluster.
`)
}

// page is the text of a kind's page while it is written.
type page struct {
	strings.Builder
	costs map[string]string
	// defaults are those that are not in the CRD.
	defaults map[string]string
	// used are the fields whose cost was written, and missing those that have none.
	used    map[string]bool
	missing []string
}

func kindPage(root, file, links string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "config/crd/bases", file))
	if err != nil {
		return "", err
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		return "", err
	}
	return render(crd, cost.Of[crd.Spec.Names.Kind], links)
}

func render(crd apiextensionsv1.CustomResourceDefinition, costs map[string]string, links string) (string, error) {
	version := crd.Spec.Versions[0]
	schema := version.Schema.OpenAPIV3Schema
	p := &page{costs: costs, defaults: defaults.Of[crd.Spec.Names.Kind], used: map[string]bool{}}
	fmt.Fprintf(p, "# %s\n\n%s\n\n", crd.Spec.Names.Kind, prose(schema.Description, nil))
	fmt.Fprintf(p, "`%s/%s`, %s, short names `%s`.\n", crd.Spec.Group, version.Name,
		map[bool]string{true: "of a namespace", false: "of the whole cluster"}[crd.Spec.Scope == apiextensionsv1.NamespaceScoped],
		strings.Join(crd.Spec.Names.ShortNames, "`, `"))
	p.WriteString(links + costLegend)
	p.rules(schema.XValidations)
	for _, top := range []string{"spec", "status"} {
		if property, found := schema.Properties[top]; found {
			p.object(top, property)
		}
	}
	for path := range costs {
		if !p.used[path] {
			p.missing = append(p.missing, path+" has a cost and is no field")
		}
	}
	if slices.Sort(p.missing); len(p.missing) > 0 {
		return "", fmt.Errorf("correct hack/docs/cost/cost.go: %s", strings.Join(p.missing, "; "))
	}
	return p.String(), nil
}

// object writes a section with the fields of an object that have no fields themselves, and then one for each of the others.
func (p *page) object(path string, schema apiextensionsv1.JSONSchemaProps) {
	fmt.Fprintf(p, "\n## `%s`\n\n", path)
	fields := schema
	if schema.Items != nil {
		fields = *schema.Items.Schema
		fmt.Fprintf(p, "%s\n\n", p.summary(strings.TrimSuffix(path, "[]"), schema, false))
	}
	fmt.Fprintf(p, "%s\n", prose(schema.Description, nil))
	p.bullets(schema)
	p.rules(fields.XValidations)
	var objects []string
	for _, name := range slices.Sorted(maps.Keys(fields.Properties)) {
		field := fields.Properties[name]
		if hasFields(field) {
			objects = append(objects, name)
			continue
		}
		p.field(path+"."+name, field, slices.Contains(fields.Required, name))
	}
	for _, name := range objects {
		field := fields.Properties[name]
		if field.Items != nil {
			name += "[]"
		}
		p.object(path+"."+name, field)
	}
}

func hasFields(schema apiextensionsv1.JSONSchemaProps) bool {
	return len(schema.Properties) > 0 || schema.Items != nil && len(schema.Items.Schema.Properties) > 0
}

func (p *page) field(path string, schema apiextensionsv1.JSONSchemaProps, required bool) {
	description := strings.TrimSpace(strings.TrimSuffix(schema.Description, defaultSentence(p.defaults[path])))
	fmt.Fprintf(p, "\n### `%s`\n\n%s\n\n%s\n", path, p.summary(path, schema, required), prose(description, enumOf(schema)))
	if items := schema.Items; items != nil && items.Schema.Description != "" {
		fmt.Fprintf(p, "\n%s\n", prose(items.Schema.Description, nil))
	}
	p.bullets(schema)
}

// summary is one line: the type, whether the field is required, its default, and what a change costs.
func (p *page) summary(path string, schema apiextensionsv1.JSONSchemaProps, required bool) string {
	parts := []string{typeOf(schema)}
	if required {
		parts = append(parts, "required")
	}
	if value := p.defaultOf(path, schema); value != "" {
		parts = append(parts, "default `"+value+"`")
	}
	if strings.HasPrefix(path, "spec") {
		parts = append(parts, p.costOf(path, schema))
	}
	return strings.Join(parts, " · ")
}

// defaultOf is the default of a field, of the CRD or of the API's Default; empty if it has none.
func (p *page) defaultOf(path string, schema apiextensionsv1.JSONSchemaProps) string {
	if schema.Default != nil && string(schema.Default.Raw) != "{}" {
		return strings.Trim(string(schema.Default.Raw), `"`)
	}
	return p.defaults[path]
}

// defaultSentence is how the description of a field ends whose default is not in the CRD. It is for kubectl explain, which says those
// of the CRD by itself, as the reference does with all of them.
func defaultSentence(value string) string { return "Defaults to " + value + "." }

func (p *page) costOf(path string, schema apiextensionsv1.JSONSchemaProps) string {
	said, found := p.costs[path]
	if !found {
		p.missing = append(p.missing, path+" has no cost")
	}
	p.used[path] = true
	what := "a change"
	if schema.Items != nil && hasFields(schema) {
		what = "one more or less"
	}
	word, rest, _ := strings.Cut(said, " ")
	word, semicolon := strings.CutSuffix(word, ";")
	said = "**" + word + "**"
	if semicolon {
		said += ";"
	}
	return what + ": " + strings.TrimSpace(said+" "+rest)
}

// bullets are the constraints of a field.
func (p *page) bullets(schema apiextensionsv1.JSONSchemaProps) {
	if all := constraints(schema); len(all) > 0 {
		fmt.Fprintf(p, "\n- %s\n", strings.Join(all, "\n- "))
	}
}

// rules are the messages of the rules for an object as a whole.
func (p *page) rules(rules apiextensionsv1.ValidationRules) {
	if len(rules) == 0 {
		return
	}
	p.WriteString("\nAn object that breaks one of these rules is refused with its sentence:\n\n")
	for _, rule := range rules {
		fmt.Fprintf(p, "- %s\n", prose(rule.Message, nil))
	}
}
