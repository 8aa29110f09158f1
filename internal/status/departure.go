package status

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/record"
)

// fate is what becomes of a host that an object leaves.
type fate int

const (
	// fateWaiting: the host still has the object's listeners, as far as is known.
	fateWaiting fate = iota
	// fateClean: the host is proved to be free from them, or never had them.
	fateClean
	// fateAbandoned: it could not be freed in time.
	fateAbandoned
)

// departure decides about one host. wait is how long it may go on waiting.
func (v HostView) departure(object *v1alpha1.EdgeLoadBalancer, timeout time.Duration, now time.Time) (f fate, wait time.Duration) {
	detachment := v.record.Detachments[object.UID]
	since := detachment.CountsFrom(object)
	switch {
	case detachment.Done:
		return fateClean, 0
	case object.Spec.Suspend:
		return fateWaiting, 0
	case detachment.Tried && (detachment.Moved || !v.mayHave(object)):
		// One try, in case that the operator died between a change and its note of it, or that another machine has got the name.
		return fateClean, 0
	case v.record.Outcome.RetryAfter > 0:
		// The host answers, and is reloaded in a while.
		return fateWaiting, 0
	case since.IsZero():
		return fateWaiting, 0
	case now.Before(since.Add(timeout)):
		return fateWaiting, since.Add(timeout).Sub(now)
	default:
		return fateAbandoned, 0
	}
}

// Depart sorts out the hosts that the object leaves: those that are still to be freed are returned with the rest, those
// that had to be given up with a notice. wait is the time to the next decision; 0 if there is none to make.
func Depart(object *v1alpha1.EdgeLoadBalancer, views []HostView, timeout time.Duration, now time.Time) (
	remaining []HostView, given []Event, wait time.Duration,
) {
	for _, view := range views {
		if !view.removing {
			remaining = append(remaining, view)
			continue
		}
		switch f, left := view.departure(object, timeout, now); f {
		case fateWaiting:
			remaining = append(remaining, view)
			if left > 0 && (wait == 0 || left < wait) {
				wait = left
			}
		case fateAbandoned:
			given = append(given, leftBehind(object, view, timeout))
		case fateClean:
		}
	}
	return remaining, given, wait
}

func leftBehind(object *v1alpha1.EdgeLoadBalancer, view HostView, timeout time.Duration) Event {
	path := object.Spec.HAProxy.Paths.Config
	if path == "" {
		path = "/etc/haproxy/haproxy.cfg"
	}
	return Event{corev1.EventTypeWarning, EventLeftBehind, view.name, fmt.Sprintf(
		"%s: the listeners of this object were left behind on %s, which could not be cleaned within %s. To remove them by hand, "+
			"delete the sections that begin with %s_%s_ from %s there and reload HAProxy. The last attempt said: %s",
		view.name, view.key, timeout, object.Namespace, object.Name, path, view.lastWords())}
}

func (v HostView) lastWords() string {
	if v.record.Outcome.Message == "" {
		return "nothing"
	}
	return v.record.Outcome.Message
}

// Retains reports whether an object goes without its hosts being touched: by its policy, or because it is suspended.
func Retains(object *v1alpha1.EdgeLoadBalancer) bool {
	return !object.DeletionTimestamp.IsZero() &&
		(object.Spec.DeletionPolicy == v1alpha1.DeletionRetain || object.Spec.Suspend)
}

// RetainedNotices tells which hosts keep the listeners of an object that goes without its hosts being touched. One that is
// shared does not: it runs what its objects say.
func RetainedEvents(object *v1alpha1.EdgeLoadBalancer, views []HostView) []Event {
	why := "spec.deletionPolicy is Retain"
	if object.Spec.Suspend {
		why = "spec.suspend is true"
	}
	var keep []string
	var events []Event
	for _, view := range views {
		sharer, shared := view.sharer(object)
		switch {
		case !view.mayHave(object):
		case shared:
			events = append(events, Event{corev1.EventTypeWarning, EventNotRetained, view.name, fmt.Sprintf(
				"%s: the listeners of this object will be removed there although %s, because EdgeLoadBalancer %s shares the host",
				view.name, why, sharer)})
		default:
			keep = append(keep, view.name)
		}
	}
	if len(keep) == 0 {
		return events
	}
	return append(events, Event{Kind: corev1.EventTypeNormal, Reason: EventRetained, Message: fmt.Sprintf(
		"the listeners of this object stay on %s, because %s", strings.Join(keep, ", "), why)})
}

// sharer is another object that holds the host together with this one.
func (v HostView) sharer(object *v1alpha1.EdgeLoadBalancer) (name types.NamespacedName, found bool) {
	own := record.NameOf(object)
	for _, member := range v.record.Wanted.Members {
		if member.Object != own && member.Object.Namespace == own.Namespace {
			return member.Object, true
		}
	}
	return types.NamespacedName{}, false
}
