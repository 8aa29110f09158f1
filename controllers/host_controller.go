package controllers

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/clusters"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/metrics"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/publish"
	"github.com/edgelb/edgelb/internal/queue"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rollout/conduct"
	"github.com/edgelb/edgelb/internal/rulebook"
	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/secrets"
)

// hostReconciler brings hosts to the state that the EdgeLoadBalancers want. It works on one host at a time for each key of its
// queue, so a host that hangs delays no other.
type hostReconciler struct {
	clusters.Sources
	cluster   string
	connector Connector
	sync      SyncFunc
	secrets   *secrets.Reader
	records   *record.Store
	conductor *conduct.Conductor
	caches    *syncCaches
	places    *queue.Places
	// background continues the syncs of hosts that keep their workers waiting.
	background *queue.Background[model.HostID]
	builder    desired.Builder
	rules      *rulebook.Book
	pace       policy.Pace
	counters   *metrics.Counters
	// objects queues EdgeLoadBalancers after changes on their hosts.
	objects *queue.Source[ctrl.Request]
	// hostEvents queues hosts after events that no watch of the operator's own cluster delivers.
	hostEvents *queue.Source[model.HostID]
	// virtual queues hosts whose keepalived must be worked on.
	virtual *queue.Source[model.HostID]
	now     func() time.Time
	// random returns a number from 0 to 1.
	random func() float64
}

// Reconcile works on a host, in the background if that takes longer.
func (r *hostReconciler) Reconcile(ctx context.Context, key model.HostID) (ctrl.Result, error) {
	return r.background.Reconcile(ctx, key, r.reconcile)
}

// reconcile enters the host with the objects that name it. It records what the host should run, chooses the task that is due, runs it, and
// records the result, which says when to come back. While the owner of the host cannot log in, the others that name it try.
func (r *hostReconciler) reconcile(ctx context.Context, key model.HostID) (ctrl.Result, error) {
	began := r.now()
	named, release, err := r.enter(ctx, key, began)
	if err != nil || release == nil {
		return ctrl.Result{}, err
	}
	defer release()
	seen, known, err := r.recordWanted(ctx, named)
	if err != nil {
		return ctrl.Result{}, err
	}
	built := r.now()
	task, wait, err := r.choose(ctx, seen, known)
	if err != nil || task == nil {
		return comeBack(known, wait, err)
	}
	// A host that failed is left alone meanwhile. Only its servers are updated, if they still can be.
	if wait == 0 || known.Outcome.Live {
		tried, err := r.run(ctx, task)
		if err != nil || tried == nil {
			return comeBack(known, wait, err)
		}
		wait = r.recordTried(ctx, seen, syncEnd{attempt: *tried, before: known, began: began, built: built})
	}
	wait, err = r.contest(ctx, seen, task, wait)
	return comeBack(known, wait, err)
}

// comeBack returns when to work on a host again, given the wait without detachments, where 0 means after the next event.
func comeBack(known record.Host, wait time.Duration, err error) (ctrl.Result, error) {
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: known.Detachments.Await(wait)}, nil
}

// enter returns the objects that name a host, and the function that gives back the place in which it is worked on. The function is nil if
// nothing is to be done now: there is no place, or no object names the host any more, which is then forgotten.
func (r *hostReconciler) enter(ctx context.Context, key model.HostID, now time.Time) (index.Named, func(), error) {
	r.records.Look(key, now)
	named, err := index.OfHost(ctx, r.Here, key)
	switch {
	case err != nil || named.Unsettled:
		// The return of the finalizer queues the host again.
		return index.Named{}, nil, err
	case len(named.Wanting)+len(named.Detaching) == 0:
		r.forget(ctx, key)
		return index.Named{}, nil, nil
	}
	known := r.records.Get(key)
	release, entered := r.places.Enter(key, shareOf(named, known), known.Outcome.State == model.Synced)
	if !entered {
		// It is queued when it gets a place.
		return index.Named{}, nil, nil
	}
	return named, release, nil
}

// shareOf returns the namespace whose share of the workers the host counts to: that of the Secret that last logged in to it, or that
// of an object that names it.
func shareOf(named index.Named, known record.Host) string {
	if namespace := known.Wanted.Login.Secret.Namespace; namespace != "" {
		return namespace
	}
	return named.Namespaces()[0]
}

// recordWanted builds the wanted state of the host and records it, even if no attempt is due: the problems of the spec are reported
// whether the host answers or not.
func (r *hostReconciler) recordWanted(ctx context.Context, named index.Named) (observed, record.Host, error) {
	seen, err := r.observe(ctx, named)
	if err != nil {
		return observed{}, record.Host{}, err
	}
	host := r.builder.Build(named.Host, seen.snapshot)
	// They may contain text from another cluster.
	host.Problems = sanitize.All(host.Problems, sanitize.Message)
	var urgency record.Urgency
	var before []desired.Problem
	after := r.records.Update(seen.key, func(known *record.Host) {
		before = known.Wanted.Problems
		urgency = known.Rebuild(host, seen.snapshot.Objects, seen.detaching, r.now())
	})
	logConflicts(ctx, host, before)
	r.report(seen, urgency)
	return seen, after, nil
}

