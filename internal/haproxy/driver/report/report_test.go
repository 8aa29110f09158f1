package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/model"
)

func TestARefusalSaysWhatToDo(t *testing.T) {
	t.Parallel()
	const path = "/etc/haproxy/haproxy.cfg"
	for name, test := range map[string]struct {
		plan    plan.Plan
		noAdopt string
		want    []string
		not     string
	}{
		"somebody else's file":         {plan.Plan{Reasons: []string{"it is theirs"}}, "", []string{path + " is left alone: it is theirs", "adopt: true", path + ".before-edgelb"}, ""},
		"a policy forbids to adopt it": {plan.Plan{Reasons: []string{"it is theirs"}}, "a policy forbids adopt", []string{"a policy forbids adopt"}, "adopt: true"},
		"a machine with two names":     {plan.Plan{Duplicate: true, Reasons: []string{"it is kept as b"}}, "a policy forbids adopt", []string{"by one address and port"}, "adopt"},
	} {
		got := Refused(test.plan, path, test.noAdopt)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", name, got, want)
			}
		}
		if test.not != "" && strings.Contains(got, test.not) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAHeldHostProvesNothingUnlessItIsAsWanted(t *testing.T) {
	t.Parallel()
	proved := model.Outcome{State: model.Synced, Fingerprint: "abc", Message: "a note"}
	if got := Suspended(proved, plan.Plan{Action: plan.NoOp}); got.State != model.Suspended || got.Fingerprint != "abc" || got.Message != "a note" {
		t.Errorf("as wanted: %+v", got)
	}
	got := Suspended(proved, plan.Plan{Action: plan.Reload, Reasons: []string{"settings changed"}})
	if got.State != model.Suspended || got.Fingerprint != "" || got.Message != "suspended; would reload: settings changed" {
		t.Errorf("a change: %+v", got)
	}
	drifted := Drifted(proved, []string{"1", "2", "3", "4", "5", "6", "7"})
	if drifted.State != model.Drifted || drifted.Fingerprint != "" || len(drifted.Drift) != 7 || !strings.Contains(drifted.Message, "driftPolicy: Repair") {
		t.Errorf("drift: %+v", drifted)
	}
	if strings.Contains(drifted.Message, "7;") || !slices.Contains(drifted.Drift, "7") {
		t.Errorf("the message is %q", drifted.Message)
	}
}

func TestAnIncompleteObservationSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"": "cannot be inspected",
		"config /etc/haproxy/haproxy.cfg\nexists yes\n":          "edgelb cannot read /etc/haproxy/haproxy.cfg",
		"config /etc/haproxy/haproxy.cfg\nprocesseshidden yes\n": "hidepid",
	} {
		if err := Unobserved(facts.ParseFacts([]byte(output), "/etc/haproxy/haproxy.cfg"), "edgelb", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %q", output, err, want)
		}
	}
	if err := Unobserved(facts.ParseFacts([]byte("config /etc/haproxy/haproxy.cfg\n"), "/etc/haproxy/haproxy.cfg"), "edgelb", nil); err != nil {
		t.Errorf("a complete one: %v", err)
	}
}
