// Package clusters reads the Services, EndpointSlices and nodes of other clusters. Nothing there can hold up anything here: what
// a cluster says is kept in memory, and one that hangs, refuses or goes away keeps a goroutine of its own waiting.
package clusters

import (
	"context"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/budget"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/policy"
)

// Interval is how often each part of a cluster is asked for, and how soon one that cannot be read is tried again.
const Interval = 5 * time.Second

// mostOfAll is what may be kept of all clusters together, in bytes.
const mostOfAll = 64 << 20

// Key is the Secret with a cluster's kubeconfig.
type Key = desired.ClusterKey

// Listener is told what has changed in clusters. Its methods may be called at the same time, and must return soon.
type Listener interface {
	// PartChanged: how a part of a cluster is, or all that is known of it.
	PartChanged(scope desired.Scope)
	// ServiceChanged: a Service, which may be new or gone.
	ServiceChanged(key desired.ServiceKey)
	// EndpointsChanged: a Service's EndpointSlices. The trigger is when that happened for which they were changed; zero if that is
	// not known.
	EndpointsChanged(key desired.ServiceKey, trigger time.Time)
	// NodesChanged: a node, which may be new or gone.
	NodesChanged(key Key)
}

// Reading is what is known of a part of a cluster at one moment.
type ScopeView struct {
	// State says how the part is. Known says that Reader is there; without it and without a reason, the part is being read for the
	// first time.
	State desired.ScopeState
	// Reader reads the part's objects as they were last known, and no others. It never waits. Those in it must not be changed.
	Reader client.Reader
}

// Set holds the clusters in use. Each part of them is read by itself, so that one that must not be read, or that is new, keeps no
// other waiting. Its methods may be called at the same time, and wait for no cluster.
type Set struct {
	listener Listener
	interval time.Duration
	shared   *budget.Budget

	running sync.WaitGroup
	mu      sync.Mutex
	members map[desired.Scope]*member
	// stops ends the goroutines of the members.
	stops map[desired.Scope]context.CancelFunc
	ended bool
}

// NewSet returns a Set without clusters. The interval is the constant Interval but in tests.
func NewSet(listener Listener, interval time.Duration) *Set {
	return &Set{
		listener: listener, interval: interval, shared: budget.New(mostOfAll),
		members: map[desired.Scope]*member{}, stops: map[desired.Scope]context.CancelFunc{},
	}
}

// Start waits for the end of the context, and then ends everything. What was read can still be read.
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

// Access is how a cluster is to be reached.
type Access struct {
	// Secret is the content of the Secret with the kubeconfig; nil if there is no such Secret.
	Secret map[string][]byte
	// Forbidden says why it must not be reached at all; empty if it may.
	Forbidden string
	// Reach says where its API server may be.
	Reach policy.Addresses
}

// Keep has a cluster read for that use.
// A part that is read already goes on being read as before until it can be read with a kubeconfig that is new. One that is not used
// any more is forgotten.
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
func (s *Set) keep(scope desired.Scope, access Access) {
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

// keepOnly ends the reading of all parts of a cluster but these, and forgets them. It is called with the lock held.
func (s *Set) keepOnly(key Key, scopes []desired.Scope) {
	for scope, stop := range s.stops {
		if scope.Cluster == key && !slices.Contains(scopes, scope) {
			stop()
			delete(s.members, scope)
			delete(s.stops, scope)
		}
	}
}

// Drop ends the reading of a cluster and forgets it.
func (s *Set) Drop(key Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepOnly(key, nil)
}

// Read returns what is known of a part of a cluster; the zero Reading of one that is not kept.
func (s *Set) Read(scope desired.Scope) ScopeView {
	s.mu.Lock()
	m := s.members[scope]
	s.mu.Unlock()
	if m == nil {
		return ScopeView{}
	}
	return m.read()
}

// Up says of each cluster that is kept whether all that is used of it can be read at the moment.
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
