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

// tally is what the running HAProxy says of the configuration's servers, as an Outcome has it.
type serverStats struct {
	// counts are by backend; nil when HAProxy could not be asked.
	counts map[string]model.ServerCount
	// unresolved are sorted, each once.
	unresolved []model.UnresolvedName
	// down are sorted by backend and check.
	down []down
}

// down are servers of a backend whose last check ended in the same way: a number of HAProxy's.
type down struct {
	backend string
	check   int
	// server is the number of one of them, and count how many they are.
	server, count int
	// why is what HAProxy says of that one; empty until it was asked.
	why string
}

func (d down) compare(other down) int {
	return cmp.Or(cmp.Compare(d.backend, other.backend), cmp.Compare(d.check, other.check))
}

// with is the tally, with what it says of the backends taken from the running servers.
func (t serverStats) with(running []runtime.Server, backends []haproxy.Backend) serverStats {
	after := serverStats{counts: make(map[string]model.ServerCount, len(backends))}
	maps.Copy(after.counts, t.counts)
	taken := namesOf(backends)
	for _, backend := range backends {
		after.counts[backend.Name] = model.ServerCount{Total: len(backend.Servers)}
	}
	for _, u := range t.unresolved {
		if !taken[u.Backend] {
			after.unresolved = append(after.unresolved, u)
		}
	}
	for _, d := range t.down {
		if !taken[d.backend] {
			after.down = append(after.down, d)
		}
	}
	slices.SortFunc(after.down, down.compare)
	for _, server := range running {
		if taken[server.Backend] {
			after.take(server)
			after.takeDown(server, t.down)
		}
	}
	slices.SortFunc(after.unresolved, func(a, b model.UnresolvedName) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.DNSName, b.DNSName))
	})
	after.unresolved = slices.Compact(after.unresolved)
	return after
}

// takeDown adds a server whose checks fail. Why those do that failed in the same way before is known.
func (t *serverStats) takeDown(server runtime.Server, before []down) {
	if _, found := t.counts[server.Backend]; !found || !server.Down() {
		return
	}
	d := down{backend: server.Backend, check: server.LastCheck, server: server.ID}
	i, found := slices.BinarySearchFunc(t.down, d, down.compare)
	if !found {
		if k, known := slices.BinarySearchFunc(before, d, down.compare); known {
			d.why = before[k].why
		}
		t.down = slices.Insert(t.down, i, d)
	}
	t.down[i].count++
}

// downServers are the servers whose checks fail, as an Outcome has them.
func (t serverStats) downServers() []model.DownServers {
	var servers []model.DownServers
	for _, d := range t.down {
		servers = append(servers, model.DownServers{Backend: d.backend, Check: d.why, Count: d.count})
	}
	return servers
}

// take adds a running server.
func (t *serverStats) take(server runtime.Server) {
	if count, found := t.counts[server.Backend]; found && server.Up() {
		count.Up++
		t.counts[server.Backend] = count
	}
	if server.Admin.IsUnresolved() {
		// A part of an answer would keep all of it in memory.
		t.unresolved = append(t.unresolved, model.UnresolvedName{
			Backend: strings.Clone(server.Backend), DNSName: strings.Clone(strings.ToLower(server.DNSName)),
		})
	}
}
