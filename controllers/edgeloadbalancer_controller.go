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
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status"
)

// Finalizer keeps an EdgeLoadBalancer until its hosts are clean of it.
const Finalizer = "edgelb.io/hosts"

// edgeLoadBalancerReconciler keeps the finalizer and the status of EdgeLoadBalancers. It never talks to a host: what there
// is to know about hosts is in the records.
type edgeLoadBalancerReconciler struct {
	client   client.Client
	recorder events.EventRecorder
	records  *record.Store
	// written is when the statuses were written last.
	written *writes
	// removalTimeout bounds how long a host that is left may take to be freed.
	removalTimeout time.Duration
	now            func() time.Time
}

// Reconcile holds the object, sorts out the hosts that it leaves, publishes its status, and lets it go once no host is left.
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
	case status.Retains(object):
		return ctrl.Result{}, r.release(ctx, object, status.RetainedEvents(object, status.ViewsOf(object, r.records.Get)))
	}
	now := r.now()
	views, given, wait := status.Depart(object, status.ViewsOf(object, r.records.Get), r.removalTimeout, now)
	if deleting && len(views) == 0 {
		return ctrl.Result{}, r.release(ctx, object, given)
	}
	told := status.Summarize(object, views, now)
	if early := r.written.tooEarly(object, told, now); early > 0 {
		// What there is to tell by then is told at once.
		return ctrl.Result{RequeueAfter: early}, nil
	}
	return ctrl.Result{RequeueAfter: wait}, r.publish(ctx, object, told, append(given, status.EventsOf(object.Status, told, status.ChangesOf(views))...))
}

func isHeld(object *v1alpha1.EdgeLoadBalancer) bool {
	return controllerutil.ContainsFinalizer(object, Finalizer)
}

// hold adds the finalizer. Hosts are touched only after that; the watch brings the object back.
func (r *edgeLoadBalancerReconciler) hold(ctx context.Context, object *v1alpha1.EdgeLoadBalancer) error {
	before := object.DeepCopy()
	controllerutil.AddFinalizer(object, Finalizer)
	_, err := r.patch(ctx, object, before)
	return err
}

// release removes the finalizer, and says what it leaves behind.
func (r *edgeLoadBalancerReconciler) release(ctx context.Context, object *v1alpha1.EdgeLoadBalancer, events []status.Event) error {
	before := object.DeepCopy()
	controllerutil.RemoveFinalizer(object, Finalizer)
	if written, err := r.patch(ctx, object, before); err != nil || !written {
		return err
	}
	announce(ctx, r.recorder, before, events)
	return nil
}

// patch writes an object's metadata. One that is outdated is not written.
func (r *edgeLoadBalancerReconciler) patch(ctx context.Context, object, before *v1alpha1.EdgeLoadBalancer) (written bool, err error) {
	err = r.client.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return err == nil, outdated(err)
}

// publish writes the status if it differs, and then tells what is new in it.
func (r *edgeLoadBalancerReconciler) publish(
	ctx context.Context, object *v1alpha1.EdgeLoadBalancer, told v1alpha1.EdgeLoadBalancerStatus, events []status.Event,
) error {
	before := object.DeepCopy()
	written, err := r.patchStatus(ctx, object, before, told)
	if isRefused(err) {
		log.FromContext(ctx).Error(err, "The API server does not take the whole status, so a shorter one is published")
		written, err = r.patchStatus(ctx, object, before, status.Shortened(told))
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

// patchStatus writes a status, unless it is what the object has.
func (r *edgeLoadBalancerReconciler) patchStatus(
	ctx context.Context, object, before *v1alpha1.EdgeLoadBalancer, told v1alpha1.EdgeLoadBalancerStatus,
) (written bool, err error) {
	if equality.Semantic.DeepEqual(before.Status, told) {
		return false, nil
	}
	object.Status = told
	// The lock makes sure that the former status, by which events are decided on, is the one that is replaced.
	err = r.client.Status().Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return err == nil, err
}

// isRefused reports whether the API server does not take a status as it is, so that trying again would not help.
func isRefused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err) ||
		(err != nil && strings.Contains(err.Error(), "request is too large"))
}

// outdated ignores that the object is not the newest one: the watch is about to bring that, and with it the next turn.
func outdated(err error) error {
	if err == nil || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("patch the EdgeLoadBalancer: %w", err)
}
