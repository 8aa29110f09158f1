package signals

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edgelb/edgelb/internal/model"
)

func TestConnectionsThatEndRepeatedlyQueueTheirHostOncePerSecond(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	signals, err := New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	signals.now = func() time.Time { return now }
	bad, good := model.NewHostID("a", 22), model.NewHostID("b", 22)
	for i, step := range []struct {
		after time.Duration
		key   model.HostID
		want  time.Duration
	}{
		{0, bad, 0}, {100 * time.Millisecond, bad, 900 * time.Millisecond}, {0, good, 0},
		{400 * time.Millisecond, bad, 500 * time.Millisecond}, // its sync is pending
		{600 * time.Millisecond, bad, 900 * time.Millisecond}, {time.Second, good, 0}, {2 * time.Second, bad, 0},
	} {
		now = now.Add(step.after)
		if got := signals.pause(step.key); got != step.want {
			t.Errorf("step %d: waits %s, want %s", i, got, step.want)
		}
	}
	now = now.Add(time.Hour)
	if signals.pause(good); len(signals.syncs) != 1 {
		t.Errorf("kept are %v", signals.syncs)
	}
}
