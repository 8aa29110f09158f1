package controllers

import (
	"sync"

	"github.com/edgelb/edgelb/internal/haproxy/driver"
	"github.com/edgelb/edgelb/internal/model"
)

// syncCaches keep the sync cache of each host. Two syncs of one host never run at once (see queue.Background), so a cache has only one user.
type syncCaches struct {
	mu    sync.Mutex
	hosts map[model.HostID]*driver.SyncCache
}

func newSyncCaches() *syncCaches {
	return &syncCaches{hosts: map[model.HostID]*driver.SyncCache{}}
}

// of returns the host's sync cache; a new one if it has none.
func (c *syncCaches) of(key model.HostID) *driver.SyncCache {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[key] == nil {
		c.hosts[key] = &driver.SyncCache{}
	}
	return c.hosts[key]
}

func (c *syncCaches) forget(key model.HostID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.hosts, key)
}
