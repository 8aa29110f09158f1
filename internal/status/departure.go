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

// fate is what becomes of a host that an object detaches from.
type fate int

const (
	// fateWaiting: the host still has the object's listeners, as far as is known.
	fateWaiting fate = iota
	// fateClean: the host is proved to be free from them, or never had them.
	fateClean
	// fateAbandoned: the host could not be freed in time.
	fateAbandoned
)

// departure decides about one host. wait is how long the host may still wait.
func (v HostView) departure(object *v1alpha1.EdgeLoadBalancer, timeout time.Duration, now time.Time) (f fate, wait time.Duration) {
	detachment := v.record.Detachments[object.UID]
	since := detachment.CountsFrom(object)
	switch {
	case detachment.Done:
		return fateClean, 0
	case object.Spec.Suspend:
		return fateWaiting, 0
	case detachment.Tried && (detachment.Moved || !v.mayHave(object)):
		// One attempt is necessary: the operator may have died between a change and its record, or another machine may have got the
		// name.
		return fateClean, 0
	case v.record.Outcome.RetryAfter > 0:
		// The host answers, and will be reloaded later.
		return fateWaiting, 0
	case since.IsZero():
		return fateWaiting, 0
	case now.Before(since.Add(timeout)):
		return fateWaiting, since.Add(timeout).Sub(now)
	default:
		return fateAbandoned, 0
	}
}

// Depart sorts the hosts that the object detaches from: those that must still be freed are returned with the rest, and each one
// that was abandoned up with an event. wait is the time until the next decision; 0 if there is none to make.
func Depart(object *v1alpha1.EdgeLoadBalancer, views []HostView, timeout time.Duration, now time.Time) (
	remaining []HostView, abandoned []Event, wait time.Duration,
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
			abandoned = append(abandoned, leftBehind(object, view, timeout))
		case fateClean:
		}
	}
	return remaining, abandoned, wait
}

func leftBehind(object *v1alpha1.EdgeLoadBalancer, view HostView, timeout time.Duration) Event {
	path := object.Spec.HAProxy.Paths.Config
	if path == "" {
		path = "/etc/haproxy/haproxy.cfg"
	}
	return Event{corev1.EventTypeWarning, EventLeftBehind, view.name, fmt.Sprintf(
		"%s: the listeners of this object were left behind on %s, which could not be cleaned within %s. To remove them by hand, "+
			"delete the sections that begin with %s_%s_ from %s there and reload HAProxy. The last attempt said: %s",
		view.name, view.key, timeout, object.Namespace, object.Name, path, view.lastMessage())}
}

func (v HostView) lastMessage() string {
	if v.record.Outcome.Message == "" {
		return "nothing"
	}
	return v.record.Outcome.Message
}

// Retains reports whether the deletion of an object leaves its hosts unchanged: because of its policy, or because it is suspended.
func Retains(object *v1alpha1.EdgeLoadBalancer) bool {
	return !object.DeletionTimestamp.IsZero() &&
		(object.Spec.DeletionPolicy == v1alpha1.DeletionRetain || object.Spec.Suspend)
}

// RetainedEvents reports which hosts keep the listeners of an object whose deletion leaves its hosts unchanged. A shared host does
// not keep them: it runs what its objects say.
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

// sharer returns another object that shares the host with this one.
func (v HostView) sharer(object *v1alpha1.EdgeLoadBalancer) (name types.NamespacedName, found bool) {
	own := record.NameOf(object)
	for _, member := range v.record.Wanted.Members {
		if member.Object != own && member.Object.Namespace == own.Namespace {
			return member.Object, true
		}
	}
	return types.NamespacedName{}, false
}
