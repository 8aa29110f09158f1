package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dmacvicar/terraform-provider-libvirt/libvirt"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/terraform"
	"github.com/terraform-provider-openstack/terraform-provider-openstack/v3/openstack"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// providers judge the resources of a module. The provider tls is not among them, since it cannot be had as a Go module.
var providers = map[string]struct {
	module string
	of     *schema.Provider
}{
	"libvirt":   {"github.com/dmacvicar/terraform-provider-libvirt", libvirt.Provider()},
	"openstack": {"github.com/terraform-provider-openstack/terraform-provider-openstack/v3", openstack.Provider()},
}

// body evaluates the body of a resource to what a provider gets: attributes, and blocks as lists of bodies.
func (e *evaluation) body(of *hclsyntax.Body) (map[string]any, error) {
	values := map[string]any{}
	for name, attribute := range of.Attributes {
		if name == "for_each" || name == "count" {
			continue
		}
		value, err := e.value(attribute.Expr)
		if err != nil {
			return nil, err
		}
		if values[name], err = toGo(value); err != nil {
			return nil, err
		}
	}
	for _, block := range of.Blocks {
		if block.Type == "lifecycle" {
			continue
		}
		name, bodies, err := e.block(block)
		if err != nil {
			return nil, err
		}
		before, _ := values[name].([]any)
		values[name] = append(before, bodies...)
	}
	return values, nil
}

// block evaluates a block, or a dynamic one to any number of them.
func (e *evaluation) block(block *hclsyntax.Block) (name string, bodies []any, err error) {
	if block.Type != "dynamic" {
		body, err := e.body(block.Body)
		return block.Type, []any{body}, err
	}
	name = block.Labels[0]
	each, err := e.value(block.Body.Attributes["for_each"].Expr)
	if err != nil {
		return name, nil, err
	}
	for it := each.ElementIterator(); it.Next(); {
		key, value := it.Element()
		e.scope.Variables[name] = cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})
		body, err := e.body(block.Body.Blocks[0].Body)
		if err != nil {
			return name, nil, err
		}
		bodies = append(bodies, body)
	}
	delete(e.scope.Variables, name)
	return name, bodies, nil
}

func toGo(value cty.Value) (any, error) {
	text, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		return nil, err
	}
	var result any
	return result, json.Unmarshal(text, &result)
}

// instances evaluates a resource for each of its instances.
func (e *evaluation) instances(block *hcl.Block) ([]map[string]any, error) {
	body := block.Body.(*hclsyntax.Body)
	scopes := []map[string]cty.Value{{}}
	for _, name := range []string{"for_each", "count"} {
		attribute, has := body.Attributes[name]
		if !has {
			continue
		}
		value, err := e.value(attribute.Expr)
		if err != nil {
			return nil, err
		}
		scopes = nil
		if name == "count" {
			scopes = append(scopes, map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.Zero})})
			continue
		}
		for it := value.ElementIterator(); it.Next(); {
			key, value := it.Element()
			if value.Type() == cty.String {
				key = value
			}
			scopes = append(scopes, map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})})
		}
	}
	var all []map[string]any
	for _, scope := range scopes {
		for name, value := range scope {
			e.scope.Variables[name] = value
		}
		values, err := e.body(body)
		if err != nil {
			return nil, err
		}
		all = append(all, values)
		delete(e.scope.Variables, "each")
		delete(e.scope.Variables, "count")
	}
	return all, nil
}

// start returns an evaluation of a module with the values of a file in testdata.
func start(t *testing.T, folder string, name string) *evaluation {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var in input
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	m, err := load(folder)
	if err != nil {
		t.Fatal(err)
	}
	variables, err := decode(in.Variables)
	if err != nil {
		t.Fatal(err)
	}
	known, err := in.decode()
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.start(variables, known)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// complaints returns what a provider says of the resources and data sources of a module, and how many it has seen.
func complaints(t *testing.T, name, folder string) (all []string, judged int) {
	t.Helper()
	e, provider := start(t, folder, name), providers[name].of
	for kinds, validate := range map[*map[string][]*hcl.Block]func(string, *terraform.ResourceConfig) []string{
		&e.resources: func(kind string, config *terraform.ResourceConfig) []string {
			return said(provider.ResourcesMap[kind], config)
		},
		&e.data: func(kind string, config *terraform.ResourceConfig) []string {
			return said(provider.DataSourcesMap[kind], config)
		},
	} {
		for kind, blocks := range *kinds {
			for _, block := range blocks {
				instances, err := e.instances(block)
				if err != nil {
					t.Fatal(err)
				}
				for _, values := range instances {
					judged++
					for _, complaint := range validate(kind, terraform.NewResourceConfigRaw(values)) {
						all = append(all, kind+"."+block.Labels[1]+": "+complaint)
					}
				}
			}
		}
	}
	return all, judged
}

func said(resource *schema.Resource, config *terraform.ResourceConfig) []string {
	if resource == nil {
		return []string{"the provider has no such resource"}
	}
	var all []string
	for _, diagnostic := range resource.Validate(config) {
		all = append(all, fmt.Sprintf("%v: %s %s", diagnostic.AttributePath, diagnostic.Summary, diagnostic.Detail))
	}
	return all
}

func TestTheProvidersTakeTheResourcesOfTheModules(t *testing.T) {
	t.Parallel()
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for name, provider := range providers {
		found, judged := complaints(t, name, examples+"/"+name)
		if len(found) > 0 || judged < 5 {
			t.Errorf("%s: of %d resources the provider says\n%s", name, judged, strings.Join(found, "\n"))
		}
		// The module asks for the version that has judged it, or a later one of its series.
		m, err := load(examples + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		version := strings.TrimPrefix(m.requires[name].Version, "~> ")
		if !strings.Contains(string(gomod), provider.module+" v"+version) {
			t.Errorf("%s: the module asks for version %q, and go.mod has another one", name, version)
		}
	}
}

// The check has to notice a field that is not there, one that is missing, and one with a value that is not allowed.
func TestTheProvidersRefuseWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ provider, old, new, text string }{
		"an unknown field":   {"libvirt", "base_volume_id", "base_volume", "base_volume"},
		"a missing field":    {"openstack", "  network_id         = var.network_id\n", "", "network_id"},
		"an unknown block":   {"libvirt", "network_interface {", "interface {", "interface"},
		"a value of no kind": {"openstack", "= \"ingress\"", "= \"inward\"", "direction"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := copyOf(t, change.provider)
			text, err := os.ReadFile(folder + "/main.tf")
			if err != nil || !strings.Contains(string(text), change.old) {
				t.Fatalf("main.tf has no %q (%v)", change.old, err)
			}
			if err := os.WriteFile(folder+"/main.tf", []byte(strings.Replace(string(text), change.old, change.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			found, _ := complaints(t, change.provider, folder)
			if !slices.ContainsFunc(found, func(c string) bool { return strings.Contains(c, change.text) }) {
				t.Errorf("the provider says %q, want something about %s", found, change.text)
			}
		})
	}
}

// copyOf copies what a module consists of, and returns the folder of the copy.
func copyOf(t *testing.T, module string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{module, "edge-host"} {
		if err := os.CopyFS(root+"/examples/terraform/"+name, os.DirFS(examples+"/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile("../edge-host-setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root+"/hack", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/hack/edge-host-setup.sh", script, 0o600); err != nil {
		t.Fatal(err)
	}
	return root + "/examples/terraform/" + module
}
