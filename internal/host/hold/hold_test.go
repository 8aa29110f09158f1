package hold_test

import (
	"testing"

	"github.com/edgelb/edgelb/internal/host/hold"
)

func TestTheStrictestReasonIsSaid(t *testing.T) {
	t.Parallel()
	all := hold.Policy{Adopt: true, Suspend: true, ReportDrift: true, Keep: true}
	for name, test := range map[string]struct {
		policy            hold.Policy
		drifted, replaces bool
		want              hold.Hold
	}{
		"nothing forbids it":         {hold.Policy{Adopt: true}, true, true, hold.None},
		"everything does":            {all, true, true, hold.Suspended},
		"suspended, nothing else":    {all, false, false, hold.Suspended},
		"drift before the structure": {hold.Policy{ReportDrift: true, Keep: true}, true, true, hold.Drift},
		"no drift":                   {hold.Policy{ReportDrift: true}, false, true, hold.None},
		"another structure":          {hold.Policy{ReportDrift: true, Keep: true}, false, true, hold.Keep},
		"the same structure":         {hold.Policy{Keep: true}, true, false, hold.None},
	} {
		if got := test.policy.Of(test.drifted, test.replaces); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
