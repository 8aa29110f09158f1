package haproxy_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// oneOf returns one of the choices.
func oneOf[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// anyConfig returns a valid configuration of few names, so that two of them have much in common. A backend whose name ends with
// ":http" is for HTTP, as in the configurations of the operator.
func anyConfig(t *testing.T, r *rand.Rand) haproxy.Config {
	t.Helper()
	c := sample.Web(t)
	template, binds := c.Backends[0], c.Frontends[0].Binds
	c.Backends, c.Frontends = nil, nil
	var tcp, http []string
	for _, name := range []string{"a", "a:http", "b", "b:http", "c"} {
		if name != "a" && name != "a:http" && r.IntN(5) == 0 {
			continue
		}
		b := template
		b.Name, b.HTTP, b.Servers = name, strings.HasSuffix(name, ":http"), anyServers(r)
		b.Balance = oneOf(r, haproxy.LeastConn, haproxy.LeastConn, haproxy.LeastConn, haproxy.LeastConn, haproxy.Source)
		if b.HTTP {
			http = append(http, name)
		} else {
			tcp = append(tcp, name)
		}
		c.Backends = append(c.Backends, b)
	}
	for _, name := range []string{"r", "s"} {
		if r.IntN(3) > 0 {
			c.WeightedRoutes = append(c.WeightedRoutes, haproxy.WeightedRoute{Name: name, Shares: anyShares(r, tcp)})
		}
	}
	withRoutes := tcp
	for _, route := range c.WeightedRoutes {
		withRoutes = append(slices.Clip(withRoutes), route.Name)
	}
	c.Frontends = []haproxy.Frontend{
		{Name: "in", Binds: binds[:1], Protocol: haproxy.TLS, Routes: anyRoutes(r, withRoutes)},
		{Name: "raw", Binds: []haproxy.Bind{sample.Bind(t, "ipv4@:53")}, Backend: oneOf(r, "a", "a", withRoutes[len(withRoutes)-1])},
		{Name: "web", Binds: []haproxy.Bind{sample.Bind(t, "ipv4@:80")}, Protocol: haproxy.HTTP, Routes: anyRoutes(r, http)},
	}
	if err := valid.Config(c); err != nil {
		t.Fatalf("the configuration is not valid: %v", err)
	}
	return c
}

func anyServers(r *rand.Rand) []haproxy.Server {
	var servers []haproxy.Server
	for _, s := range sample.Servers(4) {
		if r.IntN(2) == 0 {
			s.Weight = 1 + r.IntN(2)
			servers = append(servers, s)
		}
	}
	if r.IntN(6) == 0 {
		servers = append(servers, haproxy.Server{Name: "z-cdn", DNSName: oneOf(r, "a.example.com", "b.example.com"), Port: 443, Weight: 1 + r.IntN(2)})
	}
	if r.IntN(6) == 0 {
		servers = append(servers, haproxy.Server{Name: "z-spare", Addr: netip.MustParseAddr("192.0.2.99"), Port: 443, Weight: 1 + r.IntN(2), Backup: r.IntN(2) == 0})
	}
	return servers
}

func anyShares(r *rand.Rand, backends []string) []haproxy.Share {
	first := oneOf(r, 0, 1, 50, 100)
	both := []string{oneOf(r, backends...), oneOf(r, backends...)}
	if r.IntN(3) == 0 {
		return []haproxy.Share{{Percent: 100, Backends: both[:1+r.IntN(2)]}}
	}
	return []haproxy.Share{{Percent: first, Backends: both}, {Percent: 100 - first, Backends: []string{oneOf(r, backends...)}}}
}

func anyRoutes(r *rand.Rand, to []string) []haproxy.Route {
	var routes []haproxy.Route
	for _, name := range []string{"**.b.example.com", "**.example.com", "*.example.com", "a.example.com", "b.example.com", "c.example.com"} {
		if r.IntN(2) == 0 {
			routes = append(routes, haproxy.Route{Name: name, To: oneOf(r, to...)})
		}
	}
	return routes
}

func mapOf(entries []haproxy.Entry) map[string]string {
	all := map[string]string{}
	for _, e := range entries {
		all[e.Key] = e.Value
	}
	return all
}

// HAProxy's map is changed entry by entry: what is removed, and then what is written, must make it the map of the new file.
func TestAChangeTurnsOneMapIntoTheOther(t *testing.T) {
	t.Parallel()
	changes := 0
	for seed := range uint64(250) {
		r := rand.New(rand.NewPCG(seed, 0))
		before, after := anyConfig(t, r), anyConfig(t, r)
		if r.IntN(2) == 0 {
			// More often than by chance, only what HAProxy can change differs.
			after = before.WithRuntimeOf(after)
		}
		change, only := after.ChangeFrom(before)
		if same := structureOfTest(t, after) == structureOfTest(t, before); same != only {
			t.Errorf("seed %d: the change can be made at run time: %t, and the structure is the same: %t", seed, only, same)
		}
		if !only {
			if !change.Empty() {
				t.Errorf("seed %d: what cannot be changed has the change %+v", seed, change)
			}
			continue
		}
		changes++
		got := mapOf(before.Entries())
		for _, e := range change.Former {
			if got[e.Key] != e.Value {
				t.Errorf("seed %d: %+v is removed, and there is %q", seed, e, got[e.Key])
			}
			delete(got, e.Key)
		}
		for _, e := range change.Entries {
			if _, there := got[e.Key]; there {
				t.Errorf("seed %d: %+v is added, and there is one", seed, e)
			}
			got[e.Key] = e.Value
		}
		if after.UsesMap() && !reflect.DeepEqual(got, mapOf(after.Entries())) {
			t.Errorf("seed %d: got %v, want %v", seed, got, mapOf(after.Entries()))
		}
		byKey := func(a, b haproxy.Entry) int { return cmp.Compare(a.Key, b.Key) }
		if !slices.IsSortedFunc(change.Entries, byKey) || !slices.IsSortedFunc(change.Former, byKey) {
			t.Errorf("seed %d: %+v is not sorted", seed, change)
		}
		for i, b := range after.Backends {
			isNamed := slices.ContainsFunc(change.Backends, func(changed haproxy.Backend) bool { return changed.Name == b.Name })
			if isNamed == slices.Equal(b.Servers, before.Backends[i].Servers) {
				t.Errorf("seed %d: backend %s is changed: %t", seed, b.Name, isNamed)
			}
		}
	}
	if changes < 80 {
		t.Errorf("only %d changes were tried", changes)
	}
}

func TestEntriesAreSortedUniqueAndCounted(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		c := anyConfig(t, rand.New(rand.NewPCG(seed, 1)))
		entries := c.Entries()
		if c.EntryCount() != len(entries) || len(mapOf(entries)) != len(entries) {
			t.Errorf("seed %d: %d entries are counted, of %d, of which %d differ", seed, c.EntryCount(), len(entries), len(mapOf(entries)))
		}
		if !slices.IsSortedFunc(entries, func(a, b haproxy.Entry) int { return cmp.Compare(a.Key, b.Key) }) {
			t.Errorf("seed %d: %v is not sorted", seed, entries)
		}
		for _, e := range entries {
			if strings.ContainsAny(e.Key+e.Value, " \t\n") || e.Key == "" || e.Value == "" {
				t.Errorf("seed %d: entry %+v", seed, e)
			}
		}
	}
}

