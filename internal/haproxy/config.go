// Package haproxy is the model of one host's HAProxy configuration, and its text. It is pure: it knows no cluster, no
// host, no clock and no file, and imports the standard library only.
//
// The model decides and Render prints: a Config holds exactly what the text says, in the order in which it says it.
package haproxy

import (
	"net/netip"
	"time"
)

// Config is what edgelb wants the HAProxy of one host to be. Two Configs that mean the same render to the same text.
type Config struct {
	// Owner says whose host it is; it is written to the file's header. Letters, digits and "/._:-", and not "none".
	// It may be empty in an idle Config, whose file belongs to nobody.
	Owner string
	// Host is the host's name for its owner, such as gw1.example.net:22. It is written to the header of a file that has an
	// owner and is part of no fingerprint. Letters, digits and "_.:[]-"; may be empty.
	Host string
	// AdminSocket is the absolute path of the stats socket, at most 90 bytes long.
	AdminSocket string
	// MaxConnections bounds the connections of the process.
	MaxConnections int
	Timeouts       Timeouts
	// Frontends and Backends are sorted by name.
	Frontends []Frontend
	Backends  []Backend
}

// Timeouts are HAProxy's timeouts. Each is at least a millisecond; what is finer than that is cut off.
type Timeouts struct {
	Connect, Client, Server, Queue time.Duration
}

// Frontend is what one listener becomes.
type Frontend struct {
	Name string
	// Binds is never empty and holds no Bind twice; sorted.
	Binds []Bind
	// Backend names the entry of Config.Backends that connections go to.
	Backend string
}

// Bind is one address and port to listen on. The unspecified address of a family is its wildcard.
type Bind struct {
	Addr netip.Addr
	Port uint16
}

// Backend is what one target becomes.
type Backend struct {
	Name          string
	Balance       Balance
	ProxyProtocol ProxyProtocol
	Check         Check
	// Servers are sorted by name; names are unique.
	Servers []Server
	// KeepServers says that the servers are not known at the moment (the Service is missing, say): the host is to keep
	// those that it has. Servers is then empty; WithServers puts the host's own in and clears KeepServers.
	KeepServers bool
}

// Balance is HAProxy's balancing algorithm.
type Balance string

// The algorithms, as HAProxy writes them. All can take servers at run time.
const (
	LeastConn  Balance = "leastconn"
	RoundRobin Balance = "roundrobin"
	Source     Balance = "source"
)

// ProxyProtocol is the version of the PROXY header that servers are sent.
type ProxyProtocol int

// The versions of the PROXY header.
const (
	ProxyNone ProxyProtocol = 0
	ProxyV1   ProxyProtocol = 1
	ProxyV2   ProxyProtocol = 2
)

// Check is a server's health check by TCP connection; the zero Check is none at all.
type Check struct {
	// Interval is the time between two checks of a server; as fine as Timeouts.
	Interval time.Duration
	// Rise and Fall are how many checks in a row bring a server up and take it down.
	Rise, Fall int
}

// Server is one endpoint.
type Server struct {
	// Name is made of letters, digits and "_.:-".
	Name string
	// Addr is never the unspecified address, has no zone and is no IPv4 address in IPv6 form.
	Addr netip.Addr
	Port uint16
	// Weight is the server's share of the connections next to those of the others, from 0, which is none, to 256. 1 is
	// HAProxy's own default.
	Weight int
	// Node is where the endpoint runs, for the reader of the file only; it is part of no fingerprint. May be empty.
	Node string
}

// Platform is what the text depends on that only the host knows.
type Platform struct {
	// User and Group are what HAProxy's worker drops its privileges to; empty to keep those of the master.
	User, Group string
	// Chroot is where the worker locks itself in; empty for nowhere.
	Chroot string
	// SocketUser owns the admin socket, so that the account that logs in reaches it; empty for HAProxy's own user.
	SocketUser string
	// StateFile is the absolute path of the server state that a reload hands over.
	StateFile string
	// Syslog says that the host has a /dev/log.
	Syslog bool
}
