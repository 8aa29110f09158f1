package controllers

import (
	"sync"

	"github.com/edgelb/edgelb/internal/edge"
	"github.com/edgelb/edgelb/internal/model"
)

// memories keep for every host what package edge remembers of it. The queue works on no host twice at once, so a memory is
// never in use twice.
type syncCaches struct {
	mu    sync.Mutex
	hosts map[model.HostID]*edge.SyncCache
}

func newSyncCaches() *syncCaches {
	return &syncCaches{hosts: map[model.HostID]*edge.SyncCache{}}
}

// of is the host's memory; a new one if it has none.
func (m *syncCaches) of(key model.HostID) *edge.SyncCache {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hosts[key] == nil {
		m.hosts[key] = &edge.SyncCache{}
	}
	return m.hosts[key]
}

func (m *syncCaches) forget(key model.HostID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.hosts, key)
}
