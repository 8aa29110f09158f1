package eventhelp

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/status"
)

func TestEveryEventThatIsNoReasonOfAConditionIsDescribed(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../events.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := regexp.MustCompile(`(?m)^\t(Event[A-Z][A-Za-z]+) +=`).FindAllSubmatch(source, -1)
	described := 0
	for _, event := range All {
		if event.Cause == "" || event.Remedy == "" {
			t.Errorf("%s: cause %q, remedy %q: want both", event.Reason, event.Cause, event.Remedy)
		}
		if reason.Of(event.Reason).Event == reason.NoEvent && reason.Of(event.Reason).Name == "" {
			described++
		}
	}
	// Drifted is a state as well.
	if want := len(constants) - 1; described != want || !slices.ContainsFunc(All, func(e Event) bool { return e.Reason == status.EventDrifted }) {
		t.Errorf("%d events of %q are described, want %d and %s", described, constants, want, status.EventDrifted)
	}
}
