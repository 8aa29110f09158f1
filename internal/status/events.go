package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/status/fit"
)

// The reasons of events that are not reasons of conditions.
const (
	// EventRecovered: a host that had failed is synced.
	EventRecovered = "Recovered"
	// EventDrifted: a host was changed outside of the operator, and is left so. EventDriftRepaired: it was repaired.
	EventDrifted       = string(v1alpha1.HostDrifted)
	EventDriftRepaired = "DriftRepaired"
	// EventLeftBehind: a host could not be freed in time, and may still have the object's listeners.
	EventLeftBehind = "LeftBehind"
	// EventRetained: hosts keep the object's listeners, as it wants.
	EventRetained = "Retained"
	// EventNotRetained: a host that is shared does not keep them.
	EventNotRetained = "NotRetained"
	// EventPackagesInstalled: a host has got packages.
	EventPackagesInstalled = "PackagesInstalled"
	// EventBecameMaster: a host has the virtual addresses now.
	EventBecameMaster = "BecameMaster"
	// EventCertificateExpires: the SSH certificate that logs in to hosts expires soon.
	EventCertificateExpires = "CertificateExpires"
)

// Event is something that a person should know.
type Event struct {
	// Kind is Normal or Warning, and Reason the event's reason.
	Kind, Reason string
	// Host is the name of the host that the event is about; empty for the object as a whole.
	Host string
	// Message says what has happened, and what to do.
	Message string
}

// Change is what is known of a host's last changes besides their times.
type Change struct {
	// Reload is the reasons of HAProxy's last reload, and Drift the differences of the last change from outside of the operator.
	Reload, Drift []string
}

// EventsOf returns the events for the step from one status to the next. Because the cluster keeps the previous status, nothing is
// reported twice: not on a retry, and not after a restart of the operator. Changes of endpoints are routine, and not reported.
// changes are the last ones by host.
func EventsOf(before, after v1alpha1.EdgeLoadBalancerStatus, changes map[string]Change) []Event {
	previous, machines := map[string]v1alpha1.HostStatus{}, map[model.HostID]v1alpha1.HostStatus{}
	for _, host := range before.Hosts {
		previous[host.Name], machines[KeyOf(host)] = host, host
	}
	var events []Event
	for _, host := range after.Hosts {
		was := previous[host.Name]
		// The times are those of the machine: one whose address was changed by mistake and back has another name meanwhile.
		if machine, known := machines[KeyOf(host)]; known {
			was.LastReloadTime, was.LastDriftTime = machine.LastReloadTime, machine.LastDriftTime
		}
		events = append(events, hostEvents(was, host, changes[host.Name])...)
	}
	for _, kind := range []string{
		v1alpha1.ConditionAccepted, v1alpha1.ConditionTargetsAvailable, v1alpha1.ConditionTargetsHealthy, v1alpha1.ConditionHostsSynced,
		v1alpha1.ConditionVirtualIPsHeld,
	} {
		events = append(events, conditionEvents(kind, before.Conditions, after.Conditions)...)
	}
	events = append(events, expiryEvents(before.Hosts, after.Hosts)...)
	return append(events, healthEvents(before.Conditions, after.Conditions)...)
}

// expiryEvents reports, once for all hosts, that the SSH certificate that logs in to them expires soon.
func expiryEvents(before, after []v1alpha1.HostStatus) []Event {
	for _, host := range after {
		end := host.CertificateExpires
		if end != nil && !slices.ContainsFunc(before, func(was v1alpha1.HostStatus) bool { return was.CertificateExpires.Equal(end) }) {
			return []Event{{Kind: corev1.EventTypeWarning, Reason: EventCertificateExpires, Message: fmt.Sprintf(
				"the SSH certificate in the Secret of spec.ssh is valid until %s, and hosts refuse a login with it from then on: store a new one there as %s",
				end.UTC().Format(time.RFC3339), v1alpha1.SecretKeyCertificate)}}
		}
	}
	return nil
}

