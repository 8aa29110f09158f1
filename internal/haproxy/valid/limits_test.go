package valid_test

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/valid"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

const longestDuration = math.MaxInt32 * time.Millisecond

// A configuration that is refused without need leaves all listeners of a host as they were.
func TestValidateAcceptsTheLeastAndTheMost(t *testing.T) {
	t.Parallel()
	long := func(count int) string { return strings.Repeat("z", count) }
	check := func(edit func(*haproxy.Check)) func(*haproxy.Config) {
		return func(c *haproxy.Config) {
			for i := range c.Backends {
				c.Backends[i].Check = haproxy.Check{Kind: haproxy.CheckHTTP, Interval: time.Second, Rise: 2, Fall: 3}
				edit(&c.Backends[i].Check)
			}
		}
	}
	access := func(edit func(*haproxy.AccessPolicy)) func(*haproxy.Config) {
		return func(c *haproxy.Config) { c.Frontends[0].Access = sample.Access(); edit(&c.Frontends[0].Access) }
	}
	servers := func(edit func(*haproxy.Server)) func(*haproxy.Config) {
		return func(c *haproxy.Config) {
			s := sample.Servers(1)
			edit(&s[0])
			c.Backends[0].Servers = s
		}
	}
	routes := func(names ...string) func(*haproxy.Config) {
		return func(c *haproxy.Config) {
			c.Frontends[2].Routes = nil
			for _, name := range names {
				c.Frontends[2].Routes = append(c.Frontends[2].Routes, haproxy.Route{Name: name, To: c.Backends[0].Name})
			}
		}
	}
	for name, edit := range map[string]func(*haproxy.Config){
		"one connection":                 func(c *haproxy.Config) { c.MaxConnections = 1 },
		"as many as HAProxy counts":      func(c *haproxy.Config) { c.MaxConnections = math.MaxInt32 },
		"the shortest headers":           func(c *haproxy.Config) { c.MaxHeaderBytes = haproxy.MinMaxHeaderBytes },
		"the longest headers":            func(c *haproxy.Config) { c.MaxHeaderBytes = 128 << 10 },
		"the longest owner":              func(c *haproxy.Config) { c.Owner = long(1024) },
		"an owner of all characters":     func(c *haproxy.Config) { c.Owner = "azAZ09/._:-" },
		"an owner that begins with none": func(c *haproxy.Config) { c.Owner = "nonesuch" },
		"the longest host":               func(c *haproxy.Config) { c.Host = long(600) },
		"a host of all characters":       func(c *haproxy.Config) { c.Host = "azAZ09_.:[]-" },
		"no host":                        func(c *haproxy.Config) { c.Host = "" },
		"the longest socket":             func(c *haproxy.Config) { c.AdminSocket = "/" + long(89) },
		"the shortest timeouts": func(c *haproxy.Config) {
			c.Timeouts = haproxy.Timeouts{Connect: time.Millisecond, Client: time.Millisecond, Server: time.Millisecond, Queue: time.Millisecond}
		},
		"the longest timeouts": func(c *haproxy.Config) {
			c.Timeouts = haproxy.Timeouts{Connect: longestDuration, Client: longestDuration, Server: longestDuration, Queue: longestDuration}
		},
		"the shortest timeouts of one backend and frontend": func(c *haproxy.Config) {
			c.Frontends[0].ClientTimeout = time.Millisecond
			c.Backends[0].Timeouts = haproxy.BackendTimeouts{Connect: time.Millisecond, Server: time.Millisecond, Queue: time.Millisecond, Tunnel: time.Millisecond}
		},
		"the longest timeouts of one backend and frontend": func(c *haproxy.Config) {
			c.Frontends[0].ClientTimeout = longestDuration
			c.Backends[0].Timeouts = haproxy.BackendTimeouts{Connect: longestDuration, Server: longestDuration, Queue: longestDuration, Tunnel: longestDuration}
		},
		"the quickest check":     check(func(k *haproxy.Check) { k.Interval, k.Rise, k.Fall = time.Millisecond, 1, 1 }),
		"the most patient check": check(func(k *haproxy.Check) { k.Interval, k.Rise, k.Fall = longestDuration, math.MaxInt32, math.MaxInt32 }),
		"a check without a path": check(func(k *haproxy.Check) { k.Path = "" }),
		"a check of the root":    check(func(k *haproxy.Check) { k.Path = "/" }),
		"statuses and a body": check(func(k *haproxy.Check) {
			k.Host, k.Statuses, k.Body = "a_b.example.com:1", "100-599,401,200-200", `{"status": "UP"}`
		}),
		"a name to ask for":   check(func(k *haproxy.Check) { k.TLS, k.SNI = true, "app.example.com" }),
		"the longest path":    check(func(k *haproxy.Check) { k.Path = "/" + long(1023) }),
		"a path with a query": check(func(k *haproxy.Check) { k.Path = "/healthz?full=1&x=%20+,;:@!$()*~_.-" }),
		"a check by TLS":      check(func(k *haproxy.Check) { k.TLS = true }),
		"checks without a header": func(c *haproxy.Config) {
			c.Backends[0].ProxyProtocol = haproxy.ProxyV1
			c.Backends[0].Check = haproxy.Check{Interval: time.Second, Rise: 1, Fall: 1, WithoutProxy: true}
		},
		"no weight":                      servers(func(s *haproxy.Server) { s.Weight = 0 }),
		"the most weight":                servers(func(s *haproxy.Server) { s.Weight = 256 }),
		"the highest port":               servers(func(s *haproxy.Server) { s.Port = 65535 }),
		"a name of all characters":       servers(func(s *haproxy.Server) { s.Name, s.Node = "AZaz09_.:-", "AZaz09_.:-" }),
		"the longest name":               servers(func(s *haproxy.Server) { s.Name, s.Node = long(300), long(300) }),
		"no node":                        servers(func(s *haproxy.Server) { s.Node = "" }),
		"a limit of one to a server":     func(c *haproxy.Config) { c.Backends[0].MaxConnections = 1 },
		"the lowest limit of what waits": func(c *haproxy.Config) { c.Backends[0].MaxConnections, c.Backends[0].MaxQueued = 1, 1 },
		"a slow start":                   func(c *haproxy.Config) { c.Backends[0].SlowStart = time.Millisecond },
		"a backup":                       servers(func(s *haproxy.Server) { s.Backup = true }),
		"the highest limit":              func(c *haproxy.Config) { c.Backends[0].MaxConnections = math.MaxInt32 },
		"the shortest affinity": func(c *haproxy.Config) {
			c.Backends[0].Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: time.Millisecond}
		},
		"affinity by TLS session": func(c *haproxy.Config) {
			c.Backends[0].Affinity = haproxy.Affinity{By: haproxy.ByTLSSessionID, Timeout: longestDuration}
		},
		"affinity by source in HTTP": func(c *haproxy.Config) {
			for i := range c.Backends {
				c.Backends[i].Affinity = haproxy.Affinity{By: haproxy.BySource, Timeout: time.Hour}
			}
		},
		"a listener's lowest limits": access(func(a *haproxy.AccessPolicy) {
			a.MaxConnections, a.Rate = 1, haproxy.Rate{PerSource: 1, Interval: time.Millisecond}
		}),
		"a listener's highest limits": access(func(a *haproxy.AccessPolicy) {
			a.MaxConnections, a.Rate = math.MaxInt32, haproxy.Rate{PerSource: math.MaxInt32, Interval: longestDuration}
		}),
		"no limits":     access(func(a *haproxy.AccessPolicy) { a.MaxConnections, a.Rate = 0, haproxy.Rate{} }),
		"proxies alone": access(func(a *haproxy.AccessPolicy) { a.ProxiesOnly = true }),
		"every address": access(func(a *haproxy.AccessPolicy) {
			a.AllowedSources = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
			a.DeniedSources = a.AllowedSources
		}),
		"a network within": access(func(a *haproxy.AccessPolicy) {
			a.AllowedSources = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/16")}
		}),
		"names of digits and letters":                   routes("*.z", "0.9", "09az.az", "a-z.example.com", "z"),
		"a name like a hundredth, of no weighted route": func(c *haproxy.Config) { c.Backends[2].Name = "ns.web.other:42" },
		"a name that ends with three digits":            func(c *haproxy.Config) { c.Backends[2].Name = "ns.web.canary:042" },
		"a name that ends with one digit":               func(c *haproxy.Config) { c.Backends[2].Name = "ns.web.canary:4" },
		"a name that ends with a letter":                func(c *haproxy.Config) { c.Backends[2].Name = "ns.web.canary:4x" },
		"a table's name where no client is counted": func(c *haproxy.Config) {
			c.Frontends[0].Access, c.Backends[2].Name = haproxy.AccessPolicy{}, c.Frontends[0].RateTable()
		},
		"a list that is just short enough": func(c *haproxy.Config) {
			// Sixteen names of 255 bytes, and fifteen commas between them, are 4095 bytes long.
			name := long(255)
			c.Backends[0].Name = name
			for i := range c.Frontends {
				c.Frontends[i].Routes = nil
			}
			c.Frontends[0].Backend = name
			c.WeightedRoutes = []haproxy.WeightedRoute{{Name: "r", Shares: []haproxy.Share{{Percent: 100, Backends: strings.Split(strings.Repeat(name+",", 15)+name, ",")}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := sample.RoutingWith(t, edit)
			for i := range config.Frontends {
				config.Frontends[i].Backend = existing(config, config.Frontends[i].Backend)
				for j := range config.Frontends[i].Routes {
					config.Frontends[i].Routes[j].To = existing(config, config.Frontends[i].Routes[j].To)
				}
			}
			for i := range config.WeightedRoutes {
				for j := range config.WeightedRoutes[i].Shares {
					for k, to := range config.WeightedRoutes[i].Shares[j].Backends {
						config.WeightedRoutes[i].Shares[j].Backends[k] = existing(config, to)
					}
				}
			}
			if err := valid.Config(config.Normalize()); err != nil {
				t.Errorf("it is refused: %v", err)
			}
		})
	}
}

// existing returns the name, or that of a backend for the same mode if a test has renamed what had it.
func existing(c haproxy.Config, name string) string {
	for _, r := range c.WeightedRoutes {
		if r.Name == name {
			return name
		}
	}
	for _, b := range c.Backends {
		if b.Name == name {
			return name
		}
	}
	for _, b := range c.Backends {
		if name != "" && b.HTTP == strings.HasSuffix(name, ":http") {
			return b.Name
		}
	}
	return name
}

func TestValidateRefusesWhatIsJustTooMuch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*haproxy.Config)
		want string
	}{
		"a timeout":       {func(c *haproxy.Config) { c.Timeouts.Client = longestDuration + time.Millisecond }, "timeout client: "},
		"an owner":        {func(c *haproxy.Config) { c.Owner = strings.Repeat("z", 1025) }, "owner "},
		"a socket":        {func(c *haproxy.Config) { c.AdminSocket = "/" + strings.Repeat("z", 90) }, "the admin socket: "},
		"a check's rise":  {func(c *haproxy.Config) { c.Backends[0].Check.Rise = math.MaxInt32 + 1 }, "check: rise 2147483648 and fall 3"},
		"a check's fall":  {func(c *haproxy.Config) { c.Backends[0].Check.Fall = math.MaxInt32 + 1 }, "check: rise 2 and fall 2147483648"},
		"a PROXY version": {func(c *haproxy.Config) { c.Backends[0].ProxyProtocol = -1 }, "there is no PROXY version -1"},
		"a rate": {func(c *haproxy.Config) {
			c.Frontends[0].Access.Rate = haproxy.Rate{PerSource: math.MaxInt32 + 1, Interval: time.Second}
		}, "2147483648 per source"},
		"a character above z":  {func(c *haproxy.Config) { c.Backends[0].Servers[0].Name = "a{" }, `server "a{": use a name`},
		"one between Z and a":  {func(c *haproxy.Config) { c.Backends[0].Servers[0].Name = "a^" }, `server "a^": use a name`},
		"one of two bytes":     {func(c *haproxy.Config) { c.Backends[0].Servers[0].Name = "aé" }, `server "aé": use a name`},
		"one above 9":          {func(c *haproxy.Config) { c.Backends[0].Servers[0].Name = "a;" }, `server "a;": use a name`},
		"one below 0":          {func(c *haproxy.Config) { c.Backends[0].Servers[0].Name = "a/" }, `server "a/": use a name`},
		"brackets too few":     {func(c *haproxy.Config) { c.Host = "gw{1" }, `host "gw{1"`},
		"an order":             {func(c *haproxy.Config) { c.Backends[0].Servers[0].Name = "z" }, `it is not in order, "z" stands before it`},
		"a name that is twice": {func(c *haproxy.Config) { c.Backends[0].Servers[1] = c.Backends[0].Servers[0] }, "there are two of that name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := valid.Config(sample.WebWith(t, test.edit))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one error with %q", err, test.want)
			}
		})
	}
}

