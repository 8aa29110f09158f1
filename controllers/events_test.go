package controllers

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
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
	"github.com/edgelb/edgelb/internal/status"
)

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
	announce(log.IntoContext(t.Context(), sink), recorder, twoHosts(), []status.Notice{
		{Kind: "Normal", Reason: v1alpha1.ReasonSynced, Host: "gw1"},
		{Kind: "Warning", Reason: status.EventLeftBehind, Host: "gw2", Message: "all of it"}, {Kind: "Normal", Reason: status.EventRetained, Message: "kept"},
	})
	if want := []any{status.EventLeftBehind, "gw2", "all of it", status.EventRetained, "", "kept"}; !slices.Equal(logged, want) {
		t.Errorf("logged %v, want %v", logged, want)
	}
	if got, want := recorded(recorder), []string{v1alpha1.ReasonSynced, status.EventLeftBehind, status.EventRetained}; !slices.Equal(got, want) {
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
		"released": {nil, []string{status.EventRetained}},
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
			if err := r.release(t.Context(), object, []status.Notice{{Kind: "Normal", Reason: status.EventRetained}}); err != nil {
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
