package haproxy_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestChangeFromNamesTheBackendsWhoseServersDiffer(t *testing.T) {
	t.Parallel()
	// Backend 0 has one server, backend 1 has two.
	server := func(edit func(*haproxy.Server)) func(*haproxy.Config) {
		return func(c *haproxy.Config) { edit(&c.Backends[1].Servers[0]) }
	}
	for _, tc := range []struct {
		name string
		edit func(*haproxy.Config)
		want []int
		only bool
	}{
		{"nothing", func(*haproxy.Config) {}, nil, true},
		{"address", server(func(s *haproxy.Server) { s.Addr = s.Addr.Next() }), []int{1}, true},
		{"port", server(func(s *haproxy.Server) { s.Port++ }), []int{1}, true},
		{"weight", server(func(s *haproxy.Server) { s.Weight++ }), []int{1}, true},
		{"name", server(func(s *haproxy.Server) { s.Name = "a" }), []int{1}, true},
		{"node, which is a comment", server(func(s *haproxy.Server) { s.Node = "node-9" }), nil, true},
		{"one server less", func(c *haproxy.Config) { c.Backends[1].Servers = c.Backends[1].Servers[:1] }, []int{1}, true},
		{"one server more and none at all", func(c *haproxy.Config) { c.Backends[0].Servers, c.Backends[1].Servers = sample.Servers(2), nil }, []int{0, 1}, true},
		{"servers to keep", func(c *haproxy.Config) { c.Backends[0].Servers, c.Backends[0].KeepServers = nil, true }, nil, false},
		{"balance", func(c *haproxy.Config) { c.Backends[0].Balance = haproxy.Source }, nil, false},
		{"PROXY version", func(c *haproxy.Config) { c.Backends[0].ProxyProtocol = haproxy.ProxyV1 }, nil, false},
		{"check", func(c *haproxy.Config) { c.Backends[0].Check.Rise++ }, nil, false},
		{"backend name", func(c *haproxy.Config) { c.Backends[0].Name = "a" }, nil, false},
		{"one backend less", func(c *haproxy.Config) { c.Backends = c.Backends[1:] }, nil, false},
		{"one backend more", func(c *haproxy.Config) { c.Backends = append(c.Backends, haproxy.Backend{Name: "z"}) }, nil, false},
		{"redirect", func(c *haproxy.Config) { c.Frontends[1].RedirectToHTTPS = true }, nil, false},
		{"one frontend more", func(c *haproxy.Config) { c.Frontends = append(c.Frontends, haproxy.Frontend{Name: "z"}) }, nil, false},
		{"bind", func(c *haproxy.Config) { c.Frontends[1].Binds = c.Frontends[1].Binds[:1] }, nil, false},
		{"frontend name", func(c *haproxy.Config) { c.Frontends[0].Name = "a" }, nil, false},
		{"frontend's backend", func(c *haproxy.Config) { c.Frontends[0].Backend = c.Backends[1].Name }, nil, false},
		{"idle", func(c *haproxy.Config) { c.Frontends = nil }, nil, false},
		{"owner", func(c *haproxy.Config) { c.Owner = "other" }, nil, false},
		{"host", func(c *haproxy.Config) { c.Host = "other" }, nil, false},
		{"admin socket", func(c *haproxy.Config) { c.AdminSocket = "/other" }, nil, false},
		{"health socket", func(c *haproxy.Config) { c.HealthSocket.Path = "/other" }, nil, false},
		{"virtual address", func(c *haproxy.Config) { c.VirtualAddresses = []netip.Addr{netip.MustParseAddr("192.0.2.1")} }, nil, false},
		{"maximum of connections", func(c *haproxy.Config) { c.MaxConnections++ }, nil, false},
		{"length of headers", func(c *haproxy.Config) { c.MaxHeaderBytes = 64 << 10 }, nil, false},
		{"limit of what waits", func(c *haproxy.Config) { c.Backends[0].MaxQueued = 5 }, nil, false},
		{"HTTP/2", func(c *haproxy.Config) { c.Backends[0].HTTP2 = true }, nil, false},
		{"slow start", func(c *haproxy.Config) { c.Backends[0].SlowStart = time.Minute }, nil, false},
		{"a server becomes a backup", server(func(s *haproxy.Server) { s.Backup = true }), nil, false},
		{"timeout of a frontend", func(c *haproxy.Config) { c.Frontends[0].ClientTimeout = time.Hour }, nil, false},
		{"timeout of a backend", func(c *haproxy.Config) { c.Backends[0].Timeouts.Tunnel = time.Hour }, nil, false},
		{"timeout", func(c *haproxy.Config) { c.Timeouts.Queue++ }, nil, false},
		{"page", func(c *haproxy.Config) { c.Frontends[1].Page.Path = "/healthz" }, nil, false},
		{"page in maintenance", func(c *haproxy.Config) { c.Frontends[1].Page.Unavailable = true }, nil, false},
		{"logging", func(c *haproxy.Config) { c.Logging.JSON = true }, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			after := sample.TwoListeners(t)
			tc.edit(&after)
			changed, only := after.ChangeFrom(sample.TwoListeners(t))
			var want []haproxy.Backend
			for _, i := range tc.want {
				want = append(want, after.Backends[i])
			}
			if !reflect.DeepEqual(changed, haproxy.Change{Backends: want}) || only != tc.only {
				t.Errorf("got %+v, %v, want %+v, %v", changed, only, want, tc.only)
			}
		})
	}
}

