package queue

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Workers is how many workers the controller of hosts needs: one for each host that may be busy at once, and some for what is reserved
// for namespaces. A worker that has nothing to do is not free: every garbage collection scans its stack.
const Workers = 2 * busyHosts

// Background frees a worker from a host that keeps it waiting: a reconciliation that takes longer than busyTime continues without the
// worker. As with workers alone, a key is never reconciled twice at the same time, and an event that arrives meanwhile leads to another
// reconciliation. Its methods are safe for concurrent use.
type Background[K comparable] struct {
	// queue is where the keys come from.
	queue *Source[K]
	// retries says when a key that failed is reconciled again. The controller's own does not know of these failures: to it, the
	// reconciliation has ended without one.
	retries workqueue.TypedRateLimiter[K]

	mu sync.Mutex
	// running are the reconciliations that continue without a worker.
	running map[K]*reconciliation
}

// reconciliation is one of a key. Its result is valid once it has ended.
type reconciliation struct {
	ended  chan struct{}
	result reconcile.Result
	err    error
	// panicked is the value of a panic; nil if there was none.
	panicked any
	// again says that an event has arrived meanwhile.
	again bool
}

// NewBackground returns a Background for the keys of a queue. Keys that failed without their worker are retried as the limiter says.
func NewBackground[K comparable](queue *Source[K], retries workqueue.TypedRateLimiter[K]) *Background[K] {
	return &Background[K]{queue: queue, retries: retries, running: map[K]*reconciliation{}}
}

// Reconcile reconciles a key with work. If that takes longer than busyTime, it returns an empty result, and the key is queued
// as the actual result says once there is one. After the end of the context, it always waits for the actual result.
func (b *Background[K]) Reconcile(ctx context.Context, key K, work reconcile.TypedFunc[K]) (reconcile.Result, error) {
	if b.postpone(key) {
		return reconcile.Result{}, nil
	}
	r := &reconciliation{ended: make(chan struct{})}
	go r.run(ctx, func() (reconcile.Result, error) { return work(ctx, key) })
	late := time.NewTimer(busyTime)
	defer late.Stop()
	select {
	case <-r.ended:
	case <-late.C:
		if b.leave(ctx, key, r) {
			return reconcile.Result{}, nil
		}
		<-r.ended
	}
	b.retries.Forget(key) // Now its controller knows how it ends.
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.result, r.err
}

// Wait waits for the end of the context, and then for the end of all reconciliations that continue without a worker.
func (b *Background[K]) Wait(ctx context.Context) error {
	<-ctx.Done()
	b.mu.Lock()
	running := slices.Collect(maps.Values(b.running))
	b.mu.Unlock()
	for _, r := range running {
		<-r.ended
	}
	return nil
}

// postpone reports whether the key is being reconciled without a worker. If so, it is reconciled again after that.
func (b *Background[K]) postpone(key K) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.running[key]
	if r != nil {
		r.again = true
	}
	return r != nil
}

// leave lets a reconciliation continue without its worker. It refuses after the end of the context, when Wait may have returned already.
func (b *Background[K]) leave(ctx context.Context, key K, r *reconciliation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	b.running[key] = r
	go b.conclude(ctx, key, r)
	return true
}

// conclude does with the result of a reconciliation what its controller would have done, since that is no longer waiting for it. Only its metrics
// do not count it.
func (b *Background[K]) conclude(ctx context.Context, key K, r *reconciliation) {
	<-r.ended
	b.mu.Lock()
	delete(b.running, key)
	again := r.again
	b.mu.Unlock()
	if r.panicked != nil {
		r.err = fmt.Errorf("panic: %v [recovered]", r.panicked)
	}
	wait := r.result.RequeueAfter
	if r.err != nil {
		log.FromContext(ctx).Error(r.err, "Reconciler error")
		wait = b.retries.When(key)
	} else {
		b.retries.Forget(key)
	}
	if wait > 0 {
		b.queue.AddAfter(key, wait)
	}
	if again {
		b.queue.Add(key)
	}
}

// run runs the work. A panic concerns one key, and the others must go on.
func (r *reconciliation) run(ctx context.Context, work func() (reconcile.Result, error)) {
	defer close(r.ended)
	defer func() {
		if r.panicked = recover(); r.panicked != nil {
			log.FromContext(ctx).Error(nil, "Observed a panic", "value", fmt.Sprint(r.panicked), "stack", string(debug.Stack()))
		}
	}()
	r.result, r.err = work()
}
