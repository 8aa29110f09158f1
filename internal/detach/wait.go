package detach

import (
	"slices"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

const (
	// ReplacementGrace is how long a host that a spec replaces keeps serving until its replacements serve.
	ReplacementGrace = 10 * time.Second
	// ReplacementPoll is how often to check whether they do.
	ReplacementPoll = 500 * time.Millisecond
)

// MustAwait reports whether one of the hosts that the object's spec names now does not serve the object as serves says. A deleted
// object does not wait.
func MustAwait(object *v1alpha1.EdgeLoadBalancer, serves func(model.HostID) bool) bool {
	return object.DeletionTimestamp.IsZero() && slices.ContainsFunc(object.Spec.Hosts, func(entry v1alpha1.Host) bool {
		return !serves(spec.IDOf(&object.Spec.SSH, &entry))
	})
}

// awaits reports whether the host must keep serving the object for now.
func (p Progress) awaits() bool { return !p.Awaited.IsZero() }

// isOverdue reports whether the host has waited long enough for its replacements.
func (p Progress) isOverdue(now time.Time) bool {
	return p.awaits() && now.Sub(p.Awaited) >= ReplacementGrace
}

// Await returns the wait until the next sync of the host, given the wait without detachments, where 0 means forever. It is shorter
// while an object waits for its detachment.
func (d Detachments) Await(wait time.Duration) time.Duration {
	for _, progress := range d {
		if progress.awaits() && (wait == 0 || wait > ReplacementPoll) {
			wait = ReplacementPoll
		}
	}
	return wait
}

// Keep returns the wanted host plus what it had, as previously wanted, of the objects that wait for their detachment.
func (d Detachments) Keep(wanted, previous desired.Host, objects []Object) desired.Host {
	for _, o := range objects {
		if d[o.UID].awaits() {
			wanted = wanted.Keep(previous, spec.NameOf(o.EdgeLoadBalancer))
		}
	}
	return wanted
}
