package status

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// The reasons of events that are no reasons of conditions.
const (
	// EventRecovered: a host that had failed is synced.
	EventRecovered = "Recovered"
	// EventLeftBehind: a host could not be freed in time, and may still have the object's listeners.
	EventLeftBehind = "LeftBehind"
	// EventRetained: hosts keep the object's listeners, as it wants.
	EventRetained = "Retained"
	// EventNotRetained: a host that is shared does not keep them.
	EventNotRetained = "NotRetained"
)

// Notice is something that a person should hear of.
type Notice struct {
	// Kind is Normal or Warning, and Reason the event's.
	Kind, Reason string
	// Host is the name of the host that it is about; empty for the object as a whole.
	Host string
	// Message says what has happened, and what to do.
	Message string
}

// NoticesOf says what is worth an event about the step from one status to the next. Since the former status is kept in the
// cluster, nothing is told twice: not at a retry, and not after a restart of the operator. changes says, by host, what its
// last change was for.
func NoticesOf(before, after v1alpha1.EdgeLoadBalancerStatus, changes map[string][]string) []Notice {
	former := map[string]v1alpha1.HostStatus{}
	for _, host := range before.Hosts {
		former[host.Name] = host
	}
	var notices []Notice
	for _, host := range after.Hosts {
		notices = append(notices, hostNotices(former[host.Name], host, changes[host.Name])...)
	}
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionTargetsAvailable, v1alpha1.ConditionHostsSynced} {
		notices = append(notices, conditionNotices(kind, before.Conditions, after.Conditions)...)
	}
	return notices
}

func hostNotices(before, after v1alpha1.HostStatus, changes []string) []Notice {
	var notices []Notice
	switch {
	case isFailure(after.State) && after.State != before.State:
		notices = append(notices, Notice{corev1.EventTypeWarning, string(after.State), after.Name,
			fmt.Sprintf("%s: %s", after.Name, after.Message)})
	case after.State == v1alpha1.HostSynced && wasFailing(before):
		notices = append(notices, Notice{corev1.EventTypeNormal, EventRecovered, after.Name,
			fmt.Sprintf("%s: is synced again after it was %s", after.Name, before.State)})
	}
	if after.State == v1alpha1.HostSynced && after.LastSyncTime != nil && !after.LastSyncTime.Equal(before.LastSyncTime) {
		notices = append(notices, Notice{corev1.EventTypeNormal, v1alpha1.ReasonSynced, after.Name,
			fmt.Sprintf("%s: was changed and runs what the spec says: %s", after.Name, strings.Join(changes, "; "))})
	}
	return notices
}

// wasFailing counts a Secret that is missing or cannot be used, too. That is told once for the object and not for each host.
func wasFailing(host v1alpha1.HostStatus) bool {
	return isFailure(host.State) || (host.State == v1alpha1.HostPending && host.ConsecutiveErrors > 0)
}

func isFailure(state v1alpha1.HostState) bool {
	switch state {
	case v1alpha1.HostUnreachable, v1alpha1.HostUntrusted, v1alpha1.HostUnauthorized, v1alpha1.HostRejected, v1alpha1.HostRefused:
		return true
	default:
		return false
	}
}

// conditionNotices tells a condition that has become false, or is so for another reason. Reasons that are a host's state
// have been told for that host.
func conditionNotices(kind string, before, after []metav1.Condition) []Notice {
	was, is := meta.FindStatusCondition(before, kind), meta.FindStatusCondition(after, kind)
	if is == nil || is.Status != metav1.ConditionFalse || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
		return nil
	}
	if kind == v1alpha1.ConditionHostsSynced && is.Reason != v1alpha1.ReasonSecretNotFound && is.Reason != v1alpha1.ReasonSecretInvalid {
		return nil
	}
	return []Notice{{Kind: corev1.EventTypeWarning, Reason: is.Reason, Message: is.Message}}
}

// ChangesOf says, by the hosts' names, what their last change was for.
func ChangesOf(views []View) map[string][]string {
	changes := map[string][]string{}
	for _, view := range views {
		changes[view.name] = view.record.Changes
	}
	return changes
}
