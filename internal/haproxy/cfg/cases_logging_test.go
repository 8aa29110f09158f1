package cfg

import (
	"net/netip"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/logs"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// loggingShapes have a frontend of each protocol.
func loggingShapes(t testing.TB) []shape {
	with := func(s logs.Settings) haproxy.Config {
		return sample.RoutingWith(t, func(c *haproxy.Config) { c.Logging = s })
	}
	udp := logs.Target{Kind: logs.UDP, Server: netip.MustParseAddrPort("192.0.2.9:514")}
	tcp := logs.Target{Kind: logs.TCP, Server: netip.MustParseAddrPort("[2001:db8::9]:6514")}
	health := func(p pages.Page) haproxy.Config {
		return sample.WebWith(t, func(c *haproxy.Config) {
			c.Frontends = append(c.Frontends, haproxy.Frontend{Name: "kube-system_web_healthEndpoint", Binds: []haproxy.Bind{sample.Bind(t, ":8405"), sample.Bind(t, "ipv6@:8405")}, Page: p})
		})
	}
	return []shape{
		{"health", health(pages.Page{Path: "/healthz"}), debian()},
		{"health-maintenance", health(pages.Page{Path: "/", Unavailable: true}), Platform{StateFile: "/tmp/state"}},
		{"log-none", with(logs.Settings{Target: logs.Target{Kind: logs.None}}), debian()},
		{"log-all", with(logs.Settings{All: true}), debian()},
		{"log-json", with(logs.Settings{JSON: true}), debian()},
		{"log-all-json", with(logs.Settings{All: true, JSON: true}), debian()},
		{"log-json-no-syslog", with(logs.Settings{All: true, JSON: true}), Platform{StateFile: "/tmp/state", NamesPrefix: "/tmp/names-"}},
		{"log-udp", with(logs.Settings{Target: udp}), debian()},
		{"log-udp-ipv6", with(logs.Settings{Target: logs.Target{Kind: logs.UDP, Server: tcp.Server}}), debian()},
		{"log-tcp-all-json", with(logs.Settings{Target: tcp, All: true, JSON: true}), debian()},
		{"log-tcp-ipv4", with(logs.Settings{Target: logs.Target{Kind: logs.TCP, Server: udp.Server}}), Platform{StateFile: "/tmp/state", NamesPrefix: "/tmp/names-"}},
	}
}
