package edge

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

// serverStats are the states that the running HAProxy reports for the configuration's servers, in the form of an Outcome.
type serverStats struct {
	// counts are by backend; nil if HAProxy did not answer.
	counts map[string]model.ServerCount
	// unresolved names are sorted, without duplicates.
	unresolved []model.UnresolvedName
	// down entries are sorted by backend and check.
	down []down
}

// down is a group of servers of one backend whose last check ended with the same result, a number of HAProxy.
type down struct {
	backend string
	check   int
	// server is the ID of one of them, and count how many there are.
	server, count int
	// why is the check result of that server in HAProxy's text; empty until HAProxy was asked.
	why string
}

func (d down) compare(other down) int {
	return cmp.Or(cmp.Compare(d.backend, other.backend), cmp.Compare(d.check, other.check))
}

// with returns the stats with those of the backends replaced by the state of the running servers.
func (s serverStats) with(running []runtime.Server, backends []haproxy.Backend) serverStats {
	after := serverStats{counts: make(map[string]model.ServerCount, len(backends))}
	maps.Copy(after.counts, s.counts)
	taken := namesOf(backends)
	for _, backend := range backends {
		after.counts[backend.Name] = model.ServerCount{Total: len(backend.Servers)}
	}
	for _, u := range s.unresolved {
		if !taken[u.Backend] {
			after.unresolved = append(after.unresolved, u)
		}
	}
	for _, d := range s.down {
		if !taken[d.backend] {
			after.down = append(after.down, d)
		}
	}
	slices.SortFunc(after.down, down.compare)
	for _, server := range running {
		if taken[server.Backend] {
			after.take(server)
			after.takeDown(server, s.down)
		}
	}
	slices.SortFunc(after.unresolved, func(a, b model.UnresolvedName) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.DNSName, b.DNSName))
	})
	after.unresolved = slices.Compact(after.unresolved)
	return after
}

// takeDown adds a server whose checks fail. It reuses the reason of servers that failed before with the same result.
func (s *serverStats) takeDown(server runtime.Server, before []down) {
	if _, found := s.counts[server.Backend]; !found || !server.Down() {
		return
	}
	d := down{backend: server.Backend, check: server.LastCheck, server: server.ID}
	i, found := slices.BinarySearchFunc(s.down, d, down.compare)
	if !found {
		if k, known := slices.BinarySearchFunc(before, d, down.compare); known {
			d.why = before[k].why
		}
		s.down = slices.Insert(s.down, i, d)
	}
	s.down[i].count++
}

// downServers returns the servers whose checks fail, in the form of an Outcome.
func (s serverStats) downServers() []model.DownServers {
	var servers []model.DownServers
	for _, d := range s.down {
		servers = append(servers, model.DownServers{Backend: d.backend, Check: d.why, Count: d.count})
	}
	return servers
}

// take adds a running server.
func (s *serverStats) take(server runtime.Server) {
	if count, found := s.counts[server.Backend]; found && server.Up() {
		count.Up++
		s.counts[server.Backend] = count
	}
	if server.Admin.IsUnresolved() {
		// Clone the strings: a substring would keep the whole answer in memory.
		s.unresolved = append(s.unresolved, model.UnresolvedName{
			Backend: strings.Clone(server.Backend), DNSName: strings.Clone(strings.ToLower(server.DNSName)),
		})
	}
}
