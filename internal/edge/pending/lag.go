// Package pending is what turns leave to be ended: a file that lags behind what runs, and servers that are wanted no more and
// still have connections. It says when which of it is due. It is pure.
package pending

import "time"

const (
	// saveDelay is how long the file may lag behind servers that were changed in HAProxy, counted from the last change:
	// more of them may be about to follow. saveLatest counts from the first.
	saveDelay  = 200 * time.Millisecond
	saveLatest = time.Second
	// overdueAfter is how long the file may lag although changes follow each other so fast that each turn finds another.
	overdueAfter = 5 * time.Second
)

// Lag is how far the file is behind what runs. The zero Lag says that it is not.
type Lag struct {
	// since is when it began, zero when there is none; last is when servers were changed last.
	since, last time.Time
}

// Changed is the lag after servers were changed in HAProxy and not in the file.
func (l Lag) Changed(now time.Time) Lag {
	if l.since.IsZero() {
		l.since = now
	}
	l.last = now
	return l
}

// Exists says that the file is behind.
func (l Lag) Exists() bool { return !l.since.IsZero() }

// Due is when the file is to be written; zero when it is as it should be.
func (l Lag) Due() time.Time {
	if !l.Exists() {
		return time.Time{}
	}
	return Earlier(l.last.Add(saveDelay), l.since.Add(saveLatest))
}

// IsDue says that it is time to write the file.
func (l Lag) IsDue(now time.Time) bool { return l.Exists() && !l.Due().After(now) }

// IsOverdue says that the file can wait no longer, whatever else there is to be done.
func (l Lag) IsOverdue(now time.Time) bool { return l.Exists() && now.Sub(l.since) > overdueAfter }

// Earlier is the earlier of two times, of which zero stands for never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
