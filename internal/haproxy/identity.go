package haproxy

import (
	"net/netip"
	"slices"
	"strings"
)

// WithIdentities is a copy in which servers that run already keep the names under which they do. A server is where its connections
// go: one that is wanted at the address and port of one that runs is the same, whatever either is called (a pod that takes over
// another's address, say), as long as no other one is wanted by that name. The running servers are by name of the backend; of
// several at one place, the first one counts. Servers with a DNS name are known by their names.
func (c Config) WithIdentities(running map[string][]Server) Config {
	c.Backends = slices.Clone(c.Backends)
	for i, b := range c.Backends {
		c.Backends[i].Servers = keepNames(b.Servers, running[b.Name])
	}
	return c
}

// keepNames gives servers, which are sorted by name, the names of those that run at the same places. It returns the very same
// slice if there are none.
func keepNames(wanted, running []Server) []Server {
	if sameSlice(wanted, running) {
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

// unwantedNames are the names, by place, of the running servers of which none is wanted by its name.
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
