package edge

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// tally is what the running HAProxy says of the configuration's servers, as an Outcome has it.
type tally struct {
	// counts are by backend; nil when HAProxy could not be asked.
	counts map[string]ServerCount
	// unresolved are sorted, each once.
	unresolved []Unresolved
}

// with is the tally, with what it says of the backends taken from the running servers.
func (t tally) with(running []runtime.Server, backends []haproxy.Backend) tally {
	after := tally{counts: make(map[string]ServerCount, len(backends))}
	maps.Copy(after.counts, t.counts)
	taken := namesOf(backends)
	for _, backend := range backends {
		after.counts[backend.Name] = ServerCount{Total: len(backend.Servers)}
	}
	for _, u := range t.unresolved {
		if !taken[u.Backend] {
			after.unresolved = append(after.unresolved, u)
		}
	}
	for _, server := range running {
		if taken[server.Backend] {
			after.take(server)
		}
	}
	slices.SortFunc(after.unresolved, func(a, b Unresolved) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.DNSName, b.DNSName))
	})
	after.unresolved = slices.Compact(after.unresolved)
	return after
}

// take adds a running server.
func (t *tally) take(server runtime.Server) {
	if count, found := t.counts[server.Backend]; found && server.Up() {
		count.Up++
		t.counts[server.Backend] = count
	}
	if server.Admin.IsUnresolved() {
		t.unresolved = append(t.unresolved, Unresolved{Backend: server.Backend, DNSName: strings.ToLower(server.DNSName)})
	}
}
