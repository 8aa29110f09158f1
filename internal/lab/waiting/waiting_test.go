package waiting

import (
	"testing"
	"time"
)

func TestTimesStretchWithTheLoad(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]time.Duration{
		"0.10 0.20 0.30 1/200 4711\n":    time.Second,
		"0.90 0.20 0.30 1/200 4711\n":    time.Second,
		"4.00 0.20 0.30 1/200 4711\n":    4 * time.Second,
		"0.00 0.20 0.30 12/200 4711\n":   12 * time.Second,
		"99.00 99.00 99.00 1/200 4711\n": Most * time.Second,
		"":                               Most * time.Second,
	} {
		if got := stretch(time.Second, line, 2); got != want {
			t.Errorf("%q makes 1 s %s, want %s", line, got, want)
		}
	}
	if got := Of(time.Second); got < time.Second || got > Most*time.Second {
		t.Errorf("1 s is %s now", got)
	}
}

func TestPausesGrowWithTheWait(t *testing.T) {
	t.Parallel()
	for waited, want := range map[time.Duration]time.Duration{0: 10 * time.Millisecond, 500 * time.Millisecond: 50 * time.Millisecond, time.Hour: 200 * time.Millisecond} {
		if got := Pause(time.Now().Add(-waited)); got < want || got > want+want/5 {
			t.Errorf("after %s the pause is %s, want %s", waited, got, want)
		}
	}
}

func TestAConditionIsCheckedUntilItHoldsOrForTheLimit(t *testing.T) {
	t.Parallel()
	checks := 0
	if !Until(Long, func() bool { checks++; return checks == 3 }) || checks != 3 {
		t.Errorf("after %d checks it does not hold", checks)
	}
	if Until(time.Millisecond, func() bool { return false }) {
		t.Error("what is never true holds")
	}
}
