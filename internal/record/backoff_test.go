package record

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgelb/edgelb/internal/model"
)

func TestTheWaitGrowsWithFailuresUpToALimitPerState(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outcome                  model.Outcome
		wantFirst, wantThird     time.Duration
		wantFarther, wantLongest time.Duration
	}{
		"unreachable": {model.Outcome{State: model.Unreachable}, time.Second, 4 * time.Second, 16 * time.Second, 30 * time.Second},
		"untrusted": {model.Outcome{State: model.Untrusted}, 30 * time.Second, 2 * time.Minute, 5 * time.Minute,
			5 * time.Minute},
		"unauthorized": {model.Outcome{State: model.Unauthorized}, 30 * time.Second, 2 * time.Minute, 5 * time.Minute,
			5 * time.Minute},
		"rejected": {model.Outcome{State: model.Rejected}, 10 * time.Second, 40 * time.Second, 160 * time.Second, 5 * time.Minute},
		"refused":  {model.Outcome{State: model.Refused}, 10 * time.Second, 40 * time.Second, 160 * time.Second, 5 * time.Minute},
		"failed reload": {model.Outcome{State: model.Rejected, ReloadFailed: true}, 5 * time.Minute, 5 * time.Minute,
			5 * time.Minute, 5 * time.Minute},
		"pending": {model.Outcome{State: model.Pending}, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute},
		"delayed reload": {model.Outcome{State: model.Pending, RetryAfter: 16 * time.Second}, 16 * time.Second, 16 * time.Second,
			16 * time.Second, 16 * time.Second},
		"reload with a long delay": {model.Outcome{State: model.Pending, RetryAfter: time.Hour}, 30 * time.Second, 30 * time.Second,
			30 * time.Second, 30 * time.Second},
		"synced":  {model.Outcome{State: model.Synced}, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		"drifted": {model.Outcome{State: model.Drifted}, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		"synced with a follow-up": {model.Outcome{State: model.Synced, FollowUp: time.Second}, time.Second, time.Second,
			time.Second, time.Second},
		"drifted with a follow-up": {model.Outcome{State: model.Drifted, FollowUp: time.Second}, time.Second, time.Second,
			time.Second, time.Second},
		"unreachable with a follow-up": {model.Outcome{State: model.Unreachable, FollowUp: 200 * time.Millisecond}, time.Second,
			4 * time.Second, 16 * time.Second, 30 * time.Second},
		"failed reload with a follow-up": {model.Outcome{State: model.Rejected, ReloadFailed: true, FollowUp: time.Second},
			5 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute},
		"synced with a late follow-up": {model.Outcome{State: model.Synced, FollowUp: time.Hour}, 30 * time.Second, 30 * time.Second,
			30 * time.Second, 30 * time.Second},
		"suspended": {model.Outcome{State: model.Suspended}, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for repeats, want := range map[int]time.Duration{
				1: test.wantFirst, 3: test.wantThird, 5: test.wantFarther, 100: test.wantLongest, 1 << 40: test.wantLongest,
			} {
				if got := waitAfter(test.outcome, repeats, 0); got != want {
					t.Errorf("after %d in a row: %s, want %s", repeats, got, want)
				}
			}
		})
	}
}

func TestJitterShortensAWaitByAtMostAFifth(t *testing.T) {
	t.Parallel()
	outcome := model.Outcome{State: model.Synced}
	for random, want := range map[float64]time.Duration{0: 30 * time.Second, 0.5: 27 * time.Second, 1: 24 * time.Second} {
		if got := waitAfter(outcome, 1, random); got != want {
			t.Errorf("with the random number %v: %s, want %s", random, got, want)
		}
	}
}

func TestAFollowUpRunsOnTime(t *testing.T) {
	t.Parallel()
	outcome := model.Outcome{State: model.Synced, FollowUp: time.Second}
	for _, random := range []float64{0, 0.5, 1} {
		if got := waitAfter(outcome, 1, random); got != time.Second {
			t.Errorf("with the random number %v: %s, want 1s", random, got)
		}
	}
}

func TestAnUnreachableHostIsTriedAboutAHundredTimesPerHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var record Host
		unreachable := Attempt{Task: &Task{Inputs: "same"}, Outcome: model.Outcome{State: model.Unreachable}}
		var tries int
		for begin := time.Now(); time.Since(begin) < time.Hour; {
			// Endpoints change every 100 ms during all of this.
			if record.HoldOff("same", time.Now()) == 0 {
				record.Apply(unreachable, time.Now(), 0.5)
				tries++
			}
			time.Sleep(100 * time.Millisecond)
		}
		// 0.9+1.8+3.6+7.2+14.4 s, then every 27 s.
		if tries < 130 || tries > 140 {
			t.Errorf("tried %d times", tries)
		}
		if record.Failures != tries || record.HoldOff("other", time.Now()) != 0 {
			t.Errorf("%d failures counted; other inputs wait %s", record.Failures, record.HoldOff("other", time.Now()))
		}
	})
}
