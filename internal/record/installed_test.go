package record

import (
	"slices"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/model"
)

func TestATaskHasWhatMayBeInstalledForIt(t *testing.T) {
	t.Parallel()
	virtual := virtualips.Virtual{Instances: map[string]string{"shop/web": "web"}}
	for name, test := range map[string]struct {
		host desired.Host
		want []string
	}{
		"nothing may":                      {desired.Host{Virtual: virtual}, nil},
		"HAProxy":                          {desired.Host{Install: true}, []string{"haproxy"}},
		"keepalived for virtual addresses": {desired.Host{Install: true, Virtual: virtual}, []string{"haproxy", "keepalived"}},
	} {
		if got := (&Task{Host: test.host}).Packages(); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestWhatWasInstalledStaysKnownUntilMoreWas(t *testing.T) {
	t.Parallel()
	var known Host
	if known.Packages() != nil {
		t.Error("something is known of a host that was not observed")
	}
	apply := func(outcome model.Outcome) Urgency {
		return known.Apply(Attempt{Task: &Task{}, Outcome: outcome}, noon(), 0)
	}
	apply(model.Outcome{State: model.Installing})
	if got := apply(model.Outcome{State: model.Installing, Installed: []string{"haproxy 1"}}); got != Urgent {
		t.Errorf("what was installed is %v", got)
	}
	apply(model.Outcome{State: model.Unreachable})
	if got := known.Packages(); !slices.Equal(got, []string{"haproxy 1"}) {
		t.Errorf("after a failure it is %q", got)
	}
	known.Virtual.Outcome.Installed = []string{"haproxy 1", "keepalived 2"}
	if got := known.Packages(); len(got) != 2 {
		t.Errorf("with keepalived it is %q", got)
	}
}

func TestAnInstallationIsLookedAfterSoon(t *testing.T) {
	t.Parallel()
	if first, last := waitAfter(model.Outcome{State: model.Installing}, 1, 0), LongestWait(model.Outcome{State: model.Installing}); first > time.Second || last > 5*time.Second {
		t.Errorf("it is looked after within %s, and later within %s", first, last)
	}
}
