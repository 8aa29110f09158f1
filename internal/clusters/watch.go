package clusters

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/clusters/bounds"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/watched"
)

// syncTimeout limits the first read of all objects from a cluster that responds.
const syncTimeout = 30 * time.Second

// shareError says that a scope holds the most memory while all scopes together exceed the budget.
type shareError struct{ held int }

func (e *shareError) Error() string { return fmt.Sprintf("%d bytes are more than its share", e.held) }

// watch caches a scope, and updates it until the watch is closed. A closed watch remains readable.
type watch struct {
	cache      cache.Cache
	connection *connection
	scope      spec.Scope
	// account is charged for the cached objects.
	account *budget.Account
	// closed says that close was called.
	closed atomic.Bool
	// close ends the watch, and returns when all its goroutines have ended.
	close func()
}

// open starts a watch. After the initial read, it calls changed for each change, from several goroutines; either object may be nil.
// Unless open fails, the watch owns the connection.
func open(c *connection, scope spec.Scope, shared *budget.Budget, changed func(before, after client.Object)) (*watch, error) {
	w := &watch{connection: c, scope: scope}
	w.account = shared.Account(func(held int) { c.refuse(&shareError{held}) })
	var err error
	if w.cache, err = cache.New(c.config, w.options()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := w.prepare(ctx, changed); err != nil {
		cancel()
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Start returns only when the context ends, and then without an error.
		_ = w.cache.Start(ctx)
	}()
	w.close = func() {
		w.closed.Store(true)
		cancel()
		<-ended
		c.close()
		w.account.Release()
	}
	return w, nil
}

func (w *watch) options() cache.Options {
	namespaces := map[string]cache.Config{}
	if w.scope.Namespace != "" {
		namespaces[w.scope.Namespace] = cache.Config{}
	}
	return cache.Options{
		HTTPClient: w.connection.http, Scheme: w.connection.scheme, Mapper: w.connection.mapper,
		DefaultNamespaces: namespaces, DefaultTransform: watched.Trim, NewInformer: w.newInformer,
		DefaultWatchErrorHandler: func(_ context.Context, _ *toolscache.Reflector, err error) { w.noteRefusal(err) },
	}
}

// newInformer returns an informer with a memory limit.
func (w *watch) newInformer(
	from toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers,
) toolscache.SharedIndexInformer {
	metered := bounds.NewListerWatcher(from, kindName(object), w.account, w.connection.refuse)
	return toolscache.NewSharedIndexInformer(metered, object, resync, indexers)
}

func kindName(object runtime.Object) string {
	switch object.(type) {
	case *corev1.Service:
		return "Services"
	case *corev1.Node:
		return "nodes"
	default:
		return "EndpointSlices"
	}
}

func (w *watch) noteRefusal(err error) {
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) && !apierrors.IsNotFound(err) {
		// The informer retries, and probe finds out whether the cluster is unavailable.
		return
	}
	w.connection.refuse(err)
}

// prepare sets up the index and the informers.
func (w *watch) prepare(ctx context.Context, changed func(before, after client.Object)) error {
	if w.scope.Namespace != "" {
		if err := w.cache.IndexField(ctx, &discoveryv1.EndpointSlice{}, watched.IndexService, watched.ServiceNames); err != nil {
			return err
		}
	}
	for _, object := range kindsOf(w.scope) {
		informer, err := w.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return err
		}
		if _, err := informer.AddEventHandler(handlerOf(changed)); err != nil {
			return err
		}
	}
	return nil
}

func handlerOf(changed func(before, after client.Object)) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(added any, initial bool) {
			if object, ok := added.(client.Object); ok && !initial {
				changed(nil, object)
			}
		},
		UpdateFunc: func(old, updated any) {
			before, wasObject := old.(client.Object)
			after, isObject := updated.(client.Object)
			if wasObject && isObject && watched.Differs(before, after) {
				changed(before, after)
			}
		},
		DeleteFunc: func(deleted any) {
			if unseen, missed := deleted.(toolscache.DeletedFinalStateUnknown); missed {
				deleted = unseen.Obj
			}
			if object, ok := deleted.(client.Object); ok {
				changed(object, nil)
			}
		},
	}
}

// sync waits until all existing objects are read.
func (w *watch) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	synced := make(chan bool, 1)
	go func() { synced <- w.cache.WaitForCacheSync(ctx) }()
	select {
	case err := <-w.connection.refused:
		return err
	case done := <-synced:
		if !done {
			return context.DeadlineExceeded
		}
		return nil
	}
}