// healthEvents reports that every target has a server again that is up.
func healthEvents(before, after []metav1.Condition) []Event {
	was := meta.FindStatusCondition(before, v1alpha1.ConditionTargetsHealthy)
	is := meta.FindStatusCondition(after, v1alpha1.ConditionTargetsHealthy)
	if was == nil || is == nil || was.Status != metav1.ConditionFalse || is.Status != metav1.ConditionTrue {
		return nil
	}
	return []Event{{Kind: corev1.EventTypeNormal, Reason: is.Reason, Message: is.Message}}
}

func hostEvents(before, after v1alpha1.HostStatus, change Change) []Event {
	var events []Event
	if isLater(after.LastDriftTime, before.LastDriftTime) {
		events = append(events, driftEvent(after, change.Drift))
	}
	events = append(events, installedEvents(before, after)...)
	switch {
	case reason.Of(after.State).Event == reason.OfHost && after.State != before.State:
		events = append(events, Event{corev1.EventTypeWarning, string(after.State), after.Name,
			fmt.Sprintf("%s: %s", after.Name, after.Message)})
	case after.State == v1alpha1.HostSynced && wasFailing(before):
		events = append(events, Event{corev1.EventTypeNormal, EventRecovered, after.Name,
			fmt.Sprintf("%s: is synced again after it was %s", after.Name, before.State)})
	}
	if after.VirtualIPs == v1alpha1.VirtualIPMaster && before.VirtualIPs != after.VirtualIPs {
		events = append(events, Event{corev1.EventTypeNormal, EventBecameMaster, after.Name, after.Name + ": has the virtual addresses now"})
	}
	if after.State == v1alpha1.HostSynced && isLater(after.LastReloadTime, before.LastReloadTime) {
		events = append(events, Event{corev1.EventTypeNormal, v1alpha1.ReasonSynced, after.Name,
			fmt.Sprintf("%s: was reloaded and runs what the spec says. What was different: %s", after.Name, fit.Phrases(change.Reload))})
	}
	return events
}

// installedEvents reports packages that are new on a host. What it had when the object was new was installed for another one.
func installedEvents(before, after v1alpha1.HostStatus) []Event {
	if len(after.Installed) <= len(before.Installed) || before.State == "" || before.State == v1alpha1.HostPending {
		return nil
	}
	return []Event{{corev1.EventTypeNormal, EventPackagesInstalled, after.Name,
		fmt.Sprintf("%s: installed %s", after.Name, strings.Join(after.Installed[len(before.Installed):], " and "))}}
}

func isLater(after, before *metav1.Time) bool {
	return after != nil && !after.Equal(before)
}

func driftEvent(host v1alpha1.HostStatus, drift []string) Event {
	if host.State == v1alpha1.HostDrifted {
		return Event{corev1.EventTypeWarning, EventDrifted, host.Name, fmt.Sprintf(
			"%s: was changed by somebody else and is left so, as spec.driftPolicy says: %s", host.Name, fit.Phrases(drift))}
	}
	return Event{corev1.EventTypeWarning, EventDriftRepaired, host.Name, fmt.Sprintf(
		"%s: was changed by somebody else and brought back: %s", host.Name, fit.Phrases(drift))}
}

// wasFailing also counts a drift, which has an event of its own, and a Secret that is missing or invalid, which is reported once
// per object and not per host.
func wasFailing(host v1alpha1.HostStatus) bool {
	return reason.Of(host.State).Event == reason.OfHost || host.State == v1alpha1.HostDrifted ||
		(host.State == v1alpha1.HostPending && host.ConsecutiveErrors > 0)
}

// conditionEvents reports a condition that became False, or is False for another reason. Reasons that are a host's state are
// reported for that host.
func conditionEvents(kind string, before, after []metav1.Condition) []Event {
	was, is := meta.FindStatusCondition(before, kind), meta.FindStatusCondition(after, kind)
	if is == nil || is.Status != metav1.ConditionFalse || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
		return nil
	}
	if known := reason.Of(is.Reason); known.Event != reason.OfObject || known.Condition != kind {
		return nil
	}
	return []Event{{Kind: corev1.EventTypeWarning, Reason: is.Reason, Message: is.Message}}
}

// ChangesOf returns the last changes of hosts by their names.
func ChangesOf(views []HostView) map[string]Change {
	changes := map[string]Change{}
	for _, view := range views {
		changes[view.name] = Change{Reload: view.record.ReloadReasons, Drift: view.record.Drift}
	}
	return changes
}