// choose returns what to do with the host now; nil if there is nothing to do yet. If a task comes with a wait, the host failed at it,
// and is left alone for that time except for its servers.
func (r *hostReconciler) choose(ctx context.Context, seen observed, known record.Host) (*hostTask, time.Duration, error) {
	if seen.mayHaveNone(known) {
		r.disconnect(seen.key)
	}
	chosen := known.Choose(seen.snapshot, seen.detaching)
	if chosen == nil {
		return nil, 0, nil
	}
	if !r.orderVirtual(seen, known, chosen) {
		return nil, record.VirtualLookInterval, nil
	}
	task, err := r.prepare(ctx, seen, known, chosen, r.caches.of(seen.key))
	if err != nil {
		return nil, 0, err
	}
	if wait := r.awaitPace(seen, known, chosen); wait > 0 {
		return nil, wait, nil
	}
	wait := known.HoldOff(chosen.Inputs, r.now())
	chosen.RuntimeOnly = wait > 0
	return task, wait, nil
}

// awaitPace returns how long a change of an object that is new in the task must wait. An object that the host was already tried
// with, or proved to run before this operator started, is not new.
func (r *hostReconciler) awaitPace(seen observed, known record.Host, task *record.Task) time.Duration {
	var wait time.Duration
	for _, object := range seen.snapshot.Objects {
		generation, wanted := task.Objects[object.UID]
		reported, _ := index.StatusOf(object, seen.key)
		if !wanted || generation == known.Tried[object.UID] || generation == reported.ObservedGeneration {
			continue
		}
		perSecond := seen.snapshot.RulesOf(object.Namespace).Limits.ChangesPerSecond.Most
		wait = max(wait, r.pace.Wait(object.Namespace, object.UID, generation, perSecond, r.now()))
	}
	return wait
}

// recordTried records the result of a task, queues the objects, and returns when to come back. All output of a host is sanitized here
// before it is used anywhere else.
func (r *hostReconciler) recordTried(ctx context.Context, seen observed, end syncEnd) time.Duration {
	if end.Outcome.Unchecked {
		// It says nothing about the host.
		return end.Outcome.FollowUp
	}
	end.Outcome = sanitize.All(end.Outcome, sanitize.Message)
	now := r.now()
	var urgency record.Urgency
	known := r.records.Update(seen.key, func(known *record.Host) { urgency = known.Apply(end.Attempt, now, r.random()) })
	r.counters.Attempted(end.before, end.Attempt, now)
	end.log(ctx, known, now)
	if known.Virtual.Task != nil && end.Outcome.Changed {
		// What keepalived waited for may have come.
		r.virtual.Add(seen.key)
	}
	if end.Outcome.RenamedFrom != "" {
		r.records.Moved(end.Outcome.RenamedFrom, end.Task.Objects)
	}
	r.report(seen, urgency)
	r.enqueue(end.Next)
	if len(end.Task.Objects) == 0 && len(seen.snapshot.Objects) > 0 && end.Outcome.State == model.Synced {
		// The host was only freed for its next owner, which is due now.
		return time.Millisecond
	}
	return known.Wait(end.Attempt, now)
}

// report queues every object of the host after a change.
func (r *hostReconciler) report(seen observed, urgency record.Urgency) {
	var delay time.Duration
	switch urgency {
	case record.Unchanged:
		return
	case record.Routine:
		delay = publish.RoutineDelay
	case record.Urgent:
	}
	for _, object := range seen.snapshot.Objects {
		r.objects.AddAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)}, delay)
	}
	for _, d := range seen.detaching {
		r.objects.AddAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(d.EdgeLoadBalancer)}, delay)
	}
}

// enqueue queues hosts.
func (r *hostReconciler) enqueue(keys []model.HostID) {
	for _, key := range keys {
		r.hostEvents.Add(key)
	}
}

// forget drops everything about a host that no object names any more, and the Secrets that nothing else uses.
func (r *hostReconciler) forget(ctx context.Context, key model.HostID) {
	r.places.Forget(key)
	r.records.Forget(key)
	r.caches.forget(key)
	r.virtual.Add(key)
	r.enqueue(r.conductor.Slots.Forget(key))
	r.builder.Forget()
	r.connector.Forget(key)
	r.secrets.Prune(ctx)
}

// disconnect ends the connection to a host that must not be dialled.
func (r *hostReconciler) disconnect(key model.HostID) {
	r.caches.forget(key)
	r.connector.Forget(key)
}
