package argocd

import (
	"strings"
	"testing"
)

func TestAHealthCheckSeesTheWholeObject(t *testing.T) {
	t.Parallel()
	object := map[string]any{"text": "a", "whole": int64(2), "part": 1.5, "yes": true, "none": nil,
		"list": []any{"b", map[string]any{"c": int64(3)}}}
	const script = `return {status = "Healthy", message = obj.text ..
		 obj.whole .. obj.part .. tostring(obj.yes) .. tostring(obj.none) .. #obj.list .. obj.list[2].c}`
	got, err := HealthOf(script, object)
	if want := (Health{"Healthy", "a21.5truenil23"}); err != nil || got != want {
		t.Errorf("got %+v, want %+v, error %v", got, want, err)
	}
}

func TestAHealthCheckThatArgoCDWouldNotTakeIsAnError(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ script, want string }{
		"no Lua":                      {"hs =", "run the health check: "},
		"an error":                    {"return obj.status.conditions", "run the health check: "},
		"an endless loop":             {"while true do end", "context deadline exceeded"},
		"a library that is not there": {`return {status = string.upper("healthy"), message = ""}`, "run the health check: "},
		"files":                       {`io.open("/etc/passwd")`, "run the health check: "},
		"nothing":                     {"", "returns a nil, want a table"},
		"no status":                   {`return {message = ""}`, "returns the status nil"},
		"no message":                  {`return {status = "Healthy"}`, "returns the message nil"},
		"a status of its own":         {`return {status = "Fine", message = ""}`, `returns the status "Fine"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := HealthOf(test.script, map[string]any{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, error %v, want %q", got, err, test.want)
			}
		})
	}
	for _, object := range []map[string]any{{"a": 1}, {"a": []any{1}}, {"a": map[string]any{"b": struct{}{}}}} {
		if _, err := HealthOf(`return {status = "Healthy", message = ""}`, object); err == nil || !strings.Contains(err.Error(), "no value of an object") {
			t.Errorf("%v: got error %v", object, err)
		}
	}
}
