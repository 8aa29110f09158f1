package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// module is a folder of Terraform files, as written.
type module struct {
	folder    string
	variables map[string]variable
	locals    map[string]hcl.Expression
	outputs   map[string]hcl.Expression
	calls     map[string]call
	// requires are the versions of providers, by their local name.
	requires map[string]provider
	// resources and data are the blocks, by type.
	resources, data map[string][]*hcl.Block
}

// variable is an input of a module.
type variable struct {
	kind     cty.Type
	defaults *typeexpr.Defaults
	// value is the default; cty.NilVal for an input that must be given.
	value cty.Value
	// conditions are those of its validations, with the messages for values that do not meet them.
	conditions, messages []hcl.Expression
}

// call is a use of another module.
type call struct {
	source    string
	forEach   hcl.Expression
	arguments map[string]hcl.Expression
}

// provider is what a module says of a provider that it needs.
type provider struct{ Source, Version string }

var fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "terraform"}, {Type: "variable", LabelNames: []string{"name"}}, {Type: "locals"}, {Type: "output", LabelNames: []string{"name"}},
	{Type: "module", LabelNames: []string{"name"}}, {Type: "resource", LabelNames: []string{"type", "name"}}, {Type: "data", LabelNames: []string{"type", "name"}},
}}

// load reads the files of a folder. Terraform knows more kinds of blocks; the examples have these.
func load(folder string) (*module, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s has no .tf files", folder)
	}
	m := &module{
		folder: folder, variables: map[string]variable{}, locals: map[string]hcl.Expression{}, outputs: map[string]hcl.Expression{},
		calls: map[string]call{}, requires: map[string]provider{}, resources: map[string][]*hcl.Block{}, data: map[string][]*hcl.Block{},
	}
	parser := hclparse.NewParser()
	for _, path := range files {
		file, diagnostics := parser.ParseHCLFile(path)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		content, diagnostics := file.Body.Content(fileSchema)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		for _, block := range content.Blocks {
			if err := m.add(block); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func (m *module) add(block *hcl.Block) error {
	switch block.Type {
	case "resource":
		m.resources[block.Labels[0]] = append(m.resources[block.Labels[0]], block)
		return nil
	case "data":
		m.data[block.Labels[0]] = append(m.data[block.Labels[0]], block)
		return nil
	case "terraform":
		return m.addRequirements(block)
	case "variable":
		return m.addVariable(block)
	}
	attributes, diagnostics := block.Body.JustAttributes()
	if diagnostics.HasErrors() {
		return diagnostics
	}
	switch block.Type {
	case "locals":
		for name, attribute := range attributes {
			m.locals[name] = attribute.Expr
		}
		return nil
	case "output":
		value, has := attributes["value"]
		if !has {
			return fmt.Errorf("%s: the output has no value", block.DefRange)
		}
		m.outputs[block.Labels[0]] = value.Expr
		return nil
	default:
		return m.addCall(block.Labels[0], attributes)
	}
}

func (m *module) addCall(name string, attributes hcl.Attributes) error {
	of := call{arguments: map[string]hcl.Expression{}}
	for key, attribute := range attributes {
		switch key {
		case "source":
			value, diagnostics := attribute.Expr.Value(nil)
			if diagnostics.HasErrors() {
				return diagnostics
			}
			of.source = value.AsString()
		case "for_each":
			of.forEach = attribute.Expr
		default:
			of.arguments[key] = attribute.Expr
		}
	}
	if of.source == "" || of.forEach == nil {
		return fmt.Errorf("module %s has no source or no for_each", name)
	}
	m.calls[name] = of
	return nil
}

func (m *module) addRequirements(block *hcl.Block) error {
	content, diagnostics := block.Body.Content(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "required_version", Required: true}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "required_providers"}},
	})
	if diagnostics.HasErrors() {
		return diagnostics
	}
	for _, block := range content.Blocks {
		attributes, diagnostics := block.Body.JustAttributes()
		if diagnostics.HasErrors() {
			return diagnostics
		}
		for name, attribute := range attributes {
			value, diagnostics := attribute.Expr.Value(nil)
			if diagnostics.HasErrors() {
				return diagnostics
			}
			of := value.AsValueMap()
			m.requires[name] = provider{of["source"].AsString(), of["version"].AsString()}
		}
	}
	return nil
}

func (m *module) addVariable(block *hcl.Block) error {
	content, diagnostics := block.Body.Content(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "description", Required: true}, {Name: "type", Required: true}, {Name: "default"}, {Name: "sensitive"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
	})
	if diagnostics.HasErrors() {
		return diagnostics
	}
	kind, defaults, diagnostics := typeexpr.TypeConstraintWithDefaults(content.Attributes["type"].Expr)
	if diagnostics.HasErrors() {
		return diagnostics
	}
	v := variable{kind: kind, defaults: defaults, value: cty.NilVal}
	if given, has := content.Attributes["default"]; has {
		value, diagnostics := given.Expr.Value(nil)
		if diagnostics.HasErrors() {
			return diagnostics
		}
		var err error
		if v.value, err = convert.Convert(value, kind); err != nil {
			return fmt.Errorf("the default of variable %s: %w", block.Labels[0], err)
		}
	}
	for _, validation := range content.Blocks {
		attributes, diagnostics := validation.Body.JustAttributes()
		if diagnostics.HasErrors() {
			return diagnostics
		}
		if attributes["condition"] == nil || attributes["error_message"] == nil {
			return errors.New(validation.DefRange.String() + ": a validation has a condition and an error_message")
		}
		v.conditions, v.messages = append(v.conditions, attributes["condition"].Expr), append(v.messages, attributes["error_message"].Expr)
	}
	m.variables[block.Labels[0]] = v
	return nil
}

// take returns the values of the variables for what is given.
func (m *module) take(given map[string]cty.Value) (map[string]cty.Value, error) {
	values := map[string]cty.Value{}
	for name := range given {
		if _, has := m.variables[name]; !has {
			return nil, fmt.Errorf("%s has no variable %s", m.folder, name)
		}
	}
	for name, v := range m.variables {
		value, has := given[name]
		switch {
		case has:
			var err error
			if value, err = convert.Convert(value, v.kind); err != nil {
				return nil, fmt.Errorf("variable %s of %s: %w", name, m.folder, err)
			}
		case v.value != cty.NilVal:
			value = v.value
		default:
			return nil, fmt.Errorf("variable %s of %s is not set", name, m.folder)
		}
		values[name] = value
	}
	return values, m.validate(values)
}

func (m *module) validate(values map[string]cty.Value) error {
	scope := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(values)}, Functions: functions()}
	for _, name := range slices.Sorted(mapsKeys(m.variables)) {
		for i, condition := range m.variables[name].conditions {
			holds, diagnostics := condition.Value(scope)
			if diagnostics.HasErrors() {
				return diagnostics
			}
			if holds.True() {
				continue
			}
			message, diagnostics := m.variables[name].messages[i].Value(scope)
			if diagnostics.HasErrors() {
				return diagnostics
			}
			return fmt.Errorf("variable %s: %s", name, message.AsString())
		}
	}
	return nil
}
