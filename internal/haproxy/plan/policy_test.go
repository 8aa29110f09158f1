package plan_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/host/hold"

	"github.com/edgelb/edgelb/internal/haproxy/plan"
)

func TestAPlanIsHeldWhereThePolicyForbidsIt(t *testing.T) {
	t.Parallel()
	one := want(t, server("a", "10.0.0.1"))
	right := hostWith(t, one)
	proved := func(o plan.Observed) plan.Observed { o.Previous.Proved = one.File.Whole; return o }
	edited := change(right, func(o *plan.Observed) { o.File.SHA256, o.File.SettingsSHA256, o.Running.Same = "x", "x", true })
	foreign := plan.Observed{File: plan.File{Exists: true, SHA256: "x"}, Running: plan.Running{Alive: true, Answers: true}}
	suspend, report := hold.Policy{Suspend: true}, hold.Policy{ReportDrift: true}
	for name, test := range map[string]struct {
		observed plan.Observed
		policy   hold.Policy
		action   plan.Action
		want     hold.Hold
	}{
		"a change":                                                    {observed: edited, action: plan.Rewrite, want: hold.None},
		"a change of a suspended host":                                {observed: edited, policy: suspend, action: plan.Rewrite, want: hold.Suspended},
		"nothing to do on a suspended host":                           {observed: right, policy: suspend, action: plan.NoOp, want: hold.Suspended},
		"somebody else's file on a suspended host":                    {observed: foreign, policy: suspend, action: plan.Refuse, want: hold.None},
		"drift is repaired":                                           {observed: proved(edited), action: plan.Rewrite, want: hold.None},
		"drift is reported":                                           {observed: proved(edited), policy: report, action: plan.Rewrite, want: hold.Drift},
		"drift of a suspended host":                                   {observed: proved(edited), policy: hold.Policy{Suspend: true, ReportDrift: true}, action: plan.Rewrite, want: hold.Suspended},
		"a change of the spec where drift is not repaired":            {observed: edited, policy: report, action: plan.Rewrite, want: hold.None},
		"nothing to do where drift is not repaired":                   {observed: proved(right), policy: report, action: plan.NoOp, want: hold.None},
		"somebody else's file where drift is not repaired":            {observed: proved(foreign), policy: report, action: plan.Refuse, want: hold.None},
		"somebody else's file that is adopted":                        {observed: foreign, policy: hold.Policy{Adopt: true}, action: plan.Reload, want: hold.None},
		"somebody else's file that is adopted once nothing suspends":  {observed: foreign, policy: hold.Policy{Adopt: true, Suspend: true}, action: plan.Reload, want: hold.Suspended},
		"somebody else's file where that is drift, and it is adopted": {observed: proved(foreign), policy: hold.Policy{Adopt: true, ReportDrift: true}, action: plan.Reload, want: hold.Drift},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wanted := one
			wanted.Policy = test.policy

			got := plan.Compute(test.observed, wanted)

			if got.Action != test.action || got.Hold != test.want {
				t.Errorf("got %s, held by %q; want %s, held by %q: %q", got.Action, got.Hold, test.action, test.want, got.Reasons)
			}
		})
	}
}

