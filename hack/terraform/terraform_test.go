package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const examples = "../../examples/terraform"

// loadAll loads every module of the examples, by its folder.
func loadAll(t *testing.T) map[string]*module {
	t.Helper()
	folders, err := filepath.Glob(examples + "/*/main.tf")
	if err != nil || len(folders) < 3 {
		t.Fatalf("the modules are %q, %v", folders, err)
	}
	all := map[string]*module{}
	for _, path := range folders {
		m, err := load(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(m.folder)] = m
	}
	return all
}

// pairOf returns variables of the module libvirt that are right.
func pairOf() map[string]cty.Value {
	host := func(address string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"addresses": cty.ListVal([]cty.Value{cty.StringVal(address)})})
	}
	list := func(text string) cty.Value { return cty.ListVal([]cty.Value{cty.StringVal(text)}) }
	return map[string]cty.Value{
		"hosts":    cty.MapVal(map[string]cty.Value{"gw1": host("192.0.2.11/24"), "gw2": host("192.0.2.12/24")}),
		"gateways": list("192.0.2.1"), "nameservers": list("192.0.2.1"), "virtual_addresses": list("192.0.2.10/24"),
		"operator_public_key": cty.StringVal("ssh-ed25519 AAAAC3Nz edgelb"), "image": cty.StringVal("debian.qcow2"),
	}
}

func TestValuesThatAreWrongAreRefusedWithWhatIsRight(t *testing.T) {
	t.Parallel()
	modules := loadAll(t)
	if _, err := modules["libvirt"].take(pairOf()); err != nil {
		t.Fatal(err)
	}
	host := map[string]cty.Value{
		"name": cty.StringVal("gw1"), "address": cty.StringVal("192.0.2.11"), "operator_public_key": cty.StringVal("ssh-ed25519 AAAAC3Nz edgelb\n"),
	}
	if _, err := modules["edge-host"].take(host); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		module   string
		given    map[string]cty.Value
		variable string
		value    cty.Value
		text     string
	}{
		"one host":                       {"libvirt", pairOf(), "hosts", cty.MapVal(map[string]cty.Value{"gw1": pairOf()["hosts"].Index(cty.StringVal("gw1"))}), "A pair has two hosts"},
		"an address without its network": {"libvirt", pairOf(), "hosts", cty.MapVal(map[string]cty.Value{"a": addresses("192.0.2.11"), "b": addresses("192.0.2.12/24")}), "such as 192.0.2.11/24"},
		"a router ID that is too high":   {"libvirt", pairOf(), "virtual_router_id", cty.NumberIntVal(256), "1 to 255"},
		"a private key":                  {"edge-host", host, "operator_public_key", cty.StringVal("-----BEGIN OPENSSH PRIVATE KEY-----"), "edgelb-key.pub"},
		"two keys":                       {"edge-host", host, "operator_public_key", cty.StringVal("ssh-rsa AAAA1\nssh-rsa AAAA2\n"), "edgelb-key.pub"},
		"a name that is no label":        {"edge-host", host, "name", cty.StringVal("gw1.example.net"), "lower-case letters"},
		"a variable that is not there":   {"edge-host", host, "nickname", cty.StringVal("gw1"), "no variable nickname"},
		"another type":                   {"edge-host", host, "keepalived", cty.StringVal("perhaps"), "keepalived"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := map[string]cty.Value{test.variable: test.value}
			for key, value := range test.given {
				if key != test.variable {
					given[key] = value
				}
			}
			if _, err := modules[test.module].take(given); err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v, want %q", err, test.text)
			}
		})
	}
	incomplete := maps.Clone(host)
	delete(incomplete, "address")
	if _, err := modules["edge-host"].take(incomplete); err == nil || !strings.Contains(err.Error(), "address") {
		t.Errorf("without an address: %v", err)
	}
}

func addresses(of string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"addresses": cty.ListVal([]cty.Value{cty.StringVal(of)})})
}

func TestWhatAModuleRefersToHasToBeThere(t *testing.T) {
	t.Parallel()
	for _, module := range []string{"edge-host", "libvirt"} {
		var in input
		if module == "libvirt" {
			in.Variables = map[string]json.RawMessage{}
			for name, text := range map[string]string{
				"hosts": `{"a": {"addresses": ["192.0.2.1/24"]}, "b": {"addresses": ["192.0.2.2/24"]}}`, "gateways": `[]`, "nameservers": `[]`,
				"virtual_addresses": `[]`, "operator_public_key": `"ssh-rsa AAAA1"`, "image": `"i"`,
			} {
				in.Variables[name] = json.RawMessage(text)
			}
		} else {
			in.Variables = map[string]json.RawMessage{"name": json.RawMessage(`"a"`), "address": json.RawMessage(`"b"`), "operator_public_key": json.RawMessage(`"ssh-rsa AAAA1"`)}
		}
		if _, err := in.outputs(filepath.Join(examples, module)); err == nil || !strings.Contains(err.Error(), "tls_private_key") {
			t.Errorf("%s without the key of a host: %v", module, err)
		}
	}
}

// hclBlock is what a page shows in Terraform's language.
var hclBlock = regexp.MustCompile("(?s)```hcl\n(.*?)```")

func TestTheReadmeCallsTheModulesAsTheyAre(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(examples + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	modules, called := loadAll(t), 0
	for _, block := range hclBlock.FindAllSubmatch(text, -1) {
		file, diagnostics := hclsyntax.ParseConfig(block[1], "README.md", hcl.InitialPos)
		if diagnostics.HasErrors() {
			t.Fatal(diagnostics)
		}
		for _, block := range file.Body.(*hclsyntax.Body).Blocks {
			if block.Type == "module" {
				called++
				checkCall(t, block, modules)
			}
		}
	}
	if called < 3 {
		t.Errorf("the README calls %d modules", called)
	}
}

// checkCall compares the arguments with the variables of the module.
func checkCall(t *testing.T, block *hclsyntax.Block, modules map[string]*module) {
	t.Helper()
	given := map[string]bool{}
	var called *module
	for name, attribute := range block.Body.Attributes {
		switch name {
		case "source":
			value, diagnostics := attribute.Expr.Value(nil)
			if diagnostics.HasErrors() {
				t.Fatal(diagnostics)
			}
			folder, _, _ := strings.Cut(value.AsString(), "?")
			called = modules[filepath.Base(folder)]
		case "for_each":
		default:
			given[name] = true
		}
	}
	if called == nil {
		t.Fatalf("%s: there is no such module", block.DefRange())
	}
	for name, v := range called.variables {
		if v.value == cty.NilVal && !given[name] {
			t.Errorf("%s: %s is not set", block.DefRange(), name)
		}
		delete(given, name)
	}
	for name := range given {
		t.Errorf("%s: there is no variable %s", block.DefRange(), name)
	}
}
