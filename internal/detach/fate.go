package detach

import (
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// Fate is what becomes of a host that an object detaches from.
type Fate int

const (
	// Waiting: the host still has the object's listeners, as far as is known.
	Waiting Fate = iota
	// Clean: the host is proved to be free from them, or never had them.
	Clean
	// Abandoned: the host could not be freed in time.
	Abandoned
)

// Knowledge is what is known of a host apart from the Progress.
type Knowledge struct {
	// MayHave reports whether the host may have the object's listeners.
	MayHave bool
	// ReloadsLater reports that the host answers, and waits for its next reload, or for its roll-out.
	ReloadsLater bool
}

// Fate decides about a host that has the removal timeout to be freed. wait is how long it may still wait; 0 if that has no end, or if
// the decision is made.
func (p Progress) Fate(object *v1alpha1.EdgeLoadBalancer, known Knowledge, timeout time.Duration, now time.Time) (f Fate, wait time.Duration) {
	since := p.countsFrom(object)
	switch {
	case p.Done:
		return Clean, 0
	case object.Spec.Suspend:
		return Waiting, 0
	case p.Tried && (p.Moved || !known.MayHave):
		// One attempt is necessary: the operator may have died between a change and its record, or another machine may have got the
		// name.
		return Clean, 0
	case known.ReloadsLater, since.IsZero():
		return Waiting, 0
	case now.Before(since.Add(timeout)):
		return Waiting, since.Add(timeout).Sub(now)
	default:
		return Abandoned, 0
	}
}

// countsFrom returns the start of the removal timeout; zero if it has not started. A deletion outlasts the operator, which may have
// been down for all of that time: the timeout counts from the deletion only after this operator has tried, and not if the removal
// had to wait for the end of a suspension.
func (p Progress) countsFrom(object *v1alpha1.EdgeLoadBalancer) time.Time {
	if p.Tried && !p.Delayed && !object.DeletionTimestamp.IsZero() {
		return object.DeletionTimestamp.Time
	}
	return p.Since
}

// Retains reports whether the deletion of an object leaves its hosts unchanged: because of its policy, or because it is suspended.
func Retains(object *v1alpha1.EdgeLoadBalancer) bool {
	return !object.DeletionTimestamp.IsZero() &&
		(object.Spec.DeletionPolicy == v1alpha1.DeletionRetain || object.Spec.Suspend)
}
