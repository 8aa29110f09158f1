package controllers

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// The reasons of events that are no reasons of conditions.
const (
	eventRecovered   = "Recovered"
	eventLeftBehind  = "LeftBehind"
	eventRetained    = "Retained"
	eventNotRetained = "NotRetained"
)

// noteLimit is how long the API server lets an event's note be, in bytes.
const noteLimit = 1024

// notice is something that a person should hear of.
type notice struct {
	// kind is Normal or Warning.
	kind, reason string
	// host is the name of the host that it is about; empty for the object as a whole.
	host    string
	message string
}

// noticesOf says what is worth an event about the step from one status to the next. Since the former status is kept in the
// cluster, nothing is told twice: not at a retry, and not after a restart of the operator. changes says, by host, what its
// last change was for.
func noticesOf(before, after v1alpha1.EdgeLoadBalancerStatus, changes map[string][]string) []notice {
	former := map[string]v1alpha1.HostStatus{}
	for _, host := range before.Hosts {
		former[host.Name] = host
	}
	var notices []notice
	for _, host := range after.Hosts {
		notices = append(notices, hostNotices(former[host.Name], host, changes[host.Name])...)
	}
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionTargetsAvailable, v1alpha1.ConditionHostsSynced} {
		notices = append(notices, conditionNotices(kind, before.Conditions, after.Conditions)...)
	}
	return notices
}

func hostNotices(before, after v1alpha1.HostStatus, changes []string) []notice {
	var notices []notice
	switch {
	case isFailure(after.State) && after.State != before.State:
		notices = append(notices, notice{corev1.EventTypeWarning, string(after.State), after.Name,
			fmt.Sprintf("%s: %s", after.Name, after.Message)})
	case after.State == v1alpha1.HostSynced && wasFailing(before):
		notices = append(notices, notice{corev1.EventTypeNormal, eventRecovered, after.Name,
			fmt.Sprintf("%s: is synced again after it was %s", after.Name, before.State)})
	}
	if after.State == v1alpha1.HostSynced && after.LastSyncTime != nil && !after.LastSyncTime.Equal(before.LastSyncTime) {
		notices = append(notices, notice{corev1.EventTypeNormal, v1alpha1.ReasonSynced, after.Name,
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
func conditionNotices(kind string, before, after []metav1.Condition) []notice {
	was, is := meta.FindStatusCondition(before, kind), meta.FindStatusCondition(after, kind)
	if is == nil || is.Status != metav1.ConditionFalse || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
		return nil
	}
	if kind == v1alpha1.ConditionHostsSynced && is.Reason != v1alpha1.ReasonSecretNotFound && is.Reason != v1alpha1.ReasonSecretInvalid {
		return nil
	}
	return []notice{{kind: corev1.EventTypeWarning, reason: is.Reason, message: is.Message}}
}

// announce sends notices. They are about a part of the object, as those of a Pod are about a container; events about
// different hosts would otherwise be taken for repetitions of one. What stays on hosts, or does not although it
// should, is also logged: a namespace that is being deleted takes no events any more.
func announce(ctx context.Context, recorder events.EventRecorder, object *v1alpha1.EdgeLoadBalancer, notices []notice) {
	for _, n := range notices {
		switch n.reason {
		case eventLeftBehind, eventRetained, eventNotRetained:
			log.FromContext(ctx).Info("Object leaves hosts", "reason", n.reason, "host", n.host, "message", n.message)
		}
		about := &corev1.ObjectReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "EdgeLoadBalancer",
			Namespace: object.Namespace, Name: object.Name, UID: object.UID, ResourceVersion: object.ResourceVersion,
		}
		if n.host != "" {
			about.FieldPath = fmt.Sprintf("spec.hosts{%s}", n.host)
		}
		recorder.Eventf(about, nil, n.kind, n.reason, "Sync", "%s", shortened(n.message))
	}
}

func shortened(message string) string {
	const mark = "…"
	if len(message) <= noteLimit {
		return message
	}
	end := noteLimit - len(mark)
	for !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + mark
}
