package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/edge"
)

// toldOf are the notices in short, such as "Warning Unreachable gw2".
func toldOf(notices []notice) []string {
	told := []string{}
	for _, n := range notices {
		told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s %s", n.kind, n.reason, n.host)))
	}
	return told
}

func TestEventsTellTransitionsOnce(t *testing.T) {
	t.Parallel()
	later := synced()
	later.changedAt = noon().Add(time.Minute)
	secretGone := failing(edge.Pending, "no Secret")
	secretGone.reason = v1alpha1.ReasonSecretNotFound
	unchanged := synced()
	unchanged.changedAt = time.Time{}
	noEndpoints := synced()
	noEndpoints.problems = append(noEndpoints.problems, problem(v1alpha1.ReasonNoEndpoints, "none"))
	noService := synced()
	noService.problems = append(noService.problems, problem(v1alpha1.ReasonServiceNotFound, "none"))
	conflict := synced()
	conflict.problems = append(conflict.problems, problem(v1alpha1.ReasonBindConflict, "taken"))
	tests := map[string]struct {
		before, after hostRecord
		want          []string
	}{
		"the first change":    {hostRecord{}, synced(), []string{"Normal Synced gw2"}},
		"a change":            {synced(), later, []string{"Normal Synced gw2"}},
		"nothing":             {synced(), synced(), []string{}},
		"a host goes":         {synced(), failing(edge.Unreachable, "x"), []string{"Warning Unreachable gw2"}},
		"a host stays away":   {failing(edge.Unreachable, "x"), failing(edge.Unreachable, "other words"), []string{}},
		"another failure":     {failing(edge.Unreachable, "x"), failing(edge.Unauthorized, "x"), []string{"Warning Unauthorized gw2"}},
		"an untrusted host":   {hostRecord{}, failing(edge.Untrusted, "x"), []string{"Warning Untrusted gw2"}},
		"a rejected file":     {synced(), failing(edge.Rejected, "x"), []string{"Warning Rejected gw2"}},
		"somebody else's":     {hostRecord{}, failing(edge.Refused, "x"), []string{"Warning Refused gw2"}},
		"a host returns":      {failing(edge.Unreachable, "x"), synced(), []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"no Secret":           {synced(), secretGone, []string{"Warning SecretNotFound"}},
		"a Secret again":      {secretGone, synced(), []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"a first look":        {hostRecord{}, unchanged, []string{}},
		"still no Secret":     {secretGone, secretGone, []string{}},
		"no endpoints":        {synced(), noEndpoints, []string{"Warning NoEndpoints"}},
		"no Service any more": {noEndpoints, noService, []string{"Warning ServiceNotFound"}},
		"endpoints again":     {noEndpoints, synced(), []string{}},
		"a bind is taken":     {synced(), conflict, []string{"Warning BindConflict"}},
		"the operator starts": {failing(edge.Untrusted, "x"), hostRecord{}, []string{}},
		"a host is suspended": {synced(), failing(edge.Suspended, "would reload"), []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, synced(), test.before)
			after := summarized(object, synced(), test.after)
			if got := toldOf(noticesOf(object.Status, after, nil)); !slices.Equal(got, test.want) {
				t.Errorf("told %v, want %v", got, test.want)
			}
		})
	}
}

func TestEventAboutAChangeSaysWhatItWasFor(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	after := summarized(object, synced(), hostRecord{})
	notices := noticesOf(object.Status, after, map[string][]string{"gw1": {"frontend web is new", "backend app is new"}})
	if want := "gw1: was changed and runs what the spec says: frontend web is new; backend app is new"; len(notices) != 1 || notices[0].message != want {
		t.Errorf("told %+v, want %q", notices, want)
	}
}

// recorded are the reasons of the events that a recorder was given.
func recorded(recorder *events.FakeRecorder) []string {
	close(recorder.Events)
	var reasons []string
	for line := range recorder.Events {
		// Kind, reason and note.
		reasons = append(reasons, strings.Fields(line)[1])
	}
	return reasons
}

func TestWhatStaysOnHostsIsLoggedBesideItsEvent(t *testing.T) {
	t.Parallel()
	var logged []any
	sink := funcr.NewJSON(func(line string) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		logged = append(logged, fields["reason"], fields["host"], fields["message"])
	}, funcr.Options{})
	recorder := events.NewFakeRecorder(10)
	announce(log.IntoContext(t.Context(), sink), recorder, twoHosts(), []notice{
		{kind: "Normal", reason: v1alpha1.ReasonSynced, host: "gw1"},
		{kind: "Warning", reason: eventLeftBehind, host: "gw2", message: "all of it"}, {kind: "Normal", reason: eventRetained, message: "kept"},
	})
	if want := []any{eventLeftBehind, "gw2", "all of it", eventRetained, "", "kept"}; !slices.Equal(logged, want) {
		t.Errorf("logged %v, want %v", logged, want)
	}
	if got, want := recorded(recorder), []string{v1alpha1.ReasonSynced, eventLeftBehind, eventRetained}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// A turn whose object is not the newest one is repeated; its events would be told twice.
func TestObjectThatIsReleasedInVainTellsNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fails error
		want  []string
	}{
		"released": {nil, []string{eventRetained}},
		"outdated": {apierrors.NewConflict(schema.GroupResource{}, "web", nil), nil},
		"gone":     {apierrors.NewNotFound(schema.GroupResource{}, "web"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := named("shop", "web", uid)
			writes := interceptor.NewClient(fake.NewClientBuilder().WithScheme(newScheme(t)).Build(), interceptor.Funcs{
				Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
					return test.fails
				},
			})
			recorder := events.NewFakeRecorder(10)
			r := &edgeLoadBalancerReconciler{client: writes, recorder: recorder}
			if err := r.release(t.Context(), object, []notice{{kind: "Normal", reason: eventRetained}}); err != nil {
				t.Fatal(err)
			}
			if got := recorded(recorder); !slices.Equal(got, test.want) {
				t.Errorf("told %v, want %v", got, test.want)
			}
		})
	}
}

func TestNotesFitIntoAnEvent(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"short": "all is well", "long": strings.Repeat("x", 5000), "long and not in ASCII": strings.Repeat("é…", 2000),
		"just fits": strings.Repeat("x", noteLimit),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := shortened(message)
			if len(got) > noteLimit || !utf8.ValidString(got) || !strings.HasPrefix(message, strings.TrimSuffix(got, "…")) {
				t.Errorf("%d bytes: %q", len(got), got)
			}
			if len(message) <= noteLimit && got != message {
				t.Errorf("%q was shortened", message)
			}
		})
	}
}
