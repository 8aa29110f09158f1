package controllers

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
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
func (v hostView) departure(object *v1alpha1.EdgeLoadBalancer, timeout time.Duration, now time.Time) (f fate, wait time.Duration) {
	leave := v.record.leaving[object.UID]
	since := leave.countsFrom(object)
	switch {
	case leave.done:
		return fateClean, 0
	case object.Spec.Suspend:
		return fateWaiting, 0
	case leave.tried && !v.mayHave(object):
		// One try, in case that the operator died between a change and its note of it.
		return fateClean, 0
	case since.IsZero():
		return fateWaiting, 0
	case now.Before(since.Add(timeout)):
		return fateWaiting, since.Add(timeout).Sub(now)
	default:
		return fateAbandoned, 0
	}
}

// countsFrom is when the time began that the host has to be freed in; zero if it has not begun. A deletion outlasts the
// operator, which may have been away for all that time: it counts from its start only once this operator has tried, and not at
// all if it had to wait for the end of a suspension.
func (l leave) countsFrom(object *v1alpha1.EdgeLoadBalancer) time.Time {
	if l.tried && !l.delayed && !object.DeletionTimestamp.IsZero() {
		return object.DeletionTimestamp.Time
	}
	return l.since
}

// depart sorts out the hosts that the object leaves: those that are still to be freed are returned with the rest, those
// that had to be given up with a notice. wait is the time to the next decision; 0 if there is none to make.
func depart(object *v1alpha1.EdgeLoadBalancer, views []hostView, timeout time.Duration, now time.Time) (
	remaining []hostView, given []notice, wait time.Duration,
) {
	for _, view := range views {
		if !view.leaving {
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

func leftBehind(object *v1alpha1.EdgeLoadBalancer, view hostView, timeout time.Duration) notice {
	path := object.Spec.HAProxy.Paths.Config
	if path == "" {
		path = "/etc/haproxy/haproxy.cfg"
	}
	return notice{corev1.EventTypeWarning, eventLeftBehind, view.name, fmt.Sprintf(
		"%s: the listeners of this object were left behind on %s, which could not be cleaned within %s. To remove them by hand, "+
			"delete the sections that begin with %s_%s_ from %s there and reload HAProxy. The last attempt said: %s",
		view.name, view.key, timeout, object.Namespace, object.Name, path, view.lastWords())}
}

func (v hostView) lastWords() string {
	if v.record.outcome.Message == "" {
		return "nothing"
	}
	return v.record.outcome.Message
}

// retains reports whether an object goes without its hosts being touched: by its policy, or because it is suspended.
func retains(object *v1alpha1.EdgeLoadBalancer) bool {
	return !object.DeletionTimestamp.IsZero() &&
		(object.Spec.DeletionPolicy == v1alpha1.DeletionRetain || object.Spec.Suspend)
}

// retainedNotices tells which hosts keep the listeners of an object that goes without its hosts being touched. One that is
// shared does not: it runs what its objects say.
func retainedNotices(object *v1alpha1.EdgeLoadBalancer, views []hostView) []notice {
	why := "spec.deletionPolicy is Retain"
	if object.Spec.Suspend {
		why = "spec.suspend is true"
	}
	var keep []string
	var notices []notice
	for _, view := range views {
		sharer, shared := view.sharer(object)
		switch {
		case !view.mayHave(object):
		case shared:
			notices = append(notices, notice{corev1.EventTypeWarning, eventNotRetained, view.name, fmt.Sprintf(
				"%s: the listeners of this object will be removed there although %s, because EdgeLoadBalancer %s shares the host",
				view.name, why, sharer)})
		default:
			keep = append(keep, view.name)
		}
	}
	if len(keep) == 0 {
		return notices
	}
	return append(notices, notice{kind: corev1.EventTypeNormal, reason: eventRetained, message: fmt.Sprintf(
		"the listeners of this object stay on %s, because %s", strings.Join(keep, ", "), why)})
}

// sharer is another object that holds the host together with this one.
func (v hostView) sharer(object *v1alpha1.EdgeLoadBalancer) (name types.NamespacedName, found bool) {
	own := client.ObjectKeyFromObject(object)
	for _, member := range v.record.host.Members {
		if member.Object != own && member.Object.Namespace == own.Namespace {
			return member.Object, true
		}
	}
	return types.NamespacedName{}, false
}
