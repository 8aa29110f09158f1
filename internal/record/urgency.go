package record

import (
	"maps"
	"slices"

	"github.com/edgelb/edgelb/internal/model"
)

// News is how soon the objects of a host should hear of what is new on it.
type Urgency int

const (
	// NoNews: their statuses say the same as before.
	Unchanged Urgency = iota
	// Routine: servers or counts have changed, as they do all the time. It may wait a little, and be told with more of it.
	Routine
	// Urgent: the host's state or problems have changed, or what it is proved to run of the spec.
	Urgent
)

// NewsSince compares with what was known before.
func (r Host) UrgencySince(before Host) Urgency {
	if !r.isReportedLike(before) {
		return Urgent
	}
	same := r.Fingerprint == before.Fingerprint && r.ChangedAt.Equal(before.ChangedAt) && r.Failures == before.Failures &&
		maps.Equal(r.Servers, before.Servers) && slices.Equal(r.Down, before.Down) && maps.Equal(r.BindFailures, before.BindFailures)
	if !same {
		return Routine
	}
	return Unchanged
}

// isToldLike says that the records do not differ in what a person may be waiting for.
func (r Host) isReportedLike(other Host) bool {
	return sameWords(r.Outcome, other.Outcome) && r.Reason == other.Reason &&
		maps.Equal(r.Built, other.Built) && maps.Equal(r.Tried, other.Tried) && maps.Equal(r.Proved, other.Proved) &&
		slices.Equal(r.Problems, other.Problems) && maps.Equal(r.Detachments, other.Detachments) &&
		sameUnresolved(r.UnresolvedNames, other.UnresolvedNames) && r.ReloadedAt.Equal(other.ReloadedAt) && r.DriftedAt.Equal(other.DriftedAt)
}

func sameWords(a, b model.Outcome) bool {
	return a.State == b.State && a.Message == b.Message && a.HAProxyVersion == b.HAProxyVersion &&
		a.ReloadFailed == b.ReloadFailed && slices.Equal(a.BindFailures, b.BindFailures)
}
