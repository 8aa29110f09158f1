package publish

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/status"
)

// recorded returns the reasons of the recorder's events.
func recorded(recorder *events.FakeRecorder) []string {
	close(recorder.Events)
	var reasons []string
	for line := range recorder.Events {
		// Kind, reason and note.
		reasons = append(reasons, strings.Fields(line)[1])
	}
	return reasons
}

func TestWhatStaysOnHostsIsLoggedInAdditionToItsEvent(t *testing.T) {
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
	announce(log.IntoContext(t.Context(), sink), recorder, twoHosts(), []status.Event{
		{Kind: "Normal", Reason: v1alpha1.ReasonSynced, Host: "gw1"},
		{Kind: "Warning", Reason: status.EventLeftBehind, Host: "gw2", Message: "all of it"}, {Kind: "Normal",
			Reason: status.EventRetained, Message: "kept"},
	})
	if want := []any{status.EventLeftBehind, "gw2", "all of it", status.EventRetained, "", "kept"}; !slices.Equal(logged, want) {
		t.Errorf("logged %v, want %v", logged, want)
	}
	if got, want := recorded(recorder), []string{v1alpha1.ReasonSynced, status.EventLeftBehind,
		status.EventRetained}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// A reconciliation of an outdated object is repeated; its events would be reported twice.
func TestAFailedReleaseSendsNoEvents(t *testing.T) {
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
			object := twoHosts()
			object.Finalizers = []string{index.Finalizer}
			writes := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
				Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
					return test.fails
				},
			})
			recorder := events.NewFakeRecorder(10)
			w := New(writes, recorder)
			if err := w.Release(t.Context(), object, []status.Event{{Kind: "Normal", Reason: status.EventRetained}}); err != nil {
				t.Fatal(err)
			}
			if got := recorded(recorder); !slices.Equal(got, test.want) {
				t.Errorf("reported %v, want %v", got, test.want)
			}
		})
	}
}

func TestNotesFitIntoAnEvent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ message, want string }{
		"short":     {"all is well", "all is well"},
		"just fits": {strings.Repeat("x", noteLimit), strings.Repeat("x", noteLimit)},
		"long":      {strings.Repeat("x", 5000), strings.Repeat("x", noteLimit-len("…")) + "…"},
		"evil":      {"\x1b[2J", `\x1b[2J`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := events.NewFakeRecorder(1)
			announce(t.Context(), recorder, twoHosts(), []status.Event{{Kind: "Normal", Reason: "Reported", Message: test.message}})
			if got, want := <-recorder.Events, "Normal Reported "+test.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
