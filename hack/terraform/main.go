// Terraform evaluates a module of examples/terraform as Terraform does after it has made the resources: the values that providers give
// them are read from stdin, and the outputs are written to stdout. Terraform itself cannot be built in the time that a test has.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: terraform FOLDER <VALUES >OUTPUTS")
		os.Exit(2)
	}
	if err := evaluate(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// input is what is known of a module from elsewhere.
type input struct {
	Variables map[string]json.RawMessage `json:"variables"`
	given
}

// given are the values of resources and data sources, by type and name, and those of called modules, by call and instance.
type given struct {
	Resources map[string]json.RawMessage  `json:"resources"`
	Data      map[string]json.RawMessage  `json:"data"`
	Modules   map[string]map[string]given `json:"modules"`
}

func evaluate(folder string, from io.Reader, to io.Writer) error {
	var in input
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return fmt.Errorf("read the values: %w", err)
	}
	outputs, err := in.outputs(folder)
	if err != nil {
		return err
	}
	texts := map[string]json.RawMessage{}
	for name, value := range outputs {
		if texts[name], err = ctyjson.Marshal(value, value.Type()); err != nil {
			return err
		}
	}
	return json.NewEncoder(to).Encode(texts)
}

func (in input) outputs(folder string) (map[string]cty.Value, error) {
	m, err := load(folder)
	if err != nil {
		return nil, err
	}
	variables, err := decode(in.Variables)
	if err != nil {
		return nil, err
	}
	known, err := in.decode()
	if err != nil {
		return nil, err
	}
	return m.run(variables, known)
}

func (g given) decode() (applied, error) {
	known := applied{Modules: map[string]map[string]applied{}}
	var err error
	if known.Resources, err = decode(g.Resources); err != nil {
		return known, err
	}
	if known.Data, err = decode(g.Data); err != nil {
		return known, err
	}
	for name, instances := range g.Modules {
		known.Modules[name] = map[string]applied{}
		for key, of := range instances {
			if known.Modules[name][key], err = of.decode(); err != nil {
				return known, err
			}
		}
	}
	return known, nil
}

func decode(texts map[string]json.RawMessage) (map[string]cty.Value, error) {
	values := map[string]cty.Value{}
	for name, text := range texts {
		kind, err := ctyjson.ImpliedType(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if values[name], err = ctyjson.Unmarshal(text, kind); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return values, nil
}
