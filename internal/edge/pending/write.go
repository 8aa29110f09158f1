// Package pending is what turns leave to be ended: a file that lags behind what runs, and servers that are wanted no more and
// still have connections. It says when which of it is due. It is pure.
package pending

import "time"

const (
	// saveDelay is how long the file may lag behind servers that were changed in HAProxy, counted from the last change:
	// more of them may be about to follow. saveLatest counts from the first.
	saveDelay  = 200 * time.Millisecond
	saveLatest = time.Second
	// longestGap bounds the time between two writes of a file that changes all the time: each costs the host some processes. After
	// restAfter without a write, the next one comes soon again.
	longestGap = 5 * time.Second
	restAfter  = 2 * longestGap
	// overdueAfter is how long a write that is due may wait because changes follow each other so fast that each turn finds another.
	overdueAfter = 5 * time.Second
)

// Lag is how far the file is behind what runs, and when it was written last. The zero Lag says that it is not behind.
type Write struct {
	// since is when it began, zero when there is none; last is when servers were changed last.
	since, last time.Time
	// written is about when the file was written last, zero if that is not known; and gap is how long after that it is left alone.
	written time.Time
	gap     time.Duration
}

// Changed is the lag after servers were changed in HAProxy and not in the file.
func (w Write) Changed(now time.Time) Write {
	if w.since.IsZero() {
		w.since = now
	}
	w.last = now
	return w
}

// Written is the lag after the file was written as it should have been at the time began. Writes that follow each other soon come at
// longer and longer intervals.
func (w Write) Written(began, now time.Time) Write {
	written := Write{written: now, gap: saveDelay}
	if now.Sub(w.written) < restAfter {
		written.gap = min(2*w.gap, longestGap)
		// Hosts whose servers change together, and which may share a machine, do not go on writing together.
		written.written = now.Add(written.gap * time.Duration(now.Nanosecond()/1000%256) / 1024)
	}
	if w.last.After(began) {
		written.since, written.last = began, w.last
	}
	return written
}

// Exists says that the file is behind.
func (w Write) Exists() bool { return !w.since.IsZero() }

// Due is when the file is to be written; zero when it is as it should be.
func (w Write) Due() time.Time {
	if !w.Exists() {
		return time.Time{}
	}
	due, rested := Earlier(w.last.Add(saveDelay), w.since.Add(saveLatest)), w.written.Add(w.gap)
	if due.Before(rested) {
		return rested
	}
	return due
}

// IsDue says that it is time to write the file.
func (w Write) IsDue(now time.Time) bool { return w.Exists() && !w.Due().After(now) }

// IsOverdue says that the file can wait no longer, whatever else there is to be done.
func (w Write) IsOverdue(now time.Time) bool { return w.Exists() && now.Sub(w.Due()) > overdueAfter }

// Earlier is the earlier of two times, of which zero stands for never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
