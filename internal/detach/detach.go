// Package detach decides how a host is freed from an object that no longer names it or that is deleted. It is pure. On each host, an
// object goes through three phases, one file each:
//
//	wait.go     the host keeps serving the object until the hosts that replace it serve, for a few seconds at most
//	remove.go   the host is brought to a configuration without the object
//	fate.go     the object gives up the host: because it is free, or because it could not be freed in time
package detach

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// Object is an object that detaches from a host.
type Object struct {
	*v1alpha1.EdgeLoadBalancer
	// Entry is its entry of spec.hosts, or what its status says of the host.
	Entry v1alpha1.Host
	// Served reports that the object's status contains a time at which its listeners were on the host.
	Served bool
	// Awaits reports that not all hosts that the object's spec names now serve it; see MustAwait. Held reports that a roll-out keeps
	// some of them from that.
	Awaits, Held bool
}

// Progress is how far an object has detached from a host.
type Progress struct {
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
func (p Progress) IsSuspended() bool { return p.Delayed && p.Since.IsZero() && !p.awaits() }

// Detachments holds the Progress of the objects that detach from a host. It is a value: its methods return a new one.
type Detachments map[types.UID]Progress

// Next returns the detachments of a host that was newly built as wanted, with the objects that detach from it. mayHave reports
// whether the host may have an object's listeners.
func (d Detachments) Next(wanted desired.Host, objects []Object, mayHave func(types.UID) bool, now time.Time) Detachments {
	after := make(Detachments, len(objects))
	namespace := namespaceOf(wanted)
	for _, o := range objects {
		progress := d[o.UID]
		switch {
		case progress.Done:
		case isStranger(namespace, o) && !mayHave(o.UID):
			progress.Done = true
		case o.Spec.Suspend, wanted.Suspend && namespace == o.Namespace:
			progress = Progress{Delayed: true, Moved: progress.Moved}
		case !progress.Since.IsZero():
		case o.Awaits && (o.Held || !progress.isOverdue(now)):
			progress.Awaited = model.Earlier(progress.Awaited, now)
		default:
			progress.Since, progress.Awaited = now, time.Time{}
		}
		after[o.UID] = progress
	}
	return after
}

// isStranger reports whether the host belongs to another namespace, and the object does not say that it was ever there. The operator
// does not log in to it with another namespace's Secret only because an object has named it.
func isStranger(namespace string, o Object) bool {
	return namespace != "" && namespace != o.Namespace && !o.Served
}

// namespaceOf returns the namespace whose objects use the host; empty if none does.
func namespaceOf(host desired.Host) string {
	if len(host.Members) == 0 {
		return ""
	}
	return host.Members[0].Object.Namespace
}
