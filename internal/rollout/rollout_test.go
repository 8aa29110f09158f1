package rollout_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/rollout"
)

func server(name string) haproxy.Server {
	return haproxy.Server{Name: name, Addr: netip.MustParseAddr("10.0.0.1"), Port: 80, Weight: 1}
}

func withServers(h desired.Host, servers ...haproxy.Server) desired.Host {
	h.Config.Backends = []haproxy.Backend{{Name: "shop_web_app", Servers: servers}}
	return h
}

// unknown is a host whose servers are not known at the moment.
func unknown(h desired.Host) desired.Host {
	h.Config.Backends = []haproxy.Backend{{Name: "shop_web_app", KeepServers: true}}
	return h
}

func TestWhatNeedsAReload(t *testing.T) {
	t.Parallel()
	dns := haproxy.Server{Name: "d", DNSName: "db.example.com", Port: 80, Weight: 1}
	one := withServers(host(1, 1), server("a"))
	moved := one
	moved.ConfigPath = "/etc/other.cfg"
	for name, test := range map[string]struct {
		wanted, runs desired.Host
		want         bool
	}{
		"the same":                           {one, one, false},
		"another generation":                 {withServers(host(1, 2), server("a")), one, false},
		"other servers":                      {withServers(host(1, 1), server("b")), one, false},
		"other settings":                     {withServers(host(2, 1), server("a")), one, true},
		"another path":                       {moved, one, true},
		"the servers are not known":          {unknown(host(1, 1)), one, false},
		"the servers were not known":         {one, unknown(host(1, 1)), false},
		"names of servers are not known":     {unknown(host(1, 1)), withServers(host(1, 1), dns), false},
		"names of servers were not known":    {withServers(host(1, 1), dns), unknown(host(1, 1)), false},
		"another name of a server":           {withServers(host(1, 1), server("a"), dns), one, true},
		"other settings, servers not known":  {unknown(host(2, 1)), one, true},
		"one more target":                    {desired.Host{Config: haproxy.Config{MaxConnections: 1}}, one, true},
		"neither has servers that are known": {unknown(host(1, 1)), unknown(host(1, 1)), false},
	} {
		if got := rollout.NeedsReload(test.wanted, test.runs); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestAHostThatWaitsFollowsItsServersAndKeepsItsStructure(t *testing.T) {
	t.Parallel()
	runs := withServers(host(1, 1), server("a"))
	runs.ConfigPath, runs.DrainTimeouts = "/etc/haproxy/haproxy.cfg", map[string]time.Duration{"old": time.Second, "shop_web_app": time.Second}
	wanted := withServers(host(2, 2), server("b"))
	wanted.ConfigPath, wanted.Login.User, wanted.DrainTimeouts = "/etc/new.cfg", "edge", map[string]time.Duration{"shop_web_app": time.Minute}

	held := rollout.Hold(runs, wanted)

	if held.Config.MaxConnections != 1 || held.ConfigPath != runs.ConfigPath || held.Config.Backends[0].Servers[0].Name != "b" {
		t.Errorf("it runs %+v at %s", held.Config, held.ConfigPath)
	}
	if held.Login.User != "edge" || held.DrainTimeouts["shop_web_app"] != time.Minute || held.DrainTimeouts["old"] != time.Second {
		t.Errorf("it is reached by %+v, and drains for %v", held.Login, held.DrainTimeouts)
	}
	if rollout.NeedsReload(held, runs) {
		t.Error("what it runs meanwhile needs a reload")
	}
	if runs.DrainTimeouts["shop_web_app"] != time.Second || runs.Config.Backends[0].Servers[0].Name != "a" {
		t.Errorf("its input was changed: %+v", runs)
	}
	if kept := rollout.Hold(runs, unknown(host(2, 2))); kept.Config.Backends[0].Servers[0].Name != "a" {
		t.Errorf("without known servers it runs %+v", kept.Config)
	}
}

func TestTheServersOfATargetWhoseSettingsWaitAreFollowed(t *testing.T) {
	t.Parallel()
	dns := haproxy.Server{Name: "d", DNSName: "db.example.com", Port: 80, Weight: 1}
	for name, test := range map[string]struct {
		change func(*haproxy.Backend)
		want   string
	}{
		"another check":              {func(b *haproxy.Backend) { b.Check.Port = 1 }, "b"},
		"another PROXY header":       {func(b *haproxy.Backend) { b.ProxyProtocol = haproxy.ProxyV2 }, "a"},
		"HTTP":                       {func(b *haproxy.Backend) { b.HTTP = true }, "a"},
		"names instead":              {func(b *haproxy.Backend) { b.Check.Port, b.Servers = 1, []haproxy.Server{dns} }, "a"},
		"servers that are not known": {func(b *haproxy.Backend) { b.Check.Port, b.Servers, b.KeepServers = 1, nil, true }, "a"},
	} {
		runs, wanted := withServers(host(1, 1), server("a")), withServers(host(1, 2), server("b"))
		test.change(&wanted.Config.Backends[0])
		held := rollout.Hold(runs, wanted)
		if got := held.Config.Backends[0].Servers; len(got) != 1 || got[0].Name != test.want || rollout.NeedsReload(held, runs) {
			t.Errorf("%s: the servers are %+v, want %s", name, got, test.want)
		}
	}
}

func TestAChangeIsIdentifiedByItsStructureAndItsSpecs(t *testing.T) {
	t.Parallel()
	one := withServers(host(1, 1), server("a"))
	same := map[string]desired.Host{
		"other servers": withServers(host(1, 1), server("b")), "servers that are not known": unknown(host(1, 1)),
	}
	for name, other := range same {
		if rollout.Identity(one) != rollout.Identity(other) {
			t.Errorf("%s: another change", name)
		}
	}
	moved := one
	moved.ConfigPath = "/etc/other.cfg"
	others := map[string]desired.Host{
		"other settings": withServers(host(2, 1), server("a")), "another generation": withServers(host(1, 2), server("a")), "another path": moved,
	}
	for name, other := range others {
		if rollout.Identity(one) == rollout.Identity(other) {
			t.Errorf("%s: the same change", name)
		}
	}
}