func TestWithRuntimeOfTakesTheServersOfBackendsThatAreOtherwiseTheSame(t *testing.T) {
	t.Parallel()
	other := sample.TwoListeners(t)
	other.MaxConnections++
	other.Backends[0].Servers, other.Backends[1].Servers = sample.Servers(3), sample.Servers(4)
	before := func() haproxy.Config {
		c := sample.TwoListeners(t)
		c.Backends = append(c.Backends, haproxy.Backend{Name: "z-gone", Servers: sample.Servers(1)})
		return c
	}
	both, one, none := before(), before(), before()
	both.Backends[0].Servers, both.Backends[1].Servers = sample.Servers(3), sample.Servers(4)
	one.Backends[1].Servers = sample.Servers(4)
	input := before()
	if got := input.WithRuntimeOf(other); !reflect.DeepEqual(got, both) {
		t.Errorf("got %+v, want %+v", got, both)
	}
	other.Backends[0].Balance = haproxy.Source
	if got := input.WithRuntimeOf(other); !reflect.DeepEqual(got, one) {
		t.Errorf("with another algorithm got %+v, want %+v", got, one)
	}
	other.Backends[1].Servers, other.Backends[1].KeepServers = nil, true
	if got := input.WithRuntimeOf(other); !reflect.DeepEqual(got, none) {
		t.Errorf("with servers to keep got %+v, want %+v", got, none)
	}
	if !reflect.DeepEqual(input, before()) {
		t.Errorf("the input was changed: %+v", input)
	}
}

// routed returns a configuration with a frontend that reads names, and two weighted routes.
func routed(t *testing.T) haproxy.Config {
	t.Helper()
	return sample.WebWith(t, func(c *haproxy.Config) {
		backend := c.Backends[0]
		backend.Servers = nil
		c.Backends = nil
		for _, name := range []string{"a", "b", "c"} {
			backend.Name = name
			c.Backends = append(c.Backends, backend)
		}
		c.Frontends[0].Name, c.Frontends[0].Protocol, c.Frontends[0].Backend = "in", haproxy.TLS, ""
		c.Frontends[0].Routes = []haproxy.Route{{Name: "*.example.com", To: "a"}, {Name: "app.example.com", To: "split"}, {Name: "blog.example.com", To: "b"}}
		c.WeightedRoutes = []haproxy.WeightedRoute{
			{Name: "split", Shares: []haproxy.Share{{Percent: 99, Backends: []string{"a", "b"}}, {Percent: 1, Backends: []string{"b"}}}},
			{Name: "stand-in", Shares: []haproxy.Share{{Percent: 100, Backends: []string{"b", "a"}}}},
		}
	})
}

