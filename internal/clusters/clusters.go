// Package clusters reads the Services, EndpointSlices and nodes of other clusters. Nothing there can hold up anything here: what
// a cluster says is kept in memory, and one that hangs, refuses or goes away keeps a goroutine of its own waiting.
package clusters

import (
	"context"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgelb/edgelb/internal/desired"
)

// Interval is how often a cluster is asked whether it is there, and how soon one that is not is tried again.
const Interval = 5 * time.Second

// Key is the Secret with a cluster's kubeconfig.
type Key = desired.ClusterKey

// Listener is told what has changed in clusters. Its methods may be called at the same time, and must return soon.
type Listener interface {
	// ClusterChanged: how the cluster is, or all that is known of it.
	ClusterChanged(key Key)
	// ServiceChanged: a Service, which may be new or gone.
	ServiceChanged(key desired.ServiceKey)
	// EndpointsChanged: a Service's EndpointSlices. The trigger is when that happened for which they were changed; zero if that is
	// not known.
	EndpointsChanged(key desired.ServiceKey, trigger time.Time)
	// NodesChanged: a node, which may be new or gone.
	NodesChanged(key Key)
}

// Reading is what is known of a cluster at one moment.
type Reading struct {
	// State says how the cluster is. Known says that Reader is there; without it and without a reason, the cluster is being read for
	// the first time.
	State desired.Cluster
	// Reader reads the objects as they were last known. It never waits. Those in it must not be changed.
	Reader client.Reader
	// Use is what Reader has.
	Use Use
}

// Has says whether Reader has the Services of a namespace, and the nodes if they are needed.
func (r Reading) Has(namespace string, nodes bool) bool {
	return r.Reader != nil && slices.Contains(r.Use.Namespaces, namespace) && (r.Use.Nodes || !nodes)
}

// Set holds the clusters in use. Its methods may be called at the same time, and wait for no cluster.
type Set struct {
	listener Listener
	interval time.Duration

	running sync.WaitGroup
	mu      sync.Mutex
	members map[Key]*member
	// stops ends the goroutines of the members.
	stops map[Key]context.CancelFunc
	ended bool
}

// NewSet returns a Set without clusters. The interval is the constant Interval but in tests.
func NewSet(listener Listener, interval time.Duration) *Set {
	return &Set{listener: listener, interval: interval, members: map[Key]*member{}, stops: map[Key]context.CancelFunc{}}
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

// Keep has a cluster read for that use, with the kubeconfig in the content of its Secret, which is nil if there is no such Secret.
// A cluster that is read already goes on being read as before until it can be read with what is new.
func (s *Set) Keep(key Key, secret map[string][]byte, use Use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	m, found := s.members[key]
	if !found {
		m = newMember(key, s.listener, s.interval)
		s.members[key] = m
	}
	m.want(wanted{secret: secret, use: use})
	if !found {
		var ctx context.Context
		ctx, s.stops[key] = context.WithCancel(context.Background())
		s.running.Go(func() { m.run(ctx) })
	}
}

// Drop ends the reading of a cluster and forgets it.
func (s *Set) Drop(key Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop, found := s.stops[key]; found {
		stop()
	}
	delete(s.members, key)
	delete(s.stops, key)
}

// Read returns what is known of a cluster; the zero Reading of one that is not kept.
func (s *Set) Read(key Key) Reading {
	s.mu.Lock()
	m := s.members[key]
	s.mu.Unlock()
	if m == nil {
		return Reading{}
	}
	return m.read()
}

// Up says of each cluster that is kept whether it can be read at the moment.
func (s *Set) Up() map[Key]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := make(map[Key]bool, len(s.members))
	for key, m := range s.members {
		state := m.read().State
		up[key] = state.Known && state.Reason == ""
	}
	return up
}
