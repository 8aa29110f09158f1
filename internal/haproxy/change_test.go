package haproxy

import (
	"reflect"
	"testing"
)

func TestAConfigWithoutFrontendsIsIdle(t *testing.T) {
	t.Parallel()
	if !idle().Idle() || web(t).Idle() {
		t.Errorf("got %v and %v, want true and false", idle().Idle(), web(t).Idle())
	}
}

func TestNormalizeSortsACopy(t *testing.T) {
	t.Parallel()
	mixed := func() Config {
		c := twoListeners(t)
		c.Frontends[0], c.Frontends[1] = c.Frontends[1], c.Frontends[0]
		c.Backends[0], c.Backends[1] = c.Backends[1], c.Backends[0]
		c.Frontends[0].Binds[0], c.Frontends[0].Binds[1] = c.Frontends[0].Binds[1], c.Frontends[0].Binds[0]
		c.Backends[0].Servers[0], c.Backends[0].Servers[1] = c.Backends[0].Servers[1], c.Backends[0].Servers[0]
		return c
	}
	input := mixed()
	if got, want := input.Normalize(), twoListeners(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(input, mixed()) {
		t.Errorf("the input was changed: %+v", input)
	}
}

func TestWithServersFillsInTheHostsOwn(t *testing.T) {
	t.Parallel()
	waiting := func() Config {
		return change(t, func(c *Config) {
			keeper := c.Backends[0]
			keeper.Name, keeper.KeepServers, keeper.Servers = "a-keeper", true, nil
			fresh := keeper
			fresh.Name = "b-fresh"
			c.Backends = append([]Backend{keeper, fresh}, c.Backends...)
		})
	}
	hosts := servers(2)
	hosts[0], hosts[1] = hosts[1], hosts[0]
	input := waiting()
	got := input.WithServers(map[string][]Server{"a-keeper": hosts, "kube-system.web.traefik": servers(1), "gone": servers(1)})
	for i, want := range [][]Server{servers(2), nil, web(t).Backends[0].Servers} {
		if b := got.Backends[i]; b.KeepServers || !reflect.DeepEqual(b.Servers, want) {
			t.Errorf("backend %s: got %+v, want servers %+v", b.Name, b, want)
		}
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(input, waiting()) || hosts[0].Name != "pod-00001" {
		t.Errorf("the input was changed: %+v, %+v", input, hosts)
	}
}

func TestWithoutIPv6LeavesOutWhatTheHostCannotTake(t *testing.T) {
	t.Parallel()
	input := func() Config {
		return change(t, func(c *Config) {
			c.Frontends = append(c.Frontends, Frontend{
				Name: "z-ipv6-only", Binds: []Bind{bind(t, "ipv6@:80"), bind(t, "[2001:db8::1]:81")}, Backend: c.Backends[0].Name,
			})
		})
	}
	before := input()
	got, left := before.WithoutIPv6()
	want := change(t, func(c *Config) { c.Frontends[0].Binds = []Bind{bind(t, "ipv4@:443")} })
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want := []Bind{bind(t, "ipv6@:443"), bind(t, "ipv6@:80"), bind(t, "[2001:db8::1]:81")}; !reflect.DeepEqual(left, want) {
		t.Errorf("left out %v, want %v", left, want)
	}
	if !reflect.DeepEqual(before, input()) {
		t.Errorf("the input was changed: %+v", before)
	}
}

func TestWithoutIPv6CanLeaveAHostIdle(t *testing.T) {
	t.Parallel()
	got, left := change(t, func(c *Config) { c.Frontends[0].Binds = c.Frontends[0].Binds[1:] }).WithoutIPv6()
	if !got.Idle() || len(left) != 1 || got.Validate() != nil {
		t.Errorf("got %+v, left out %v, %v", got, left, got.Validate())
	}
}

func TestWithoutIPv6KeepsAConfigThatHasNone(t *testing.T) {
	t.Parallel()
	before := change(t, func(c *Config) { c.Frontends[0].Binds = c.Frontends[0].Binds[:1] })
	if got, left := before.WithoutIPv6(); !reflect.DeepEqual(got, before) || left != nil {
		t.Errorf("got %+v, left out %v", got, left)
	}
}

func TestServersChangedNamesTheBackendsWhoseServersDiffer(t *testing.T) {
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
			changed, only := after.ServersChanged(twoListeners(t))
			var want []Backend
			for _, i := range tc.want {
				want = append(want, after.Backends[i])
			}
			if !reflect.DeepEqual(changed, want) || only != tc.only {
				t.Errorf("got %+v, %v, want %+v, %v", changed, only, want, tc.only)
			}
		})
	}
}

func TestWithoutBindsLeavesOutFrontendsThatHaveNoneLeft(t *testing.T) {
	t.Parallel()
	before := twoListeners(t)
	got := before.WithoutBinds(func(frontend string, b Bind) bool {
		return frontend == "kube-system.web.http" && b == bind(t, "ipv4@:80") || b.Port == 53
	})
	want := twoListeners(t)
	want.Frontends = want.Frontends[1:]
	want.Frontends[0].Binds = []Bind{bind(t, "ipv6@:80")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(before, twoListeners(t)) {
		t.Errorf("the input was changed: %+v", before)
	}
}

func TestWithServersOfTakesTheServersOfBackendsThatAreOtherwiseTheSame(t *testing.T) {
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
	if got := input.WithServersOf(other); !reflect.DeepEqual(got, both) {
		t.Errorf("got %+v, want %+v", got, both)
	}
	other.Backends[0].Balance = Source
	if got := input.WithServersOf(other); !reflect.DeepEqual(got, one) {
		t.Errorf("with another algorithm got %+v, want %+v", got, one)
	}
	other.Backends[1].Servers, other.Backends[1].KeepServers = nil, true
	if got := input.WithServersOf(other); !reflect.DeepEqual(got, none) {
		t.Errorf("with servers to keep got %+v, want %+v", got, none)
	}
	if !reflect.DeepEqual(input, before()) {
		t.Errorf("the input was changed: %+v", input)
	}
}

func TestAConfigKnowsWhetherItKeepsServers(t *testing.T) {
	t.Parallel()
	keeping := change(t, func(c *Config) { c.Backends[0].KeepServers = true })
	if !keeping.KeepsServers() || web(t).KeepsServers() {
		t.Errorf("got %v and %v, want true and false", keeping.KeepsServers(), web(t).KeepsServers())
	}
}