// Where a file cannot be loaded, what runs follows the wanted configuration as far as it can: never into another structure, never to
// where nothing is, and with all servers if nothing else differs.
func TestWhatCanBeChangedAtRunTimeIsTakenOver(t *testing.T) {
	t.Parallel()
	for seed := range uint64(250) {
		r := rand.New(rand.NewPCG(seed, 2))
		running, wanted := anyConfig(t, r), anyConfig(t, r)
		kept := fmt.Sprintf("%+v %+v", running, wanted)
		got := running.WithRuntimeOf(wanted)
		if err := valid.Config(got); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if structureOfTest(t, got) != structureOfTest(t, running) {
			t.Errorf("seed %d: it needs a reload: %+v", seed, got)
		}
		if _, only := wanted.ChangeFrom(running); only {
			if left, same := wanted.ChangeFrom(got); !same || len(left.Backends) > 0 {
				t.Errorf("seed %d: the servers of %+v are not taken over", seed, left.Backends)
			}
		}
		if again := got.WithRuntimeOf(wanted); !reflect.DeepEqual(again, got) {
			t.Errorf("seed %d: the second time it is %+v, after %+v", seed, again, got)
		}
		if fmt.Sprintf("%+v %+v", running, wanted) != kept {
			t.Errorf("seed %d: a configuration was changed", seed)
		}
	}
}

func TestNormalizeUndoesAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		want := anyConfig(t, r)
		mixed := want
		mixed.Frontends, mixed.Backends = shuffled(r, want.Frontends), shuffled(r, want.Backends)
		mixed.WeightedRoutes = shuffled(r, want.WeightedRoutes)
		for i := range mixed.Frontends {
			mixed.Frontends[i].Binds, mixed.Frontends[i].Routes = shuffled(r, mixed.Frontends[i].Binds), shuffled(r, mixed.Frontends[i].Routes)
		}
		for i := range mixed.Backends {
			mixed.Backends[i].Servers = shuffled(r, mixed.Backends[i].Servers)
		}
		if got := mixed.Normalize(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("seed %d: got %+v, want %+v", seed, got, want)
		}
	}
}

func shuffled[T any](r *rand.Rand, list []T) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// A server keeps its running name, whatever its pod is called now; nothing else of it changes, and no two get one name.
func TestIdentitiesChangeNothingButNames(t *testing.T) {
	t.Parallel()
	type place struct {
		at     string
		weight int
	}
	places := func(servers []haproxy.Server) map[place]int {
		all := map[place]int{}
		for _, s := range servers {
			all[place{fmt.Sprint(s.Addr, s.DNSName, s.Port), s.Weight}]++
		}
		return all
	}
	renamed := func(r *rand.Rand, servers []haproxy.Server) []haproxy.Server {
		servers = slices.Clone(servers)
		for i := range servers {
			if servers[i].DNSName == "" {
				servers[i].Name = fmt.Sprint(oneOf(r, "pod-", "x-"), r.IntN(3), "-", i)
			}
		}
		return haproxy.SortServers(servers)
	}
	for seed := range uint64(250) {
		r := rand.New(rand.NewPCG(seed, 4))
		c := anyConfig(t, r)
		running := map[string][]haproxy.Server{}
		for i, b := range c.Backends {
			c.Backends[i].Servers = renamed(r, b.Servers)
			running[b.Name] = renamed(r, anyServers(r))
		}
		kept := fmt.Sprintf("%+v %+v", c, running)
		got := c.WithIdentities(running)
		if err := valid.Config(got); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		for i, b := range got.Backends {
			if !reflect.DeepEqual(places(b.Servers), places(c.Backends[i].Servers)) {
				t.Errorf("seed %d: servers %+v, want those of %+v", seed, b.Servers, c.Backends[i].Servers)
			}
		}
		if fmt.Sprintf("%+v %+v", c, running) != kept {
			t.Errorf("seed %d: a configuration was changed", seed)
		}
		for _, b := range got.Backends {
			running[b.Name] = b.Servers
		}
		if again := c.WithIdentities(running); !reflect.DeepEqual(again, got) {
			t.Errorf("seed %d: where %+v runs, %+v is wanted next", seed, got.Backends, again.Backends)
		}
	}
}
