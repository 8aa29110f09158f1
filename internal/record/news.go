package record

import (
	"maps"
	"slices"

	"github.com/edgelb/edgelb/internal/model"
)

// News is how soon the objects of a host should hear of what is new on it.
type News int

const (
	// NoNews: their statuses say the same as before.
	NoNews News = iota
	// Routine: servers or counts have changed, as they do all the time. It may wait a little, and be told with more of it.
	Routine
	// Urgent: the host's state or problems have changed, or what it is proved to run of the spec.
	Urgent
)

// NewsSince compares with what was known before.
func (r Host) NewsSince(before Host) News {
	if !r.isToldLike(before) {
		return Urgent
	}
	same := r.Fingerprint == before.Fingerprint && r.ChangedAt.Equal(before.ChangedAt) && r.Failures == before.Failures &&
		maps.Equal(r.Servers, before.Servers) && slices.Equal(r.Down, before.Down) && maps.Equal(r.Shortfalls, before.Shortfalls)
	if !same {
		return Routine
	}
	return NoNews
}

// isToldLike says that the records do not differ in what a person may be waiting for.
func (r Host) isToldLike(other Host) bool {
	return sameWords(r.Outcome, other.Outcome) && r.Reason == other.Reason &&
		maps.Equal(r.Built, other.Built) && maps.Equal(r.Tried, other.Tried) && maps.Equal(r.Proved, other.Proved) &&
		slices.Equal(r.Problems, other.Problems) && maps.Equal(r.Leaving, other.Leaving) &&
		sameAbsences(r.Absences, other.Absences) && r.ReloadedAt.Equal(other.ReloadedAt) && r.DriftedAt.Equal(other.DriftedAt)
}

func sameWords(a, b model.Outcome) bool {
	return a.State == b.State && a.Message == b.Message && a.HAProxyVersion == b.HAProxyVersion &&
		a.ReloadFailed == b.ReloadFailed && slices.Equal(a.BindFailures, b.BindFailures)
}
