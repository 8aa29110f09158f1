// Package haproxy is the model of one host's HAProxy configuration: what it may contain, what HAProxy looks up at run time,
// and how two configurations differ. It is pure: it uses no cluster, no host, no clock and no file, and imports the standard
// library only.
//
// The model decides and package cfg prints: a Config holds exactly what the text says, in the same order.
package haproxy

import (
	"net/netip"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/logs"
	"github.com/edgelb/edgelb/internal/haproxy/pages"
)

// DefaultMaxConnections limits the connections of a process if nobody has chosen a number. It is lowered on a host that
// cannot take so many.
const DefaultMaxConnections = 40000

// MinMaxHeaderBytes is the least that may be said: what HAProxy takes in any case, with its default of 16,384 for tune.bufsize, if there are
// only a few headers. It keeps 1,024 bytes free, and needs some more for each header.
const MinMaxHeaderBytes = 15360

// Config is the wanted HAProxy configuration of one host. Two Configs with the same meaning render to the same text.
//
// Its form in JSON has neither servers nor names, which the text and the map file list anyway; see cfg.Parse.
type Config struct {
	// Owner is the owner of the host; it is written to the file's header. Letters, digits and "/._:-", and not NoOwner. It may
	// be empty in an idle Config, whose file has no owner.
	Owner string `json:",omitzero"`
	// Host is the name under which the owner manages the host, such as gw1.example.net:22. It is written to the header of a
	// file that has an owner, and is not part of any hash. Letters, digits and "_.:[]-"; may be empty.
	Host string `json:",omitzero"`
	// AdminSocket is the absolute path of the stats socket, at most 90 bytes long.
	AdminSocket  string       `json:",omitzero"`
	HealthSocket HealthSocket `json:",omitzero"`
	// VirtualAddresses are addresses that the host has at times only; sorted. Binds to them succeed nevertheless.
	VirtualAddresses []netip.Addr `json:",omitzero"`
	// MaxConnections limits the connections of the process.
	MaxConnections int `json:",omitzero"`
	// MaxHeaderBytes is how long the first line and the headers of an HTTP message may be; 0 for HAProxy's default.
	MaxHeaderBytes int           `json:",omitzero"`
	Timeouts       Timeouts      `json:",omitzero"`
	Logging        logs.Settings `json:",omitzero"`
	// Frontends, WeightedRoutes and Backends are sorted by name. No WeightedRoute has the name of a Backend.
	Frontends      []Frontend      `json:",omitzero"`
	WeightedRoutes []WeightedRoute `json:",omitzero"`
	Backends       []Backend       `json:",omitzero"`
}

// NoOwner stands in place of an owner in the file of an idle Config. No owner has this name.
const NoOwner = "none"

// HealthSocket is a second stats socket, on which one account can ask whether HAProxy answers, and can change nothing. Unlike a frontend,
// it also answers when the process has as many connections as it may have. The zero HealthSocket is none.
type HealthSocket struct {
	// Path is an absolute path like AdminSocket, and User is the account, which must exist.
	Path, User string `json:",omitzero"`
}

// Timeouts are HAProxy's timeouts. Each is at least a millisecond; fractions of a millisecond are cut off.
type Timeouts struct {
	Connect, Client, Server, Queue time.Duration `json:",omitzero"`
}

// Frontend is the frontend of one listener, or of several that share their binds.
type Frontend struct {
	Name string `json:",omitzero"`
	// Binds is not empty, sorted, and without duplicates.
	Binds    []Bind   `json:",omitzero"`
	Protocol Protocol `json:",omitzero"`
	// Backend names the entry of Config.Backends or of Config.WeightedRoutes for connections that no route claims. If it is
	// empty, HAProxy closes them, or answers 404 over HTTP. It is never empty for TCP, except with a Page.
	Backend string `json:",omitzero"`
	// Routes are for TLS and HTTP; sorted by name.
	Routes []Route `json:"-"`
	// RedirectToHTTPS answers 301 to HTTP requests that no route claims; there is then no Backend.
	RedirectToHTTPS bool         `json:",omitzero"`
	Access          AccessPolicy `json:",omitzero"`
	// ClientTimeout is how long a client may be silent; 0 for Timeouts.Client.
	ClientTimeout time.Duration `json:",omitzero"`
	// Page is what a frontend of protocol TCP answers by itself, over HTTP. It then has no Backend and no Access.
	Page pages.Page `json:",omitzero"`
}

// RateTable returns the name of the backend without servers that is written for an AccessPolicy.Rate: HAProxy counts clients
// in its table. No entry of Config.Backends or Config.WeightedRoutes has that name.
func (e Frontend) RateTable() string { return e.Name + ":rate" }

