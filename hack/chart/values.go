package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is a value of the chart: its path, what it is, and its default. A value without a default has those below it.
type value struct {
	name, description string
	standard          *yaml.Node
	below             []value
}

// parse returns the values of a JSON schema, in its order.
func parse(schema []byte) ([]value, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(schema, &document); err != nil {
		return nil, err
	}
	if len(document.Content) != 1 {
		return nil, errors.New("it is empty")
	}
	return properties(document.Content[0])
}

func properties(schema *yaml.Node) ([]value, error) {
	var all []value
	named := field(schema, "properties")
	for i := 0; named != nil && i < len(named.Content); i += 2 {
		name, schema := named.Content[i].Value, named.Content[i+1]
		v := value{name: name, standard: field(schema, "default")}
		if description := field(schema, "description"); description != nil {
			v.description = description.Value
		}
		if v.standard == nil {
			var err error
			if v.below, err = properties(schema); err != nil {
				return nil, fmt.Errorf("%s.%w", name, err)
			}
		}
		switch {
		case v.standard != nil && v.description == "":
			return nil, fmt.Errorf("%s has no description: write one", name)
		case v.standard == nil && len(v.below) == 0:
			// Nothing that a user of this chart sets.
			continue
		}
		all = append(all, v)
	}
	return all, nil
}

// field returns the value of a key of a mapping, or nil.
func field(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// valuesFile returns values.yaml.
func valuesFile(all []value) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString("# The defaults of all values. Generated from values.schema.json by `make manifests`.\n")
	for _, v := range all {
		text.WriteString("\n")
		encoder := yaml.NewEncoder(&text)
		encoder.SetIndent(2)
		if err := encoder.Encode(mappingOf([]value{v})); err != nil {
			return nil, fmt.Errorf("values.yaml: %s: %w", v.name, err)
		}
	}
	return text.Bytes(), nil
}

func mappingOf(all []value) *yaml.Node {
	mapping := &yaml.Node{Kind: yaml.MappingNode}
	for _, v := range all {
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: v.name, HeadComment: wrap(v.description)}
		content := v.standard
		if content == nil {
			content = mappingOf(v.below)
		} else {
			inBlocks(content)
		}
		mapping.Content = append(mapping.Content, key, content)
	}
	return mapping
}

// inBlocks writes JSON as YAML is usually written.
func inBlocks(node *yaml.Node) {
	if len(node.Content) > 0 || node.Tag == "!!str" && node.Value != "" {
		node.Style = 0
	}
	for _, below := range node.Content {
		inBlocks(below)
	}
}

// width is how long a line of a comment is at most.
const width = 110

func wrap(text string) string {
	var lines []string
	for word := range strings.FieldsSeq(text) {
		if last := len(lines) - 1; last >= 0 && len(lines[last])+1+len(word) <= width {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return strings.Join(lines, "\n")
}

// table returns the rows of the README's table.
func table(all []value) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString("| value | default | what it is |\n| --- | --- | --- |\n")
	err := addRows(&text, "", all)
	return text.Bytes(), err
}

func addRows(text *bytes.Buffer, path string, all []value) error {
	for _, v := range all {
		name := path + v.name
		if v.standard == nil {
			if err := addRows(text, name+".", v.below); err != nil {
				return err
			}
			continue
		}
		standard, err := inline(v.standard)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(text, "| `%s` | `%s` | %s |\n", name, standard, strings.ReplaceAll(v.description, "|", `\|`))
	}
	return nil
}

// inline returns YAML in one line.
func inline(node *yaml.Node) (string, error) {
	flow := *node
	flow.Style |= yaml.FlowStyle
	out, err := yaml.Marshal(&flow)
	return strings.Join(strings.Fields(string(out)), " "), err
}
