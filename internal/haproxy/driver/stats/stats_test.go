package stats

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

func TestStatsListUnresolvedNamesOnceAndAsLongAsTheyAreSeen(t *testing.T) {
	t.Parallel()
	named := func(name, dnsName string, admin runtime.Admin) runtime.Server {
		server := runtime.Server{Backend: "b", Name: name, DNSName: dnsName, Admin: admin}
		if !admin.IsUnresolved() {
			server.Addr, server.Operation = netip.MustParseAddr("192.0.2.1"), runtime.Running
		}
		return server
	}
	backend := func(name string, servers int) haproxy.Backend {
		return haproxy.Backend{Name: name, Servers: make([]haproxy.Server, servers)}
	}
	lost := model.UnresolvedName{Backend: "b", DNSName: "lost.invalid"}
	var now Stats
	for i, step := range []struct {
		running  []runtime.Server
		backends []haproxy.Backend
		want     []model.UnresolvedName
		wantUp   int
	}{
		{[]runtime.Server{named("1", "Lost.invalid", 0x20), named("2", "lost.invalid", 0x21), named("3", "found.example.com", 0)},
			[]haproxy.Backend{backend("b", 3)}, []model.UnresolvedName{lost}, 1},
		{[]runtime.Server{{Backend: "other", Name: "1", DNSName: "x.invalid", Admin: 0x20}, {Backend: "former", Name: "1", DNSName: "y.invalid", Admin: 0x20}},
			[]haproxy.Backend{backend("other", 1)}, []model.UnresolvedName{lost, {Backend: "other", DNSName: "x.invalid"}}, 1},
		{[]runtime.Server{named("1", "lost.invalid", 0), named("2", "lost.invalid", 1), named("3", "found.example.com", 0x20)},
			[]haproxy.Backend{backend("b", 3)}, []model.UnresolvedName{{Backend: "b", DNSName: "found.example.com"}, {Backend: "other", DNSName: "x.invalid"}}, 1},
		{nil, []haproxy.Backend{backend("b", 3), backend("other", 1)}, nil, 0},
	} {
		before := Stats{Counts: maps.Clone(now.Counts), Unresolved: slices.Clone(now.Unresolved)}
		after := now.With(step.running, step.backends)
		if !slices.Equal(after.Unresolved, step.want) || after.Counts["b"] != (model.ServerCount{Up: step.wantUp, Total: 3}) {
			t.Errorf("step %d: got %v, want %v with %d up", i, after, step.want, step.wantUp)
		}
		if !maps.Equal(now.Counts, before.Counts) || !slices.Equal(now.Unresolved, before.Unresolved) {
			t.Errorf("step %d has changed the stats before it to %v", i, now)
		}
		now = after
	}
}
