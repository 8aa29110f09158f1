package clusters

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/clusters/kubeconfig"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/watched"
)

// member is one scope of a Set. Everything that can take time runs in its own goroutine, on its own connections.
type member struct {
	scope    spec.Scope
	listener Listener
	// shared is charged for the memory that the scope takes.
	shared *budget.Budget
	// interval is the time between two checks of the cluster.
	interval time.Duration
	// requeued holds a token if the wanted access has changed since the last check.
	requeued chan struct{}
	// served is the access with which the last watch was opened, and stale says that a new watch is needed. Only run uses them.
	served Access
	stale  bool

	mu sync.Mutex
	// wanted is the access to read the scope with.
	wanted Access
	// interrupt cancels the running check.
	interrupt context.CancelFunc
	state     desired.ScopeState
	// last is the latest watch that has read everything; it may be closed. Only run replaces it.
	last *watch
}

func newMember(scope spec.Scope, of *Set) *member {
	return &member{
		scope: scope, listener: of.listener, shared: of.shared, interval: of.interval, requeued: make(chan struct{}, 1), interrupt: func() {},
	}
}

// want sets the access to read with. It does not block.
func (m *member) want(next Access) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if reflect.DeepEqual(m.wanted, next) {
		return
	}
	m.wanted = next
	m.interrupt()
	select {
	case m.requeued <- struct{}{}:
	default:
	}
}

// read returns the current view.
func (m *member) read() ScopeView {
	m.mu.Lock()
	defer m.mu.Unlock()
	view := ScopeView{State: m.state}
	if m.last != nil {
		view.Reader = m.last.cache
	}
	return view
}

// expiring returns what expires of the credentials that the scope is read with.
func (m *member) expiring() []kubeconfig.Credential {
	m.mu.Lock()
	last := m.last
	m.mu.Unlock()
	if last == nil || last.closed.Load() {
		return nil
	}
	return last.connection.expiring
}

// run checks the scope periodically.
func (m *member) run(ctx context.Context) {
	defer func() {
		if m.last != nil {
			m.last.close()
		}
	}()
	for ctx.Err() == nil {
		m.check(ctx)
		select {
		case <-ctx.Done():
		case <-m.requeued:
		case refusal := <-m.refusals():
			m.stale = refusal != nil
			var share *shareError
			if errors.As(refusal, &share) {
				m.drop(share)
				// Without a pause, the data that exceeded the budget would be read again at once.
				wait(ctx, m.interval)
			}
		case <-time.After(m.interval):
		}
	}
}

// refusals returns the channel of the last watch's refusals.
func (m *member) refusals() <-chan error {
	if m.last == nil {
		return nil
	}
	return m.last.connection.refused
}

// drop drops all that is known of the scope.
func (m *member) drop(why error) {
	m.last.close()
	m.mu.Lock()
	m.last = nil
	m.mu.Unlock()
	m.report(troubleOf(m.scope.Cluster, "", why, nil), true)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// check opens a watch with the wanted access, or probes through the existing watch, and reports the state of the scope. After
// a failure it opens a new watch, which at once reads the changes that the old one has missed and would find only at its next retry.
func (m *member) check(ctx context.Context) {
	ctx, want := m.begin(ctx)
	var err error
	var next *watch
	switch {
	case m.last != nil && !m.stale && reflect.DeepEqual(m.served, want):
		err = m.ask(ctx)
	default:
		next, err = m.open(ctx, want)
	}
	if ctx.Err() != nil && next == nil {
		// The wanted access has changed, or the scope is no longer needed.
		return
	}
	m.stale = err != nil
	if next != nil {
		m.replace(next, want)
	}
	m.report(err, next != nil)
}

// begin returns the wanted access, and a context that ends when it changes.
func (m *member) begin(ctx context.Context) (context.Context, Access) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interrupt()
	ctx, m.interrupt = context.WithCancel(ctx)
	return ctx, m.wanted
}

func (m *member) ask(ctx context.Context) error {
	c := m.last.connection
	if err := c.probe(ctx, m.scope); err != nil {
		return m.explain(ctx, c, err)
	}
	return nil
}