func TestABackendIsRefusedByItselfForItsName(t *testing.T) {
	t.Parallel()
	backend := sample.Web(t).Backends[0]
	if err := valid.Backend(backend); err != nil {
		t.Errorf("it is refused: %v", err)
	}
	backend.Name = "a b"
	if err := valid.Backend(backend); err == nil || !strings.Contains(err.Error(), `backend "a b": use a name`) {
		t.Errorf("got %v", err)
	}
}

// A share that has no percent yet must not hide that another one has too many; huge numbers must not add up to 100 by an overflow.
func TestPercentsAddUpWithoutAnOverflow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		percents []int
		valid    bool
	}{
		"all to one": {[]int{100}, true}, "one of nothing": {[]int{0, 100}, true}, "hundredths": {[]int{1, 99}, true},
		"101": {[]int{101}, false}, "101 and -1": {[]int{101, -1}, false}, "102 and -2": {[]int{102, -2}, false},
		"an overflow": {[]int{math.MaxInt, math.MaxInt, 102}, false}, "99": {[]int{50, 49}, false},
		"the least and the most": {[]int{math.MinInt, math.MaxInt, 101}, false},
	} {
		config := sample.RoutingWith(t, func(c *haproxy.Config) {
			share := c.WeightedRoutes[0].Shares[0]
			c.WeightedRoutes[0].Shares = nil
			for _, percent := range test.percents {
				share.Percent = percent
				c.WeightedRoutes[0].Shares = append(c.WeightedRoutes[0].Shares, share)
			}
		})
		if err := valid.Config(config); (err == nil) != test.valid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
