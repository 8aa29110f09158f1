package edge

import (
	"time"

	"github.com/edgelb/edgelb/internal/edge/pending"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// ReadNamesLongAgo makes it long ago that all names of the host were read.
func (m *Memory) ReadNamesLongAgo() { m.namesReadAt = time.Time{} }

// AlsoRunning are the servers of a configuration by backend, and after them those that run besides.
func AlsoRunning(config haproxy.Config, running []runtime.Server) map[string][]haproxy.Server {
	return alsoRunning(backendServers(config), running)
}

// Rest makes the memory one of a host whose file was not written for a while.
func (m *Memory) Rest() {
	if !m.lag.Exists() {
		m.lag = pending.Lag{}
	}
}