func TestChangeFromNamesTheEntriesThatDiffer(t *testing.T) {
	t.Parallel()
	e := func(key, value string) haproxy.Entry { return haproxy.Entry{Key: key, Value: value} }
	routes := func(routes ...haproxy.Route) func(*haproxy.Config) {
		return func(c *haproxy.Config) { c.Frontends[0].Routes = routes }
	}
	weighted := func(list ...haproxy.WeightedRoute) func(*haproxy.Config) {
		return func(c *haproxy.Config) { c.WeightedRoutes = list }
	}
	before := routed(t)
	first, second, third, split, standIn := before.Frontends[0].Routes[0], before.Frontends[0].Routes[1], before.Frontends[0].Routes[2], before.WeightedRoutes[0], before.WeightedRoutes[1]
	for name, test := range map[string]struct {
		edit func(*haproxy.Config)
		want haproxy.Change
		not  bool
	}{
		"nothing": {edit: func(*haproxy.Config) {}},
		"a name is added": {edit: routes(first, second, third, haproxy.Route{"new.example.com", "c"}),
			want: haproxy.Change{Entries: []haproxy.Entry{e("in/new.example.com", "c")}}},
		"a name is removed": {edit: routes(first, third), want: haproxy.Change{Former: []haproxy.Entry{e("in/app.example.com", "split")}}},
		"a name leads elsewhere": {edit: routes(first, second, haproxy.Route{"blog.example.com", "c"}),
			want: haproxy.Change{Entries: []haproxy.Entry{e("in/blog.example.com", "c")}, Former: []haproxy.Entry{e("in/blog.example.com", "b")}}},
		"all names are removed": {edit: routes(), want: haproxy.Change{Former: []haproxy.Entry{
			e("in/*.example.com", "a"), e("in/app.example.com", "split"), e("in/blog.example.com", "b")}}},
		"servers and names": {
			edit: func(c *haproxy.Config) {
				c.Backends[1].Servers, c.Frontends[0].Routes = sample.Servers(1), []haproxy.Route{second, third}
			},
			want: haproxy.Change{Backends: []haproxy.Backend{{}}, Former: []haproxy.Entry{e("in/*.example.com", "a")}}},
		"one share becomes larger": {
			edit: weighted(haproxy.WeightedRoute{"split", []haproxy.Share{{98, []string{"a", "b"}}, {2, []string{"b"}}}}, standIn),
			want: haproxy.Change{Entries: hundredths("split", 98), Former: hundredths("split", 99)}},
		"a stand-in changes": {edit: weighted(split, haproxy.WeightedRoute{"stand-in", []haproxy.Share{{100, []string{"b", "c"}}}}),
			want: haproxy.Change{Entries: []haproxy.Entry{e("stand-in", "b,c")}, Former: []haproxy.Entry{e("stand-in", "b,a")}}},
		"a weighted route is added":                                  {edit: weighted(split, standIn, haproxy.WeightedRoute{"third", []haproxy.Share{{100, []string{"c"}}}}), want: haproxy.Change{Entries: []haproxy.Entry{e("third", "c")}}},
		"a weighted route without an effect on the shape is removed": {edit: weighted(split), want: haproxy.Change{Former: []haproxy.Entry{e("stand-in", "b,a")}}},
		"no weighted route has a split any more":                     {edit: weighted(haproxy.WeightedRoute{"split", []haproxy.Share{{100, []string{"a", "b"}}}}, standIn), not: true},
		"a list becomes longer than all":                             {edit: weighted(split, haproxy.WeightedRoute{"stand-in", []haproxy.Share{{100, []string{"b", "a", "c"}}}}), not: true},
		"no list has two any more": {
			edit: weighted(haproxy.WeightedRoute{"split", []haproxy.Share{{99, []string{"a"}}, {1, []string{"b"}}}}, haproxy.WeightedRoute{"stand-in", []haproxy.Share{{100, []string{"b"}}}}), not: true},
		"what no name claims goes elsewhere": {edit: func(c *haproxy.Config) { c.Frontends[0].Backend = "a" }, not: true},
		"another protocol":                   {edit: func(c *haproxy.Config) { c.Frontends[0].Protocol, c.Frontends[0].Routes = haproxy.HTTP, nil }, not: true},
		"another access policy":              {edit: func(c *haproxy.Config) { c.Frontends[0].Access.MaxConnections = 7 }, not: true},
		"clients stay with their servers": {edit: func(c *haproxy.Config) {
			c.Backends[0].Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: time.Minute}
		}, not: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := routed(t)
			test.edit(&after)
			got, only := after.ChangeFrom(routed(t))
			if len(test.want.Backends) == 1 {
				test.want.Backends[0] = after.Backends[1]
			}
			if only == test.not || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %t, want %+v", got, only, test.want)
			}
			if same := structureOfTest(t, after) == structureOfTest(t, routed(t)); same == test.not {
				t.Errorf("the files have the same structure: %t", same)
			}
		})
	}
}

func TestAChangedShareOfZeroPercentIsNoChange(t *testing.T) {
	t.Parallel()
	with := func(nothing string) haproxy.Config {
		c := routed(t)
		c.WeightedRoutes[0].Shares = []haproxy.Share{{0, []string{nothing}}, {100, []string{"a", "b"}}}
		return c
	}
	if change, only := with("c").ChangeFrom(with("b")); !only || !change.Empty() {
		t.Errorf("got %+v, %t", change, only)
	}
	before, after := wholeOfTest(t, with("b")), wholeOfTest(t, with("c"))
	if before != after {
		t.Errorf("the files have the fingerprints %s and %s", before, after)
	}
}

