package watched

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Trigger returns the time of the event that caused an EndpointSlice change; zero if the slice does not state it. Like kube-proxy,
// it uses the annotation only if the annotation has changed. Either argument may be nil. A new slice has a trigger; a deleted one
// has none, because its annotation belongs to an earlier change.
func Trigger(before, after client.Object) time.Time {
	if after == nil {
		return time.Time{}
	}
	at := triggerOf(after)
	if before != nil && at.Equal(triggerOf(before)) {
		return time.Time{}
	}
	return at
}

func triggerOf(slice client.Object) time.Time {
	at, err := time.Parse(time.RFC3339Nano, slice.GetAnnotations()[corev1.EndpointsLastChangeTriggerTime])
	if err != nil {
		return time.Time{}
	}
	return at
}

// onlyTrigger keeps the trigger time of a slice's annotations and drops the others, which the operator does not read.
func onlyTrigger(annotations map[string]string) map[string]string {
	at, found := annotations[corev1.EndpointsLastChangeTriggerTime]
	if !found {
		return nil
	}
	return map[string]string{corev1.EndpointsLastChangeTriggerTime: at}
}
