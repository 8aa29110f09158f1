package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// ServerChange is how the servers that run differ from the wanted ones. The zero ServerChange says that they do not.
type ServerChange struct {
	// Reasons say what differs, and Commands put it right, in the order in which they are to be sent: servers come before
	// others go, so that a backend whose servers are all replaced is never without.
	Reasons  []string
	Commands []runtime.Command
}

// Servers compares the running servers of the backends with the wanted ones. Servers of other backends do not count.
//
//	wanted  runs                                 to do
//	yes     no                                   add
//	yes     elsewhere                            move; open connections stay with the former address
//	yes     with another weight                  set the weight
//	yes     without its health checks            enable them
//	yes     drained or in maintenance            make ready
//	no      ready                                drain: no new connections, the open ones stay
//	no      drained or in maintenance            nothing; see Leaving
func Servers(running []runtime.Server, backends []haproxy.Backend) ServerChange {
	var change ServerChange
	byBackend := groupServers(running, backends)
	for _, backend := range backends {
		change.compare(backend, byBackend[backend.Name])
	}
	for _, server := range unwanted(running, backends) {
		if server.Admin.Mode() == runtime.Ready {
			change.note("backend %s: server %s removed", server.Backend, server.Name)
			change.Commands = append(change.Commands, runtime.SetMode(server.Backend, server.Name, runtime.Drain))
		}
	}
	return change
}

// Leaving are the running servers of the backends that are wanted no more and take no new connections. They go as soon as
// their last connection has ended.
func Leaving(running []runtime.Server, backends []haproxy.Backend) []runtime.Server {
	var leaving []runtime.Server
	for _, server := range unwanted(running, backends) {
		if server.Admin.Mode() != runtime.Ready {
			leaving = append(leaving, server)
		}
	}
	return leaving
}

// compare adds the servers that the backend lacks and settles those that it has.
func (c *ServerChange) compare(backend haproxy.Backend, has map[string]runtime.Server) {
	var missing []haproxy.Server
	for _, want := range backend.Servers {
		if _, found := has[want.Name]; !found {
			c.note("backend %s: server %s added", backend.Name, want.Name)
			missing = append(missing, want)
		}
	}
	c.Commands = append(c.Commands, runtime.AddServers(backend, missing)...)
	for _, want := range backend.Servers {
		if server, found := has[want.Name]; found {
			c.settle(backend, server, want)
		}
	}
}

// settle brings a server that runs in line with the wanted one.
func (c *ServerChange) settle(backend haproxy.Backend, has runtime.Server, want haproxy.Server) {
	if has.Addr != want.Addr || has.Port != want.Port {
		c.note("backend %s: server %s moved from %s to %s", backend.Name, want.Name, netip.AddrPortFrom(has.Addr, has.Port), want.Endpoint())
		c.Commands = append(c.Commands, runtime.MoveServer(backend.Name, want))
	}
	if has.Weight != want.Weight {
		c.note("backend %s: weight of server %s changed from %d to %d", backend.Name, want.Name, has.Weight, want.Weight)
		c.Commands = append(c.Commands, runtime.SetWeight(backend.Name, want.Name, want.Weight))
	}
	if backend.Check.Enabled() && !has.Checked {
		c.note("backend %s: health checks of server %s were off", backend.Name, want.Name)
		c.Commands = append(c.Commands, runtime.EnableHealth(backend.Name, want.Name))
	}
	if mode := has.Admin.Mode(); mode != runtime.Ready {
		c.note("backend %s: server %s was in state %s", backend.Name, want.Name, mode)
		c.Commands = append(c.Commands, runtime.SetMode(backend.Name, want.Name, runtime.Ready))
	}
}

func (c *ServerChange) note(format string, args ...any) {
	c.Reasons = append(c.Reasons, fmt.Sprintf(format, args...))
}

// groupServers sorts the running servers of the backends by backend and name.
func groupServers(running []runtime.Server, backends []haproxy.Backend) map[string]map[string]runtime.Server {
	groups := make(map[string]map[string]runtime.Server, len(backends))
	for _, backend := range backends {
		groups[backend.Name] = make(map[string]runtime.Server, len(backend.Servers))
	}
	for _, server := range running {
		if group := groups[server.Backend]; group != nil {
			group[server.Name] = server
		}
	}
	return groups
}

// unwanted are the running servers that their backend should not have, in the order in which they run.
func unwanted(running []runtime.Server, backends []haproxy.Backend) []runtime.Server {
	byName := make(map[string]haproxy.Backend, len(backends))
	for _, backend := range backends {
		byName[backend.Name] = backend
	}
	var extra []runtime.Server
	for _, server := range running {
		if backend, ours := byName[server.Backend]; ours && !hasServer(backend, server.Name) {
			extra = append(extra, server)
		}
	}
	return extra
}

// hasServer says whether a server is among the backend's, which are sorted by name.
func hasServer(backend haproxy.Backend, name string) bool {
	_, found := slices.BinarySearchFunc(backend.Servers, name, func(s haproxy.Server, name string) int {
		return strings.Compare(s.Name, name)
	})
	return found
}
