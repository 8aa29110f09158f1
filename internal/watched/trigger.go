package watched

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Trigger is when that happened for which an EndpointSlice was changed; zero if it does not say so. As kube-proxy does, it
// takes what the slice says for news only where that has changed. Either may be nil: a slice that is new has news, and one that is
// deleted has none: what it says belongs to an earlier change.
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

// onlyTrigger are a slice's annotations without those that nobody here reads.
func onlyTrigger(annotations map[string]string) map[string]string {
	at, found := annotations[corev1.EndpointsLastChangeTriggerTime]
	if !found {
		return nil
	}
	return map[string]string{corev1.EndpointsLastChangeTriggerTime: at}
}
