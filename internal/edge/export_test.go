package edge

import (
	"time"

	"github.com/edgelb/edgelb/internal/edge/pending"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// ReadNamesLongAgo makes it long ago that all names of the host were read.
func (c *SyncCache) ReadNamesLongAgo() { c.namesReadAt = time.Time{} }

// AlsoRunning are the servers of a configuration by backend, and after them those that run besides.
func AlsoRunning(config haproxy.Config, running []runtime.Server) map[string][]haproxy.Server {
	return alsoRunning(backendServers(config), running)
}

// Rest makes the memory one of a host whose file was not written for a while.
func (c *SyncCache) Rest() {
	if !c.pendingWrite.Exists() {
		c.pendingWrite = pending.Write{}
	}
}
