package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status"
)

// Finalizer keeps an EdgeLoadBalancer until its hosts are clean.
const Finalizer = "edgelb.io/hosts"

// edgeLoadBalancerReconciler maintains the finalizer and the status of EdgeLoadBalancers. It never talks to a host: everything
// about hosts is in the records.
type edgeLoadBalancerReconciler struct {
	client   client.Client
	recorder events.EventRecorder
	records  *record.Store
	// written is when each status was last written.
	written *writes
	// removalTimeout bounds how long a host may take to be freed from an object.
	removalTimeout time.Duration
	now            func() time.Time
}

// Reconcile adds the finalizer, sorts the hosts that the object detaches from, publishes its status, and removes the finalizer once
// no host is left.
func (r *edgeLoadBalancerReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if rest := r.written.rest(request.NamespacedName, r.now()); rest > 0 {
		return ctrl.Result{RequeueAfter: rest}, nil
	}
	object := &v1alpha1.EdgeLoadBalancer{}
	if err := r.client.Get(ctx, request.NamespacedName, object); apierrors.IsNotFound(err) {
		r.written.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("read the EdgeLoadBalancer: %w", err)
	}
	deleting := !object.DeletionTimestamp.IsZero()
	switch {
	case !isHeld(object) && deleting:
		return ctrl.Result{}, nil
	case !isHeld(object):
		return ctrl.Result{}, r.hold(ctx, object)
	case detach.Retains(object):
		return ctrl.Result{}, r.release(ctx, object, status.RetainedEvents(object, status.ViewsOf(object, r.records.Get)))
	}
	now := r.now()
	views, events, wait := status.Depart(object, status.ViewsOf(object, r.records.Get), r.removalTimeout, now)
	if deleting && len(views) == 0 {
		return ctrl.Result{}, r.release(ctx, object, events)
	}
	summarized := status.Summarize(object, views, now)
	if early := r.written.tooEarly(object, summarized, now); early > 0 {
		// Everything new by then is reported at once.
		return ctrl.Result{RequeueAfter: early}, nil
	}
	events = append(events, status.EventsOf(object.Status, summarized, status.ChangesOf(views))...)
	return ctrl.Result{RequeueAfter: wait}, r.publish(ctx, object, summarized, events)
}

func isHeld(object *v1alpha1.EdgeLoadBalancer) bool {
	return controllerutil.ContainsFinalizer(object, Finalizer)
}

// hold adds the finalizer. Hosts are changed only after that; the watch delivers the object again.
func (r *edgeLoadBalancerReconciler) hold(ctx context.Context, object *v1alpha1.EdgeLoadBalancer) error {
	before := object.DeepCopy()
	controllerutil.AddFinalizer(object, Finalizer)
	_, err := r.patch(ctx, object, before)
	return err
}

// release removes the finalizer, and reports what stays behind.
func (r *edgeLoadBalancerReconciler) release(ctx context.Context, object *v1alpha1.EdgeLoadBalancer, events []status.Event) error {
	before := object.DeepCopy()
	controllerutil.RemoveFinalizer(object, Finalizer)
	if written, err := r.patch(ctx, object, before); err != nil || !written {
		return err
	}
	announce(ctx, r.recorder, before, events)
	return nil
}

// patch writes an object's metadata. An outdated object is not written.
func (r *edgeLoadBalancerReconciler) patch(ctx context.Context, object, before *v1alpha1.EdgeLoadBalancer) (written bool, err error) {
	err = r.client.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return err == nil, outdated(err)
}

// publish writes the status if it differs, and then sends the events.
func (r *edgeLoadBalancerReconciler) publish(
	ctx context.Context, object *v1alpha1.EdgeLoadBalancer, after v1alpha1.EdgeLoadBalancerStatus, events []status.Event,
) error {
	before := object.DeepCopy()
	written, err := r.patchStatus(ctx, object, before, after)
	if isRefused(err) {
		log.FromContext(ctx).Error(err, "The API server does not take the whole status, so a shorter one is published")
		written, err = r.patchStatus(ctx, object, before, status.Shortened(after))
	}
	if err != nil {
		return outdated(err)
	}
	if written {
		r.written.note(client.ObjectKeyFromObject(object), r.now())
		announce(ctx, r.recorder, before, events)
	}
	return nil
}

// patchStatus writes a status, unless the object has it already.
func (r *edgeLoadBalancerReconciler) patchStatus(
	ctx context.Context, object, before *v1alpha1.EdgeLoadBalancer, after v1alpha1.EdgeLoadBalancerStatus,
) (written bool, err error) {
	if equality.Semantic.DeepEqual(before.Status, after) {
		return false, nil
	}
	object.Status = after
	// The lock ensures that the previous status, which the events were computed from, is the one that is replaced.
	err = r.client.Status().Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return err == nil, err
}

// isRefused reports whether the API server rejects a status as it is, so that a retry would not help.
func isRefused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err) ||
		(err != nil && strings.Contains(err.Error(), "request is too large"))
}

// outdated ignores that the object is not the newest one: the watch is about to deliver that, which triggers the next
// reconciliation.
func outdated(err error) error {
	if err == nil || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("patch the EdgeLoadBalancer: %w", err)
}
