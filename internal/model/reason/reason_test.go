package reason

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/constants"
	"github.com/edgelb/edgelb/internal/model"
)

func TestEveryStateAndReasonOfTheAPIIsInTheTableOnce(t *testing.T) {
	t.Parallel()
	const api = "../../../api/v1alpha1/status_types.go"
	states, reasons := constants.Of(t, api, "Host"), constants.Of(t, api, "Reason")
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
		if !slices.Contains([]string{accepted, hosts, available, healthy, held}, kind.Condition) || !kind.IsOf(kind.Condition) {
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

func TestEveryStateAndReasonSaysItsCauseAndWhatToDo(t *testing.T) {
	t.Parallel()
	sentence := regexp.MustCompile("^[A-Z`].*\\.$")
	for _, kind := range kinds {
		if help := HelpOf[kind.Name]; !sentence.MatchString(help.Cause) || !sentence.MatchString(help.Remedy) {
			t.Errorf("%s: cause %q, remedy %q: want a sentence for each", kind.Name, help.Cause, help.Remedy)
		}
	}
	for name := range HelpOf {
		if Of(name).Name == "" {
			t.Errorf("there is help for %s, which is not in the table", name)
		}
	}
}

func TestEveryConditionOfTheAPIIsDescribedOnce(t *testing.T) {
	t.Parallel()
	var described []string
	for _, condition := range Conditions {
		described = append(described, condition.Type)
	}
	want := constants.Of(t, "../../../api/v1alpha1/status_types.go", "Condition")
	slices.Sort(want)
	slices.Sort(described)
	if !slices.Equal(described, want) {
		t.Errorf("described are %q, want %q", described, want)
	}
}
