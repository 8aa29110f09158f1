package plan

import (
	"testing"
	"time"
)

func TestMorePreviousWorkersMeanLongerPauses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		previous, servers int
		want              time.Duration
	}{
		{0, 0, 0}, {7, 0, 0}, {8, 0, 4 * time.Second}, {9, 0, 16 * time.Second}, {12, 0, 1024 * time.Second},
		{13, 0, 30 * time.Minute}, {1000, 0, 30 * time.Minute},
		{7, 300, 0}, {3, 1000, 0}, {4, 1000, 4 * time.Second},
		{1, 10_000, 0}, {2, 10_000, 4 * time.Second}, {7, 10_000, 30 * time.Minute}, {1, 1_000_000, 0},
	} {
		if got := ReloadPause(test.previous, test.servers); got != test.want {
			t.Errorf("%d previous workers, %d servers: %s, want %s", test.previous, test.servers, got, test.want)
		}
	}
}
