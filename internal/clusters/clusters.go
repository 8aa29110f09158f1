// Package clusters reads the Services, EndpointSlices and nodes of other clusters. Another cluster cannot block the operator: its
// data is cached in memory, and a cluster that hangs, refuses or is unavailable blocks only its own goroutine.
package clusters

import (
	"context"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/clusters/kubeconfig"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/policy"
)

// Interval is how often each scope is checked, and the retry interval of a scope that cannot be read.
const Interval = 5 * time.Second

// mostOfAll limits the memory for the objects of all clusters together, in bytes.
const mostOfAll = 64 << 20

// Key identifies a cluster by the Secret with its kubeconfig.
type Key = spec.ClusterKey

// Listener receives the changes in clusters. Its methods are called concurrently, and must return soon.
type Listener interface {
	// ScopeChanged is called when the state of a scope, or all that is known of it, has changed.
	ScopeChanged(scope spec.Scope)
	// ServiceChanged is called when a Service was added, changed or deleted.
	ServiceChanged(key spec.ServiceKey)
	// EndpointsChanged is called when a Service's EndpointSlices have changed. The trigger is the time of the event that caused the
	// change; zero if it is unknown.
	EndpointsChanged(key spec.ServiceKey, trigger time.Time)
	// NodesChanged is called when a node was added, changed or deleted.
	NodesChanged(key Key)
}

// ScopeView is what is known of a scope at one moment.
type ScopeView struct {
	// State is the state of the scope. Known says that Reader is set. Without Known and without a reason, the scope is being read
	// for the first time.
	State desired.ScopeState
	// Reader reads the last known objects of the scope, and no others. It never blocks. Its objects must not be changed.
	Reader client.Reader
}

// Set holds the clusters in use. Each scope is read on its own, so that a forbidden or new scope does not delay another. Its methods
// are safe for concurrent use, and wait for no cluster.
type Set struct {
	listener Listener
	interval time.Duration
	shared   *budget.Budget

	running sync.WaitGroup
	mu      sync.Mutex
	members map[spec.Scope]*member
	// stops ends the goroutines of the members.
	stops map[spec.Scope]context.CancelFunc
	ended bool
}

// NewSet returns a Set without clusters. The interval is the constant Interval, except in tests.
func NewSet(listener Listener, interval time.Duration) *Set {
	return &Set{
		listener: listener, interval: interval, shared: budget.New(mostOfAll),
		members: map[spec.Scope]*member{}, stops: map[spec.Scope]context.CancelFunc{},
	}
}

// Start waits for the end of the context, and then stops all watches. Their caches remain readable.
func (s *Set) Start(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.ended = true
	for _, stop := range s.stops {
		stop()
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// Access says how to reach a cluster.
type Access struct {
	// Secret is the content of the Secret with the kubeconfig; nil if the Secret does not exist.
	Secret map[string][]byte
	// Forbidden says why the cluster must not be reached; empty if it may.
	Forbidden string
	// Reach are the allowed addresses of its API server.
	Reach policy.Addresses
}

// Keep reads a cluster for that use. A scope that is already read keeps its watch until it can be read with a new kubeconfig. A scope
// that is no longer used is dropped.
func (s *Set) Keep(key Key, access Access, use Use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	scopes := use.scopes(key)
	s.keepOnly(key, scopes)
	for _, scope := range scopes {
		s.keep(scope, access)
	}
}

// keep is called with the lock held.
func (s *Set) keep(scope spec.Scope, access Access) {
	if m, found := s.members[scope]; found {
		m.want(access)
		return
	}
	m := newMember(scope, s)
	m.want(access)
	s.members[scope] = m
	var ctx context.Context
	ctx, s.stops[scope] = context.WithCancel(context.Background())
	s.running.Go(func() { m.run(ctx) })
}

// keepOnly stops reading all other scopes of a cluster, and drops them. It is called with the lock held.
func (s *Set) keepOnly(key Key, scopes []spec.Scope) {
	for scope, stop := range s.stops {
		if scope.Cluster == key && !slices.Contains(scopes, scope) {
			stop()
			delete(s.members, scope)
			delete(s.stops, scope)
		}
	}
}

// Drop stops reading a cluster, and drops it.
func (s *Set) Drop(key Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepOnly(key, nil)
}

// Read returns the view of a scope; the zero ScopeView if the scope is not kept.
func (s *Set) Read(scope spec.Scope) ScopeView {
	s.mu.Lock()
	m := s.members[scope]
	s.mu.Unlock()
	if m == nil {
		return ScopeView{}
	}
	return m.read()
}

// Up returns, for each kept cluster, whether all its scopes can be read at the moment.
func (s *Set) Up() map[Key]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := map[Key]bool{}
	for scope, m := range s.members {
		state := m.read().State
		others, found := up[scope.Cluster]
		up[scope.Cluster] = state.Known && state.Reason == "" && (others || !found)
	}
	return up
}

// Expiring returns, for each kept cluster, what expires of the credentials that it is read with. While a kubeconfig is replaced, its
// namespaces may be read with different ones: of each kind, the first that expires counts.
func (s *Set) Expiring() map[Key][]kubeconfig.Credential {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[Key][]kubeconfig.Credential{}
	for scope, m := range s.members {
		for _, credential := range m.expiring() {
			all[scope.Cluster] = withEarliest(all[scope.Cluster], credential)
		}
	}
	return all
}

func withEarliest(all []kubeconfig.Credential, other kubeconfig.Credential) []kubeconfig.Credential {
	i := slices.IndexFunc(all, func(known kubeconfig.Credential) bool { return known.Kind == other.Kind })
	switch {
	case i < 0:
		return append(all, other)
	case other.To.Before(all[i].To):
		all[i] = other
	}
	return all
}
