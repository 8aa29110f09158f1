// Package defaults lists the defaults that the API's Default sets, for the reference and for tests: they are not in the CRD.
package defaults

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// Of has the defaults by their kind and the path of their field, such as spec.targets[].via, as users write them.
var Of = map[string]map[string]string{"EdgeLoadBalancer": ofEdgeLoadBalancer()}

// ofEdgeLoadBalancer compares an object that has one empty entry in each list, before and after Default.
func ofEdgeLoadBalancer() map[string]string {
	object := &v1alpha1.EdgeLoadBalancer{}
	addEntries(reflect.ValueOf(&object.Spec).Elem())
	before := fieldsOf(object.Spec)
	object.Default()
	set := map[string]string{}
	for path, value := range fieldsOf(object.Spec) {
		if _, found := before[path]; !found {
			set[path] = value
		}
	}
	return set
}

// addEntries adds an entry to each list of a struct, and what is optional of it, at every depth.
func addEntries(value reflect.Value) {
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			addEntries(value.Field(i))
		}
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		addEntries(value.Index(0))
	case reflect.Pointer:
		// Any other pointer is to a single value.
		if part := value.Type().Elem(); part.PkgPath() == reflect.TypeFor[v1alpha1.Target]().PkgPath() {
			value.Set(reflect.New(part))
			addEntries(value.Elem())
		}
	}
}

// fieldsOf returns the fields of a spec that are set and have no fields themselves, by their paths.
func fieldsOf(spec v1alpha1.EdgeLoadBalancerSpec) map[string]string {
	text, err := json.Marshal(spec)
	if err != nil {
		panic(err)
	}
	var fields any
	if err := json.Unmarshal(text, &fields); err != nil {
		panic(err)
	}
	found := map[string]string{}
	collect(found, "spec", fields)
	return found
}

func collect(found map[string]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			collect(found, path+"."+name, field)
		}
	case []any:
		collect(found, path+"[]", value[0])
	default:
		found[path] = written(value)
	}
}

// written is a value as users write it: Go prints a duration of 5m as 5m0s.
func written(value any) string {
	text := fmt.Sprint(value)
	if strings.HasSuffix(text, "m0s") {
		return strings.TrimSuffix(text, "0s")
	}
	return text
}
