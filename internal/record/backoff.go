package record

import (
	"time"

	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
)

// afterFailedReload is the wait after a failed reload of a file that HAProxy had found valid: the host may have refused all
// connections for 2 s.
const afterFailedReload = 5 * time.Minute

// backoffOf returns the backoff after an outcome.
func backoffOf(outcome model.Outcome) reason.Backoff {
	if outcome.ReloadFailed {
		return reason.Backoff{First: afterFailedReload, Longest: afterFailedReload}
	}
	return reason.Of(outcome.State).Retry
}

// waitAfter returns the wait after a number of consecutive outcomes of this kind. random, from 0 to 1, shortens the wait by up to a
// fifth, so that hosts that failed together do not retry together. A follow-up runs when the outcome asks for it, but a failed host
// is not tried earlier than its retry.
func waitAfter(outcome model.Outcome, repeats int, random float64) time.Duration {
	if outcome.RetryAfter > 0 {
		// Old workers may end sooner.
		return min(outcome.RetryAfter, reason.LookInterval)
	}
	wait := backoffOf(outcome).After(repeats)
	wait -= time.Duration(random * float64(wait) / 5)
	if outcome.FollowUp > 0 && !Failed(outcome.State) {
		return min(wait, outcome.FollowUp)
	}
	return wait
}

// LongestWait returns the longest wait after an outcome.
func LongestWait(outcome model.Outcome) time.Duration {
	return backoffOf(outcome).Longest
}

// Failed reports whether the state is one that is retried, less often after each failure.
func Failed(state model.State) bool { return reason.Of(state).Failed() }