func wholeOfTest(t *testing.T, c haproxy.Config) string {
	t.Helper()
	_, full, err := cfg.Fingerprints(c, cfg.Platform{StateFile: "/state", NamesPrefix: "/names-"})
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// hundredths returns the entries of a weighted route: the first ones lead to a or else b, and the others to b.
func hundredths(route string, first int) []haproxy.Entry {
	var entries []haproxy.Entry
	for i := range 100 {
		value := "a,b"
		if i >= first {
			value = "b"
		}
		entries = append(entries, haproxy.Entry{Key: fmt.Sprintf("%s:%02d", route, i), Value: value})
	}
	return entries
}

func structureOfTest(t *testing.T, c haproxy.Config) string {
	t.Helper()
	structure, _, err := cfg.Fingerprints(c, cfg.Platform{StateFile: "/state", NamesPrefix: "/names-"})
	if err != nil {
		t.Fatal(err)
	}
	return structure
}

func TestServersThatTheHostResolvesArePartOfTheStructure(t *testing.T) {
	t.Parallel()
	with := func(edit func(*haproxy.Server)) haproxy.Config {
		c := routed(t)
		s := haproxy.Server{Name: "cdn", DNSName: "cdn.example.com", Port: 443, Weight: 1}
		edit(&s)
		c.Backends[0].Servers = []haproxy.Server{s}
		return c
	}
	before := with(func(*haproxy.Server) {})
	for name, test := range map[string]struct {
		edit func(*haproxy.Server)
		only bool
	}{
		"node":                 {func(s *haproxy.Server) { s.Node = "node-9" }, true},
		"name":                 {func(s *haproxy.Server) { s.DNSName = "other.example.com" }, false},
		"port":                 {func(s *haproxy.Server) { s.Port = 8443 }, false},
		"none":                 {func(s *haproxy.Server) { s.DNSName, s.Addr = "", sample.Servers(1)[0].Addr }, false},
		"its name in the file": {func(s *haproxy.Server) { s.Name = "edge" }, false},
	} {
		if change, only := with(test.edit).ChangeFrom(before); only != test.only || !change.Empty() {
			t.Errorf("%s: got %+v, %t", name, change, only)
		}
	}
}

func TestTheWeightOfAServerThatTheHostResolvesIsChangedAtRunTime(t *testing.T) {
	t.Parallel()
	with := func(weight int) haproxy.Config {
		c := routed(t)
		c.Backends[0].Servers = []haproxy.Server{{Name: "cdn", DNSName: "cdn.example.com", Port: 443, Weight: weight}}
		return c
	}
	change, only := with(2).ChangeFrom(with(1))
	if !only || len(change.Backends) != 1 || change.Backends[0].Servers[0].Weight != 2 {
		t.Errorf("got %+v, %t", change, only)
	}
	if got := with(1).WithRuntimeOf(with(2)).Backends[0].Servers[0].Weight; got != 2 {
		t.Errorf("the weight is %d", got)
	}
}

// Listeners come and go: what one of the two does not have, or reads in another way, keeps its own routes.
func TestRoutesAreTakenOverOnlyByTheSameFrontend(t *testing.T) {
	t.Parallel()
	names := func(c haproxy.Config) (all []string) {
		for _, f := range c.Frontends {
			for _, r := range f.Routes {
				all = append(all, f.Name+"/"+r.Name)
			}
		}
		return all
	}
	route := []haproxy.Route{{Name: "new.example.com", To: "a"}}
	with := func(frontends ...haproxy.Frontend) haproxy.Config {
		c := routed(t)
		c.Frontends = frontends
		return c
	}
	old := []haproxy.Route{{Name: "old.example.com", To: "a"}}
	in := haproxy.Frontend{Name: "in", Protocol: haproxy.TLS, Routes: old}
	for name, test := range map[string]struct {
		running, wanted []haproxy.Frontend
		want            []string
	}{
		"the same":           {[]haproxy.Frontend{in}, []haproxy.Frontend{{Name: "in", Protocol: haproxy.TLS, Routes: route}}, []string{"in/new.example.com"}},
		"another protocol":   {[]haproxy.Frontend{in}, []haproxy.Frontend{{Name: "in", Protocol: haproxy.HTTP, Routes: route}}, []string{"in/old.example.com"}},
		"another name":       {[]haproxy.Frontend{in}, []haproxy.Frontend{{Name: "other", Protocol: haproxy.TLS, Routes: route}}, []string{"in/old.example.com"}},
		"none is wanted":     {[]haproxy.Frontend{in}, nil, []string{"in/old.example.com"}},
		"none runs":          {nil, []haproxy.Frontend{{Name: "in", Protocol: haproxy.TLS, Routes: route}}, nil},
		"one more before it": {[]haproxy.Frontend{in}, []haproxy.Frontend{{Name: "a"}, {Name: "in", Protocol: haproxy.TLS, Routes: route}}, []string{"in/new.example.com"}},
		"one before it is no more": {[]haproxy.Frontend{{Name: "a"}, in}, []haproxy.Frontend{{Name: "in", Protocol: haproxy.TLS, Routes: route}},
			[]string{"in/new.example.com"}},
	} {
		if got := names(with(test.running...).WithRuntimeOf(with(test.wanted...))); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestWhatMakesAnotherBackendNeedsAReload(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*haproxy.Backend){
		"HTTP":      func(b *haproxy.Backend) { b.HTTP = true },
		"a limit":   func(b *haproxy.Backend) { b.MaxConnections = 7 },
		"its check": func(b *haproxy.Backend) { b.Check.Port = 8080 },
		"a header":  func(b *haproxy.Backend) { b.ProxyProtocol = haproxy.ProxyV1 },
		"affinity":  func(b *haproxy.Backend) { b.Affinity.Timeout++ },
	} {
		after := routed(t)
		edit(&after.Backends[1])
		after.Backends[1].Servers = sample.Servers(2)
		if change, only := after.ChangeFrom(routed(t)); only || !change.Empty() {
			t.Errorf("%s: got %+v, %t", name, change, only)
		}
		if got := after.WithRuntimeOf(routed(t)); len(got.Backends[1].Servers) != 2 {
			t.Errorf("%s: another backend's servers are taken over: %+v", name, got.Backends[1])
		}
	}
}

func TestWhatIsTheSameIsComparedWithoutAnAllocation(t *testing.T) { // not in parallel, since others would be counted as well
	c := routed(t)
	c.Backends[0].Servers = sample.Servers(100)
	again := c
	if got := testing.AllocsPerRun(10, func() { _, _ = again.ChangeFrom(c) }); got > 0 {
		t.Errorf("got %v allocations", got)
	}
}

func TestWithRuntimeOfTakesTheRoutesAndSharesThatLeadSomewhere(t *testing.T) {
	t.Parallel()
	other := routed(t)
	other.MaxConnections++
	fresh := other.Backends[0]
	fresh.Name = "fresh"
	other.Backends = append(other.Backends, fresh)
	other.Frontends[0].Routes = []haproxy.Route{{"*.example.com", "fresh"}, {"app.example.com", "c"}, {"new.example.com", "fresh"}, {"other.example.com", "stand-in"}}
	other.WeightedRoutes[0].Shares = []haproxy.Share{{0, []string{"a", "b"}}, {100, []string{"b"}}}
	other.WeightedRoutes[1].Shares = []haproxy.Share{{100, []string{"b", "fresh"}}}
	want := routed(t)
	want.Frontends[0].Routes = []haproxy.Route{{"*.example.com", "a"}, {"app.example.com", "c"}, {"other.example.com", "stand-in"}}
	want.WeightedRoutes[0].Shares = other.WeightedRoutes[0].Shares
	input := routed(t)

	got := input.WithRuntimeOf(other)

	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, only := got.ChangeFrom(input); !only {
		t.Error("that needs a reload")
	}
	if !reflect.DeepEqual(input, routed(t)) {
		t.Errorf("the input was changed: %+v", input)
	}
	other.WeightedRoutes[0].Shares = other.WeightedRoutes[0].Shares[1:]
	if got := input.WithRuntimeOf(other); !reflect.DeepEqual(got.WeightedRoutes, input.WeightedRoutes) {
		t.Errorf("without a split got %+v", got.WeightedRoutes)
	}
}

func TestAccessPoliciesAreEqualOnlyIfTheyAcceptTheSame(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*haproxy.AccessPolicy){
		"clients":       func(a *haproxy.AccessPolicy) { a.AllowedSources = a.AllowedSources[1:] },
		"denied":        func(a *haproxy.AccessPolicy) { a.DeniedSources = a.DeniedSources[1:] },
		"proxies":       func(a *haproxy.AccessPolicy) { a.ProxiesFrom = a.ProxiesFrom[1:] },
		"proxies alone": func(a *haproxy.AccessPolicy) { a.ProxiesOnly = true },
		"connections":   func(a *haproxy.AccessPolicy) { a.MaxConnections++ },
		"rate":          func(a *haproxy.AccessPolicy) { a.Rate.PerSource++ },
	} {
		if access, other := sample.Access(), sample.Access(); !access.Equal(other) {
			t.Error("an access policy differs from itself")
		} else if edit(&other); access.Equal(other) {
			t.Errorf("an access policy is the same with other %s", name)
		}
	}
}
