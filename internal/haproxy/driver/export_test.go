package driver

import (
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/driver/fit"
	"github.com/edgelb/edgelb/internal/haproxy/driver/pending"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// ReadNamesLongAgo makes the last read of the whole route map long ago.
func (c *SyncCache) ReadNamesLongAgo() { c.namesReadAt = time.Time{} }

// AlsoRunning returns the servers of a configuration by backend, followed by all running ones.
func AlsoRunning(config haproxy.Config, running []runtime.Server) map[string][]haproxy.Server {
	return fit.ServersOf(config).And(running)
}

// Rest makes the cache one of a host whose file was not written for a while.
func (c *SyncCache) Rest() {
	if !c.pendingWrite.Exists() {
		c.pendingWrite = pending.Write{}
	}
}
