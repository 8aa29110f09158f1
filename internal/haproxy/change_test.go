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

func TestAConfigKnowsWhetherItKeepsServers(t *testing.T) {
	t.Parallel()
	keeping := change(t, func(c *Config) { c.Backends[0].KeepServers = true })
	if !keeping.KeepsServers() || web(t).KeepsServers() {
		t.Errorf("got %v and %v, want true and false", keeping.KeepsServers(), web(t).KeepsServers())
	}
}
