package haproxy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// debian is what a host with Debian's packages is like.
func debian() Platform {
	return Platform{
		User: "haproxy", Group: "haproxy", Chroot: "/var/lib/haproxy", Syslog: true,
		StateFile: "/var/lib/haproxy/edgelb-state", NamesPrefix: "/etc/haproxy/haproxy.cfg.edgelb-names-",
	}
}

// idle is a valid Config that listens on nothing.
func idle() Config {
	return Config{
		AdminSocket:    "/run/haproxy/admin.sock",
		MaxConnections: 1000,
		Timeouts:       Timeouts{Connect: 5 * time.Second, Client: time.Hour, Server: time.Hour, Queue: 5 * time.Second},
	}
}

// web is a valid Config with one listener and two servers.
func web(t testing.TB) Config {
	c := idle()
	c.Owner, c.Host = "0b9d6d0c/kube-system/web", "gw1.example.net:22"
	c.Frontends = []Frontend{{
		Name:    "kube-system.web.https",
		Binds:   []Bind{bind(t, "ipv4@:443"), bind(t, "ipv6@:443")},
		Backend: "kube-system.web.traefik",
	}}
	c.Backends = []Backend{{
		Name:          "kube-system.web.traefik",
		Balance:       LeastConn,
		ProxyProtocol: ProxyV2,
		Check:         Check{Interval: 2 * time.Second, Rise: 2, Fall: 3},
		Servers: []Server{
			{Name: "traefik-7c9f-4xk2p", Addr: netip.MustParseAddr("10.42.0.7"), Port: 8443, Weight: 1, Node: "node-1"},
			{Name: "traefik-7c9f-9b8rm", Addr: netip.MustParseAddr("10.42.1.9"), Port: 8443, Weight: 1, Node: "node-2.example.net"},
		},
	}}
	return c
}

// change returns web with a change made to it.
func change(t testing.TB, edit func(*Config)) Config {
	c := web(t)
	edit(&c)
	return c
}

// shape is a configuration that has a golden file.
type shape struct {
	name     string
	config   Config
	platform Platform
}

func shapes(t testing.TB) []shape {
	backend := func(edit func(*Backend)) Config {
		return change(t, func(c *Config) { edit(&c.Backends[0]) })
	}
	return append(append(routingShapes(t), backendShapes(t)...), []shape{
		{"idle", idle(), debian()},
		{"one-listener", web(t), debian()},
		{"proxy-none", backend(func(b *Backend) { b.ProxyProtocol = ProxyNone }), debian()},
		{"proxy-v1", backend(func(b *Backend) { b.ProxyProtocol = ProxyV1 }), debian()},
		{"check-none", backend(func(b *Backend) { b.Check = Check{} }), debian()},
		{"proxy-none-check-none", backend(func(b *Backend) { b.ProxyProtocol, b.Check = ProxyNone, Check{} }), debian()},
		{"balance-roundrobin", backend(func(b *Backend) { b.Balance = RoundRobin }), debian()},
		{"balance-source", backend(func(b *Backend) { b.Balance = Source }), debian()},
		{"same-ids", backend(func(b *Backend) { b.Balance, b.Servers = Source, sameIDs() }), debian()},
		{"weights", backend(func(b *Backend) { b.Servers[0].Weight, b.Servers[1].Weight = 0, 256 }), debian()},
		{"no-servers", backend(func(b *Backend) { b.Servers = nil }), debian()},
		{"ipv6", ipv6(t), debian()},
		{"two-listeners", twoListeners(t), debian()},
		{"odd-durations", oddDurations(t), debian()},
		{"hundred-servers", backend(func(b *Backend) { b.Servers = servers(100) }), debian()},
		{"platform-bare", web(t), Platform{StateFile: "/tmp/state"}},
		{"platform-idle-bare", idle(), Platform{StateFile: "/tmp/state"}},
		{"platform-socket-user", web(t), Platform{StateFile: "/var/lib/haproxy/state", User: "haproxy", Group: "haproxy", SocketUser: "haproxy", Syslog: true}},
		{"platform-no-syslog", web(t), Platform{StateFile: "/var/lib/haproxy/state", User: "haproxy", Chroot: "/var/lib/haproxy"}},
	}...)
}

func ipv6(t testing.TB) Config {
	return change(t, func(c *Config) {
		c.Frontends[0].Binds = []Bind{bind(t, "192.0.2.1:443"), bind(t, "[2001:db8::1]:443")}
		c.Backends[0].Servers = []Server{
			{Name: "pod-a", Addr: netip.MustParseAddr("fd00:10:42::7"), Port: 8443, Weight: 1, Node: "node-1"},
			{Name: "pod-b", Addr: netip.MustParseAddr("10.42.0.7"), Port: 8443, Weight: 1},
		}
	})
}

func twoListeners(t testing.TB) Config {
	return change(t, func(c *Config) {
		c.Frontends = append([]Frontend{
			{Name: "kube-system.web.dns", Binds: []Bind{bind(t, "ipv4@:53")}, Backend: "kube-system.web.dns"},
			{Name: "kube-system.web.http", Binds: []Bind{bind(t, "ipv4@:80"), bind(t, "ipv6@:80")}, Backend: "kube-system.web.traefik"},
		}, c.Frontends...)
		c.Backends = append([]Backend{{
			Name: "kube-system.web.dns", Balance: RoundRobin,
			Servers: []Server{{Name: "coredns-0", Addr: netip.MustParseAddr("10.42.0.2"), Port: 53, Weight: 1}},
		}}, c.Backends...)
	})
}

func oddDurations(t testing.TB) Config {
	return change(t, func(c *Config) {
		c.Timeouts = Timeouts{Connect: 1500 * time.Millisecond, Client: 240 * time.Hour, Server: 90 * time.Minute, Queue: time.Millisecond}
		c.Backends[0].Check = Check{Interval: 100*time.Millisecond + time.Microsecond, Rise: 1, Fall: 100}
	})
}

func servers(n int) []Server {
	var all []Server
	for i := range n {
		all = append(all, Server{
			Name: fmt.Sprintf("pod-%05d", i),
			Addr: netip.AddrFrom4([4]byte{10, 42, byte(i / 250), byte(i%250 + 1)}),
			Port: 8080, Weight: 1,
		})
	}
	return all
}

// sameIDs are servers of which the second and the third want one id, and the fourth and the fifth the last one that there is.
func sameIDs() []Server {
	all := servers(6)
	for i, name := range []string{"pod-1344", "pod-1346", "pod-2320", "pod-349623", "pod-830867", "pod-9"} {
		all[i].Name = name
	}
	return all
}
