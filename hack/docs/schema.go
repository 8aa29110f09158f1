package main

import (
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// duration is the pattern of a duration, whose limits a rule has.
const duration = `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`

// named are patterns that have a name.
var named = map[string]string{
	`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`:                                   "a DNS label: lower-case letters, digits and hyphens",
	`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`: "a name in the form of DNS: lower-case letters, digits, hyphens and dots",
}

func typeOf(schema apiextensionsv1.JSONSchemaProps) string {
	switch {
	case schema.Pattern == duration:
		return "duration, such as `10s` or `1h30m`"
	case schema.XIntOrString:
		return "integer or string"
	case schema.Format == "date-time":
		return "time"
	case schema.Items != nil && hasFields(schema):
		return "list of objects"
	case schema.Items != nil:
		return "list of " + plural(typeOf(*schema.Items.Schema))
	case schema.AdditionalProperties != nil:
		return "map of strings"
	default:
		return schema.Type
	}
}

func plural(kind string) string { return kind + "s" }

// constraints are what the API server checks of a field, one sentence each.
func constraints(schema apiextensionsv1.JSONSchemaProps) []string {
	all := valueConstraints(schema)
	all = append(all, sizes(schema)...)
	if schema.XListType != nil && *schema.XListType == "set" {
		all = append(all, "no entry twice")
	}
	if len(schema.XListMapKeys) > 0 {
		all = append(all, "no two entries with the same `"+strings.Join(schema.XListMapKeys, "` and `")+"`")
	}
	for _, rule := range schema.XValidations {
		if schema.Properties == nil {
			all = append(all, prose(rule.Message, nil))
		}
	}
	if schema.Items != nil && !hasFields(schema) {
		for _, each := range constraints(*schema.Items.Schema) {
			all = append(all, "each entry: "+each)
		}
	}
	return all
}

func valueConstraints(schema apiextensionsv1.JSONSchemaProps) []string {
	var all []string
	if len(schema.Enum) > 0 {
		all = append(all, "one of `"+strings.Join(enumOf(schema), "`, `")+"`")
	}
	if schema.Pattern != "" && schema.Pattern != duration {
		said, found := named[schema.Pattern]
		if !found {
			said = "matches `" + schema.Pattern + "`"
		}
		all = append(all, said)
	}
	switch {
	case schema.Minimum != nil && schema.Maximum != nil:
		all = append(all, fmt.Sprintf("from %.0f to %.0f", *schema.Minimum, *schema.Maximum))
	case schema.Minimum != nil:
		all = append(all, fmt.Sprintf("at least %.0f", *schema.Minimum))
	}
	return all
}

func sizes(schema apiextensionsv1.JSONSchemaProps) []string {
	var all []string
	if schema.MinItems != nil {
		all = append(all, fmt.Sprintf("at least %d", *schema.MinItems))
	}
	if schema.MaxItems != nil {
		all = append(all, fmt.Sprintf("at most %d", *schema.MaxItems))
	}
	if schema.MaxLength != nil && schema.Pattern != duration {
		all = append(all, fmt.Sprintf("at most %d characters", *schema.MaxLength))
	}
	if schema.MaxProperties != nil {
		all = append(all, fmt.Sprintf("at most %d labels", *schema.MaxProperties))
	}
	return all
}

func enumOf(schema apiextensionsv1.JSONSchemaProps) []string {
	var all []string
	for _, value := range schema.Enum {
		all = append(all, strings.Trim(string(value.Raw), `"`))
	}
	return all
}
