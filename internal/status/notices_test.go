package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/record"
)

// toldOf are the notices in short, such as "Warning Unreachable gw2".
func toldOf(notices []Notice) []string {
	told := []string{}
	for _, n := range notices {
		told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s %s", n.Kind, n.Reason, n.Host)))
	}
	return told
}

func TestEventsTellTransitionsOnce(t *testing.T) {
	t.Parallel()
	later := synced()
	later.ChangedAt = noon().Add(time.Minute)
	secretGone := failing(edge.Pending, "no Secret")
	secretGone.Reason = v1alpha1.ReasonSecretNotFound
	unchanged := synced()
	unchanged.ChangedAt = time.Time{}
	noEndpoints := synced()
	noEndpoints.Problems = append(noEndpoints.Problems, problem(v1alpha1.ReasonNoEndpoints, "none"))
	noService := synced()
	noService.Problems = append(noService.Problems, problem(v1alpha1.ReasonServiceNotFound, "none"))
	conflict := synced()
	conflict.Problems = append(conflict.Problems, problem(v1alpha1.ReasonBindConflict, "taken"))
	tests := map[string]struct {
		before, after record.Host
		want          []string
	}{
		"the first change":    {record.Host{}, synced(), []string{"Normal Synced gw2"}},
		"a change":            {synced(), later, []string{"Normal Synced gw2"}},
		"nothing":             {synced(), synced(), []string{}},
		"a host goes":         {synced(), failing(edge.Unreachable, "x"), []string{"Warning Unreachable gw2"}},
		"a host stays away":   {failing(edge.Unreachable, "x"), failing(edge.Unreachable, "other words"), []string{}},
		"another failure":     {failing(edge.Unreachable, "x"), failing(edge.Unauthorized, "x"), []string{"Warning Unauthorized gw2"}},
		"an untrusted host":   {record.Host{}, failing(edge.Untrusted, "x"), []string{"Warning Untrusted gw2"}},
		"a rejected file":     {synced(), failing(edge.Rejected, "x"), []string{"Warning Rejected gw2"}},
		"somebody else's":     {record.Host{}, failing(edge.Refused, "x"), []string{"Warning Refused gw2"}},
		"a host returns":      {failing(edge.Unreachable, "x"), synced(), []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"no Secret":           {synced(), secretGone, []string{"Warning SecretNotFound"}},
		"a Secret again":      {secretGone, synced(), []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"a first look":        {record.Host{}, unchanged, []string{}},
		"still no Secret":     {secretGone, secretGone, []string{}},
		"no endpoints":        {synced(), noEndpoints, []string{"Warning NoEndpoints"}},
		"no Service any more": {noEndpoints, noService, []string{"Warning ServiceNotFound"}},
		"endpoints again":     {noEndpoints, synced(), []string{}},
		"a bind is taken":     {synced(), conflict, []string{"Warning BindConflict"}},
		"the operator starts": {failing(edge.Untrusted, "x"), record.Host{}, []string{}},
		"a host is suspended": {synced(), failing(edge.Suspended, "would reload"), []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, synced(), test.before)
			after := summarized(object, synced(), test.after)
			if got := toldOf(NoticesOf(object.Status, after, nil)); !slices.Equal(got, test.want) {
				t.Errorf("told %v, want %v", got, test.want)
			}
		})
	}
}

func TestEventAboutAChangeSaysWhatItWasFor(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	after := summarized(object, synced(), record.Host{})
	notices := NoticesOf(object.Status, after, map[string][]string{"gw1": {"frontend web is new", "backend app is new"}})
	if want := "gw1: was changed and runs what the spec says: frontend web is new; backend app is new"; len(notices) != 1 || notices[0].Message != want {
		t.Errorf("told %+v, want %q", notices, want)
	}
}
