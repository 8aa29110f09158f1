package haproxy

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy/lists"
)

// WithIdentities returns a copy in which servers that already run keep their running names. A server's identity is its
// destination: a wanted server at the address and port of a running one is the same server, whatever their names are (for
// example if a pod takes over another pod's address), unless a server with the running name is wanted as well. The running
// servers are by name of the backend; of several at one address and port, the first one counts. Servers with a DNS name are
// identified by their names.
func (c Config) WithIdentities(running map[string][]Server) Config {
	c.Backends = slices.Clone(c.Backends)
	for i, b := range c.Backends {
		c.Backends[i].Servers = keepNames(b.Servers, running[b.Name])
	}
	return c
}

// keepNames gives servers, which are sorted by name, the names of running servers with the same address and port. It returns
// the same slice if nothing changes.
func keepNames(wanted, running []Server) []Server {
	if lists.Same(wanted, running) {
		return wanted
	}
	free := unwantedNames(wanted, running)
	if len(free) == 0 {
		return wanted
	}
	at := make(map[string]netip.AddrPort, len(running))
	for _, s := range running {
		at[s.Name] = s.place()
	}
	named, changed := slices.Clone(wanted), false
	for i, s := range named {
		if name, found := free[s.place()]; found && s.DNSName == "" && at[s.Name] != s.place() {
			named[i].Name, changed = name, true
			delete(free, s.place())
		}
	}
	if !changed {
		return wanted
	}
	return SortServers(named)
}

// unwantedNames returns the names, by address and port, of the running servers whose names no wanted server has.
func unwantedNames(wanted, running []Server) map[netip.AddrPort]string {
	free := map[netip.AddrPort]string{}
	for _, s := range running {
		if s.DNSName != "" || !ValidName(s.Name) || hasServer(wanted, s.Name) {
			continue
		}
		if _, found := free[s.place()]; !found {
			free[s.place()] = s.Name
		}
	}
	return free
}

func hasServer(sorted []Server, name string) bool {
	_, found := slices.BinarySearchFunc(sorted, name, func(s Server, name string) int { return strings.Compare(s.Name, name) })
	return found
}

func (s Server) place() netip.AddrPort { return netip.AddrPortFrom(s.Addr, s.Port) }
