package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/clusters"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/metrics"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Connector reaches hosts. Its methods are safe for concurrent use.
type Connector interface {
	// Connect returns a connection to the host, logged in with the login and the content of its Secret; the open one if it is still
	// valid. If there is none, the error is ErrConnecting: Signals.Dialled reports when to ask again. Any other error is a
	// *edge.Error; the state Pending means that the Secret is invalid.
	Connect(key model.HostID, login desired.Login, secret map[string][]byte) (edge.Conn, error)
	// Former returns the connection to the host that is still open although Connect fails; nil if there is none to the account of
	// the login, or if the host's key is no longer allowed by the login or the content of its Secret.
	Former(key model.HostID, login desired.Login, secret map[string][]byte) edge.Conn
	// Forget closes the connection to a host that is no longer wanted.
	Forget(key model.HostID)
}

// ErrConnecting means that a connection to a host is being made.
var ErrConnecting = errors.New("the host is being connected to")

// SyncFunc brings a host to the wanted state over a connection: edge.Sync.
type SyncFunc func(ctx context.Context, conn edge.Conn, cache *edge.SyncCache, request edge.Request) model.Outcome

// hostReconciler brings hosts to the state that the EdgeLoadBalancers want. It works on one host at a time for each key of its
// queue, so a host that hangs delays no other.
type hostReconciler struct {
	clusters.Sources
	cluster     string
	connector   Connector
	sync        SyncFunc
	credentials *credentials
	records     *record.Store
	caches      *syncCaches
	places      *places
	builder     desired.Builder
	rules       *rulebook
	excesses    excesses
	pace        policy.Pace
	counters    *metrics.Counters
	// objects queues EdgeLoadBalancers after changes on their hosts.
	objects *queueSource[ctrl.Request]
	// hostEvents queues hosts after events that no watch of the operator's own cluster delivers.
	hostEvents *queueSource[model.HostID]
	now        func() time.Time
	// random returns a number from 0 to 1.
	random func() float64
}

