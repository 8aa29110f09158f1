package record

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

const (
	// handover is how long a host that a spec replaces goes on serving until those that replace it do.
	replacementGrace = 10 * time.Second
	// handoverLook is how often it is looked whether they do.
	replacementPoll = 500 * time.Millisecond
)

// Leave is how far a host is with getting rid of an object's listeners.
type Detachment struct {
	// Awaited is when the host began to wait for those that replace it; zero when it does not wait.
	Awaited time.Time
	// Since is when it could begin; zero as long as the host waits or is suspended. Delayed says that it once was suspended.
	Since   time.Time
	Delayed bool
	// Tried says that it was attempted at least once, and Done that it is proved. Moved says that the machine is kept under
	// another name now, and so has nothing left under this one.
	Tried, Done, Moved bool
}

// IsSuspended says that a suspension keeps the host from beginning.
func (d Detachment) IsSuspended() bool { return d.Delayed && d.Since.IsZero() && !d.awaits() }

// awaits says that the host is to go on serving the object for now.
func (d Detachment) awaits() bool { return !d.Awaited.IsZero() }

// CountsFrom is when the time began that the host has to be freed in; zero if it has not begun. A deletion outlasts the
// operator, which may have been away for all that time: it counts from its start only once this operator has tried, and not at
// all if it had to wait for the end of a suspension.
func (d Detachment) CountsFrom(object *v1alpha1.EdgeLoadBalancer) time.Time {
	if d.Tried && !d.Delayed && !object.DeletionTimestamp.IsZero() {
		return object.DeletionTimestamp.Time
	}
	return d.Since
}

// Leaver is an object that leaves a host.
type Detaching struct {
	// Object is the one that leaves, and Entry the one of its spec.hosts.
	Object *v1alpha1.EdgeLoadBalancer
	Entry  v1alpha1.Host
	// Served says that the object's status knows of a moment when its listeners were on the host.
	Served bool
	// Awaits says that not all hosts which the object's spec names now do serve it.
	Awaits bool
}

// MustAwait says that one of the hosts which the object's spec names now was not proved to serve all that it says in its
// present generation. recordOf returns what is known of a host. A deleted object waits for nobody.
func MustAwait(object *v1alpha1.EdgeLoadBalancer, recordOf func(model.HostID) Host) bool {
	return object.DeletionTimestamp.IsZero() && slices.ContainsFunc(object.Spec.Hosts, func(entry v1alpha1.Host) bool {
		record := recordOf(desired.IDOf(&object.Spec.SSH, &entry))
		return record.Proved[object.UID] != object.Generation || len(record.BindFailuresOf(NameOf(object))) > 0
	})
}

// leavingNow is how far a host, as it was built just now, is with the objects that leave it.
func detachingNow(record Host, detaching []Detaching, now time.Time) map[types.UID]Detachment {
	after := make(map[types.UID]Detachment, len(detaching))
	for _, d := range detaching {
		known := record.Detachments[d.Object.UID]
		switch {
		case known.Done:
		case isStranger(record, d):
			known.Done = true
		case d.Object.Spec.Suspend, record.Wanted.Suspend && ownerOf(record.Wanted) == d.Object.Namespace:
			known = Detachment{Delayed: true, Moved: known.Moved}
		case !known.Since.IsZero():
		case d.Awaits && (!known.awaits() || now.Sub(known.Awaited) < replacementGrace):
			known.Awaited = earlier(known.Awaited, now)
		default:
			known.Since, known.Awaited = now, time.Time{}
		}
		after[d.Object.UID] = known
	}
	return after
}

// Await is how long to leave the host alone that would have its next turn after the wait, or never if that is 0: not so long
// if an object only waits for its leave.
func (r Host) Await(wait time.Duration) time.Duration {
	for _, d := range r.Detachments {
		if d.awaits() && (wait == 0 || wait > replacementPoll) {
			wait = replacementPoll
		}
	}
	return wait
}

// keepAwaiting is the wanted host with what it had of the objects that wait for their leave.
func (r Host) keepAwaiting(former desired.Host, detaching []Detaching) desired.Host {
	kept := r.Wanted
	for _, d := range detaching {
		if r.Detachments[d.Object.UID].awaits() {
			kept = kept.Keep(former, NameOf(d.Object))
		}
	}
	return kept
}

// isStranger says that a host is another namespace's and never had the leaver's listeners. It is not logged in to with a
// foreign Secret only because somebody has named it.
func isStranger(record Host, d Detaching) bool {
	owner := ownerOf(record.Wanted)
	return owner != "" && owner != d.Object.Namespace && !d.Served && !record.MayHave(d.Object.UID)
}

// ownerOf is the namespace whose objects hold the host; empty if none does.
func ownerOf(host desired.Host) string {
	if len(host.Members) == 0 {
		return ""
	}
	return host.Members[0].Object.Namespace
}

// leavingAfter notes how an attempt went for the objects that leave. On a host that belongs to somebody else there is
// nothing of ours; on one that no policy allows there may be.
func detachmentsAfter(detachments map[types.UID]Detachment, a Attempt) map[types.UID]Detachment {
	after := make(map[types.UID]Detachment, len(detachments))
	for uid, d := range detachments {
		if a.Task.Frees[uid] {
			// A suspended host is only looked at.
			d.Tried = d.Tried || a.Outcome.State != model.Suspended
			d.Done = a.Outcome.State == model.Synced || a.Outcome.State == model.Refused && a.Reason != v1alpha1.ReasonPolicyViolation
		}
		after[uid] = d
	}
	return after
}
