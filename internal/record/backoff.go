package record

import (
	"time"

	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
)

// afterFailedReload is how long HAProxy is left alone that could not load a file which it had found good: the host may have refused
// all connections for 2 s.
const afterFailedReload = 5 * time.Minute

// backoffOf says how to wait after an outcome.
func backoffOf(outcome model.Outcome) reason.Backoff {
	if outcome.ReloadFailed {
		return reason.Backoff{First: afterFailedReload, Longest: afterFailedReload}
	}
	return reason.Of(outcome.State).Retry
}

// waitAfter is how long to leave a host alone after so many outcomes of this kind in a row. The random number, from 0 to 1,
// shortens it by up to a fifth, so that hosts which failed together do not come back together. What is begun is ended when it
// asks for it, but not sooner than a host that failed is tried again.
func waitAfter(outcome model.Outcome, repeats int, random float64) time.Duration {
	if outcome.RetryAfter > 0 {
		// Former workers may end sooner.
		return min(outcome.RetryAfter, reason.LookInterval)
	}
	wait := backoffOf(outcome).After(repeats)
	wait -= time.Duration(random * float64(wait) / 5)
	if outcome.FollowUp > 0 && !Failed(outcome.State) {
		return min(wait, outcome.FollowUp)
	}
	return wait
}

// LongestWait is the longest that a host is left alone after an outcome.
func LongestWait(outcome model.Outcome) time.Duration {
	return backoffOf(outcome).Longest
}

// Failed reports whether an outcome is one that is tried again later, and rarer each time.
func Failed(state model.State) bool { return reason.Of(state).Failed() }