// Protocol is how much of a connection HAProxy reads to find its destination.
type Protocol string

// The protocols.
const (
	// TCP reads nothing.
	TCP Protocol = ""
	// TLS reads the name in the ClientHello, and terminates nothing.
	TLS Protocol = "tls"
	// HTTP reads the Host of each request.
	HTTP Protocol = "http"
)

// Route says where the connections for a name go.
type Route struct {
	// Name is a DNS name in lower case, or "*." and a name for all names with one more label, or "**." and a name of at most
	// MaxLabelsBelow labels for all names with any number of more labels. A name has precedence over a wildcard, and that for one
	// label over that for any number, of which the longest counts.
	Name string
	// To names an entry of Config.Backends or of Config.WeightedRoutes.
	To string
}

// AccessPolicy says whose connections a frontend accepts, and how many.
type AccessPolicy struct {
	// AllowedSources are the networks whose clients may connect; empty for everyone. Masked and sorted.
	AllowedSources []netip.Prefix `json:",omitzero"`
	// DeniedSources are the networks whose clients may not connect, even if they are allowed. Masked and sorted.
	DeniedSources []netip.Prefix `json:",omitzero"`
	// ProxiesFrom are the networks that must send a PROXY header; a header from any other source is refused. If there are any,
	// a TCP client that waits for the server to speak first waits for a second. Masked and sorted.
	ProxiesFrom []netip.Prefix `json:",omitzero"`
	// ProxiesOnly closes the connections from everybody else, whatever header they send.
	ProxiesOnly bool `json:",omitzero"`
	// MaxConnections limits the open connections; 0 for no separate limit.
	MaxConnections int  `json:",omitzero"`
	Rate           Rate `json:",omitzero"`
}

// Rate limits how many connections one IPv4 address or one IPv6 network of 64 bits may open; the zero Rate is no limit.
type Rate struct {
	PerSource int           `json:",omitzero"`
	Interval  time.Duration `json:",omitzero"`
}

// WeightedRoute chooses a backend for a connection: shares divide the connections, and each share has backends that stand in
// for one another.
type WeightedRoute struct {
	Name string `json:",omitzero"`
	// Shares add up to 100 percent. A share of 0 percent exists so that it can get some without a reload.
	Shares []Share `json:",omitzero"`
}

// Share is a share of the connections.
type Share struct {
	Percent int `json:",omitzero"`
	// Backends are entries of Config.Backends, in order of preference: the first one with a server up gets the connection, or
	// the first one of all if none has. All have the same mode.
	Backends []string `json:",omitzero"`
}

// Bind is one address and port to listen on. The unspecified address of a family is its wildcard.
type Bind struct {
	Addr netip.Addr `json:",omitzero"`
	Port uint16     `json:",omitzero"`
}

// Backend is the backend of one target; a target has two if both HTTP frontends and others lead there.
type Backend struct {
	Name string `json:",omitzero"`
	// HTTP reports whether it is for HTTP frontends, which lead to such backends only, and no other frontends do.
	HTTP bool `json:",omitzero"`
	// HTTP2 has HTTP backends speak HTTP/2 to the servers without TLS (h2c), which must know it beforehand. Otherwise they speak HTTP/1.1.
	HTTP2         bool          `json:",omitzero"`
	Balance       Balance       `json:",omitzero"`
	ProxyProtocol ProxyProtocol `json:",omitzero"`
	Check         Check         `json:",omitzero"`
	Affinity      Affinity      `json:",omitzero"`
	// MaxConnections limits the connections to each server, or for HTTP the concurrent requests; 0 for no limit. Others wait
	// only when all servers are full, or the one that Balance or Affinity requires, and no longer than the timeout of the queue.
	MaxConnections int `json:",omitzero"`
	// MaxQueued limits the connections that wait; 0 for no limit.
	MaxQueued int `json:",omitzero"`
	// SlowStart is the time in which a server that comes up gets its full share; 0 for at once.
	SlowStart time.Duration   `json:",omitzero"`
	Timeouts  BackendTimeouts `json:",omitzero"`
	// Servers are sorted by name; names are unique.
	Servers []Server `json:"-"`
	// KeepServers reports whether the servers are unknown at the moment (for example if the Service is missing): the host must
	// keep those that it has. Servers is then empty; WithServers inserts the host's own and clears KeepServers.
	KeepServers bool `json:"-"`
}

