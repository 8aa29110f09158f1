package headroom

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestASmallHeapMayGrowByTheBytesAndALargeOneByThePercentage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		used uint64
		want int
	}{
		{0, 600}, {4 << 20, 600}, {12 << 20, 200}, {24 << 20, 100}, {48 << 20, 50}, {49 << 20, 50}, {1 << 30, 50},
	} {
		if got := percentOf(24<<20, 50, test.used); got != test.want {
			t.Errorf("with %d bytes in use: %d %%, want %d %%", test.used, got, test.want)
		}
	}
}

// It runs alone, since it changes the collector of its process.
func TestThePercentageFollowsWhatIsInUse(t *testing.T) {
	former := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(former) })
	const room, percent = 64 << 20, 10
	Keep(room, percent)
	if small := percentage(t, func(p int) bool { return p > 200 }); small < 200 {
		t.Errorf("with a small heap: %d %%", small)
	}
	func() {
		held := make([]byte, 320<<20)
		if large := percentage(t, func(p int) bool { return p <= 20 }); large < percent || large > 20 {
			t.Errorf("with a heap of more than 320 MiB: %d %%, want 20 %% or less", large)
		}
		runtime.KeepAlive(held)
	}()
	if small := percentage(t, func(p int) bool { return p > 200 }); small < 200 {
		t.Errorf("with a small heap again: %d %%", small)
	}
}

// percentage collects garbage until the percentage is as wanted, at most for a while, and returns it.
func percentage(t *testing.T, wanted func(int) bool) (percent int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		runtime.GC()
		percent = debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		if wanted(percent) {
			break
		}
	}
	return percent
}
