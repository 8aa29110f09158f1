package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/watched"
)

// hostQueue is the queue of the host controller.
type hostQueue = workqueue.TypedRateLimitingInterface[model.HostID]

// sliceHandler queues the hosts with a listener whose connections can go to an EndpointSlice's Service, and records when the slice
// says that the change was triggered.
func (r *hostReconciler) sliceHandler() handler.TypedFuncs[client.Object, model.HostID] {
	return handler.TypedFuncs[client.Object, model.HostID]{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, queue hostQueue) {
			r.sliceChanged(ctx, queue, nil, e.Object)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue hostQueue) {
			r.sliceChanged(ctx, queue, e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue hostQueue) {
			r.sliceChanged(ctx, queue, e.Object, nil)
		},
	}
}

func (r *hostReconciler) sliceChanged(ctx context.Context, queue hostQueue, before, after client.Object) {
	for _, service := range watched.ServicesOf(before, after) {
		for _, key := range r.endpointsChanged(ctx, spec.ServiceKey{NamespacedName: service}, watched.Trigger(before, after)) {
			queue.Add(key)
		}
	}
}

// endpointsChanged records a change of a Service's endpoints, and returns the hosts to work on.
func (r *hostReconciler) endpointsChanged(ctx context.Context, service spec.ServiceKey, trigger time.Time) []model.HostID {
	keys := r.hostsThatServe(ctx, service)
	r.records.Touch(keys, r.now(), trigger)
	return keys
}