// BackendTimeouts are those of one backend. Each is 0 for that of the Config, and Tunnel for none.
type BackendTimeouts struct {
	Connect, Server, Queue time.Duration `json:",omitzero"`
	// Tunnel is how long both sides may be silent once HAProxy passes bytes through unread. Client and Server then count no longer.
	Tunnel time.Duration `json:",omitzero"`
}

// Balance is HAProxy's balancing algorithm.
type Balance string

// The algorithms, as HAProxy spells them. All support adding servers at run time.
const (
	LeastConn  Balance = "leastconn"
	RoundRobin Balance = "roundrobin"
	Source     Balance = "source"
)

// ProxyProtocol is the version of the PROXY header that servers receive.
type ProxyProtocol int

// The versions of the PROXY header.
const (
	ProxyNone ProxyProtocol = 0
	ProxyV1   ProxyProtocol = 1
	ProxyV2   ProxyProtocol = 2
)

// Check is a server's health check; the zero Check means no checks.
type Check struct {
	Kind CheckKind `json:",omitzero"`
	// Interval is the time between two checks of a server; with the resolution of Timeouts.
	Interval time.Duration `json:",omitzero"`
	// Timeout limits the time from the connection of a check to its answer; 0 for Interval, from its begin.
	Timeout time.Duration `json:",omitzero"`
	// Rise and Fall are how many checks in a row bring a server up and take it down.
	Rise, Fall int `json:",omitzero"`
	// Port is where the checks go; 0 for the server's own port.
	Port uint16 `json:",omitzero"`
	// Path is the path that CheckHTTP requests; empty for "/". TLS makes the check use TLS; no certificate is verified.
	Path string `json:",omitzero"`
	TLS  bool   `json:",omitzero"`
	// Host is the Host of the request of CheckHTTP; empty for DefaultCheckHost. Statuses are the good ones, such as 200-399,401; empty
	// for 200-399. Body is a text that the answer must have; empty for any.
	Host, Statuses, Body string `json:",omitzero"`
	// SNI is the name that a check with TLS asks for; empty for none.
	SNI string `json:",omitzero"`
	// WithoutProxy omits the PROXY header with which the backend's connections begin.
	WithoutProxy bool `json:",omitzero"`
}

// DefaultCheckHost is the Host of checks where the right one is unknown. A server of HTTP/1.1 requires one, so it names the sender.
const DefaultCheckHost = "edgelb-health-check"

// CheckKind is what a check does.
type CheckKind string

// The kinds of checks.
const (
	// CheckTCP connects.
	CheckTCP CheckKind = ""
	// CheckHTTP requests a path, and judges the answer.
	CheckHTTP CheckKind = "http"
	// CheckTLS does a TLS handshake.
	CheckTLS CheckKind = "tls"
)

// Affinity sends a client to its previous server; the zero Affinity does not. It applies while that server is up, also while
// it is drained or has a weight of 0; clients of a server in maintenance go elsewhere. The table of clients survives a
// reload, but not a restart.
type Affinity struct {
	By AffinityKey `json:",omitzero"`
	// Timeout is how long a client is kept in the table after its last connection.
	Timeout time.Duration `json:",omitzero"`
}

// AffinityKey is what identifies a client.
type AffinityKey string

// The keys that identify clients.
const (
	// BySource identifies clients by their addresses.
	BySource AffinityKey = "source"
	// ByTLSSessionID identifies clients by the session that they resume, which clients of TLS 1.2 without session tickets do.
	// It is for backends that are not HTTP. A client that sends nothing for a second is connected without affinity.
	ByTLSSessionID AffinityKey = "tls"
)

// Server is one endpoint.
type Server struct {
	// Name consists of letters, digits and "_.:-".
	Name string
	// Addr is never the unspecified address, has no zone and is not an IPv4 address in IPv6 form. It is the zero Addr if there
	// is a DNSName.
	Addr netip.Addr
	// DNSName is the name that the host resolves repeatedly, with its own name servers, to find the address; without a dot at
	// the end. It does not begin with "_", as names of services do. Such a server is not added, moved or removed at run time:
	// it is part of the structure. Until there is an answer it is out of service. When answers stop, it keeps its address for a
	// day.
	DNSName string
	Port    uint16
	// Weight is the server's share of the connections relative to the others, from 0 (none) to 256. 1 is HAProxy's own default.
	Weight int
	// Backup keeps the server for when no other is up. Such a server is part of the structure, like one with a DNS name: HAProxy does not
	// say at run time which ones are.
	Backup bool
	// Node is where the endpoint runs, for readers of the file only; it is not part of any hash. May be empty.
	Node string
}
