// Package pending tracks the work that syncs leave for later: the write of a stale file, and draining servers that still have
// connections. It says when each is due. It is pure.
package pending

import (
	"time"

	"github.com/edgelb/edgelb/internal/model"
)

const (
	// saveDelay is how long the file may be stale after servers were changed in HAProxy, counted from the last change: more
	// changes may follow. saveLatest counts from the first change.
	saveDelay  = 200 * time.Millisecond
	saveLatest = time.Second
	// longestGap bounds the time between two writes of a file that changes all the time: each write costs the host some processes.
	// After restAfter without a change, the gap is short again.
	longestGap = 5 * time.Second
	restAfter  = 2 * longestGap
	// overdueAfter is how long a due write may wait because changes follow each other so fast that each sync finds another.
	overdueAfter = 5 * time.Second
)

// Write is the pending write of a file, and the time of the last write. The zero Write says that the file is up to date.
type Write struct {
	// since is when the file became stale, zero if it is not; last is when servers were changed last.
	since, last time.Time
	// written is about when the file was last written, zero if unknown; gap is the minimum time from then to the next write.
	written time.Time
	gap     time.Duration
}

// Changed returns the pending write after servers were changed in HAProxy and not in the file.
func (w Write) Changed(now time.Time) Write {
	if w.since.IsZero() {
		w.since = now
	}
	w.last = now
	return w
}

// Written returns the pending write after a write that contains all changes up to began. Frequent writes come at growing intervals.
func (w Write) Written(began, now time.Time) Write {
	written := Write{written: now, gap: saveDelay}
	changed := w.since
	if changed.IsZero() {
		changed = began
	}
	// How long this write waited, and took, is no rest.
	if changed.Sub(w.written) < restAfter {
		written.gap = min(2*w.gap, longestGap)
		// Jitter keeps hosts whose servers change together, and which may share a machine, from writing in step.
		written.written = now.Add(written.gap * time.Duration(now.Nanosecond()/1000%256) / 1024)
	}
	if w.last.After(began) {
		written.since, written.last = began, w.last
	}
	return written
}

// Exists reports whether the file is stale.
func (w Write) Exists() bool { return !w.since.IsZero() }

// Due is when to write the file; zero if it is up to date.
func (w Write) Due() time.Time {
	if !w.Exists() {
		return time.Time{}
	}
	due, rested := model.Earlier(w.last.Add(saveDelay), w.since.Add(saveLatest)), w.written.Add(w.gap)
	if due.Before(rested) {
		return rested
	}
	return due
}

// IsDue reports whether it is time to write the file.
func (w Write) IsDue(now time.Time) bool { return w.Exists() && !w.Due().After(now) }

// IsOverdue reports whether the write must not wait any longer, whatever else is due.
func (w Write) IsOverdue(now time.Time) bool { return w.Exists() && now.Sub(w.Due()) > overdueAfter }
