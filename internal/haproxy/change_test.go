package haproxy_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestAConfigWithoutFrontendsIsIdle(t *testing.T) {
	t.Parallel()
	if !sample.Idle().Idle() || sample.Web(t).Idle() {
		t.Errorf("got %v and %v, want true and false", sample.Idle().Idle(), sample.Web(t).Idle())
	}
}

func TestNormalizeSortsACopy(t *testing.T) {
	t.Parallel()
	mixed := func() haproxy.Config {
		c := sample.TwoListeners(t)
		c.Frontends[0], c.Frontends[1] = c.Frontends[1], c.Frontends[0]
		c.Backends[0], c.Backends[1] = c.Backends[1], c.Backends[0]
		c.Frontends[0].Binds[0], c.Frontends[0].Binds[1] = c.Frontends[0].Binds[1], c.Frontends[0].Binds[0]
		c.Backends[0].Servers[0], c.Backends[0].Servers[1] = c.Backends[0].Servers[1], c.Backends[0].Servers[0]
		return c
	}
	input := mixed()
	if got, want := input.Normalize(), sample.TwoListeners(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(input, mixed()) {
		t.Errorf("the input was changed: %+v", input)
	}
}

func TestWithServersFillsInTheHostsOwn(t *testing.T) {
	t.Parallel()
	waiting := func() haproxy.Config {
		return sample.WebWith(t, func(c *haproxy.Config) {
			keeping := c.Backends[0]
			keeping.Name, keeping.KeepServers, keeping.Servers = "a-keeping", true, nil
			fresh := keeping
			fresh.Name = "b-fresh"
			c.Backends = append([]haproxy.Backend{keeping, fresh}, c.Backends...)
		})
	}
	hosts := sample.Servers(2)
	hosts[0], hosts[1] = hosts[1], hosts[0]
	input := waiting()
	got := input.WithServers(map[string][]haproxy.Server{"a-keeping": hosts, "kube-system.web.traefik": sample.Servers(1), "gone": sample.Servers(1)})
	for i, want := range [][]haproxy.Server{sample.Servers(2), nil, sample.Web(t).Backends[0].Servers} {
		if b := got.Backends[i]; b.KeepServers || !reflect.DeepEqual(b.Servers, want) {
			t.Errorf("backend %s: got %+v, want servers %+v", b.Name, b, want)
		}
	}
	if err := valid.Config(got); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(input, waiting()) || hosts[0].Name != "pod-00001" {
		t.Errorf("the input was changed: %+v, %+v", input, hosts)
	}
}

func TestWithoutIPv6LeavesOutWhatTheHostCannotTake(t *testing.T) {
	t.Parallel()
	input := func() haproxy.Config {
		return sample.WebWith(t, func(c *haproxy.Config) {
			c.Frontends = append(c.Frontends, haproxy.Frontend{
				Name: "z-ipv6-only", Binds: []haproxy.Bind{sample.Bind(t, "ipv6@:80"), sample.Bind(t, "[2001:db8::1]:81")}, Backend: c.Backends[0].Name,
			})
		})
	}
	before := input()
	got, left := before.WithoutIPv6()
	want := sample.WebWith(t, func(c *haproxy.Config) { c.Frontends[0].Binds = []haproxy.Bind{sample.Bind(t, "ipv4@:443")} })
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want := []haproxy.Bind{sample.Bind(t, "ipv6@:443"), sample.Bind(t, "ipv6@:80"), sample.Bind(t, "[2001:db8::1]:81")}; !reflect.DeepEqual(left, want) {
		t.Errorf("left out %v, want %v", left, want)
	}
	if !reflect.DeepEqual(before, input()) {
		t.Errorf("the input was changed: %+v", before)
	}
}

func TestWithoutIPv6CanLeaveAHostIdle(t *testing.T) {
	t.Parallel()
	got, left := sample.WebWith(t, func(c *haproxy.Config) { c.Frontends[0].Binds = c.Frontends[0].Binds[1:] }).WithoutIPv6()
	if !got.Idle() || len(left) != 1 || valid.Config(got) != nil {
		t.Errorf("got %+v, left out %v, %v", got, left, valid.Config(got))
	}
}

func TestWithoutIPv6KeepsAConfigThatHasNone(t *testing.T) {
	t.Parallel()
	before := sample.WebWith(t, func(c *haproxy.Config) { c.Frontends[0].Binds = c.Frontends[0].Binds[:1] })
	if got, left := before.WithoutIPv6(); !reflect.DeepEqual(got, before) || left != nil {
		t.Errorf("got %+v, left out %v", got, left)
	}
}

func TestWithoutBindsLeavesOutFrontendsThatHaveNoneLeft(t *testing.T) {
	t.Parallel()
	before := sample.TwoListeners(t)
	got := before.WithoutBinds(func(frontend string, b haproxy.Bind) bool {
		return frontend == "kube-system.web.http" && b == sample.Bind(t, "ipv4@:80") || b.Port == 53
	})
	want := sample.TwoListeners(t)
	want.Frontends = want.Frontends[1:]
	want.Frontends[0].Binds = []haproxy.Bind{sample.Bind(t, "ipv6@:80")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(before, sample.TwoListeners(t)) {
		t.Errorf("the input was changed: %+v", before)
	}
}

func TestKeepsServers(t *testing.T) {
	t.Parallel()
	keeping := sample.WebWith(t, func(c *haproxy.Config) { c.Backends[0].KeepServers = true })
	if !keeping.KeepsServers() || sample.Web(t).KeepsServers() {
		t.Errorf("got %v and %v, want true and false", keeping.KeepsServers(), sample.Web(t).KeepsServers())
	}
}

func TestServerCountAndResolves(t *testing.T) {
	t.Parallel()
	c := sample.TwoListeners(t)
	if got := c.ServerCount(); got != 3 || c.Resolves() {
		t.Errorf("got %d servers, one of which the host must resolve: %t, want 3 and none", got, c.Resolves())
	}
	c.Backends[1].Servers[1] = haproxy.Server{Name: "cdn", DNSName: "cdn.example.com", Port: 443}
	if !c.Resolves() {
		t.Error("a server with a DNS name is not noticed")
	}
}

func TestNormalizeSortsRoutesWeightedRoutesAndAccessPolicies(t *testing.T) {
	t.Parallel()
	sorted := func() haproxy.Config {
		return sample.RoutingWith(t, func(c *haproxy.Config) { c.Frontends[0].Access = sample.Access() })
	}
	mixed := sorted()
	slices.Reverse(mixed.Frontends[2].Routes)
	slices.Reverse(mixed.Frontends[0].Access.AllowedSources)
	slices.Reverse(mixed.Frontends[0].Access.DeniedSources)
	slices.Reverse(mixed.Frontends[0].Access.ProxiesFrom)
	slices.Reverse(mixed.Frontends)
	slices.Reverse(mixed.WeightedRoutes)
	slices.Reverse(mixed.Backends)
	if got, want := mixed.Normalize(), sorted(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
