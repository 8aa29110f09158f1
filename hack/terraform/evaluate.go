package main

import (
	"fmt"
	"iter"
	"maps"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

func mapsKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// applied is what providers know once resources were made: an object for each type of resource, and below it one for each resource of
// that type. For module calls, there is one such object for each instance, by the call's name and the instance's key.
type applied struct {
	Resources map[string]cty.Value
	Data      map[string]cty.Value
	Modules   map[string]map[string]applied
}

// evaluation computes the values of a module.
type evaluation struct {
	*module
	scope *hcl.EvalContext
	known applied
	// running are the locals that are being computed.
	running map[string]bool
	locals  map[string]cty.Value
	modules map[string]cty.Value
}

// start begins an evaluation with these variables, after the resources were made.
func (m *module) start(given map[string]cty.Value, known applied) (*evaluation, error) {
	variables, err := m.take(given)
	if err != nil {
		return nil, err
	}
	e := &evaluation{module: m, known: known, running: map[string]bool{}, locals: map[string]cty.Value{}, modules: map[string]cty.Value{}}
	e.scope = &hcl.EvalContext{Functions: functions(), Variables: map[string]cty.Value{
		"var": cty.ObjectVal(variables), "path": cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(m.folder)}),
		"data": cty.ObjectVal(orEmpty(known.Data)),
	}}
	maps.Copy(e.scope.Variables, known.Resources)
	return e, nil
}

// run returns the outputs of a module with these variables, after the resources were made.
func (m *module) run(given map[string]cty.Value, known applied) (map[string]cty.Value, error) {
	e, err := m.start(given, known)
	if err != nil {
		return nil, err
	}
	outputs := map[string]cty.Value{}
	for name, expression := range m.outputs {
		if outputs[name], err = e.value(expression); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

func orEmpty(values map[string]cty.Value) map[string]cty.Value {
	if values == nil {
		return map[string]cty.Value{}
	}
	return values
}

// value computes an expression, and before it the locals and the module calls that it refers to.
func (e *evaluation) value(expression hcl.Expression) (cty.Value, error) {
	for _, reference := range expression.Variables() {
		if len(reference) < 2 {
			continue
		}
		attribute, is := reference[1].(hcl.TraverseAttr)
		if !is {
			continue
		}
		var err error
		switch reference.RootName() {
		case "local":
			err = e.computeLocal(attribute.Name)
		case "module":
			err = e.computeCall(attribute.Name)
		}
		if err != nil {
			return cty.NilVal, err
		}
	}
	value, diagnostics := expression.Value(e.scope)
	if diagnostics.HasErrors() {
		return cty.NilVal, diagnostics
	}
	return value, nil
}

func (e *evaluation) computeLocal(name string) error {
	if _, done := e.locals[name]; done {
		return nil
	}
	expression, has := e.module.locals[name]
	if !has || e.running[name] {
		return fmt.Errorf("local.%s of %s is not there, or refers to itself", name, e.folder)
	}
	e.running[name] = true
	value, err := e.value(expression)
	if err != nil {
		return err
	}
	e.locals[name] = value
	e.scope.Variables["local"] = cty.ObjectVal(e.locals)
	return nil
}

func (e *evaluation) computeCall(name string) error {
	if _, done := e.modules[name]; done {
		return nil
	}
	of, has := e.calls[name]
	if !has {
		return fmt.Errorf("%s has no module %s", e.folder, name)
	}
	called, err := load(filepath.Join(e.folder, of.source))
	if err != nil {
		return err
	}
	each, err := e.value(of.forEach)
	if err != nil {
		return err
	}
	instances := map[string]cty.Value{}
	for it := each.ElementIterator(); it.Next(); {
		key, value := it.Element()
		outputs, err := e.runInstance(of, called, name, key, value)
		if err != nil {
			return fmt.Errorf("module %s[%q]: %w", name, key.AsString(), err)
		}
		instances[key.AsString()] = cty.ObjectVal(outputs)
	}
	e.modules[name] = cty.ObjectVal(instances)
	e.scope.Variables["module"] = cty.ObjectVal(e.modules)
	return nil
}

func (e *evaluation) runInstance(of call, called *module, name string, key, value cty.Value) (map[string]cty.Value, error) {
	if value.Type() == cty.String && !key.RawEquals(value) && key.Type() == cty.String {
		key = value
	}
	outside := e.scope.Variables["each"]
	e.scope.Variables["each"] = cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})
	given := map[string]cty.Value{}
	for argument, expression := range of.arguments {
		var err error
		if given[argument], err = e.value(expression); err != nil {
			return nil, err
		}
	}
	delete(e.scope.Variables, "each")
	if outside != cty.NilVal {
		e.scope.Variables["each"] = outside
	}
	return called.run(given, e.known.Modules[name][key.AsString()])
}
