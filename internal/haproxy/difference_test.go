package haproxy

import (
	"fmt"
	"reflect"
	"testing"
)

func TestChangeFromNamesTheBackendsWhoseServersDiffer(t *testing.T) {
	t.Parallel()
	// Backend 0 has one server, backend 1 has two.
	server := func(edit func(*Server)) func(*Config) {
		return func(c *Config) { edit(&c.Backends[1].Servers[0]) }
	}
	for _, tc := range []struct {
		name string
		edit func(*Config)
		want []int
		only bool
	}{
		{"nothing", func(*Config) {}, nil, true},
		{"address", server(func(s *Server) { s.Addr = s.Addr.Next() }), []int{1}, true},
		{"port", server(func(s *Server) { s.Port++ }), []int{1}, true},
		{"weight", server(func(s *Server) { s.Weight++ }), []int{1}, true},
		{"name", server(func(s *Server) { s.Name = "a" }), []int{1}, true},
		{"node, which is a comment", server(func(s *Server) { s.Node = "node-9" }), nil, true},
		{"one server less", func(c *Config) { c.Backends[1].Servers = c.Backends[1].Servers[:1] }, []int{1}, true},
		{"one server more and none at all", func(c *Config) { c.Backends[0].Servers, c.Backends[1].Servers = servers(2), nil }, []int{0, 1}, true},
		{"servers to keep", func(c *Config) { c.Backends[0].Servers, c.Backends[0].KeepServers = nil, true }, nil, false},
		{"balance", func(c *Config) { c.Backends[0].Balance = Source }, nil, false},
		{"PROXY version", func(c *Config) { c.Backends[0].ProxyProtocol = ProxyV1 }, nil, false},
		{"check", func(c *Config) { c.Backends[0].Check.Rise++ }, nil, false},
		{"backend name", func(c *Config) { c.Backends[0].Name = "a" }, nil, false},
		{"one backend less", func(c *Config) { c.Backends = c.Backends[1:] }, nil, false},
		{"bind", func(c *Config) { c.Frontends[1].Binds = c.Frontends[1].Binds[:1] }, nil, false},
		{"frontend name", func(c *Config) { c.Frontends[0].Name = "a" }, nil, false},
		{"frontend's backend", func(c *Config) { c.Frontends[0].Backend = c.Backends[1].Name }, nil, false},
		{"idle", func(c *Config) { c.Frontends = nil }, nil, false},
		{"owner", func(c *Config) { c.Owner = "other" }, nil, false},
		{"host", func(c *Config) { c.Host = "other" }, nil, false},
		{"admin socket", func(c *Config) { c.AdminSocket = "/other" }, nil, false},
		{"maximum of connections", func(c *Config) { c.MaxConnections++ }, nil, false},
		{"timeout", func(c *Config) { c.Timeouts.Queue++ }, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			after := twoListeners(t)
			tc.edit(&after)
			changed, only := after.ChangeFrom(twoListeners(t))
			var want []Backend
			for _, i := range tc.want {
				want = append(want, after.Backends[i])
			}
			if !reflect.DeepEqual(changed, Change{Backends: want}) || only != tc.only {
				t.Errorf("got %+v, %v, want %+v, %v", changed, only, want, tc.only)
			}
		})
	}
}

