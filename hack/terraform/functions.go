package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are those of Terraform's functions that the examples use. Most are the ones that Terraform itself has.
func functions() map[string]function.Function {
	return map[string]function.Function{
		"can": tryfunc.CanFunc, "try": tryfunc.TryFunc, "yamlencode": yaml.YAMLEncodeFunc,
		"coalesce": stdlib.CoalesceFunc, "concat": stdlib.ConcatFunc, "distinct": stdlib.DistinctFunc, "flatten": stdlib.FlattenFunc,
		"join": stdlib.JoinFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "regex": stdlib.RegexFunc,
		"setproduct": stdlib.SetProductFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "trimspace": stdlib.TrimSpaceFunc,
		"values": stdlib.ValuesFunc, "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"file":        ofStrings(func(in ...string) (string, error) { text, err := os.ReadFile(in[0]); return string(text), err }, "path"),
		"base64gzip":  ofStrings(func(in ...string) (string, error) { return base64gzip(in[0]) }, "text"),
		"cidrhost":    function.New(&function.Spec{Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "number", Type: cty.Number}}, Type: function.StaticReturnType(cty.String), Impl: cidrhost}),
		"strcontains": function.New(&function.Spec{Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "part", Type: cty.String}}, Type: function.StaticReturnType(cty.Bool), Impl: strcontains}),
		"alltrue":     function.New(&function.Spec{Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}}, Type: function.StaticReturnType(cty.Bool), Impl: alltrue}),
		"one":         function.New(&function.Spec{Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}}, Type: oneType, Impl: one}),
	}
}

func ofStrings(do func(...string) (string, error), name string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: name, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := do(args[0].AsString())
			return cty.StringVal(text), err
		},
	})
}

func base64gzip(text string) (string, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(text)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes()), nil
}

// cidrhost knows the number 0 only: the network itself.
func cidrhost(args []cty.Value, _ cty.Type) (cty.Value, error) {
	prefix, err := netip.ParsePrefix(args[0].AsString())
	if err != nil || !args[1].RawEquals(cty.Zero) {
		return cty.NilVal, fmt.Errorf("cidrhost of %s: %w, or its number is not 0", args[0].AsString(), err)
	}
	return cty.StringVal(prefix.Masked().Addr().String()), nil
}

func strcontains(args []cty.Value, _ cty.Type) (cty.Value, error) {
	return cty.BoolVal(strings.Contains(args[0].AsString(), args[1].AsString())), nil
}

func alltrue(args []cty.Value, _ cty.Type) (cty.Value, error) {
	for it := args[0].ElementIterator(); it.Next(); {
		if _, value := it.Element(); value.False() {
			return cty.False, nil
		}
	}
	return cty.True, nil
}

func oneType(args []cty.Value) (cty.Type, error) {
	switch args[0].LengthInt() {
	case 0:
		return cty.DynamicPseudoType, nil
	case 1:
		return args[0].AsValueSlice()[0].Type(), nil
	default:
		return cty.NilType, fmt.Errorf("one: there are %d", args[0].LengthInt())
	}
}

func one(args []cty.Value, kind cty.Type) (cty.Value, error) {
	if args[0].LengthInt() == 0 {
		return cty.NullVal(kind), nil
	}
	return args[0].AsValueSlice()[0], nil
}
