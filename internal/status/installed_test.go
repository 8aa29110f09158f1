package status

import (
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

func TestWhatWasInstalledIsInTheStatusAndReportedOnce(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	step := func(first record.Host) (events []string, text string) {
		after := summarized(object, first, synced())
		reported := EventsOf(object.Status, after, nil)
		object.Status = after
		for _, e := range reported {
			if e.Reason == EventPackagesInstalled {
				text = e.Message
			}
		}
		return reportedOf(reported), text
	}
	step(failing(model.Installing, "installing haproxy"))
	done := synced()
	done.Installed = []string{"haproxy 2.6.12-1", "keepalived 2.2.7-1"}
	if events, text := step(done); !slices.Contains(events, "Normal PackagesInstalled gw1") || text != "gw1: installed haproxy 2.6.12-1 and keepalived 2.2.7-1" {
		t.Errorf("got %q: %q", events, text)
	}
	if got := object.Status.Hosts[0].Installed; !slices.Equal(got, done.Installed) {
		t.Errorf("the status has %q", got)
	}
	if _, text := step(done); text != "" {
		t.Errorf("it is reported again: %q", text)
	}
	// An operator that was just started has not observed the host yet.
	step(record.Host{})
	if got := object.Status.Hosts[0].Installed; !slices.Equal(got, done.Installed) {
		t.Errorf("after a start of the operator the status has %q", got)
	}
	hostile := synced()
	hostile.Installed = slices.Repeat([]string{"x " + strings.Repeat("\x1b", 5000)}, 99)
	step(hostile)
	if got := object.Status.Hosts[0].Installed; len(got) != 8 || len(got[0]) > 140 || strings.Contains(got[0], "\x1b") {
		t.Errorf("of a hostile host the status has %q", got)
	}
}
