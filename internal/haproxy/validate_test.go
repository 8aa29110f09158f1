package haproxy

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestValidateAcceptsEveryShape(t *testing.T) {
	t.Parallel()
	for _, s := range shapes(t) {
		if err := s.config.Validate(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if err := s.platform.Validate(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	waiting := change(t, func(c *Config) { c.Backends[0].KeepServers, c.Backends[0].Servers = true, nil })
	if err := waiting.Validate(); err != nil {
		t.Errorf("servers to keep: %v", err)
	}
	longest := change(t, func(c *Config) { c.Backends[0].Servers[1].Name = "z" + strings.Repeat("z", maxName-1) })
	if err := longest.Validate(); err != nil {
		t.Errorf("longest name: %v", err)
	}
}

func TestValidateNamesTheThingThatIsWrong(t *testing.T) {
	t.Parallel()
	const fe, be = `frontend "kube-system.web.https": `, `backend "kube-system.web.traefik": `
	server := func(edit func(*Server)) func(*Config) {
		return func(c *Config) { edit(&c.Backends[0].Servers[0]) }
	}
	for _, tc := range []struct {
		name string
		edit func(*Config)
		want string
	}{
		{"no owner", func(c *Config) { c.Owner = "" }, `owner ""`},
		{"owner with a line's end", func(c *Config) { c.Owner = "a\nb" }, `owner "a\nb"`},
		{"owner none", func(c *Config) { c.Owner = "none" }, `owner: "none" means that the host is free`},
		{"owner none while idle", func(c *Config) { c.Owner, c.Frontends = "none", nil }, `owner: "none" means`},
		{"host with a line's end", func(c *Config) { c.Host = "a\nb" }, `host "a\nb"`},
		{"host with a blank", func(c *Config) { c.Host = "gw1 22" }, `host "gw1 22"`},
		{"host too long", func(c *Config) { c.Host = strings.Repeat("a", maxHost+1) }, "host"},
		{"owner too long", func(c *Config) { c.Owner = strings.Repeat("a", maxOwner+1) }, "owner"},
		{"relative socket", func(c *Config) { c.AdminSocket = "run/a.sock" }, `the admin socket: "run/a.sock"`},
		{"socket with a blank", func(c *Config) { c.AdminSocket = "/run/a sock" }, `the admin socket: "/run/a sock"`},
		{"socket too long", func(c *Config) { c.AdminSocket = "/" + strings.Repeat("a", maxSocketPath) }, "the admin socket"},
		{"socket is a folder", func(c *Config) { c.AdminSocket = "/run/" }, "the admin socket"},
		{"no connections", func(c *Config) { c.MaxConnections = 0 }, "maximum of connections: 0"},
		{"too many connections", func(c *Config) { c.MaxConnections = math.MaxInt32 + 1 }, "maximum of connections"},
		{"no connect timeout", func(c *Config) { c.Timeouts.Connect = 0 }, "timeout connect: 0s"},
		{"client timeout below a millisecond", func(c *Config) { c.Timeouts.Client = 999 * time.Microsecond }, "timeout client: 999µs"},
		{"negative server timeout", func(c *Config) { c.Timeouts.Server = -time.Second }, "timeout server: -1s"},
		{"queue timeout too long", func(c *Config) { c.Timeouts.Queue = 600 * time.Hour }, "timeout queue: 600h0m0s"},
		{"frontend name", func(c *Config) { c.Frontends[0].Name = "a/b" }, `frontend "a/b": use a name`},
		{"frontend without a name", func(c *Config) { c.Frontends[0].Name = "" }, `frontend "": use a name`},
		{"frontend name too long", func(c *Config) { c.Frontends[0].Name = strings.Repeat("a", maxName+1) }, "use a name"},
		{"two frontends of one name", func(c *Config) { c.Frontends = slices.Repeat(c.Frontends, 2) }, `frontend "kube-system.web.https": there are two of that name`},
		{"frontends not in order", func(c *Config) { c.Frontends = append(c.Frontends, Frontend{Name: "a"}) }, `frontend "a": it is not in order`},
		{"missing backend", func(c *Config) { c.Frontends[0].Backend = "nope" }, fe + `there is no backend "nope"`},
		{"no bind", func(c *Config) { c.Frontends[0].Binds = nil }, fe + "it has no bind"},
		{"bind twice in one frontend", func(c *Config) { c.Frontends[0].Binds = slices.Repeat(c.Frontends[0].Binds[:1], 2) }, fe + "bind ipv4@:443 is taken by"},
		{"bind twice in two frontends", func(c *Config) {
			c.Frontends = append(c.Frontends, Frontend{Name: "z", Binds: c.Frontends[0].Binds[1:], Backend: c.Frontends[0].Backend})
		}, `frontend "z": bind ipv6@:443 is taken by frontend "kube-system.web.https"`},
		{"binds not in order", func(c *Config) { slices.Reverse(c.Frontends[0].Binds) }, fe + "bind ipv4@:443 is not in order"},
		{"bind without a port", func(c *Config) { c.Frontends[0].Binds[0].Port = 0 }, fe + "bind ipv4@:0 has no port"},
		{"bind without an address", func(c *Config) { c.Frontends[0].Binds[0].Addr = netip.Addr{} }, fe + "bind address invalid IP is no IP address"},
		{"bind with a zone", func(c *Config) { c.Frontends[0].Binds[1].Addr = netip.MustParseAddr("fe80::1%eth0") }, fe + "bind address fe80::1%eth0 has a zone"},
		{"bind of IPv4 in IPv6 form", func(c *Config) { c.Frontends[0].Binds[1].Addr = netip.MustParseAddr("::ffff:192.0.2.1") }, "is an IPv4 address in IPv6 form"},
		{"backend name", func(c *Config) { c.Backends[0].Name = "b b" }, `backend "b b": use a name`},
		{"two backends of one name", func(c *Config) { c.Backends = slices.Repeat(c.Backends, 2) }, `backend "kube-system.web.traefik": there are two`},
		{"balance", func(c *Config) { c.Backends[0].Balance = "static-rr" }, be + `there is no balancing algorithm "static-rr"`},
		{"no balance", func(c *Config) { c.Backends[0].Balance = "" }, be + `there is no balancing algorithm ""`},
		{"PROXY version", func(c *Config) { c.Backends[0].ProxyProtocol = 3 }, be + "there is no PROXY version 3"},
		{"check without an interval", func(c *Config) { c.Backends[0].Check.Interval = 0 }, be + "check interval: 0s"},
		{"check without rise", func(c *Config) { c.Backends[0].Check.Rise = 0 }, be + "check: rise 0 and fall 3"},
		{"check with negative fall", func(c *Config) { c.Backends[0].Check.Fall = -1 }, be + "check: rise 2 and fall -1"},
		{"servers and servers to keep", func(c *Config) { c.Backends[0].KeepServers = true }, be + "it has servers, and is to keep"},
		{"server name", server(func(s *Server) { s.Name = "a b" }), be + `server "a b": use a name`},
		{"two servers of one name", func(c *Config) { c.Backends[0].Servers[1].Name = c.Backends[0].Servers[0].Name }, be + `server "traefik-7c9f-4xk2p": there are two`},
		{"servers not in order", func(c *Config) { slices.Reverse(c.Backends[0].Servers) }, be + `server "traefik-7c9f-4xk2p": it is not in order`},
		{"server without an address", server(func(s *Server) { s.Addr = netip.Addr{} }), be + `server "traefik-7c9f-4xk2p": address invalid IP is no IP address`},
		{"server at the wildcard", server(func(s *Server) { s.Addr = netip.IPv6Unspecified() }), "address :: is no address to connect to"},
		{"server with a zone", server(func(s *Server) { s.Addr = netip.MustParseAddr("fe80::1%eth0") }), "has a zone"},
		{"server without a port", server(func(s *Server) { s.Port = 0 }), be + `server "traefik-7c9f-4xk2p": it has no port`},
		{"server with a negative weight", server(func(s *Server) { s.Weight = -1 }), be + `server "traefik-7c9f-4xk2p": weight -1 is not between 0 and 256`},
		{"server with too much weight", server(func(s *Server) { s.Weight = 257 }), "weight 257 is not between 0 and 256"},
		{"node with a line's end", server(func(s *Server) { s.Node = "n\nglobal" }), `node "n\nglobal"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := change(t, tc.edit).Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestValidateSaysEverythingAtOnce(t *testing.T) {
	t.Parallel()
	err := Config{Frontends: []Frontend{{}}, Backends: []Backend{{}}}.Validate()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 11 {
		t.Errorf("got:\n%v", err)
	}
}

func TestPlatformIsChecked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		edit func(*Platform)
		want string
	}{
		{"user", func(p *Platform) { p.User = "a b" }, `the user: "a b"`},
		{"user with a dash first", func(p *Platform) { p.User = "-u" }, `the user: "-u"`},
		{"group", func(p *Platform) { p.Group = "a\n" }, `the group: "a\n"`},
		{"socket user", func(p *Platform) { p.SocketUser = strings.Repeat("a", maxAccount+1) }, "the admin socket's user"},
		{"chroot", func(p *Platform) { p.Chroot = "jail" }, `the chroot: "jail"`},
		{"state file", func(p *Platform) { p.StateFile = "" }, `the state file: ""`},
		{"state file with a variable", func(p *Platform) { p.StateFile = "/$HOME" }, `the state file: "/$HOME"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := debian()
			tc.edit(&p)
			if err := p.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestQuoteMakesOneWordOfAnything(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":           `''`,
		"a b":        `'a b'`,
		"it's":       `'it'\''s'`,
		`"$HOME"\n#`: `'"$HOME"\n#'`,
		"é":          `'é'`,
	} {
		if got, err := quote(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"a\nb", "\r", "\x00", "\t", "\x7f"} {
		if got, err := quote(in); err == nil {
			t.Errorf("%q: got %s, want it refused", in, got)
		}
	}
}

func TestErrorsShortenWhatTheyQuote(t *testing.T) {
	t.Parallel()
	if got, want := excerpt(strings.Repeat("a", 200)), `"`+strings.Repeat("a", 80)+`"…`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
