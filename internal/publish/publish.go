// Package publish is everything that the operator writes to its own cluster about EdgeLoadBalancers: their finalizer, their status and
// events. It writes no status more often than is of use.
package publish

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/status"
	"github.com/edgelb/edgelb/internal/status/fit"
)

// Writer writes EdgeLoadBalancers. Its methods are safe for concurrent use.
type Writer struct {
	client   client.Client
	recorder events.EventRecorder
	now      func() time.Time
	// written is when each status was last written.
	written *writes
}

// New returns a Writer that has written nothing.
func New(c client.Client, recorder events.EventRecorder) *Writer {
	return &Writer{client: c, recorder: recorder, now: time.Now, written: newWrites()}
}

// Rest returns how long an object should be left alone after the last write of its status.
func (w *Writer) Rest(object types.NamespacedName) time.Duration {
	return w.written.rest(object, w.now())
}

// TooEarly returns how long to wait before publishing a status whose changes are only routine; 0 if it may be published now.
func (w *Writer) TooEarly(object *v1alpha1.EdgeLoadBalancer, after v1alpha1.EdgeLoadBalancerStatus) time.Duration {
	return w.written.tooEarly(object, after, w.now())
}

// Forget drops what is known of an object that is gone.
func (w *Writer) Forget(object types.NamespacedName) { w.written.forget(object) }

// Hold adds the finalizer. Hosts are changed only after that; the watch delivers the object again.
func (w *Writer) Hold(ctx context.Context, object *v1alpha1.EdgeLoadBalancer) error {
	before := object.DeepCopy()
	controllerutil.AddFinalizer(object, index.Finalizer)
	_, err := w.patch(ctx, object, before)
	return err
}

// Release removes the finalizer, and reports what stays behind.
func (w *Writer) Release(ctx context.Context, object *v1alpha1.EdgeLoadBalancer, events []status.Event) error {
	before := object.DeepCopy()
	controllerutil.RemoveFinalizer(object, index.Finalizer)
	if written, err := w.patch(ctx, object, before); err != nil || !written {
		return err
	}
	announce(ctx, w.recorder, before, events)
	return nil
}

// patch writes an object's metadata. An outdated object is not written.
func (w *Writer) patch(ctx context.Context, object, before *v1alpha1.EdgeLoadBalancer) (written bool, err error) {
	err = w.client.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return err == nil, outdated(err)
}

// Publish writes the status if it differs, and then sends the events.
func (w *Writer) Publish(
	ctx context.Context, object *v1alpha1.EdgeLoadBalancer, after v1alpha1.EdgeLoadBalancerStatus, events []status.Event,
) error {
	before, begin := object.DeepCopy(), w.now()
	written, err := w.patchStatus(ctx, object, before, after)
	if IsRefused(err) {
		log.FromContext(ctx).Error(err, "The API server does not take the whole status, so a shorter one is published")
		written, err = w.patchStatus(ctx, object, before, fit.Shortened(after))
	}
	if err != nil {
		return outdated(err)
	}
	if written {
		end := w.now()
		w.written.note(client.ObjectKeyFromObject(object), write{end: end, took: end.Sub(begin)})
		announce(ctx, w.recorder, before, events)
	}
	return nil
}

// patchStatus writes a status, unless the object has it already.
func (w *Writer) patchStatus(
	ctx context.Context, object, before *v1alpha1.EdgeLoadBalancer, after v1alpha1.EdgeLoadBalancerStatus,
) (written bool, err error) {
	if equality.Semantic.DeepEqual(before.Status, after) {
		return false, nil
	}
	object.Status = after
	// The lock ensures that the previous status, which the events were computed from, is the one that is replaced.
	err = w.client.Status().Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return err == nil, err
}

// IsRefused reports whether the API server rejects a status as it is, so that a retry would not help.
func IsRefused(err error) bool {
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
