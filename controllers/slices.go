package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/edgelb/edgelb/internal/desired"
)

// hostQueue is the queue of the controller of hosts.
type hostQueue = workqueue.TypedRateLimitingInterface[desired.HostKey]

// sliceHandler wakes the hosts that have a listener whose connections go to an EndpointSlice's Service, and notes what the
// slice says about when the change was triggered. As kube-proxy does, it takes that for news only where it has changed, and
// not from a slice that is deleted: what it says then belongs to an earlier change.
func (r *hostReconciler) sliceHandler() handler.TypedFuncs[client.Object, desired.HostKey] {
	return handler.TypedFuncs[client.Object, desired.HostKey]{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, queue hostQueue) {
			r.slicesChanged(ctx, queue, triggerOf(e.Object), e.Object)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue hostQueue) {
			r.slicesChanged(ctx, queue, newTrigger(e.ObjectOld, e.ObjectNew), e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue hostQueue) {
			r.slicesChanged(ctx, queue, time.Time{}, e.Object)
		},
	}
}

// slicesChanged wakes the hosts of the slices' Services, of which there is one unless a slice has changed hands.
func (r *hostReconciler) slicesChanged(ctx context.Context, queue hostQueue, trigger time.Time, slices ...client.Object) {
	done := map[types.NamespacedName]bool{}
	for _, slice := range slices {
		service := serviceOf(slice)
		if done[service] {
			continue
		}
		done[service] = true
		keys := r.hostsThatServe(ctx, service)
		r.records.Touch(keys, r.now(), trigger)
		for _, key := range keys {
			queue.Add(key)
		}
	}
}

// triggerOf is when that happened for which a slice was changed last; zero if it does not say so.
func triggerOf(slice client.Object) time.Time {
	at, err := time.Parse(time.RFC3339Nano, slice.GetAnnotations()[corev1.EndpointsLastChangeTriggerTime])
	if err != nil {
		return time.Time{}
	}
	return at
}

func newTrigger(before, after client.Object) time.Time {
	at := triggerOf(after)
	if at.Equal(triggerOf(before)) {
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
