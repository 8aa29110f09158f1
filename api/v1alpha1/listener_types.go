package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Listener is one frontend.
//
// +kubebuilder:validation:XValidation:rule="self.?protocol.orValue('TCP') != 'TCP' || !has(self.routes) || self.routes.size() == 0",message="routes are by name, which HAProxy sees with protocol TLS or HTTP only: set one of them, or remove routes"
// +kubebuilder:validation:XValidation:rule="self.?protocol.orValue('TCP') == 'HTTP' || !has(self.redirectToHTTPS) || !self.redirectToHTTPS",message="redirectToHTTPS is for protocol HTTP: set it, or remove redirectToHTTPS"
// +kubebuilder:validation:XValidation:rule="self.?protocol.orValue('TCP') != 'TCP' || has(self.target)",message="a listener of protocol TCP needs a target: name an entry of spec.targets"
// +kubebuilder:validation:XValidation:rule="self.?protocol.orValue('TCP') == 'TCP' || has(self.target) || has(self.redirectToHTTPS) && self.redirectToHTTPS || has(self.routes) && self.routes.size() > 0",message="a listener that sends connections nowhere is of no use: give it a target, routes, or redirectToHTTPS with protocol HTTP"
// +kubebuilder:validation:XValidation:rule="!has(self.target) || !has(self.redirectToHTTPS) || !self.redirectToHTTPS",message="what no route claims goes to the target or is redirected, not both: remove target or redirectToHTTPS"
// +kubebuilder:validation:XValidation:rule="!has(self.requireProxyProtocol) || !self.requireProxyProtocol || has(self.acceptProxyProtocolFrom) && self.acceptProxyProtocolFrom.size() > 0",message="requireProxyProtocol lets only the load balancers in acceptProxyProtocolFrom in: name them there, or remove requireProxyProtocol"
type Listener struct {
	// Name identifies the listener in the object.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Protocol is how much HAProxy reads of a connection. TCP passes bytes through unread. TLS reads the server's name (SNI) in
	// the ClientHello and passes everything through; it terminates nothing. HTTP reads the Host of each request, passes requests
	// to the servers as plain HTTP, and sets the client's address in headers. HAProxy does not carry UDP. Defaults to TCP.
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self != 'UDP'",message="HAProxy does not carry UDP: use protocol TCP, or another way for this port"
	// +kubebuilder:validation:XValidation:rule="self == 'UDP' || self in ['TCP', 'TLS', 'HTTP']",message="protocol must be TCP, TLS or HTTP"
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`

	// Bind is what to listen on, in HAProxy's own syntax: ipv4@:443, ipv6@:443, ipv4@192.0.2.1:443,
	// ipv6@[2001:db8::1]:443, 192.0.2.1:443, [2001:db8::1]:443 or :443 (IPv4); and *:443 or :::443 for IPv4 and IPv6. Two listeners of
	// one object cannot have the same bind on a host. A listener cannot have :443 where an older object has 192.0.2.1:443, or
	// the other way round: the kernel would give all connections to that address to the listener that names it. Within one
	// object that is allowed.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="!self.exists(b, (b.startsWith('[') ? 'ipv6@' : 'ipv4@') + b in self)",message="a listener has the same bind twice, with and without its address family: remove one"
	// +required
	Bind []BindAddress `json:"bind"`

	// Hosts limits the listener to some of spec.hosts, at most 32. Default: all, however many.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Hosts []string `json:"hosts,omitempty"`

	// Target names the entry of spec.targets for connections that no route claims. Without it, such a connection is closed; on
	// an HTTP listener the request gets 404. TCP listeners have no routes and need it.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Target string `json:"target,omitempty"`

	// Routes say by name where connections go; for the protocols TLS and HTTP. Listeners of several objects can share a bind if
	// their names differ. If a name occurs twice, the first route with it counts, and the operator reports the other.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +optional
	Routes []Route `json:"routes,omitempty"`

	// RedirectToHTTPS answers 301 to https:// for each request that no route claims; for the protocol HTTP, without a target.
	// +optional
	RedirectToHTTPS bool `json:"redirectToHTTPS,omitempty"`

	// AllowedSources are the networks whose clients may connect; the connections of others are closed before anything is read.
	// Default: everyone.
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +optional
	AllowedSources []Network `json:"allowedSources,omitempty"`

	// DeniedSources are the networks whose clients may not connect, even if allowedSources has them; their connections are closed
	// before anything is read. Default: none.
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +optional
	DeniedSources []Network `json:"deniedSources,omitempty"`

	// AcceptProxyProtocolFrom are the load balancers in front of the edge, which send the client's address in a PROXY header.
	// They must send one, and allowedSources, deniedSources and connectionRate then apply to the address in it. A PROXY header from any other
	// source is refused.
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +optional
	AcceptProxyProtocolFrom []Network `json:"acceptProxyProtocolFrom,omitempty"`

	// RequireProxyProtocol lets only the load balancers in acceptProxyProtocolFrom connect, and only with a PROXY header. Every
	// other connection is closed before anything is read.
	// +optional
	RequireProxyProtocol bool `json:"requireProxyProtocol,omitempty"`

	// MaxConnections limits the open connections of the listener on each host; more of them wait in the kernel's queue. Default:
	// as many as the host takes.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	MaxConnections *int32 `json:"maxConnections,omitempty"`

	// ConnectionRate closes the connections of a client that opens too many. Default: no limit.
	// +optional
	ConnectionRate *ConnectionRate `json:"connectionRate,omitempty"`

	// Timeouts override those of spec.haproxy.timeouts for the connections of this listener.
	// +optional
	Timeouts *ListenerTimeouts `json:"timeouts,omitempty"`
}

// ListenerTimeouts are the timeouts of a listener. A connection that waits for a server waits in the queue of its target, which has the
// timeout for that.
type ListenerTimeouts struct {
	// Client is how long a client may be silent. A connection is also closed when its server has been silent for the target's
	// timeouts.server, so set both for connections that are to stay. Default: spec.haproxy.timeouts.client.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('240h')",message="client must be between 1s and 240h"
	// +optional
	Client *metav1.Duration `json:"client,omitempty"`
}

// Route says where the connections for some names go.
type Route struct {
	// Hostnames are the names that clients ask for, in any case: app.example.com, or *.example.com for all names with one more
	// label, as in certificates, or **.example.com for all names with any number of more labels. A name has precedence over a
	// wildcard, * over **, and of several with ** the longest counts. Names with non-ASCII letters are written in punycode.
	// ---
	// The rule compares the bytes of all names, as hexadecimal digits, with their characters: non-ASCII characters have more
	// bytes. A search would cost more than the API server allows for the possible number of names.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="size('%x'.format(['%s'.format([self])])) == 2 * size('%s'.format([self]))",message="a hostname has ASCII letters only: write a name with umlauts or other letters in punycode, such as xn--mnchen-3ya.example for münchen.example"
	// +required
	Hostnames []Hostname `json:"hostnames"`

	// Target names the entry of spec.targets that they go to.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Target string `json:"target"`
}

// Hostname is a DNS name, with "*." before it for all names that have one more label, or with "**." and at most 8 labels after it
// for all names that have any number of more labels. The last label starts with a letter, as top-level domains do, so that an IP
// address is not a valid name. A dot at the end changes nothing.
// ---
// By the lists' maxima there may be a million of them, so a rule that reads each one costs more than the API server allows;
// a pattern does not. Rules that need not read the whole name reject the rest, with a message in place of a pattern.
//
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self != '*' && self != '**'",message="a hostname of * alone is not supported: for the names that no route claims, set the listener's target; for those of one domain, write *.example.com or **.example.com"
// +kubebuilder:validation:Pattern=`^(\*{1,2}|(\*\*\.([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?\.){0,7}|(\*\.)?([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?\.)*)[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?\.?)$`
type Hostname string

// Network is an address range such as 203.0.113.0/24 or 2001:db8::/32.
//
// +kubebuilder:validation:MaxLength=49
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="must be a network such as 203.0.113.0/24, 2001:db8::/32, or 192.0.2.10/32 for one address"
type Network string

// ConnectionRate limits how many connections a client may open.
type ConnectionRate struct {
	// PerSource is how many new connections one address may open within the interval on each host. IPv6 clients count by their
	// /64. More are closed and count as well, so that a client that keeps trying at that rate stays blocked.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +required
	PerSource int32 `json:"perSource"`

	// Interval is the time over which they are counted. Defaults to 10s.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="interval must be between 1s and 1h"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// Protocol is how much HAProxy reads of a connection.
type Protocol string

// The protocols.
const (
	// ProtocolTCP passes bytes through unread.
	ProtocolTCP Protocol = "TCP"
	// ProtocolTLS routes by the name in the ClientHello.
	ProtocolTLS Protocol = "TLS"
	// ProtocolHTTP routes by the Host of each request.
	ProtocolHTTP Protocol = "HTTP"
)

// BindAddress is one address and port to listen on, in HAProxy's syntax.
//
// +kubebuilder:validation:MaxLength=58
// +kubebuilder:validation:XValidation:rule="self.matches('^((ipv4@)?[0-9.]*|[*]|::|(ipv6@)?\\\\[[0-9A-Fa-f:.]+\\\\]|ipv6@):[1-9][0-9]{0,4}$')",message="a bind is ADDRESS:PORT with an IP address and no name, or with none for all addresses, such as *:443, ipv4@:443, ipv6@:443, 192.0.2.1:443, ipv6@[2001:db8::1]:443 or :443"
// +kubebuilder:validation:XValidation:rule="!self.matches(':[0-9]+-[0-9]*$')",message="a bind has one port, not a range: write a listener for each port, whose target has that port"
// +kubebuilder:validation:XValidation:rule="!self.contains('interface') && !self.contains('%')",message="a bind has no interface, since HAProxy would listen on all of them where the host does not have that one: bind the interface's address instead"
// +kubebuilder:validation:XValidation:rule="!self.matches(':[0-9]{1,5}$') || int(self.substring(self.lastIndexOf(':') + 1)) <= 65535",message="a bind's port must be between 1 and 65535"
// +kubebuilder:validation:XValidation:rule="self.contains('[') || !self.matches('[0-9.]:[0-9]+$') || self.split(':')[0].split('@').all(part, part == 'ipv4' || isIP(part))",message="a bind's IPv4 address must be valid, such as 192.0.2.1"
// +kubebuilder:validation:XValidation:rule="!self.matches('\\\\[.*\\\\]') || self.substring(self.indexOf('[') + 1, self.indexOf(']')).contains(':') && isIP(self.substring(self.indexOf('[') + 1, self.indexOf(']')))",message="a bind's address in brackets must be a valid IPv6 address, such as [2001:db8::1]"
type BindAddress string
