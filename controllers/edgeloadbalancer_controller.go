package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/publish"
	"github.com/edgelb/edgelb/internal/queue"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status"
)

// edgeLoadBalancerReconciler maintains the finalizer and the status of EdgeLoadBalancers. It never talks to a host: everything
// about hosts is in the records.
type edgeLoadBalancerReconciler struct {
	client  client.Client
	writer  *publish.Writer
	records *record.Store
	// removalTimeout bounds how long a host may take to be freed from an object.
	removalTimeout time.Duration
	now            func() time.Time
}

// Reconcile adds the finalizer, sorts the hosts that the object detaches from, publishes its status, and removes the finalizer once
// no host is left.
func (r *edgeLoadBalancerReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if rest := r.writer.Rest(request.NamespacedName); rest > 0 {
		return ctrl.Result{RequeueAfter: rest}, nil
	}
	object := &v1alpha1.EdgeLoadBalancer{}
	if err := r.client.Get(ctx, request.NamespacedName, object); apierrors.IsNotFound(err) {
		r.writer.Forget(request.NamespacedName)
		return ctrl.Result{}, nil
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("read the EdgeLoadBalancer: %w", err)
	}
	deleting := !object.DeletionTimestamp.IsZero()
	switch {
	case !index.IsHeld(object) && deleting:
		return ctrl.Result{}, nil
	case !index.IsHeld(object):
		return ctrl.Result{}, r.writer.Hold(ctx, object)
	case detach.Retains(object):
		return ctrl.Result{}, r.writer.Release(ctx, object, status.RetainedEvents(object, status.ViewsOf(object, r.records.Get)))
	}
	now := r.now()
	views, events, wait := status.Depart(object, status.ViewsOf(object, r.records.Get), r.removalTimeout, now)
	if deleting && len(views) == 0 {
		return ctrl.Result{}, r.writer.Release(ctx, object, events)
	}
	summarized := status.Summarize(object, views, now)
	if early := r.writer.TooEarly(object, summarized); early > 0 {
		// Everything new by then is reported at once.
		return ctrl.Result{RequeueAfter: early}, nil
	}
	events = append(events, status.EventsOf(object.Status, summarized, status.ChangesOf(views))...)
	return ctrl.Result{RequeueAfter: wait}, r.writer.Publish(ctx, object, summarized, events)
}

// setup watches the objects, and receives changes of hosts from the host controller. The object's own writes trigger it, too, so
// that it recovers from a stale cache.
func (r *edgeLoadBalancerReconciler) setup(mgr ctrl.Manager, changes *queue.Source[ctrl.Request]) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.EdgeLoadBalancer{}).
		WatchesRawSource(changes).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4, EnableWarmup: new(true), RateLimiter: apiRetries[ctrl.Request]()}).
		Complete(r)
}
