// Package haproxy is the model of one host's HAProxy configuration: what it may be, what is looked up at run time, and how
// two of them differ. It is pure: it knows no cluster, no host, no clock and no file, and imports the standard library only.
//
// The model decides and package cfg prints: a Config holds exactly what the text says, in the order in which it says it.
package haproxy

import (
	"net/netip"
	"time"
)

// DefaultMaxConnections bounds the connections of a process where nobody has chosen a number. It is lowered on a host that cannot
// take so many.
const DefaultMaxConnections = 40000

// Config is what edgelb wants the HAProxy of one host to be. Two Configs that mean the same render to the same text.
type Config struct {
	// Owner says whose host it is; it is written to the file's header. Letters, digits and "/._:-", and not Nobody.
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
	// Frontends, Ways and Backends are sorted by name. No Way has the name of a Backend.
	Frontends      []Frontend
	WeightedRoutes []WeightedRoute
	Backends       []Backend
}

// Nobody stands for an owner in the file of an idle Config, and so is the name of none.
const NoOwner = "none"

// Timeouts are HAProxy's timeouts. Each is at least a millisecond; what is finer than that is cut off.
type Timeouts struct {
	Connect, Client, Server, Queue time.Duration
}

// Frontend is what one listener becomes, or several that share their binds.
type Frontend struct {
	Name string
	// Binds is never empty and holds no Bind twice; sorted.
	Binds    []Bind
	Protocol Protocol
	// Backend names the entry of Config.Backends or of Config.Ways where connections go that no route claims. Empty to close
	// them, or to answer 404 over HTTP; never empty for TCP.
	Backend string
	// Routes are for TLS and HTTP; sorted by name.
	Routes []Route
	// RedirectToHTTPS answers 301 where no route claims a request, for HTTP; then there is no Backend.
	RedirectToHTTPS bool
	Access          AccessPolicy
}

// RateTable is the name of the backend without servers that is written for a Door.Rate: its table is where clients are counted.
// No entry of Config.Backends or Config.Ways has that name.
func (e Frontend) RateTable() string { return e.Name + ":rate" }

// Protocol is how far HAProxy looks into a connection to find out where it goes.
type Protocol string

// The protocols.
const (
	// TCP looks at nothing.
	TCP Protocol = ""
	// TLS reads the name in the ClientHello, and terminates nothing.
	TLS Protocol = "tls"
	// HTTP reads the Host of each request.
	HTTP Protocol = "http"
)

// Route says where the connections for a name go.
type Route struct {
	// Name is a DNS name in lower case, or "*." and one for all names with one more label. A name goes before a wildcard.
	Name string
	// To names an entry of Config.Backends or of Config.Ways.
	To string
}

// Door says whose connections a frontend takes, and how many.
type AccessPolicy struct {
	// AllowedSources are the networks whose clients may connect; empty for everyone. Masked and sorted.
	AllowedSources []netip.Prefix
	// ProxiesFrom are the networks that have to send a PROXY header; from others one is refused. Where there are any, a TCP client that
	// waits for the server to speak first is kept waiting for a second. Masked and sorted.
	ProxiesFrom []netip.Prefix
	// ProxiesOnly closes the connections from everybody else, whatever header they send.
	ProxiesOnly bool
	// MaxConnections bounds the open connections; 0 for no bound of its own.
	MaxConnections int
	Rate           Rate
}

// Rate bounds how many connections one IPv4 address or one IPv6 network of 64 bits may open; the zero Rate does not.
type Rate struct {
	PerSource int
	Interval  time.Duration
}

// Way finds a backend for a connection where there is more than one to choose from: connections are divided between
// shares, and each share has backends that stand in for one another.
type WeightedRoute struct {
	Name string
	// Shares add up to 100 percent. A share of 0 percent is there to be given some without a reload.
	Shares []Share
}

// Share is a part of the connections.
type Share struct {
	Percent int
	// Backends are entries of Config.Backends, in the order of preference: the first that has a server up gets the connection,
	// and the first one if none has. All are of one mode.
	Backends []string
}

// Bind is one address and port to listen on. The unspecified address of a family is its wildcard.
type Bind struct {
	Addr netip.Addr
	Port uint16
}

// Backend is what one target becomes; two of them if both HTTP frontends and others lead there.
type Backend struct {
	Name string
	// HTTP says that it is for HTTP frontends, which lead to no other; and they only to such.
	HTTP          bool
	Balance       Balance
	ProxyProtocol ProxyProtocol
	Check         Check
	Affinity      Affinity
	// MaxConnections bounds the connections to each server, or for HTTP the requests at a time; 0 for no bound. Only when all
	// servers are full, or the one that Balance or Affinity insists on, do others wait, no longer than Timeouts.Queue.
	MaxConnections int
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

// Check is a server's health check; the zero Check is none at all.
type Check struct {
	Kind CheckKind
	// Interval is the time between two checks of a server; as fine as Timeouts.
	Interval time.Duration
	// Rise and Fall are how many checks in a row bring a server up and take it down.
	Rise, Fall int
	// Port is where the checks go; 0 for the server's own port.
	Port uint16
	// Path is what CheckHTTP asks for; empty for "/". TLS makes it speak TLS, and no certificate is verified.
	Path string
	TLS  bool
	// WithoutProxy leaves out the PROXY header with which the backend's connections begin.
	WithoutProxy bool
}

// CheckKind is what a check does.
type CheckKind string

// The kinds of checks.
const (
	// CheckTCP connects.
	CheckTCP CheckKind = ""
	// CheckHTTP asks for a path; an answer from 200 to 399 is good.
	CheckHTTP CheckKind = "http"
	// CheckTLS shakes hands.
	CheckTLS CheckKind = "tls"
)

// Affinity sends a client to the server that it had last; the zero Affinity does not. It holds while that server is up, also
// while it is drained or has a weight of 0; clients of a server in maintenance go elsewhere. What is known of clients outlives a
// reload, but no restart.
type Affinity struct {
	By AffinityKey
	// Timeout is how long a client is remembered after its last connection.
	Timeout time.Duration
}

// AffinityKey is what a client is known by.
type AffinityKey string

// What clients are known by.
const (
	// BySource knows clients by their addresses.
	BySource AffinityKey = "source"
	// ByTLSSessionID knows them by the session that they resume, which those of TLS 1.2 do that use no session tickets. It is
	// for backends that are not HTTP. A client that says nothing for a second is connected without.
	ByTLSSessionID AffinityKey = "tls"
)

// Server is one endpoint.
type Server struct {
	// Name is made of letters, digits and "_.:-".
	Name string
	// Addr is never the unspecified address, has no zone and is no IPv4 address in IPv6 form. It is the zero Addr if there is a
	// DNSName.
	Addr netip.Addr
	// DNSName is what the host's own name servers are asked for again and again to find the address, without a dot at the end. It
	// does not begin with "_", as names of services do. Such a server is not added, moved or removed at run time: it is part of
	// the structure. Until there is an answer it is out of service, and when there is none any more it keeps its address for a day.
	DNSName string
	Port    uint16
	// Weight is the server's share of the connections next to those of the others, from 0, which is none, to 256. 1 is
	// HAProxy's own default.
	Weight int
	// Node is where the endpoint runs, for the reader of the file only; it is part of no fingerprint. May be empty.
	Node string
}
