package cfg

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

// debian is the Platform of a host with Debian's packages.
func debian() Platform {
	return Platform{
		User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", Syslog: true, ResolvConf: true,
		StateFile: "/var/lib/haproxy/edgelb-state", NamesPrefix: "/etc/haproxy/haproxy.cfg.edgelb-names-",
	}
}

// shape is a configuration that has a golden file.
type shape struct {
	name     string
	config   haproxy.Config
	platform Platform
}

func shapes(t testing.TB) []shape {
	backend := func(edit func(*haproxy.Backend)) haproxy.Config {
		return sample.WebWith(t, func(c *haproxy.Config) { edit(&c.Backends[0]) })
	}
	return append(slices.Concat(routingShapes(t), backendShapes(t), loggingShapes(t)), []shape{
		{"idle", sample.Idle(), debian()},
		{"one-listener", sample.Web(t), debian()},
		{"proxy-none", backend(func(b *haproxy.Backend) { b.ProxyProtocol = haproxy.ProxyNone }), debian()},
		{"proxy-v1", backend(func(b *haproxy.Backend) { b.ProxyProtocol = haproxy.ProxyV1 }), debian()},
		{"check-none", backend(func(b *haproxy.Backend) { b.Check = haproxy.Check{} }), debian()},
		{"proxy-none-check-none", backend(func(b *haproxy.Backend) { b.ProxyProtocol, b.Check = haproxy.ProxyNone, haproxy.Check{} }), debian()},
		{"balance-roundrobin", backend(func(b *haproxy.Backend) { b.Balance = haproxy.RoundRobin }), debian()},
		{"balance-source", backend(func(b *haproxy.Backend) { b.Balance = haproxy.Source }), debian()},
		{"same-ids", backend(func(b *haproxy.Backend) { b.Balance, b.Servers = haproxy.Source, sameIDs() }), debian()},
		{"max-header-bytes", sample.WebWith(t, func(c *haproxy.Config) { c.MaxHeaderBytes = 64 << 10 }), debian()},
		{"weights", backend(func(b *haproxy.Backend) { b.Servers[0].Weight, b.Servers[1].Weight = 0, 256 }), debian()},
		{"no-servers", backend(func(b *haproxy.Backend) { b.Servers = nil }), debian()},
		{"ipv6", ipv6(t), debian()},
		{"virtual-addresses", virtualAddresses(t), debian()},
		{"two-listeners", sample.TwoListeners(t), debian()},
		{"odd-durations", oddDurations(t), debian()},
		{"hundred-servers", backend(func(b *haproxy.Backend) { b.Servers = sample.Servers(100) }), debian()},
		{"platform-bare", sample.Web(t), Platform{StateFile: "/tmp/state"}},
		{"platform-idle-bare", sample.Idle(), Platform{StateFile: "/tmp/state"}},
		{"platform-socket-user", sample.Web(t), Platform{StateFile: "/var/lib/haproxy/state", User: "haproxy", Group: "haproxy", SocketUser: "haproxy", Syslog: true}},
		{"platform-no-syslog", sample.Web(t), Platform{StateFile: "/var/lib/haproxy/state", User: "haproxy", Chroot: "/var/lib/haproxy"}},
	}...)
}

func ipv6(t testing.TB) haproxy.Config {
	return sample.WebWith(t, func(c *haproxy.Config) {
		c.Frontends[0].Binds = []haproxy.Bind{sample.Bind(t, "192.0.2.1:443"), sample.Bind(t, "[2001:db8::1]:443")}
		c.Backends[0].Servers = []haproxy.Server{
			{Name: "pod-a", Addr: netip.MustParseAddr("fd00:10:42::7"), Port: 8443, Weight: 1, Node: "node-1"},
			{Name: "pod-b", Addr: netip.MustParseAddr("10.42.0.7"), Port: 8443, Weight: 1},
		}
	})
}

func virtualAddresses(t testing.TB) haproxy.Config {
	return sample.WebWith(t, func(c *haproxy.Config) {
		c.HealthSocket = haproxy.HealthSocket{Path: "/run/haproxy/edgelb-health.sock", User: "nobody"}
		c.VirtualAddresses = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
		c.Frontends[0].Binds = []haproxy.Bind{sample.Bind(t, "192.0.2.1:443"), sample.Bind(t, "192.0.2.2:443"), sample.Bind(t, "[2001:db8::1]:443")}
	})
}

func oddDurations(t testing.TB) haproxy.Config {
	return sample.WebWith(t, func(c *haproxy.Config) {
		c.Timeouts = haproxy.Timeouts{Connect: 1500 * time.Millisecond, Client: 240 * time.Hour, Server: 90 * time.Minute, Queue: time.Millisecond}
		c.Backends[0].Check = haproxy.Check{Interval: 100*time.Millisecond + time.Microsecond, Rise: 1, Fall: 100}
	})
}

// sameIDs returns servers of which the second and the third have the same id, and the fourth and the fifth both have the
// last id.
func sameIDs() []haproxy.Server {
	all := sample.Servers(6)
	for i, name := range []string{"pod-1344", "pod-1346", "pod-2320", "pod-349623", "pod-830867", "pod-9"} {
		all[i].Name = name
	}
	return all
}