func TestOnlyWhatSomebodyElseMustHaveDoneIsDrift(t *testing.T) {
	t.Parallel()
	a, b := server("a", "10.0.0.1"), server("b", "10.0.0.2")
	older, newer := want(t, a), want(t, a, b)
	// The host was proved to run newer. In the rows, it has something else.
	right := hostWith(t, newer)
	serversOf := func(o plan.Observed, w plan.Wanted) plan.Observed {
		o.Running.Servers = hostWith(t, w).Running.Servers
		return o
	}
	fileOf := func(o plan.Observed, w plan.Wanted) plan.Observed { o.File = hostWith(t, w).File; return o }
	left := func(o plan.Observed, p plan.Previous) plan.Observed {
		p.Proved = newer.File.Whole
		o.Previous = p
		return o
	}
	same := func(o plan.Observed) plan.Observed { o.Running.Same = true; return o }
	for name, test := range map[string]struct {
		observed plan.Observed
		want     bool
	}{
		"nothing differs":                                      {left(right, plan.Previous{}), false},
		"a server was removed by hand":                         {left(serversOf(right, older), plan.Previous{FileSHA256: right.File.SHA256}), true},
		"a server was removed, and nothing is proved":          {serversOf(right, older), false},
		"another configuration was proved":                     {change(serversOf(right, older), func(o *plan.Observed) { o.Previous.Proved = "x" }), false},
		"a server is away after a change without an end":       {left(serversOf(right, older), plan.Previous{Begun: true}), false},
		"the file is edgelb's previous one, after a restart":   {left(fileOf(right, older), plan.Previous{}), false},
		"the file is the stale one that edgelb wrote":          {left(fileOf(right, older), plan.Previous{FileSHA256: older.File.SHA256(), StaleFile: true}), false},
		"the file is an older one than edgelb wrote":           {left(fileOf(right, older), plan.Previous{FileSHA256: newer.File.SHA256()}), true},
		"the file is edgelb's, with an edited line":            {left(same(change(right, func(o *plan.Observed) { o.File.SHA256, o.File.SettingsSHA256 = "x", "x" })), plan.Previous{}), true},
		"only its comments differ, after an upgrade of edgelb": {left(change(right, func(o *plan.Observed) { o.File.SHA256 = "x" }), plan.Previous{}), false},
		"only its comments differ, and edgelb wrote others":    {left(change(right, func(o *plan.Observed) { o.File.SHA256 = "x" }), plan.Previous{FileSHA256: right.File.SHA256}), true},
		"the file is not edgelb's":                             {left(change(right, func(o *plan.Observed) { o.File = plan.File{Exists: true, Pristine: true, SHA256: "x"} }), plan.Previous{}), true},
		"HAProxy was restarted from the stale file":            {left(serversOf(fileOf(right, older), older), plan.Previous{FileSHA256: older.File.SHA256(), StaleFile: true}), false},
		"a server was removed by hand while the file is stale": {left(same(serversOf(fileOf(right, older), older)), plan.Previous{FileSHA256: older.File.SHA256(), StaleFile: true}), true},
		"HAProxy was restarted from a file of another":         {left(serversOf(fileOf(right, older), older), plan.Previous{FileSHA256: newer.File.SHA256(), StaleFile: true}), true},
		"HAProxy was restarted, and the file is not stale":     {left(serversOf(right, older), plan.Previous{FileSHA256: right.File.SHA256}), true},
		"HAProxy was stopped":                                  {left(change(right, func(o *plan.Observed) { o.Running = plan.Running{} }), plan.Previous{}), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := plan.Compute(test.observed, newer)
			if (len(got.Drift) > 0) != test.want {
				t.Errorf("drift %q of a plan to %s: %q, want drift: %t", got.Drift, got.Action, got.Reasons, test.want)
			}
			if test.want && !slices.Equal(got.Drift, got.Reasons) {
				t.Errorf("drift %q, and the reasons are %q", got.Drift, got.Reasons)
			}
		})
	}
}

func TestAPlanEscalatesToAReloadThatKeepsEverythingElse(t *testing.T) {
	t.Parallel()
	one := want(t, server("a", "10.0.0.1"))
	observed := hostWith(t, one)
	observed.Previous.Proved = one.File.Whole
	observed.Running.Servers = nil
	p := plan.Compute(observed, one)
	before := plan.Compute(observed, one)

	got := p.Escalate("HAProxy refused a command")

	want := before
	want.Action, want.Rounds, want.Reasons = plan.Reload, nil, append(slices.Clone(before.Reasons), "HAProxy refused a command")
	if before.Action != plan.Runtime || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !reflect.DeepEqual(p, before) {
		t.Errorf("the plan was changed: %+v", p)
	}
}
