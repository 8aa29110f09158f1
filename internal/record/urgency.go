package record

import (
	"maps"
	"slices"
	"time"

	"github.com/edgelb/edgelb/internal/model"
)

// Urgency is how soon the objects of a host must be updated after a change on it.
type Urgency int

const (
	// Unchanged: their statuses stay the same.
	Unchanged Urgency = iota
	// Routine: servers or counts have changed, as they often do. The update may wait a little, and be combined with more.
	Routine
	// Urgent: the host's state or problems have changed, or what it is proved to run of the spec.
	Urgent
)

// UrgencySince compares the record with an earlier one.
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

// isReportedLike reports whether the records do not differ in what a person may be waiting for.
func (r Host) isReportedLike(other Host) bool {
	return r.isForLike(other) && sameText(r.Outcome, other.Outcome) && r.Reason == other.Reason && r.expiry() == other.expiry() &&
		r.isHeldLike(other) && slices.Equal(r.Problems, other.Problems) && maps.Equal(r.Detachments, other.Detachments) &&
		sameUnresolved(r.UnresolvedNames, other.UnresolvedNames) && r.ReloadedAt.Equal(other.ReloadedAt) && r.DriftedAt.Equal(other.DriftedAt) && slices.Equal(r.Installed, other.Installed) &&
		r.Virtual.isReportedLike(other.Virtual)
}

// isForLike reports whether both are about the same generations of objects.
func (r Host) isForLike(other Host) bool {
	return maps.Equal(r.Built, other.Built) && maps.Equal(r.Tried, other.Tried) && maps.Equal(r.Proved, other.Proved)
}

// expiry returns the end of the certificate if it is reported.
func (r Host) expiry() time.Time {
	if !r.CertificateEnds {
		return time.Time{}
	}
	return r.Certificate.To
}

func sameText(a, b model.Outcome) bool {
	return a.State == b.State && a.Message == b.Message && a.HAProxyVersion == b.HAProxyVersion &&
		a.ReloadFailed == b.ReloadFailed && slices.Equal(a.BindFailures, b.BindFailures)
}
