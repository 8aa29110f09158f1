package record

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

const (
	// replacementGrace is how long a host that a spec replaces keeps serving until its replacements serve.
	replacementGrace = 10 * time.Second
	// replacementPoll is how often to check whether they do.
	replacementPoll = 500 * time.Millisecond
)

// Detachment is the progress of a host in removing an object's listeners.
type Detachment struct {
	// Awaited is when the host began to wait for its replacements; zero when it does not wait.
	Awaited time.Time
	// Since is when the removal could begin; zero while the host waits or is suspended. Delayed reports that it once was suspended.
	Since   time.Time
	Delayed bool
	// Tried reports that it was attempted at least once, and Done that it is proved. Moved reports that the machine is now managed
	// under another name, so that nothing is left under this one.
	Tried, Done, Moved bool
}

// IsSuspended reports whether a suspension keeps the removal from beginning.
func (d Detachment) IsSuspended() bool { return d.Delayed && d.Since.IsZero() && !d.awaits() }

// awaits reports whether the host must keep serving the object for now.
func (d Detachment) awaits() bool { return !d.Awaited.IsZero() }

// CountsFrom returns the start of the removal timeout; zero if it has not started. A deletion outlasts the operator, which may have
// been down for all of that time: the timeout counts from the deletion only after this operator has tried, and not if the removal
// had to wait for the end of a suspension.
func (d Detachment) CountsFrom(object *v1alpha1.EdgeLoadBalancer) time.Time {
	if d.Tried && !d.Delayed && !object.DeletionTimestamp.IsZero() {
		return object.DeletionTimestamp.Time
	}
	return d.Since
}

// Detaching is an object that detaches from a host.
type Detaching struct {
	// Object is the one that detaches, and Entry its entry of spec.hosts.
	Object *v1alpha1.EdgeLoadBalancer
	Entry  v1alpha1.Host
	// Served reports that the object's status contains a time at which its listeners were on the host.
	Served bool
	// Awaits reports that not all hosts that the object's spec names now serve it.
	Awaits bool
}

// MustAwait reports whether one of the hosts that the object's spec names now is not proved to serve everything of its present
// generation. recordOf returns the record of a host. A deleted object does not wait.
func MustAwait(object *v1alpha1.EdgeLoadBalancer, recordOf func(model.HostID) Host) bool {
	return object.DeletionTimestamp.IsZero() && slices.ContainsFunc(object.Spec.Hosts, func(entry v1alpha1.Host) bool {
		record := recordOf(spec.IDOf(&object.Spec.SSH, &entry))
		return record.Proved[object.UID] != object.Generation || len(record.BindFailuresOf(NameOf(object))) > 0
	})
}

// detachingNow returns the progress of a newly built host with the objects that detach from it.
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

// Await returns the wait until the next sync of the host, given the wait without detachments, where 0 means forever. It is shorter
// while an object waits for its detachment.
func (r Host) Await(wait time.Duration) time.Duration {
	for _, d := range r.Detachments {
		if d.awaits() && (wait == 0 || wait > replacementPoll) {
			wait = replacementPoll
		}
	}
	return wait
}

// keepAwaiting returns the wanted host plus what it had of the objects that wait for their detachment.
func (r Host) keepAwaiting(previous desired.Host, detaching []Detaching) desired.Host {
	kept := r.Wanted
	for _, d := range detaching {
		if r.Detachments[d.Object.UID].awaits() {
			kept = kept.Keep(previous, NameOf(d.Object))
		}
	}
	return kept
}

// isStranger reports whether the host belongs to another namespace and never had the object's listeners. The operator does not log
// in to it with another namespace's Secret only because an object has named it.
func isStranger(record Host, d Detaching) bool {
	owner := ownerOf(record.Wanted)
	return owner != "" && owner != d.Object.Namespace && !d.Served && !record.MayHave(d.Object.UID)
}

// ownerOf returns the namespace whose objects use the host; empty if none does.
func ownerOf(host desired.Host) string {
	if len(host.Members) == 0 {
		return ""
	}
	return host.Members[0].Object.Namespace
}

// detachmentsAfter returns the detachments after an attempt. A host of another owner has nothing of this operator's objects; a host
// that no policy allows may have.
func detachmentsAfter(detachments map[types.UID]Detachment, a Attempt) map[types.UID]Detachment {
	after := make(map[types.UID]Detachment, len(detachments))
	for uid, d := range detachments {
		if a.Task.Frees[uid] {
			// A suspended host is only checked.
			d.Tried = d.Tried || a.Outcome.State != model.Suspended
			d.Done = a.Outcome.State == model.Synced || a.Outcome.State == model.Refused && a.Reason != v1alpha1.ReasonPolicyViolation
		}
		after[uid] = d
	}
	return after
}