// Reconcile observes, builds, connects, syncs the host, and records the result.
func (r *hostReconciler) Reconcile(ctx context.Context, key model.HostID) (ctrl.Result, error) {
	began := r.now()
	r.records.Look(key, began)
	seen, err := r.find(ctx, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	if seen.unsettled {
		// The return of the finalizer queues the host again.
		return ctrl.Result{}, nil
	}
	if len(seen.snapshot.Objects)+len(seen.detaching) == 0 {
		r.forget(ctx, key)
		return ctrl.Result{}, nil
	}
	known := r.records.Get(key)
	release, entered := r.places.enter(key, seen.namespace(known), known.Outcome.State == model.Synced)
	if !entered {
		return ctrl.Result{}, nil
	}
	defer release()
	if err := r.Gather(ctx, &seen.snapshot); err != nil {
		return ctrl.Result{}, err
	}
	return r.bring(ctx, key, seen, began)
}

// bring syncs the host with what was observed.
func (r *hostReconciler) bring(ctx context.Context, key model.HostID, seen observed, began time.Time) (ctrl.Result, error) {
	seen.snapshot.Egress, seen.snapshot.EgressHidden = r.records.Get(key).ReachedFrom()
	seen.snapshot.Able = r.records.Get(key).Able()
	seen.await(r.records.Get)
	known := r.recordBuilt(ctx, key, r.builder.Build(key, seen.snapshot), seen)
	t := &hostSync{key: key, seen: seen, known: known, task: known.Choose(seen.snapshot, seen.detaching), cache: r.caches.of(key)}
	t.began, t.built = began, r.now()
	result, err := r.work(ctx, t)
	if err == nil {
		result.RequeueAfter = known.Await(result.RequeueAfter)
	}
	return result, err
}

// work runs the sync, unless there is nothing to do, or the host must be left alone for now.
func (r *hostReconciler) work(ctx context.Context, t *hostSync) (ctrl.Result, error) {
	if t.isLeftAlone() {
		r.disconnect(t.key)
	}
	if t.task == nil {
		return ctrl.Result{}, nil
	}
	version, err := r.credentials.version(ctx, t.task.Host.Login.Secret)
	if err != nil {
		return ctrl.Result{}, err
	}
	t.task.Inputs = record.InputsOf(t.task, version, t.rules().Version)
	if wait := r.awaitPace(t); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	wait := t.known.HoldOff(t.task.Inputs, r.now())
	if wait > 0 && !t.known.Outcome.Live {
		return r.contest(ctx, t, wait)
	}
	t.task.RuntimeOnly = wait > 0
	attempt, err := r.try(ctx, t, version)
	if errors.Is(err, ErrConnecting) {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	if err != nil || ctx.Err() != nil {
		// An attempt that the shutdown of the operator interrupted says nothing about the host.
		return ctrl.Result{}, err
	}
	wait = r.recordTried(ctx, t, attempt)
	return r.contest(ctx, t, wait)
}

// recordBuilt records the wanted state of the host, even if no attempt is due: the problems of the spec are reported whether the
// host answers or not.
func (r *hostReconciler) recordBuilt(ctx context.Context, key model.HostID, host desired.Host, seen observed) record.Host {
	// They may contain text from another cluster.
	host.Problems = sanitize.All(host.Problems, sanitize.Message)
	var urgency record.Urgency
	var before []desired.Problem
	after := r.records.Update(key, func(known *record.Host) {
		before = known.Wanted.Problems
		urgency = known.Rebuild(host, seen.snapshot.Objects, seen.detaching, r.now())
	})
	logConflicts(ctx, host, before)
	r.report(seen, urgency)
	return after
}

// logConflicts names, for the operator's administrators, the object that has the host that another object cannot have.
func logConflicts(ctx context.Context, host desired.Host, before []desired.Problem) {
	for _, problem := range host.Problems {
		if problem.Reason == v1alpha1.ReasonHostConflict && !slices.Contains(before, problem) && len(host.Members) > 0 {
			log.FromContext(ctx).Info("Object cannot have a host", "object", problem.Object, "holder", host.Members[0].Object,
				"message", problem.Message)
		}
	}
}

// try runs a task. The error is one of the API server or ErrConnecting; failures of the host are in the attempt's outcome.
func (r *hostReconciler) try(ctx context.Context, t *hostSync, secretVersion string) (record.Attempt, error) {
	began := r.now()
	task, host := t.task, &t.task.Host
	limit := t.rules().Limits.SecretBytes
	content, err := r.credentials.load(ctx, host.Login.Secret, secretVersion, limit.Most)
	if err != nil {
		return record.Attempt{}, err
	}
	if content.tooLarge {
		return record.Attempt{Task: task, Reason: v1alpha1.ReasonPolicyViolation, Outcome: secretTooLarge(host.Login.Secret, limit)}, nil
	}
	if content.version == "" && len(task.Objects) == 0 {
		// A namespace that is deleted loses its Secrets before its hosts could be cleaned.
		content, _ = r.credentials.last(host.Login.Secret)
	}
	conn, failed, err := r.connect(t, content)
	if err != nil {
		return record.Attempt{}, err
	}
	if failed != nil {
		return *failed, nil
	}
	t.connect = r.now().Sub(began)
	request := t.request()
	request.Wants = wanting(ctx, r.Here, host.Login.Secret.Namespace)
	request.SavePlace = func() (func(), bool) { return r.savePlace(t.key, host.Login.Secret.Namespace) }
	return record.Attempt{Task: task, Outcome: r.sync(ctx, conn, t.cache, request)}, nil
}

// savePlace returns a place to write a host's file, whose release queues the host, if the namespace has one left.
func (r *hostReconciler) savePlace(key model.HostID, namespace string) (release func(), ok bool) {
	if !r.places.startSave(key, namespace) {
		return nil, false
	}
	return func() {
		r.places.endSave(key)
		r.hostEvents.add(key)
	}, true
}

// connect returns a connection to the host, or the attempt that has failed. The error is ErrConnecting while there is neither. If a
// new login fails, the previous connection is still open: what needs only a connection continues, which is updates of running
// servers, and the removal from a host.
func (r *hostReconciler) connect(t *hostSync, content secret) (edge.Conn, *record.Attempt, error) {
	task, host := t.task, &t.task.Host
	login := host.Login
	login.Reach = t.rules().Hosts
	if found := login.Reach.Check(host.Key.Address); found != nil {
		r.disconnect(t.key)
		return nil, &record.Attempt{Task: task, Reason: v1alpha1.ReasonPolicyViolation, Outcome: forbidden(found)}, nil
	}
	previous := func() edge.Conn { return r.connector.Former(host.Key, login, content.data) }
	if task.RuntimeOnly {
		if conn := previous(); conn != nil {
			return conn, nil, nil
		}
	}
	failed := &record.Attempt{Task: task, Reason: v1alpha1.ReasonSecretNotFound, Outcome: secretMissing(host.Login.Secret)}
	if content.version != "" {
		conn, err := r.connector.Connect(host.Key, login, content.data)
		if err == nil || errors.Is(err, ErrConnecting) {
			return conn, nil, err
		}
		failed = &record.Attempt{Task: task, Reason: reasonOf(err), Outcome: outcomeOf(err)}
	}
	switch conn := previous(); {
	case conn == nil:
	case len(task.Objects) == 0:
		return conn, nil, nil
	default:
		failed.Outcome.Live = true
		failed.Outcome.Message += ". Until then endpoints follow over the connection that is open, and nothing else is changed"
	}
	return nil, failed, nil
}

func secretMissing(name types.NamespacedName) model.Outcome {
	return model.Outcome{State: model.Pending, Message: fmt.Sprintf(
		"Secret %s does not exist: create it with the keys ssh-privatekey and known_hosts", name)}
}

func secretTooLarge(name types.NamespacedName, limit policy.Limit) model.Outcome {
	return model.Outcome{State: model.Pending, Message: fmt.Sprintf("Secret %s is not used: %v", name, limit.Exceeded())}
}

func outcomeOf(err error) model.Outcome {
	var failure *edge.Error
	if errors.As(err, &failure) {
		return model.Outcome{State: failure.State, Message: failure.Message}
	}
	return model.Outcome{State: model.Unreachable, Message: err.Error()}
}

func reasonOf(err error) string {
	switch outcomeOf(err).State {
	case model.Pending:
		return v1alpha1.ReasonSecretInvalid
	case model.Refused:
		return v1alpha1.ReasonPolicyViolation
	default:
		return ""
	}
}

// recordTried records the result of an attempt, queues the objects, and returns when to come back. All output of a host is
// sanitized here before it is used anywhere else.
func (r *hostReconciler) recordTried(ctx context.Context, t *hostSync, attempt record.Attempt) time.Duration {
	if attempt.Outcome.Unchecked {
		// It says nothing about the host.
		return attempt.Outcome.FollowUp
	}
	attempt.Outcome = sanitize.All(attempt.Outcome, sanitize.Message)
	now := r.now()
	var urgency record.Urgency
	known := r.records.Update(t.key, func(known *record.Host) { urgency = known.Apply(attempt, now, r.random()) })
	r.counters.Attempted(t.known, attempt, now)
	t.log(ctx, attempt.Outcome, known, now)
	if attempt.Outcome.RenamedFrom != "" {
		r.records.Moved(attempt.Outcome.RenamedFrom, attempt.Task.Objects)
	}
	r.report(t.seen, urgency)
	if len(attempt.Task.Objects) == 0 && len(t.seen.snapshot.Objects) > 0 && attempt.Outcome.State == model.Synced {
		// The host was only freed for its next owner, which is due now.
		return time.Millisecond
	}
	return known.Wait(attempt, now)
}

// routineDelay is how long a routine update may wait. A change of endpoints affects many hosts, and an object should not be written
// once for each.
const routineDelay = time.Second

// report queues every object of the host after a change.
func (r *hostReconciler) report(seen observed, urgency record.Urgency) {
	var delay time.Duration
	switch urgency {
	case record.Unchanged:
		return
	case record.Routine:
		delay = routineDelay
	case record.Urgent:
	}
	for _, object := range seen.snapshot.Objects {
		r.objects.addAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)}, delay)
	}
	for _, d := range seen.detaching {
		r.objects.addAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(d.Object)}, delay)
	}
}

// forget drops everything about a host that no object names any more, and the Secrets that nothing else uses.
func (r *hostReconciler) forget(ctx context.Context, key model.HostID) {
	r.places.forget(key)
	r.records.Forget(key)
	r.caches.forget(key)
	r.builder.Forget()
	r.connector.Forget(key)
	r.credentials.prune(ctx)
}
