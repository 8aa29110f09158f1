// Package sample has configurations of a host for tests: the golden files are made from these, or from changes of them. Each
// call returns a new value, so that a test may change all of it.
package sample

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// Bind returns the parsed address; see haproxy.ParseBind.
func Bind(t testing.TB, s string) haproxy.Bind {
	t.Helper()
	b, err := haproxy.ParseBind(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Idle returns a valid Config without listeners.
func Idle() haproxy.Config {
	return haproxy.Config{
		AdminSocket:    "/run/haproxy/admin.sock",
		MaxConnections: 1000,
		Timeouts:       haproxy.Timeouts{Connect: 5 * time.Second, Client: time.Hour, Server: time.Hour, Queue: 5 * time.Second},
	}
}

// Web returns a valid Config with one listener and two servers.
func Web(t testing.TB) haproxy.Config {
	c := Idle()
	c.Owner, c.Host = "0b9d6d0c/kube-system/web", "gw1.example.net:22"
	c.Frontends = []haproxy.Frontend{{
		Name:    "kube-system.web.https",
		Binds:   []haproxy.Bind{Bind(t, "ipv4@:443"), Bind(t, "ipv6@:443")},
		Backend: "kube-system.web.traefik",
	}}
	c.Backends = []haproxy.Backend{{
		Name:          "kube-system.web.traefik",
		Balance:       haproxy.LeastConn,
		ProxyProtocol: haproxy.ProxyV2,
		Check:         haproxy.Check{Interval: 2 * time.Second, Rise: 2, Fall: 3},
		Servers: []haproxy.Server{
			{Name: "traefik-7c9f-4xk2p", Addr: netip.MustParseAddr("10.42.0.7"), Port: 8443, Weight: 1, Node: "node-1"},
			{Name: "traefik-7c9f-9b8rm", Addr: netip.MustParseAddr("10.42.1.9"), Port: 8443, Weight: 1, Node: "node-2.example.net"},
		},
	}}
	return c
}

// WebWith returns Web with a change.
func WebWith(t testing.TB, edit func(*haproxy.Config)) haproxy.Config {
	c := Web(t)
	edit(&c)
	return c
}

// TwoListeners returns Web with a second backend, and three frontends in total, two of which use the same backend.
func TwoListeners(t testing.TB) haproxy.Config {
	return WebWith(t, func(c *haproxy.Config) {
		c.Frontends = append([]haproxy.Frontend{
			{Name: "kube-system.web.dns", Binds: []haproxy.Bind{Bind(t, "ipv4@:53")}, Backend: "kube-system.web.dns"},
			{Name: "kube-system.web.http", Binds: []haproxy.Bind{Bind(t, "ipv4@:80"), Bind(t, "ipv6@:80")}, Backend: "kube-system.web.traefik"},
		}, c.Frontends...)
		c.Backends = append([]haproxy.Backend{{
			Name: "kube-system.web.dns", Balance: haproxy.RoundRobin,
			Servers: []haproxy.Server{{Name: "coredns-0", Addr: netip.MustParseAddr("10.42.0.2"), Port: 53, Weight: 1}},
		}}, c.Backends...)
	})
}

// Servers returns n servers with unique addresses, sorted by name.
func Servers(n int) []haproxy.Server {
	var all []haproxy.Server
	for i := range n {
		all = append(all, haproxy.Server{
			Name: fmt.Sprintf("pod-%05d", i),
			Addr: netip.AddrFrom4([4]byte{10, 42, byte(i / 250), byte(i%250 + 1)}),
			Port: 8080, Weight: 1,
		})
	}
	return all
}
