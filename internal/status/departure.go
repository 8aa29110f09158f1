package status

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/detach"
)

// fate decides about a host that the object detaches from. wait is how long the host may still wait.
func (v HostView) fate(object *v1alpha1.EdgeLoadBalancer, timeout time.Duration, now time.Time) (f detach.Fate, wait time.Duration) {
	known := detach.Knowledge{MayHave: v.mayHave(object), ReloadsLater: v.record.Outcome.RetryAfter > 0 || v.record.Held.Why != ""}
	return v.record.Detachments[object.UID].Fate(object, known, timeout, now)
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
		switch f, left := view.fate(object, timeout, now); f {
		case detach.Waiting:
			remaining = append(remaining, view)
			if left > 0 && (wait == 0 || left < wait) {
				wait = left
			}
		case detach.Abandoned:
			abandoned = append(abandoned, leftBehind(object, view, timeout))
		case detach.Clean:
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
	own := spec.NameOf(object)
	for _, member := range v.record.Wanted.Members {
		if member.Object != own && member.Object.Namespace == own.Namespace {
			return member.Object, true
		}
	}
	return types.NamespacedName{}, false
}