// open returns a watch that has read everything. It first sends a small request, which fails if the cluster is down or refuses.
func (m *member) open(ctx context.Context, access Access) (*watch, error) {
	if access.Forbidden != "" {
		return nil, m.forbidden(access.Forbidden)
	}
	config, err := kubeconfig.Parse(m.scope.Cluster, access.Secret)
	if err != nil {
		if access.Secret == nil && m.last != nil {
			// A deleted Secret must no longer be used.
			m.last.close()
		}
		return nil, invalid("%v", err)
	}
	guard := guard{access.Reach}
	if found := guard.check(config); found != nil {
		return nil, m.forbidden(found.Error())
	}
	c, err := m.connect(config, guard)
	if err != nil {
		return nil, err
	}
	if err := c.probe(ctx, m.scope); err != nil {
		defer c.close()
		var found *policy.Violation
		if errors.As(err, &found) {
			return nil, m.forbidden(found.Error())
		}
		return nil, m.explain(ctx, c, err)
	}
	return m.follow(ctx, c)
}

// follow returns a watch over the connection that has read everything. If that fails, it closes the connection.
func (m *member) follow(ctx context.Context, c *connection) (*watch, error) {
	w, err := open(c, m.scope, m.shared, m.changed)
	if err != nil {
		c.close()
		return nil, invalid("the kubeconfig in Secret %s has a server of which nothing can be watched: "+
			"write one that kubectl --kubeconfig accepts", m.scope.Cluster)
	}
	if err := w.sync(ctx); err != nil {
		defer w.close()
		return nil, m.explain(ctx, c, err)
	}
	return w, nil
}

// forbidden returns the error of a cluster that must not be reached, and stops its watch. The last known objects are kept.
func (m *member) forbidden(why string) error {
	if m.last != nil {
		m.last.close()
	}
	return &trouble{v1alpha1.ReasonPolicyViolation, fmt.Sprintf("the cluster of Secret %s is not read: %s. %s", m.scope.Cluster, why, kept)}
}

func (m *member) connect(config *rest.Config, guard guard) (*connection, error) {
	c, err := connect(config, guard)
	if err != nil {
		return nil, invalid("the kubeconfig in Secret %s has certificates, keys or credentials that do not fit together: "+
			"write one that kubectl --kubeconfig accepts", m.scope.Cluster)
	}
	return c, nil
}

// explain describes why the scope could not be read, with the missing permissions if these are the reason.
func (m *member) explain(ctx context.Context, c *connection, err error) error {
	return troubleOf(m.scope.Cluster, c.config.Host, err, func() []string { return c.missingRights(ctx, m.scope) })
}

// replace makes a watch the last one, and closes the previous one.
func (m *member) replace(next *watch, served Access) {
	previous := m.last
	m.mu.Lock()
	m.last = next
	m.mu.Unlock()
	m.served = served
	if previous != nil {
		previous.close()
	}
}

// report stores the state of the scope, and notifies the listener if the state has changed or the watch was replaced.
func (m *member) report(err error, replaced bool) {
	state := desired.ScopeState{Known: m.last != nil}
	var known *trouble
	if errors.As(err, &known) {
		state.Reason, state.Message = known.reason, known.sentence
	}
	m.mu.Lock()
	same := m.state == state
	m.state = state
	m.mu.Unlock()
	if replaced || !same {
		m.listener.ScopeChanged(m.scope)
	}
}

// changed notifies the listener of a changed object.
func (m *member) changed(before, after client.Object) {
	object := after
	if object == nil {
		object = before
	}
	switch object.(type) {
	case *corev1.Service:
		m.listener.ServiceChanged(spec.ServiceKey{Cluster: m.scope.Cluster, NamespacedName: client.ObjectKeyFromObject(object)})
	case *discoveryv1.EndpointSlice:
		trigger := watched.Trigger(before, after)
		for _, service := range watched.ServicesOf(before, after) {
			m.listener.EndpointsChanged(spec.ServiceKey{Cluster: m.scope.Cluster, NamespacedName: service}, trigger)
		}
	case *corev1.Node:
		m.listener.NodesChanged(m.scope.Cluster)
	}
}
