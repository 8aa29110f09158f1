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
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/policy"
	"github.com/edgelb/edgelb/internal/watched"
)

// member is one part of a cluster of a Set. All that can take time happens in its own goroutine, on connections of its own.
type member struct {
	scope    desired.Scope
	listener Listener
	// shared is charged for what is kept of the part.
	shared *budget.Budget
	// interval is the time between two looks at the cluster.
	interval time.Duration
	// woken holds a token while something else is wanted than at the last look.
	woken chan struct{}
	// served is how the last watch was opened, and stale says that a new one is needed. Only run uses them.
	served Access
	stale  bool

	mu sync.Mutex
	// wanted is how the part is to be read.
	wanted Access
	// interrupt ends the look that is being taken.
	interrupt context.CancelFunc
	state     desired.ScopeState
	// last is the watch that was the last to have read everything; it may be closed. Only run replaces it.
	last *watch
}

func newMember(scope desired.Scope, of *Set) *member {
	return &member{
		scope: scope, listener: of.listener, shared: of.shared, interval: of.interval, woken: make(chan struct{}, 1), interrupt: func() {},
	}
}

// want says what to read with from now on. It waits for nothing.
func (m *member) want(next Access) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if reflect.DeepEqual(m.wanted, next) {
		return
	}
	m.wanted = next
	m.interrupt()
	select {
	case m.woken <- struct{}{}:
	default:
	}
}

// read returns what is known.
func (m *member) read() ScopeView {
	m.mu.Lock()
	defer m.mu.Unlock()
	reading := ScopeView{State: m.state}
	if m.last != nil {
		reading.Reader = m.last.cache
	}
	return reading
}

// run looks at the part again and again.
func (m *member) run(ctx context.Context) {
	defer func() {
		if m.last != nil {
			m.last.close()
		}
	}()
	for ctx.Err() == nil {
		m.look(ctx)
		select {
		case <-ctx.Done():
		case <-m.woken:
		case refusal := <-m.refusals():
			m.stale = refusal != nil
			var share *shareError
			if errors.As(refusal, &share) {
				m.drop(share)
				// Whatever takes all the memory would be read again at once.
				wait(ctx, m.interval)
			}
		case <-time.After(m.interval):
		}
	}
}

// refusals are those of the last watch.
func (m *member) refusals() <-chan error {
	if m.last == nil {
		return nil
	}
	return m.last.connection.refused
}

// drop forgets all that is known of the part.
func (m *member) drop(why error) {
	m.last.close()
	m.mu.Lock()
	m.last = nil
	m.mu.Unlock()
	m.tell(troubleOf(m.scope.Cluster, "", why, nil), true)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// look brings the watch to what is wanted, or finds out whether that which is there can go on, and tells how the part is. After
// a failure there is a new watch, which reads at once what the old one has missed and would only find at its next try.
func (m *member) look(ctx context.Context) {
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
		// Something else is wanted by now, or nothing.
		return
	}
	m.stale = err != nil
	if next != nil {
		m.replace(next, want)
	}
	m.tell(err, next != nil)
}

// begin returns what is wanted, and a context that ends when something else is.
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

// open returns a watch that has read everything. A cluster that does not answer, or refuses, is only asked a small question.
func (m *member) open(ctx context.Context, access Access) (*watch, error) {
	if access.Forbidden != "" {
		return nil, m.forbidden(access.Forbidden)
	}
	config, err := parse(m.scope.Cluster, access.Secret)
	if err != nil {
		if access.Secret == nil && m.last != nil {
			// Who takes the Secret away wants nobody to use it.
			m.last.close()
		}
		return nil, err
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

// follow returns a watch over a connection that has read everything. If that fails, the connection is closed.
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

// forbidden says that the cluster must not be reached. What was known of it stays, and nobody asks it any more.
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

// explain finds out which rights are missing if it is for them that the part could not be read.
func (m *member) explain(ctx context.Context, c *connection, err error) error {
	return troubleOf(m.scope.Cluster, c.config.Host, err, func() []string { return c.lacks(ctx, m.scope) })
}

// replace makes a watch the one that is read.
func (m *member) replace(next *watch, served Access) {
	former := m.last
	m.mu.Lock()
	m.last = next
	m.mu.Unlock()
	m.served = served
	if former != nil {
		former.close()
	}
}

// tell notes how the part is, and says so if that or all that is known of it has changed.
func (m *member) tell(err error, replaced bool) {
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
		m.listener.PartChanged(m.scope)
	}
}

// changed tells the listener what has changed in the part.
func (m *member) changed(before, after client.Object) {
	object := after
	if object == nil {
		object = before
	}
	switch object.(type) {
	case *corev1.Service:
		m.listener.ServiceChanged(desired.ServiceKey{Cluster: m.scope.Cluster, NamespacedName: client.ObjectKeyFromObject(object)})
	case *discoveryv1.EndpointSlice:
		trigger := watched.Trigger(before, after)
		for _, service := range watched.ServicesOf(before, after) {
			m.listener.EndpointsChanged(desired.ServiceKey{Cluster: m.scope.Cluster, NamespacedName: service}, trigger)
		}
	case *corev1.Node:
		m.listener.NodesChanged(m.scope.Cluster)
	}
}
