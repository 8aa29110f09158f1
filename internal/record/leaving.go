package record

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
)

// Leave is how far a host is with getting rid of an object's listeners.
type Leave struct {
	// Since is when it could begin; zero as long as the host is suspended. Delayed says that it once was.
	Since   time.Time
	Delayed bool
	// Tried says that it was attempted at least once, and Done that it is proved.
	Tried, Done bool
}

// CountsFrom is when the time began that the host has to be freed in; zero if it has not begun. A deletion outlasts the
// operator, which may have been away for all that time: it counts from its start only once this operator has tried, and not at
// all if it had to wait for the end of a suspension.
func (l Leave) CountsFrom(object *v1alpha1.EdgeLoadBalancer) time.Time {
	if l.Tried && !l.Delayed && !object.DeletionTimestamp.IsZero() {
		return object.DeletionTimestamp.Time
	}
	return l.Since
}

// Leaver is an object that leaves a host.
type Leaver struct {
	// Object is the one that leaves, and Entry the one of its spec.hosts.
	Object *v1alpha1.EdgeLoadBalancer
	Entry  v1alpha1.Host
	// Served says that the object's status knows of a moment when its listeners were on the host.
	Served bool
}

// leavingNow is how far a host, as it was built just now, is with the objects that leave it.
func leavingNow(record Host, leavers []Leaver, now time.Time) map[types.UID]Leave {
	after := make(map[types.UID]Leave, len(leavers))
	for _, l := range leavers {
		known := record.Leaving[l.Object.UID]
		switch {
		case known.Done:
		case isStranger(record, l):
			known.Done = true
		case l.Object.Spec.Suspend, record.Wanted.Suspend && ownerOf(record.Wanted) == l.Object.Namespace:
			known = Leave{Delayed: true}
		case known.Since.IsZero():
			known.Since = now
		}
		after[l.Object.UID] = known
	}
	return after
}

// isStranger says that a host is another namespace's and never had the leaver's listeners. It is not logged in to with a
// foreign Secret only because somebody has named it.
func isStranger(record Host, l Leaver) bool {
	owner := ownerOf(record.Wanted)
	return owner != "" && owner != l.Object.Namespace && !l.Served && !record.MayHave(l.Object.UID)
}

// ownerOf is the namespace whose objects hold the host; empty if none does.
func ownerOf(host desired.Host) string {
	if len(host.Members) == 0 {
		return ""
	}
	return host.Members[0].Object.Namespace
}

// leavingAfter notes how an attempt went for the objects that leave. On a host that belongs to somebody else there is
// nothing of ours.
func leavingAfter(leaving map[types.UID]Leave, a Attempt) map[types.UID]Leave {
	after := make(map[types.UID]Leave, len(leaving))
	for uid, l := range leaving {
		if a.Job.Frees[uid] {
			// A suspended host is only looked at.
			l.Tried = l.Tried || a.Outcome.State != edge.Suspended
			l.Done = a.Outcome.State == edge.Synced || a.Outcome.State == edge.Refused
		}
		after[uid] = l
	}
	return after
}
