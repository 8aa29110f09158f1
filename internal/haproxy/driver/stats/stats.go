// Package stats summarizes the state of the servers that HAProxy reports. It is pure.
package stats

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/sanitize"
)

// Stats are the states that the running HAProxy reports for the configuration's servers, in the form of an Outcome.
type Stats struct {
	// Counts are by backend; nil if HAProxy did not answer.
	Counts map[string]model.ServerCount
	// Unresolved names are sorted, without duplicates.
	Unresolved []model.UnresolvedName
	// down entries are sorted by backend and check.
	down []group
}

// group is a group of servers of one backend whose last check ended with the same result, a number of HAProxy.
type group struct {
	backend string
	check   int
	// server is the ID of one of them, and count how many there are.
	server, count int
	// why is the check result of that server in HAProxy's text; empty until HAProxy was asked.
	why string
}

func (g group) compare(other group) int {
	return cmp.Or(cmp.Compare(g.backend, other.backend), cmp.Compare(g.check, other.check))
}

// With returns the stats with those of the backends replaced by the state of the running servers.
func (s Stats) With(running []runtime.Server, backends []haproxy.Backend) Stats {
	after := Stats{Counts: make(map[string]model.ServerCount, len(backends))}
	maps.Copy(after.Counts, s.Counts)
	taken := make(map[string]bool, len(backends))
	for _, backend := range backends {
		taken[backend.Name] = true
		after.Counts[backend.Name] = model.ServerCount{Total: len(backend.Servers)}
	}
	for _, u := range s.Unresolved {
		if !taken[u.Backend] {
			after.Unresolved = append(after.Unresolved, u)
		}
	}
	for _, d := range s.down {
		if !taken[d.backend] {
			after.down = append(after.down, d)
		}
	}
	slices.SortFunc(after.down, group.compare)
	for _, server := range running {
		if taken[server.Backend] {
			after.take(server)
			after.takeDown(server, s.down)
		}
	}
	slices.SortFunc(after.Unresolved, func(a, b model.UnresolvedName) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.DNSName, b.DNSName))
	})
	after.Unresolved = slices.Compact(after.Unresolved)
	return after
}

// takeDown adds a server whose checks fail. It reuses the reason of servers that failed before with the same result.
func (s *Stats) takeDown(server runtime.Server, before []group) {
	if _, found := s.Counts[server.Backend]; !found || !server.Down() {
		return
	}
	d := group{backend: server.Backend, check: server.LastCheck, server: server.ID}
	i, found := slices.BinarySearchFunc(s.down, d, group.compare)
	if !found {
		if k, known := slices.BinarySearchFunc(before, d, group.compare); known {
			d.why = before[k].why
		}
		s.down = slices.Insert(s.down, i, d)
	}
	s.down[i].count++
}

// Down returns the servers whose checks fail, in the form of an Outcome.
func (s Stats) Down() []model.DownServers {
	var servers []model.DownServers
	for _, d := range s.down {
		servers = append(servers, model.DownServers{Backend: d.backend, Check: d.why, Count: d.count})
	}
	return servers
}

// take adds a running server.
func (s *Stats) take(server runtime.Server) {
	if count, found := s.Counts[server.Backend]; found && server.Up() {
		count.Up++
		s.Counts[server.Backend] = count
	}
	if server.Admin.IsUnresolved() {
		// Clone the strings: a substring would keep the whole answer in memory.
		s.Unresolved = append(s.Unresolved, model.UnresolvedName{
			Backend: strings.Clone(server.Backend), DNSName: strings.Clone(strings.ToLower(server.DNSName)),
		})
	}
}

// Questions returns the commands that ask HAProxy why servers are down, one for each group, at most that many.
func (s Stats) Questions(most int) []string {
	var lines []string
	for _, d := range s.down[:min(len(s.down), most)] {
		lines = append(lines, runtime.ShowCheckOf(d.backend, d.server))
	}
	return lines
}

// Explain records the answers to Questions, each clipped to that many bytes. An answer that cannot be parsed explains nothing: the
// servers are known to be down.
func (s *Stats) Explain(answers []string, size int) {
	for i, answer := range answers {
		if why, err := runtime.ParseCheck([]byte(answer)); err == nil {
			s.down[i].why = sanitize.Line(why, size)
		}
	}
}
