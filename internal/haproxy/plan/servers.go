package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// Change is the difference between what HAProxy runs and what is wanted, as far as runtime API commands can resolve it. The
// zero Change is no difference.
type Change struct {
	// Reasons describe the differences.
	Reasons []string
	// Bring are the commands that add what is wanted, and Take those that remove what is not, both in sending order. All of
	// Bring come before any of Take, so that there is never less than what is wanted.
	Bring, Take []runtime.Command
	// names reports whether some of the commands change route map entries.
	names bool
}

// Rounds returns all commands, in sending order. Each round waits for the answers to the round before. If names change
// together with servers that are removed, a connection that has just looked up a name must still find a server, however busy the host is.
func (c Change) Rounds() [][]runtime.Command {
	if c.names && len(c.Bring) > 0 && len(c.Take) > 0 {
		return [][]runtime.Command{append(slices.Clone(c.Bring), runtime.AwaitThreads()), c.Take}
	}
	return [][]runtime.Command{slices.Concat(c.Bring, c.Take)}
}

// WithNames adds a change of names to a change of servers: servers are added before names lead to them, and names are moved
// before servers are removed.
func (c Change) WithNames(names Change) Change {
	return Change{
		Reasons: slices.Concat(c.Reasons, names.Reasons),
		Bring:   slices.Concat(c.Bring, names.Bring, names.Take),
		Take:    c.Take,
		names:   len(names.Reasons) > 0,
	}
}

func (c *Change) note(format string, args ...any) {
	c.Reasons = append(c.Reasons, fmt.Sprintf(format, args...))
}

// Servers compares the running servers of the backends with the wanted ones. It ignores servers of other backends.
//
//	wanted  runs                              action
//	yes     no                                add
//	yes     elsewhere                         move; open connections stay with the previous address
//	yes     with another weight               set the weight; 0 once no new connection needs the server any more
//	yes     without its health checks         enable them
//	yes     drained or in maintenance         make ready
//	no      ready                             drain: no new connections, the open ones stay
//	no      ready, with session affinity      set to maintenance, since clients would stay with a drained server
//	no      neither                           nothing; see Draining
//
// A server that the host resolves by DNS is where its name leads; it is not made ready because it has no address yet. It
// cannot be added or given another port at run time: the Change then has a reason and no command.
func Servers(running []runtime.Server, backends []haproxy.Backend) Change {
	var change Change
	byBackend := groupServers(running, backends)
	for _, backend := range backends {
		change.compare(backend, byBackend[backend.Name])
	}
	modes := removalModes(backends)
	for _, server := range unwanted(running, backends) {
		if mode := server.Admin.Mode(); mode != runtime.Maintenance && mode != modes[server.Backend] {
			change.note("backend %s: server %s removed", server.Backend, server.Name)
			change.Take = append(change.Take, runtime.SetMode(server.Backend, server.Name, modes[server.Backend]))
		}
	}
	return change
}

// removalModes returns, by backend, the mode that keeps new connections away from a server that is removed. A drained server
// still gets the connections of clients with affinity to it.
func removalModes(backends []haproxy.Backend) map[string]runtime.Mode {
	modes := make(map[string]runtime.Mode, len(backends))
	for _, backend := range backends {
		modes[backend.Name] = runtime.Drain
		if backend.Affinity.By != "" {
			modes[backend.Name] = runtime.Maintenance
		}
	}
	return modes
}

// Draining returns the running servers of the backends that are no longer wanted and take no new connections. They can be
// removed when their last connection has ended.
func Draining(running []runtime.Server, backends []haproxy.Backend) []runtime.Server {
	var draining []runtime.Server
	for _, server := range unwanted(running, backends) {
		if server.Admin.Mode() != runtime.Ready {
			draining = append(draining, server)
		}
	}
	return draining
}

// compare adds the servers that the backend lacks and updates those that it has.
func (c *Change) compare(backend haproxy.Backend, has map[string]runtime.Server) {
	var missing []haproxy.Server
	for _, want := range backend.Servers {
		switch _, found := has[want.Name]; {
		case found:
		case want.DNSName != "":
			c.note("backend %s: server %s is gone, and HAProxy adds none by its DNS name", backend.Name, want.Name)
		default:
			c.note("backend %s: server %s added", backend.Name, want.Name)
			missing = append(missing, want)
		}
	}
	c.Bring = append(c.Bring, runtime.AddServers(backend, missing)...)
	for _, want := range backend.Servers {
		if server, found := has[want.Name]; found {
			c.settle(backend, server, want)
		}
	}
}

// settle brings a running server in line with the wanted one.
func (c *Change) settle(backend haproxy.Backend, has runtime.Server, want haproxy.Server) {
	if want.DNSName != "" {
		has.Addr, has.Admin = want.Addr, has.Admin.ButUnresolved()
	}
	c.settlePlace(backend.Name, has, want)
	if has.Weight != want.Weight {
		c.settleWeight(backend.Name, has, want)
	}
	if backend.Check.Enabled() && !has.Checked {
		c.note("backend %s: health checks of server %s were off", backend.Name, want.Name)
		c.Bring = append(c.Bring, runtime.EnableHealth(backend.Name, want.Name))
	}
	if mode := has.Admin.Mode(); mode != runtime.Ready {
		c.note("backend %s: server %s was in state %s", backend.Name, want.Name, mode)
		c.Bring = append(c.Bring, runtime.SetMode(backend.Name, want.Name, runtime.Ready))
	}
}

// settlePlace moves a server to its address and port.
func (c *Change) settlePlace(backend string, has runtime.Server, want haproxy.Server) {
	switch {
	case has.Addr == want.Addr && has.Port == want.Port:
	case want.DNSName != "":
		c.note("backend %s: port of server %s changed from %d to %d, and HAProxy takes that of a DNS name from its file", backend, want.Name, has.Port, want.Port)
	default:
		c.note("backend %s: server %s moved from %s to %s", backend, want.Name, netip.AddrPortFrom(has.Addr, has.Port), netip.AddrPortFrom(want.Addr, want.Port))
		c.Bring = append(c.Bring, runtime.MoveServer(backend, want))
	}
}

// settleWeight sets the weight of a running server. If the new weight is 0, a server that takes connections keeps its weight
// until names lead elsewhere.
func (c *Change) settleWeight(backend string, has runtime.Server, want haproxy.Server) {
	c.note("backend %s: weight of server %s changed from %d to %d", backend, want.Name, has.Weight, want.Weight)
	command := runtime.SetWeight(backend, want.Name, want.Weight)
	if want.Weight == 0 && has.Admin.Mode() == runtime.Ready {
		c.Take = append(c.Take, command)
	} else {
		c.Bring = append(c.Bring, command)
	}
}

// groupServers groups the running servers of the backends by backend and name.
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

// unwanted returns the running servers that their backend should not have, in running order.
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

// hasServer reports whether a server is among the backend's, which are sorted by name.
func hasServer(backend haproxy.Backend, name string) bool {
	_, found := slices.BinarySearchFunc(backend.Servers, name, func(s haproxy.Server, name string) int {
		return strings.Compare(s.Name, name)
	})
	return found
}
