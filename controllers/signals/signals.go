// Package signals passes events from the connections to hosts to the controllers.
package signals

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edgelb/edgelb/internal/metrics"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/queue"
)

// DownInterval is the least time between two syncs of a host because its connection has ended. Otherwise an sshd that closes every
// connection after its first use would be asked as fast as the network allows.
const DownInterval = time.Second

// Signals pass events from the Connector to the controllers. Its methods are safe for concurrent use.
type Signals struct {
	// Hosts queues hosts, Registry has the operator's metrics, and Counters are those that are counted.
	Hosts    *queue.Source[model.HostID]
	Registry prometheus.Registerer
	Counters *metrics.Counters

	now func() time.Time

	mu sync.Mutex
	// syncs are the hosts' last syncs because of Down that still matter: pending ones, and those of the last second.
	syncs map[model.HostID]time.Time
}

// New registers the operator's metrics, one of which counts logins.
func New(registry prometheus.Registerer) (*Signals, error) {
	counters, err := metrics.NewCounters(registry)
	if err != nil {
		return nil, fmt.Errorf("register the metrics: %w", err)
	}
	return &Signals{
		Hosts: &queue.Source[model.HostID]{}, Registry: registry, Counters: counters, now: time.Now,
		syncs: map[model.HostID]time.Time{},
	}, nil
}

// Down reports that an established connection to a host has ended by itself: the host is synced again at once; within a second if
// the last connection has just ended, too.
func (s *Signals) Down(key model.HostID) {
	s.Hosts.AddAfter(key, s.pause(key))
}

// Dialled reports that an attempt to connect to a host has ended. Connector has the result.
func (s *Signals) Dialled(key model.HostID) { s.Hosts.Add(key) }

// pause returns how long a host's sync must wait for the previous one.
func (s *Signals) pause(key model.HostID) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.syncs, func(_ model.HostID, last time.Time) bool { return now.Sub(last) >= DownInterval })
	next, found := s.syncs[key]
	switch {
	case !found:
		next = now
	case !next.After(now):
		next = next.Add(DownInterval)
	}
	s.syncs[key] = next
	return next.Sub(now)
}

// Attempted counts an attempt to log in to a host, by its result.
func (s *Signals) Attempted(result string) { s.Counters.Connected(result) }
