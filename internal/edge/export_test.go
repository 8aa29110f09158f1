package edge

import (
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// ReadNamesLongAgo makes it long ago that all names of the host were read.
func (m *Memory) ReadNamesLongAgo() { m.namesReadAt = time.Time{} }

// AlsoRunning are the servers of a configuration by backend, and after them those that run besides.
func AlsoRunning(config haproxy.Config, running []runtime.Server) map[string][]haproxy.Server {
	return alsoRunning(backendServers(config), running)
}
