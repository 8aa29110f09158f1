package detach

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// Removal is what the next sync of a host does about the objects that detach from it.
type Removal struct {
	// Host is what the host must run. Idle reports that it belongs to an owner that detaches, and is left idle before its next owner
	// gets it.
	Host desired.Host
	Idle bool
	// Frees are the objects that Host is free from, and Keeps those that it still has.
	Frees map[types.UID]bool
	Keeps []Object
}

// Remove returns what the next sync does: it brings the host to what the other objects want, which frees it from those that detach;
// or it first leaves the host idle if it belongs to an object that detaches and its next owner is another. It returns false if the
// host must be left alone, because it serves an object that must be served for now.
func (d Detachments) Remove(wanted desired.Host, snapshot desired.Snapshot, objects []Object) (Removal, bool) {
	removal := Removal{Host: wanted, Frees: map[types.UID]bool{}}
	for _, o := range objects {
		if d[o.UID].Done {
			continue
		}
		idle := idleHost(snapshot, o, wanted)
		isOwner := idle.Config.Owner == wanted.Config.Owner
		switch {
		case d[o.UID].awaits() && !isOwner:
			return Removal{}, false
		case d[o.UID].awaits():
			removal.Keeps = append(removal.Keeps, o)
			continue
		case !isOwner && len(removal.Frees) == 0:
			removal.Host, removal.Idle = idle, true
		}
		if idle.Config.Owner == removal.Host.Config.Owner {
			removal.Frees[o.UID] = true
		}
	}
	return removal, true
}

// idleHost returns the host without the object that detaches. If the host is no longer in the spec, its pins are those of the last
// build.
func idleHost(snapshot desired.Snapshot, o Object, wanted desired.Host) desired.Host {
	entry := o.Entry
	if len(entry.HostKeys) == 0 {
		entry.HostKeys = wanted.Login.HostKeys
	}
	idle := desired.Idle(snapshot, o.EdgeLoadBalancer, &entry)
	if jump := wanted.Login.Jump; idle.Login.Jump.Host == jump.Host && len(idle.Login.Jump.HostKeys) == 0 {
		idle.Login.Jump.HostKeys = jump.HostKeys
	}
	return idle
}

// After returns the detachments after a sync that was to free the host from some objects. A host of another owner has nothing of this
// operator's objects; a host that no policy allows may have.
func (d Detachments) After(frees map[types.UID]bool, state model.State, reason string) Detachments {
	after := make(Detachments, len(d))
	for uid, progress := range d {
		if frees[uid] {
			// A suspended host is only checked.
			progress.Tried = progress.Tried || state != model.Suspended
			progress.Done = state == model.Synced || state == model.Refused && reason != v1alpha1.ReasonPolicyViolation
		}
		after[uid] = progress
	}
	return after
}

// Moved returns the detachments of a host whose machine is now managed under another name for the objects.
func (d Detachments) Moved(objects map[types.UID]int64) Detachments {
	after := make(Detachments, len(d)+len(objects))
	for uid, progress := range d {
		after[uid] = progress
	}
	for uid := range objects {
		progress := after[uid]
		progress.Moved = true
		after[uid] = progress
	}
	return after
}
