package valid_test

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestValidateAcceptsValidConfigs(t *testing.T) {
	t.Parallel()
	for i, c := range []haproxy.Config{sample.Idle(), sample.Web(t), sample.TwoListeners(t), sample.Routing(t), sample.RoutingWith(t, func(c *haproxy.Config) { c.Frontends[0].Access = sample.Access() })} {
		if err := valid.Config(c); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	waiting := sample.WebWith(t, func(c *haproxy.Config) { c.Backends[0].KeepServers, c.Backends[0].Servers = true, nil })
	if err := valid.Config(waiting); err != nil {
		t.Errorf("servers to keep: %v", err)
	}
	longest := sample.WebWith(t, func(c *haproxy.Config) { c.Backends[0].Servers[1].Name = "z" + strings.Repeat("z", 299) })
	if err := valid.Config(longest); err != nil {
		t.Errorf("longest name: %v", err)
	}
}

func TestValidateNamesTheThingThatIsWrong(t *testing.T) {
	t.Parallel()
	const fe, be = `frontend "kube-system.web.https": `, `backend "kube-system.web.traefik": `
	server := func(edit func(*haproxy.Server)) func(*haproxy.Config) {
		return func(c *haproxy.Config) { edit(&c.Backends[0].Servers[0]) }
	}
	for _, tc := range []struct {
		name string
		edit func(*haproxy.Config)
		want string
	}{
		{"no owner", func(c *haproxy.Config) { c.Owner = "" }, `owner ""`},
		{"owner with a line's end", func(c *haproxy.Config) { c.Owner = "a\nb" }, `owner "a\nb"`},
		{"owner none", func(c *haproxy.Config) { c.Owner = "none" }, `owner: "none" means that the host is free`},
		{"owner none while idle", func(c *haproxy.Config) { c.Owner, c.Frontends = "none", nil }, `owner: "none" means`},
		{"host with a line's end", func(c *haproxy.Config) { c.Host = "a\nb" }, `host "a\nb"`},
		{"host with a blank", func(c *haproxy.Config) { c.Host = "gw1 22" }, `host "gw1 22"`},
		{"host with two jump hosts", func(c *haproxy.Config) { c.Host = "gw1:22 via a:22 via b:22" }, `host "gw1:22 via a:22 via b:22"`},
		{"host too long", func(c *haproxy.Config) { c.Host = strings.Repeat("a", 601) }, "host"},
		{"owner too long", func(c *haproxy.Config) { c.Owner = strings.Repeat("a", 1025) }, "owner"},
		{"relative socket", func(c *haproxy.Config) { c.AdminSocket = "run/a.sock" }, `the admin socket: "run/a.sock"`},
		{"health socket without a user", func(c *haproxy.Config) { c.HealthSocket.Path = "/run/h.sock" }, `the health socket's user "" is no account name`},
		{"health socket with a hostile user", func(c *haproxy.Config) {
			c.HealthSocket = haproxy.HealthSocket{Path: "/run/h.sock", User: "a level admin"}
		}, `the health socket's user "a level admin"`},
		{"relative health socket", func(c *haproxy.Config) { c.HealthSocket = haproxy.HealthSocket{Path: "h.sock", User: "nobody"} }, `the health socket: "h.sock"`},
		{"one socket for both", func(c *haproxy.Config) { c.HealthSocket = haproxy.HealthSocket{Path: c.AdminSocket, User: "nobody"} }, "give it a path of its own"},
		{"virtual address with a zone", func(c *haproxy.Config) { c.VirtualAddresses = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")} }, "has a zone"},
		{"socket with a blank", func(c *haproxy.Config) { c.AdminSocket = "/run/a sock" }, `the admin socket: "/run/a sock"`},
		{"socket too long", func(c *haproxy.Config) { c.AdminSocket = "/" + strings.Repeat("a", 90) }, "the admin socket"},
		{"socket is a folder", func(c *haproxy.Config) { c.AdminSocket = "/run/" }, "the admin socket"},
		{"no connections", func(c *haproxy.Config) { c.MaxConnections = 0 }, "maximum of connections: 0"},
		{"headers that are too short", func(c *haproxy.Config) { c.MaxHeaderBytes = haproxy.MinMaxHeaderBytes - 1 }, "length of headers: 15359"},
		{"headers that are too long", func(c *haproxy.Config) { c.MaxHeaderBytes = 128<<10 + 1 }, "length of headers: 131073"},
		{"too many connections", func(c *haproxy.Config) { c.MaxConnections = math.MaxInt32 + 1 }, "maximum of connections"},
		{"no connect timeout", func(c *haproxy.Config) { c.Timeouts.Connect = 0 }, "timeout connect: 0s"},
		{"client timeout below a millisecond", func(c *haproxy.Config) { c.Timeouts.Client = 999 * time.Microsecond }, "timeout client: 999µs"},
		{"negative server timeout", func(c *haproxy.Config) { c.Timeouts.Server = -time.Second }, "timeout server: -1s"},
		{"queue timeout too long", func(c *haproxy.Config) { c.Timeouts.Queue = 600 * time.Hour }, "timeout queue: 600h0m0s"},
		{"frontend name", func(c *haproxy.Config) { c.Frontends[0].Name = "a/b" }, `frontend "a/b": use a name`},
		{"frontend without a name", func(c *haproxy.Config) { c.Frontends[0].Name = "" }, `frontend "": use a name`},
		{"frontend name too long", func(c *haproxy.Config) { c.Frontends[0].Name = strings.Repeat("a", 601) }, "use a name"},
		{"two frontends of one name", func(c *haproxy.Config) { c.Frontends = slices.Repeat(c.Frontends, 2) }, `frontend "kube-system.web.https": there are two of that name`},
		{"frontends not in order", func(c *haproxy.Config) { c.Frontends = append(c.Frontends, haproxy.Frontend{Name: "a"}) }, `frontend "a": it is not in order`},
		{"missing backend", func(c *haproxy.Config) { c.Frontends[0].Backend = "nope" }, fe + `there is no backend "nope"`},
		{"no bind", func(c *haproxy.Config) { c.Frontends[0].Binds = nil }, fe + "it has no bind"},
		{"bind twice in one frontend", func(c *haproxy.Config) { c.Frontends[0].Binds = slices.Repeat(c.Frontends[0].Binds[:1], 2) }, fe + "bind ipv4@:443 is taken by"},
		{"bind twice in two frontends", func(c *haproxy.Config) {
			c.Frontends = append(c.Frontends, haproxy.Frontend{Name: "z", Binds: c.Frontends[0].Binds[1:], Backend: c.Frontends[0].Backend})
		}, `frontend "z": bind ipv6@:443 is taken by frontend "kube-system.web.https"`},
		{"binds not in order", func(c *haproxy.Config) { slices.Reverse(c.Frontends[0].Binds) }, fe + "bind ipv4@:443 is not in order"},
		{"bind without a port", func(c *haproxy.Config) { c.Frontends[0].Binds[0].Port = 0 }, fe + "bind ipv4@:0 has no port"},
		{"bind without an address", func(c *haproxy.Config) { c.Frontends[0].Binds[0].Addr = netip.Addr{} }, fe + "bind address invalid IP is no IP address"},
		{"bind with a zone", func(c *haproxy.Config) { c.Frontends[0].Binds[1].Addr = netip.MustParseAddr("fe80::1%eth0") }, fe + "bind address fe80::1%eth0 has a zone"},
		{"bind of IPv4 in IPv6 form", func(c *haproxy.Config) { c.Frontends[0].Binds[1].Addr = netip.MustParseAddr("::ffff:192.0.2.1") }, "is an IPv4 address in IPv6 form"},
		{"backend name", func(c *haproxy.Config) { c.Backends[0].Name = "b b" }, `backend "b b": use a name`},
		{"two backends of one name", func(c *haproxy.Config) { c.Backends = slices.Repeat(c.Backends, 2) }, `backend "kube-system.web.traefik": there are two`},
		{"balance", func(c *haproxy.Config) { c.Backends[0].Balance = "static-rr" }, be + `there is no balancing algorithm "static-rr"`},
		{"no balance", func(c *haproxy.Config) { c.Backends[0].Balance = "" }, be + `there is no balancing algorithm ""`},
		{"PROXY version", func(c *haproxy.Config) { c.Backends[0].ProxyProtocol = 3 }, be + "there is no PROXY version 3"},
		{"check without an interval", func(c *haproxy.Config) { c.Backends[0].Check.Interval = 0 }, be + "check interval: 0s"},
		{"check without rise", func(c *haproxy.Config) { c.Backends[0].Check.Rise = 0 }, be + "check: rise 0 and fall 3"},
		{"check with negative fall", func(c *haproxy.Config) { c.Backends[0].Check.Fall = -1 }, be + "check: rise 2 and fall -1"},
		{"servers and servers to keep", func(c *haproxy.Config) { c.Backends[0].KeepServers = true }, be + "it has servers, and must keep"},
		{"server name", server(func(s *haproxy.Server) { s.Name = "a b" }), be + `server "a b": use a name`},
		{"two servers of one name", func(c *haproxy.Config) { c.Backends[0].Servers[1].Name = c.Backends[0].Servers[0].Name }, be + `server "traefik-7c9f-4xk2p": there are two`},
		{"servers not in order", func(c *haproxy.Config) { slices.Reverse(c.Backends[0].Servers) }, be + `server "traefik-7c9f-4xk2p": it is not in order`},
		{"server without an address", server(func(s *haproxy.Server) { s.Addr = netip.Addr{} }), be + `server "traefik-7c9f-4xk2p": address invalid IP is no IP address`},
		{"server at the wildcard", server(func(s *haproxy.Server) { s.Addr = netip.IPv6Unspecified() }), "address :: is no address to connect to"},
		{"server with a zone", server(func(s *haproxy.Server) { s.Addr = netip.MustParseAddr("fe80::1%eth0") }), "has a zone"},
		{"server without a port", server(func(s *haproxy.Server) { s.Port = 0 }), be + `server "traefik-7c9f-4xk2p": it has no port`},
		{"server with a negative weight", server(func(s *haproxy.Server) { s.Weight = -1 }), be + `server "traefik-7c9f-4xk2p": weight -1 is not between 0 and 256`},
		{"server with too much weight", server(func(s *haproxy.Server) { s.Weight = 257 }), "weight 257 is not between 0 and 256"},
		{"node with a line's end", server(func(s *haproxy.Server) { s.Node = "n\nglobal" }), `node "n\nglobal"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := valid.Config(sample.WebWith(t, tc.edit))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestValidateSaysEverythingAtOnce(t *testing.T) {
	t.Parallel()
	err := valid.Config(haproxy.Config{Frontends: []haproxy.Frontend{{}}, Backends: []haproxy.Backend{{}}})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 11 {
		t.Errorf("got:\n%v", err)
	}
}
