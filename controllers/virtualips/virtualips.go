// Package virtualips is the controller of keepalived: it brings keepalived of hosts to what the objects want, and looks at who has the
// virtual addresses. It works beside the controller of hosts, so that a change of endpoints never waits for keepalived. That one says what
// is wanted, and connects.
package virtualips

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/driver"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/queue"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/secrets"
)

// SyncFunc brings keepalived of a host to the wanted state, or only looks at it: driver.Sync and driver.Look.
type SyncFunc func(context.Context, session.Conn, *driver.Cache, driver.Request) keepalived.Outcome

// Controller works on keepalived of one host at a time for each key of its queue. All fields but the caches must be set.
type Controller struct {
	Here    client.Reader
	Records *record.Store
	// Connection returns the connection that is open to the host of a record, whose task for keepalived is set; nil if there is none.
	Connection func(model.HostID, record.Host) session.Conn
	Sync, Look SyncFunc
	// Secrets reads the Secrets of commands, and RulesOf returns the rules of a namespace.
	Secrets *secrets.Reader
	RulesOf func(ctx context.Context, namespace string) (policy.Rules, error)
	// Queue has the hosts to work on. Hosts and Objects queue hosts and objects for their own controllers.
	Queue, Hosts *queue.Source[model.HostID]
	Objects      *queue.Source[ctrl.Request]
	Now          func() time.Time
	Retries      workqueue.TypedRateLimiter[model.HostID]

	mu     sync.Mutex
	caches map[model.HostID]*driver.Cache
}

// Setup adds the controller to the manager.
func (r *Controller) Setup(mgr ctrl.Manager) error {
	return builder.TypedControllerManagedBy[model.HostID](mgr).
		Named("virtualip").
		WatchesRawSource(r.Queue).
		WithOptions(controller.TypedOptions[model.HostID]{
			MaxConcurrentReconciles: queue.Workers, EnableWarmup: new(true), RateLimiter: r.Retries,
		}).
		WithLogConstructor(func(key *model.HostID) logr.Logger {
			logger := mgr.GetLogger().WithValues("controller", "virtualip")
			if key != nil {
				logger = logger.WithValues("host", key.String())
			}
			return logger
		}).
		Complete(r)
}

// Reconcile syncs keepalived of a host if something new is wanted or was found there, and otherwise looks at it.
func (r *Controller) Reconcile(ctx context.Context, key model.HostID) (ctrl.Result, error) {
	known := r.Records.Get(key)
	if known.Virtual.Task == nil {
		r.forget(key)
		return ctrl.Result{}, nil
	}
	conn := r.Connection(key, known)
	if conn == nil {
		r.record(ctx, key, known, func(v *record.Virtual) { v.Lose(r.Now()) })
		return ctrl.Result{RequeueAfter: record.VirtualLookInterval}, nil
	}
	request := requestTo(known)
	var err error
	if request.Secrets, err = r.secretsOf(ctx, known.Virtual.Task.Virtual.Secrets); err != nil {
		return ctrl.Result{}, err
	}
	outcome := r.Look(ctx, conn, r.cache(key), request)
	synced := known.MustSyncVirtual(outcome, r.Now())
	if synced {
		outcome = r.Sync(ctx, conn, r.cache(key), request)
	}
	outcome = sanitize.All(outcome, sanitize.Message)
	after := r.record(ctx, key, known, func(v *record.Virtual) {
		if synced {
			v.Sync(request.Config, outcome, r.Now())
		} else {
			v.Look(outcome, r.Now())
		}
	})
	return ctrl.Result{RequeueAfter: after.LookAfter()}, nil
}

// requestTo returns the request to keepalived's driver. The record has a task.
func requestTo(known record.Host) driver.Request {
	task := known.Virtual.Task
	var packages []string
	if task.Install {
		packages = []string{"keepalived"}
	}
	return driver.Request{
		Install: packages,
		Config:  known.Virtual.Wanted(), Login: task.Login.User, Adopt: task.Adopt, NoAdopt: task.NoAdopt,
		Suspend: task.Suspend, ReportDrift: task.ReportDrift, Maintenance: task.Virtual.Maintenance,
	}
}

// record records what was found, and queues who must know it: the hosts of the objects if this one has other networks than before, or an
// account more or less; the objects if their statuses change; and the host itself if HAProxy waited for keepalived.
func (r *Controller) record(ctx context.Context, key model.HostID, before record.Host, change func(*record.Virtual)) record.Virtual {
	var urgency record.Urgency
	after := r.Records.UpdateKnown(key, func(known *record.Host) {
		was := *known
		change(&known.Virtual)
		urgency = known.UrgencySince(was)
	}).Virtual
	logVirtual(ctx, before.Virtual, after)
	moved := after.ScriptUser != before.Virtual.ScriptUser || !slices.Equal(before.Virtual.Networks, after.Networks)
	if urgency == record.Unchanged && !moved {
		return after
	}
	named, err := index.OfHost(ctx, r.Here, key)
	if err != nil {
		// The cache is gone, and with it the operator.
		return after
	}
	objects := slices.Clone(named.Wanting)
	for _, d := range named.Detaching {
		objects = append(objects, d.EdgeLoadBalancer)
	}
	if moved {
		r.tellPeers(objects)
	}
	for _, object := range objects {
		r.Objects.Add(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)})
	}
	if !reflect.DeepEqual(before.Virtual.Proved, after.Proved) {
		r.Hosts.Add(key)
	}
	return after
}

// tellPeers queues the hosts of the objects that have virtual addresses.
func (r *Controller) tellPeers(objects []*v1alpha1.EdgeLoadBalancer) {
	for _, object := range objects {
		if object.Spec.VirtualIPs == nil {
			continue
		}
		for _, host := range index.HostsOf(object) {
			r.Hosts.Add(host)
		}
	}
}

// logVirtual reports changes.
func logVirtual(ctx context.Context, before, after record.Virtual) {
	logger, outcome := log.FromContext(ctx), after.Outcome
	switch {
	case outcome.Changed:
		logger.Info("Keepalived changed", "update", string(outcome.Update), "reasons", sanitize.First(outcome.Reasons, 5))
	case outcome.State != before.Outcome.State || outcome.Message != before.Outcome.Message:
		logger.Info("Keepalived state changed", "state", string(outcome.State), "message", outcome.Message, "owner", outcome.Owner)
	}
	for instance, role := range outcome.Roles {
		if before.Outcome.Roles[instance] != role {
			logger.Info("Virtual addresses have another role", "instance", instance, "role", string(role))
		}
	}
}

// cache returns what keepalived's driver keeps of the host.
func (r *Controller) cache(key model.HostID) *driver.Cache {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.caches == nil {
		r.caches = map[model.HostID]*driver.Cache{}
	}
	if r.caches[key] == nil {
		r.caches[key] = &driver.Cache{}
	}
	return r.caches[key]
}

func (r *Controller) forget(key model.HostID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.caches, key)
}
