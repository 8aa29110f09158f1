package record

import (
	"time"

	"github.com/edgelb/edgelb/internal/edge"
)

// lookInterval is the time between two looks at a host that is well. A look repairs what somebody changed on the host, and
// notices that the host is away.
const lookInterval = 30 * time.Second

// backoff is an exponential series of waits: first, twice that, and so on until longest.
type backoff struct {
	first, longest time.Duration
}

// after is the wait after so many failures in a row; failures is at least 1.
func (b backoff) after(failures int) time.Duration {
	wait := b.first
	for ; failures > 1 && wait < b.longest; failures-- {
		wait *= 2
	}
	return min(wait, b.longest)
}

// backoffOf says how to wait after an outcome. A host that is away may be back at any moment, and a try costs it nothing.
// A refused login does cost: sshd from 9.8 on locks an address out that fails repeatedly. So does a reload that fails: the
// host may refuse all connections for 2 s. A host that is as it should be, or is only watched, is looked at at even intervals.
func backoffOf(outcome edge.Outcome) backoff {
	switch outcome.State {
	case edge.Unreachable:
		return backoff{first: time.Second, longest: 30 * time.Second}
	case edge.Untrusted, edge.Unauthorized:
		return backoff{first: 30 * time.Second, longest: 5 * time.Minute}
	case edge.Rejected, edge.Refused:
		if outcome.ReloadFailed {
			return backoff{first: 5 * time.Minute, longest: 5 * time.Minute}
		}
		return backoff{first: 10 * time.Second, longest: 5 * time.Minute}
	case edge.Pending:
		return backoff{first: 5 * time.Minute, longest: 5 * time.Minute}
	default:
		return backoff{first: lookInterval, longest: lookInterval}
	}
}

// waitAfter is how long to leave a host alone after so many outcomes of this kind in a row. The random number, from 0 to 1,
// shortens it by up to a fifth, so that hosts which failed together do not come back together. What is begun is ended when it
// asks for it, but not sooner than a host that failed is tried again.
func waitAfter(outcome edge.Outcome, repeats int, random float64) time.Duration {
	if outcome.RetryAfter > 0 {
		// Former workers may end sooner.
		return min(outcome.RetryAfter, lookInterval)
	}
	wait := backoffOf(outcome).after(repeats)
	wait -= time.Duration(random * float64(wait) / 5)
	if outcome.FollowUp > 0 && !Failed(outcome.State) {
		return min(wait, outcome.FollowUp)
	}
	return wait
}

// LongestWait is the longest that a host is left alone after an outcome.
func LongestWait(outcome edge.Outcome) time.Duration {
	return backoffOf(outcome).longest
}

// Failed reports whether an outcome is one that is tried again later, and rarer each time. A host that drifted and is to be
// left so has not failed: it is only watched.
func Failed(state edge.State) bool {
	return state != edge.Synced && state != edge.Suspended && state != edge.Drifted
}
