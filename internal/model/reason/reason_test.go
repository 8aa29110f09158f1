package reason

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// constantsOf returns the string constants of a Go file whose names have the prefix.
func constantsOf(t *testing.T, path, prefix string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, prefix) && len(spec.Values) == 1 {
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, _ := strconv.Unquote(literal.Value)
				values = append(values, value)
			}
		}
		return true
	})
	if len(values) < 5 {
		t.Fatalf("%s has the constants %q", path, values)
	}
	return values
}

func TestEveryStateAndReasonOfTheAPIIsInTheTableOnce(t *testing.T) {
	t.Parallel()
	const api = "../../../api/v1alpha1/status_types.go"
	states, reasons := constantsOf(t, api, "Host"), constantsOf(t, api, "Reason")
	seen := map[string]bool{}
	for _, kind := range kinds {
		if seen[kind.Name] {
			t.Errorf("%s is listed twice", kind.Name)
		}
		seen[kind.Name] = true
		if !slices.Contains(slices.Concat(states, reasons), kind.Name) {
			t.Errorf("%s is no reason or state of the API", kind.Name)
		}
		if kind.State != slices.Contains(states, kind.Name) {
			t.Errorf("%s: State is %t", kind.Name, kind.State)
		}
	}
	for _, name := range slices.Concat(states, reasons) {
		if !seen[name] {
			t.Errorf("%s is not in the table: add a line that says who must act, and what is reported", name)
		}
	}
	if got := States(); len(got) != len(states) {
		t.Errorf("got the states %q, want %q", got, states)
	}
}

func TestEveryStateSaysWhenTheHostIsRetried(t *testing.T) {
	t.Parallel()
	for _, state := range States() {
		if retry := Of(state).Retry; retry.First <= 0 || retry.Longest < retry.First || retry.Longest > 5*time.Minute {
			t.Errorf("%s: %+v", state, retry)
		}
	}
}

func TestEveryReasonIsOfACondition(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		if !slices.Contains([]string{accepted, hosts, available, healthy}, kind.Condition) || !kind.IsOf(kind.Condition) {
			t.Errorf("%s is of the condition %q", kind.Name, kind.Condition)
		}
		if kind.Event == OfHost && !kind.State {
			t.Errorf("%s is reported for each host and is no state of a host", kind.Name)
		}
	}
	if !Of(v1alpha1.ReasonProgressing).IsOf(available) || Of(v1alpha1.ReasonNoEndpoints).IsOf(accepted) {
		t.Error("Progressing applies to targets, and a missing target is no matter of the spec")
	}
}

func TestAHostFailsUnlessItMatchesTheSpec(t *testing.T) {
	t.Parallel()
	for state, want := range map[model.State][2]bool{
		model.Synced: {false, false}, model.Suspended: {false, true}, model.Drifted: {false, true},
		model.Unreachable: {true, false}, model.Pending: {true, false}, "": {true, false},
	} {
		if kind := Of(state); kind.Failed() != want[0] || kind.IsWatched() != want[1] {
			t.Errorf("%q: failed %t, watched %t", state, kind.Failed(), kind.IsWatched())
		}
	}
}

func TestBackoffDoublesUpToItsLongest(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second} {
		if got := away.After(failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
}
