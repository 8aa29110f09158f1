// Package fit computes what one host can run of a wanted configuration, and with which servers. It is pure.
package fit

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/model"
)

// Servers holds the servers of a configuration, or of a host, by backend.
type Servers map[string][]haproxy.Server

// ServersOf returns the servers of a configuration.
func ServersOf(config haproxy.Config) Servers {
	servers := make(Servers, len(config.Backends))
	for _, backend := range config.Backends {
		servers[backend.Name] = backend.Servers
	}
	return servers
}

// Serving returns the running servers that take connections.
func Serving(running []runtime.Server) Servers {
	servers := Servers{}
	for _, s := range running {
		server := haproxy.Server{Name: s.Name, Addr: s.Addr, Port: s.Port, Weight: s.Weight}
		if s.DNSName != "" {
			server.Addr, server.DNSName = netip.Addr{}, s.DNSName
		}
		if s.Admin.ButUnresolved().Mode() == runtime.Ready {
			servers[s.Backend] = append(servers[s.Backend], server)
		}
	}
	return servers
}

// And returns the servers followed by all running ones, including those that take no more connections.
func (s Servers) And(running []runtime.Server) Servers {
	all := maps.Clone(s)
	for _, r := range running {
		server := haproxy.Server{Name: r.Name, Addr: r.Addr, Port: r.Port, DNSName: r.DNSName}
		all[r.Backend] = append(slices.Clip(all[r.Backend]), server)
	}
	return all
}

// Host is what decides on what a host can run.
type Host struct {
	Facts facts.Facts
	// Descriptors is how many files HAProxy may open, if HAProxy reported it in a failed start; 0 if unknown.
	Descriptors int
	// BindFailures are the binds that the host cannot take.
	BindFailures []model.BindFailure
}

// Config returns the wanted configuration as far as the host supports it. Targets that keep their servers get those of servers, and
// the running ones keep their names. It also returns what the user must know about it, one sentence each.
func (h Host) Config(wanted haproxy.Config, servers, running Servers) (haproxy.Config, []string) {
	config := wanted.WithServers(servers).WithIdentities(running)
	var notes []string
	if most := h.Facts.FittingConnections(config.MaxConnections, h.Descriptors); most < config.MaxConnections {
		notes = append(notes, fmt.Sprintf("maxConnections is %d instead of the default of %d, since HAProxy may not open enough files on this host: raise LimitNOFILE of HAProxy's service for more",
			most, config.MaxConnections))
		config.MaxConnections = most
	}
	if !h.Facts.IPv6 {
		var dropped []haproxy.Bind
		if config, dropped = config.WithoutIPv6(); len(dropped) > 0 {
			notes = append(notes, fmt.Sprintf("IPv6 is switched off on this host: %s is not served", joinBinds(dropped)))
		}
	}
	return config.WithoutBinds(h.cannotBind), notes
}

func (h Host) cannotBind(frontend string, bind haproxy.Bind) bool {
	return slices.ContainsFunc(h.BindFailures, func(f model.BindFailure) bool { return f.Frontend == frontend && f.Bind == bind.String() })
}

// NothingLeft says why the host can serve nothing of a configuration, given the notes of Config.
func (h Host) NothingLeft(notes []string) string {
	if len(h.BindFailures) == 0 {
		return strings.Join(notes, "; ") + ", and there is nothing else to listen on: switch it on, or bind IPv4 addresses"
	}
	var reasons []string
	for _, f := range h.BindFailures {
		reasons = append(reasons, fmt.Sprintf("%s cannot be bound: %s", f.Bind, f.Why))
	}
	return strings.Join(reasons, "; ")
}

func joinBinds(binds []haproxy.Bind) string {
	texts := make([]string, len(binds))
	for i, bind := range binds {
		texts[i] = bind.String()
	}
	return strings.Join(texts, ", ")
}