func TestWithRuntimeOfTakesTheServersOfBackendsThatAreOtherwiseTheSame(t *testing.T) {
	t.Parallel()
	other := twoListeners(t)
	other.MaxConnections++
	other.Backends[0].Servers, other.Backends[1].Servers = servers(3), servers(4)
	before := func() Config {
		c := twoListeners(t)
		c.Backends = append(c.Backends, Backend{Name: "z-gone", Servers: servers(1)})
		return c
	}
	both, one, none := before(), before(), before()
	both.Backends[0].Servers, both.Backends[1].Servers = servers(3), servers(4)
	one.Backends[1].Servers = servers(4)
	input := before()
	if got := input.WithRuntimeOf(other); !reflect.DeepEqual(got, both) {
		t.Errorf("got %+v, want %+v", got, both)
	}
	other.Backends[0].Balance = Source
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

// routed is a configuration with a frontend that looks at names, and two ways.
func routed(t *testing.T) Config {
	t.Helper()
	return change(t, func(c *Config) {
		backend := c.Backends[0]
		backend.Servers = nil
		c.Backends = nil
		for _, name := range []string{"a", "b", "c"} {
			backend.Name = name
			c.Backends = append(c.Backends, backend)
		}
		c.Frontends[0].Name, c.Frontends[0].Protocol, c.Frontends[0].Backend = "in", TLS, ""
		c.Frontends[0].Routes = []Route{{Name: "*.example.com", To: "a"}, {Name: "app.example.com", To: "split"}, {Name: "blog.example.com", To: "b"}}
		c.Ways = []Way{
			{Name: "split", Shares: []Share{{Percent: 99, Backends: []string{"a", "b"}}, {Percent: 1, Backends: []string{"b"}}}},
			{Name: "stand-in", Shares: []Share{{Percent: 100, Backends: []string{"b", "a"}}}},
		}
	})
}

func TestChangeFromNamesTheEntriesThatDiffer(t *testing.T) {
	t.Parallel()
	e := func(key, value string) Entry { return Entry{Key: key, Value: value} }
	routes := func(routes ...Route) func(*Config) { return func(c *Config) { c.Frontends[0].Routes = routes } }
	ways := func(ways ...Way) func(*Config) { return func(c *Config) { c.Ways = ways } }
	before := routed(t)
	first, second, third, split, standIn := before.Frontends[0].Routes[0], before.Frontends[0].Routes[1], before.Frontends[0].Routes[2], before.Ways[0], before.Ways[1]
	for name, test := range map[string]struct {
		edit func(*Config)
		want Change
		not  bool
	}{
		"nothing": {edit: func(*Config) {}},
		"a name is added": {edit: routes(first, second, third, Route{"new.example.com", "c"}),
			want: Change{Entries: []Entry{e("in/new.example.com", "c")}}},
		"a name is removed": {edit: routes(first, third), want: Change{Former: []Entry{e("in/app.example.com", "split")}}},
		"a name leads elsewhere": {edit: routes(first, second, Route{"blog.example.com", "c"}),
			want: Change{Entries: []Entry{e("in/blog.example.com", "c")}, Former: []Entry{e("in/blog.example.com", "b")}}},
		"all names go": {edit: routes(), want: Change{Former: []Entry{
			e("in/*.example.com", "a"), e("in/app.example.com", "split"), e("in/blog.example.com", "b")}}},
		"servers and names": {
			edit: func(c *Config) { c.Backends[1].Servers, c.Frontends[0].Routes = servers(1), []Route{second, third} },
			want: Change{Backends: []Backend{{}}, Former: []Entry{e("in/*.example.com", "a")}}},
		"one share becomes larger": {
			edit: ways(Way{"split", []Share{{98, []string{"a", "b"}}, {2, []string{"b"}}}}, standIn),
			want: Change{Entries: hundredths("split", 98), Former: hundredths("split", 99)}},
		"a stand-in changes": {edit: ways(split, Way{"stand-in", []Share{{100, []string{"b", "c"}}}}),
			want: Change{Entries: []Entry{e("stand-in", "b,c")}, Former: []Entry{e("stand-in", "b,a")}}},
		"a way is added": {edit: ways(split, standIn, Way{"third", []Share{{100, []string{"c"}}}}), want: Change{Entries: []Entry{e("third", "c")}}},
		"a way is removed that was neither split nor the longest": {edit: ways(split), want: Change{Former: []Entry{e("stand-in", "b,a")}}},
		"no way is split any more":                                {edit: ways(standIn), not: true},
		"a list becomes longer than all":                          {edit: ways(split, Way{"stand-in", []Share{{100, []string{"b", "a", "c"}}}}), not: true},
		"no list has two any more": {
			edit: ways(Way{"split", []Share{{99, []string{"a"}}, {1, []string{"b"}}}}, Way{"stand-in", []Share{{100, []string{"b"}}}}), not: true},
		"what no name claims goes elsewhere": {edit: func(c *Config) { c.Frontends[0].Backend = "a" }, not: true},
		"another protocol":                   {edit: func(c *Config) { c.Frontends[0].Protocol = HTTP }, not: true},
		"another door":                       {edit: func(c *Config) { c.Frontends[0].Door.MaxConnections = 7 }, not: true},
		"clients stay with their servers":    {edit: func(c *Config) { c.Backends[0].Affinity.By = BySource }, not: true},
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
				t.Errorf("the files are of one structure: %t", same)
			}
		})
	}
}

// hundredths are the entries of a way of which the first so many lead to a or else b, and the others to b.
func hundredths(way string, first int) []Entry {
	var entries []Entry
	for i := range 100 {
		value := "a,b"
		if i >= first {
			value = "b"
		}
		entries = append(entries, Entry{Key: fmt.Sprintf("%s:%02d", way, i), Value: value})
	}
	return entries
}

func structureOfTest(t *testing.T, c Config) string {
	t.Helper()
	structure, err := structureOf(c, debian())
	if err != nil {
		t.Fatal(err)
	}
	return structure
}

func TestServersThatTheHostResolvesArePartOfTheStructure(t *testing.T) {
	t.Parallel()
	with := func(edit func(*Server)) Config {
		c := routed(t)
		s := Server{Name: "cdn", DNSName: "cdn.example.com", Port: 443, Weight: 1}
		edit(&s)
		c.Backends[0].Servers = []Server{s}
		return c
	}
	before := with(func(*Server) {})
	for name, test := range map[string]struct {
		edit func(*Server)
		only bool
	}{
		"node": {func(s *Server) { s.Node = "node-9" }, true},
		"name": {func(s *Server) { s.DNSName = "other.example.com" }, false},
		"port": {func(s *Server) { s.Port = 8443 }, false},
		"none": {func(s *Server) { s.DNSName, s.Addr = "", servers(1)[0].Addr }, false},
	} {
		if change, only := with(test.edit).ChangeFrom(before); only != test.only || !change.Empty() {
			t.Errorf("%s: got %+v, %t", name, change, only)
		}
	}
}

func TestWhatIsTheSameIsComparedWithoutAnAllocation(t *testing.T) { // not in parallel, since others would be counted as well
	c := routed(t)
	c.Backends[0].Servers = servers(100)
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
	other.Frontends[0].Routes = []Route{{"*.example.com", "fresh"}, {"app.example.com", "c"}, {"new.example.com", "fresh"}, {"other.example.com", "stand-in"}}
	other.Ways[0].Shares = []Share{{0, []string{"a", "b"}}, {100, []string{"b"}}}
	other.Ways[1].Shares = []Share{{100, []string{"b", "fresh"}}}
	want := routed(t)
	want.Frontends[0].Routes = []Route{{"*.example.com", "a"}, {"app.example.com", "c"}, {"other.example.com", "stand-in"}}
	want.Ways[0].Shares = other.Ways[0].Shares
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
	other.Ways[0].Shares = other.Ways[0].Shares[1:]
	if got := input.WithRuntimeOf(other); !reflect.DeepEqual(got.Ways, input.Ways) {
		t.Errorf("with no way that is split got %+v", got.Ways)
	}
}
