package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Target is where connections go: the servers of a Service, fixed servers, or a division between other targets.
//
// +kubebuilder:validation:XValidation:rule="[has(self.service), has(self.addresses), has(self.split)].filter(set, set).size() == 1",message="a target has exactly one of service, addresses and split: set one, and make targets of their own for the others"
// +kubebuilder:validation:XValidation:rule="has(self.service) || self.?via.orValue('PodIP') == 'PodIP'",message="via is for a target with a service: remove it"
// +kubebuilder:validation:XValidation:rule="self.?via.orValue('PodIP') == 'NodePort' || self.?nodeAddressType.orValue('ExternalIP') == 'ExternalIP'",message="nodeAddressType is for via NodePort: set via to NodePort, or remove nodeAddressType"
// +kubebuilder:validation:XValidation:rule="!has(self.fallback) || self.fallback != self.name",message="a target cannot be its own fallback: name another one"
// +kubebuilder:validation:XValidation:rule="!has(self.split) || self.split.all(s, s.target != self.name)",message="a target cannot be a share of its own split: name others"
// +kubebuilder:validation:XValidation:rule="!has(self.split) || self.split.exists(s, s.weight > 0)",message="a split needs a share with a weight of more than 0: else no connection goes anywhere"
// +kubebuilder:validation:XValidation:rule="!has(self.split) || self.?proxyProtocol.orValue('None') == 'None' && self.?balance.orValue('LeastConn') == 'LeastConn' && self.?healthCheck.?type.orValue('TCP') == 'TCP' && !has(self.sessionAffinity) && !has(self.maxConnectionsPerServer) && !has(self.maxQueuedConnections) && !has(self.slowStart) && !has(self.http2) && !has(self.timeouts)",message="a split has no servers of its own: set proxyProtocol, balance, sessionAffinity, maxConnectionsPerServer, maxQueuedConnections, slowStart, http2, timeouts and healthCheck on the targets between which it divides"
// +kubebuilder:validation:XValidation:rule="self.?proxyProtocol.orValue('None') != 'None' || self.?healthCheck.?proxyProtocol.orValue('Auto') != 'Always'",message="a health check sends the PROXY header of the target, which has none: set the target's proxyProtocol to V1 or V2, or that of the health check to Auto"
// +kubebuilder:validation:XValidation:rule="has(self.maxConnectionsPerServer) || !has(self.maxQueuedConnections)",message="connections wait only where a server may have no more: set maxConnectionsPerServer, or remove maxQueuedConnections"
type Target struct {
	// Name is the name by which listeners refer to the target.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Service is the Service whose endpoints or nodes are the servers.
	// +optional
	Service *ServicePort `json:"service,omitempty"`

	// Addresses are fixed servers.
	// +listType=map
	// +listMapKey=address
	// +listMapKey=port
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Addresses []TargetAddress `json:"addresses,omitempty"`

	// Split divides connections between other targets. While the target of a share has no server up, its connections go to its
	// own fallback, then to the other targets that have a weight, then to the fallback of the split. A share whose target
	// cannot be used is left out and reported: its connections go to the other targets in proportion to their weights.
	// +listType=map
	// +listMapKey=target
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Split []SplitTarget `json:"split,omitempty"`

	// Fallback names another target that is used only while this one has no server up. Of a split: only while none of its
	// targets has. An unusable fallback is left out and reported, and does not affect this target otherwise. Default: none;
	// connections are closed while no server is up, and an HTTP listener answers 503.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Fallback string `json:"fallback,omitempty"`

	// Via says how the edge reaches the Service: PodIP connects to the pods themselves, NodePort to the nodes at the
	// Service's node port. Defaults to PodIP.
	// +optional
	Via Via `json:"via,omitempty"`

	// NodeAddressType says which addresses of the nodes the edge connects to, via NodePort: their ExternalIP or InternalIP; or
	// Egress, the one address from which the host sees the operator's SSH connection, such as that of a router that forwards the
	// node port. Defaults to ExternalIP.
	// +optional
	NodeAddressType NodeAddressType `json:"nodeAddressType,omitempty"`

	// ProxyProtocol is the version of the PROXY header that sends the client's address to the servers, which have to expect it
	// from the hosts. Health checks to the servers' own ports begin with one as well; see healthCheck.proxyProtocol.
	// Defaults to None.
	// +optional
	ProxyProtocol ProxyProtocol `json:"proxyProtocol,omitempty"`

	// HTTP2 speaks HTTP/2 without TLS (h2c) to the servers for requests of HTTP listeners, as gRPC needs. The servers must expect it without
	// an upgrade; health checks of type HTTP to their own ports use it as well. Other listeners pass on what the client speaks. Default:
	// HTTP/1.1.
	// +optional
	HTTP2 bool `json:"http2,omitempty"`

	// Balance is how a server is chosen: LeastConn takes the one with the fewest connections, RoundRobin each in turn, and
	// Source one by a hash of the client's address. Defaults to LeastConn.
	// +optional
	Balance Balance `json:"balance,omitempty"`

	// SessionAffinity sends a client to its previous server.
	// +optional
	SessionAffinity *SessionAffinity `json:"sessionAffinity,omitempty"`

	// MaxConnectionsPerServer limits the connections that each host opens to each server; more of them wait, for up to
	// timeouts.queue. If the object has HTTP listeners and others that may lead to the target, each kind gets half
	// of it. Default: no limit.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	MaxConnectionsPerServer *int32 `json:"maxConnectionsPerServer,omitempty"`

	// MaxQueuedConnections limits the connections that wait on each host for a server with less than maxConnectionsPerServer. More
	// are closed at once, and an HTTP listener answers 503. If the object has HTTP listeners and others that may lead to the
	// target, each kind has its own limit. Default: as many as there are, each for timeouts.queue.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	MaxQueuedConnections *int32 `json:"maxQueuedConnections,omitempty"`

	// SlowStart is the time in which a server that comes up, or is added, gets from few connections to its full share. Servers that
	// are up when HAProxy starts have theirs at once. Default: at once.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="slowStart must be between 1s and 1h"
	// +optional
	SlowStart *metav1.Duration `json:"slowStart,omitempty"`

	// HealthCheck is how HAProxy finds out whether a server is up.
	// +optional
	HealthCheck HealthCheck `json:"healthCheck,omitempty"`

	// Timeouts override those of spec.haproxy.timeouts for the connections to this target.
	// +optional
	Timeouts *TargetTimeouts `json:"timeouts,omitempty"`

	// DrainTimeout is how long a server that is no longer wanted, such as a pod that terminates, keeps its open connections. It
	// gets no new ones. 0s closes them at once. Defaults to 5m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('24h')",message="drainTimeout must be between 0s and 24h"
	// +optional
	DrainTimeout *metav1.Duration `json:"drainTimeout,omitempty"`
}

// TargetTimeouts are the timeouts of a target with servers.
type TargetTimeouts struct {
	// Connect limits the time to connect to a server. Default: spec.haproxy.timeouts.connect.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10ms') && duration(self) <= duration('1h')",message="connect must be between 10ms and 1h"
	// +optional
	Connect *metav1.Duration `json:"connect,omitempty"`

	// Server is how long a server may be silent. Default: spec.haproxy.timeouts.server.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('240h')",message="server must be between 1s and 240h"
	// +optional
	Server *metav1.Duration `json:"server,omitempty"`

	// Queue is how long a connection may wait for a server that has less than maxConnectionsPerServer. Default:
	// spec.haproxy.timeouts.queue.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10ms') && duration(self) <= duration('1h')",message="queue must be between 10ms and 1h"
	// +optional
	Queue *metav1.Duration `json:"queue,omitempty"`

	// Tunnel is how long client and server may both be silent once bytes pass through unread: on TCP and TLS listeners as soon as
	// each has sent something, on HTTP listeners after an upgrade to WebSocket. It then holds in place of the timeouts of client
	// and server. Default: those hold all the time.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('240h')",message="tunnel must be between 1s and 240h"
	// +optional
	Tunnel *metav1.Duration `json:"tunnel,omitempty"`
}

// ServicePort names one port of a Service.
type ServicePort struct {
	// Name is the name of the Service.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Port is the name or, without quotes, the number of one of the Service's ports.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[a-z0-9-]+$`
	// +kubebuilder:validation:XValidation:rule="type(self) in [int] || string(self).matches('[a-z]')",message="port has no letter, so it is no name: write a number without quotes, such as 443"
	// +kubebuilder:validation:XValidation:rule="!(type(self) in [int]) || int(self) >= 1 && int(self) <= 65535",message="port must be the name of one of the Service's ports, or its number from 1 to 65535"
	// +required
	Port intstr.IntOrString `json:"port"`

	// Namespace is the namespace of the Service. Default: that of the object. Another one of the same cluster is allowed only
	// if the operator runs with --allow-cross-namespace-services.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// KubeconfigSecretRef names a Secret of the object's namespace with a kubeconfig, in the key kubeconfig, for the cluster of
	// the Service. Default: this cluster.
	// +optional
	KubeconfigSecretRef *SecretReference `json:"kubeconfigSecretRef,omitempty"`
}

// TargetAddress is a fixed server.
type TargetAddress struct {
	// Address is the IP address of one server, or a DNS name that the host resolves repeatedly with its own name servers; its
	// /etc/hosts and search domains do not count. While these are unavailable or no longer know the name, the last address
	// stays, for up to a day. A name that never had an address is a server that is down, and delays nothing else. The last label
	// of a name must not consist of digits alone.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.matches('(^|[.])[0-9]+$|:') || isIP(self)",message="address must be a DNS name or a valid IP address, without brackets and without the port, which has a field of its own; what ends in a label of digits alone is no name"
	// +kubebuilder:validation:XValidation:rule="!isIP(self) || ip(self).isGlobalUnicast() || ip(self).isLinkLocalUnicast() || ip(self).isLoopback()",message="address must be that of one server: 0.0.0.0, :: and the addresses of multicast and broadcast are none"
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$`
	// +required
	Address string `json:"address"`

	// Port is the port of the server.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +required
	Port int32 `json:"port"`

	// Weight is the server's share of the connections relative to the others; 0 is none. Defaults to 1.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=256
	// +optional
	Weight *int32 `json:"weight,omitempty"`

	// Backup keeps the server for when no other server of the target is up. Several of them then share the connections. Unlike the
	// target's fallback, it has the same checks, PROXY header and limits as the others.
	// +optional
	Backup bool `json:"backup,omitempty"`
}

// SplitTarget is a share of a split.
type SplitTarget struct {
	// Target names another entry of spec.targets.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Target string `json:"target"`

	// Weight is its share of the connections relative to the others; 0 is none. Shares are rounded to whole percents, and none
	// that is more than 0 is rounded to 0.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	// +required
	Weight int32 `json:"weight"`
}

// SessionAffinity sends a client to its previous server, as long as that is up.
type SessionAffinity struct {
	// Type says how a client is identified: by its address, or by the session id of TLS, which clients of TLS 1.2 send again.
	// TLSSessionID does nothing for clients of TLS 1.3 and on HTTP listeners. Where servers give session tickets instead, as
	// those written in Go do, a client is known only by a session that it resumes. Defaults to SourceIP.
	// +optional
	Type SessionAffinityType `json:"type,omitempty"`

	// Timeout is how long the server of a client is kept after its last connection. Defaults to 30m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="timeout must be between 1s and 168h"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// SessionAffinityType says how a client is identified.
//
// +kubebuilder:validation:Enum=SourceIP;TLSSessionID
type SessionAffinityType string

// The methods to identify a client.
const (
	AffinitySourceIP     SessionAffinityType = "SourceIP"
	AffinityTLSSessionID SessionAffinityType = "TLSSessionID"
)

// Via says how the edge reaches a Service.
//
// +kubebuilder:validation:Enum=PodIP;NodePort
type Via string

// The methods to reach a Service.
const (
	// ViaPodIP connects to the pods' own addresses.
	ViaPodIP Via = "PodIP"
	// ViaNodePort connects to the nodes at the Service's node port.
	ViaNodePort Via = "NodePort"
)

// NodeAddressType says which addresses of the nodes the edge connects to.
//
// +kubebuilder:validation:Enum=ExternalIP;InternalIP;Egress
type NodeAddressType string

// The types of addresses.
const (
	NodeExternalIP NodeAddressType = "ExternalIP"
	NodeInternalIP NodeAddressType = "InternalIP"
	// NodeEgress is the one address from which the edge host sees the operator's SSH connection: that of a router in front of
	// the cluster, which forwards the node port.
	NodeEgress NodeAddressType = "Egress"
)

// ProxyProtocol is the version of the PROXY header.
//
// +kubebuilder:validation:Enum=None;V1;V2
type ProxyProtocol string

// The versions of the PROXY header.
const (
	ProxyNone ProxyProtocol = "None"
	ProxyV1   ProxyProtocol = "V1"
	ProxyV2   ProxyProtocol = "V2"
)

// Balance is how a server is chosen.
//
// +kubebuilder:validation:Enum=LeastConn;RoundRobin;Source
type Balance string

// The methods to choose a server.
const (
	BalanceLeastConn  Balance = "LeastConn"
	BalanceRoundRobin Balance = "RoundRobin"
	BalanceSource     Balance = "Source"
)

// HealthCheck is how HAProxy finds out whether a server is up.
//
// +kubebuilder:validation:XValidation:rule="self.?type.orValue('TCP') == 'HTTP' || !has(self.path)",message="path is for a health check of type HTTP: set type to HTTP, or remove path"
// +kubebuilder:validation:XValidation:rule="self.?type.orValue('TCP') == 'HTTP' || !has(self.tls) || !self.tls",message="tls is for a health check of type HTTP: set type to HTTP, or to TLSHello for a handshake alone"
// +kubebuilder:validation:XValidation:rule="self.?type.orValue('TCP') != 'None' || !has(self.port)",message="a health check of type None goes nowhere: set another type, or remove port"
// +kubebuilder:validation:XValidation:rule="self.?type.orValue('TCP') != 'None' || !has(self.timeout)",message="a health check of type None waits for nothing: set another type, or remove timeout"
// +kubebuilder:validation:XValidation:rule="self.?type.orValue('TCP') == 'HTTP' || !has(self.host) && !has(self.expectedStatuses) && !has(self.expectedBody)",message="host, expectedStatuses and expectedBody are for a health check of type HTTP: set type to HTTP, or remove them"
// +kubebuilder:validation:XValidation:rule="!has(self.sni) || self.?type.orValue('TCP') == 'TLSHello' || self.?type.orValue('TCP') == 'HTTP' && has(self.tls) && self.tls",message="sni is for a health check that uses TLS: set type to TLSHello, or to HTTP with tls, or remove sni"
type HealthCheck struct {
	// Type is what a check does: TCP connects, HTTP requests the path, TLSHello does a TLS handshake. None checks nothing, and
	// every server counts as up. There is none for gRPC, since HAProxy cannot send the zero bytes of which its request consists: use
	// TCP. Defaults to TCP.
	// +optional
	Type HealthCheckType `json:"type,omitempty"`

	// Interval is the time between two checks of one server. Defaults to 2s.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="interval must be between 100ms and 1h"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Timeout is how long a server may take to answer a check after it has accepted the connection. Default: a check may take as
	// long as the interval, with the time to connect.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10ms') && duration(self) <= duration('1h')",message="timeout must be between 10ms and 1h"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Rise is how many good checks in a row bring a server up. Defaults to 2.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Rise int32 `json:"rise,omitempty"`

	// Fall is how many failed checks in a row take a server down. Defaults to 3.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Fall int32 `json:"fall,omitempty"`

	// Port is where the checks go. Default: the server's own port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port *int32 `json:"port,omitempty"`

	// Path is what an HTTP check requests with GET. Ingress controllers answer 404 for a Host that they do not know: set host, name
	// a path that exists for every Host, or use a check of type TCP. Default: /.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/[-A-Za-z0-9._~%!&()*+,;=:@/?]*$`
	// +optional
	Path string `json:"path,omitempty"`

	// TLS makes an HTTP check use TLS. The server's certificate is not verified.
	// +optional
	TLS bool `json:"tls,omitempty"`

	// Host is the Host of an HTTP check's request: a DNS name or an IPv4 address, with or without a port. Default:
	// edgelb-health-check.
	// +kubebuilder:validation:MaxLength=259
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?$`
	// +optional
	Host string `json:"host,omitempty"`

	// SNI is the name that a check with TLS asks for. Default: it asks for none.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	// +optional
	SNI string `json:"sni,omitempty"`

	// ExpectedStatuses are the statuses of good answers to an HTTP check, as numbers and ranges: 200-399,401. Default: 200-399.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-5][0-9]{2}(-[1-5][0-9]{2})?(,[1-5][0-9]{2}(-[1-5][0-9]{2})?)*$')",message="expectedStatuses are numbers from 100 to 599 and ranges of them, with commas and without blanks, such as 200-399,401"
	// +optional
	ExpectedStatuses string `json:"expectedStatuses,omitempty"`

	// ExpectedBody is a text that a good answer to an HTTP check has anywhere in the first 15 KB of its body, beside an expected
	// status. Single quotes, backslashes, dollar signs and blanks at an end or in a row are not possible.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[-A-Za-z0-9._:;,=+/@!*()?&{}"\[\]]+( [-A-Za-z0-9._:;,=+/@!*()?&{}"\[\]]+)*$`
	// +optional
	ExpectedBody string `json:"expectedBody,omitempty"`

	// ProxyProtocol says whether checks begin with a PROXY header if the target's proxyProtocol is V1 or V2. Auto: checks to
	// the server's own port do, and checks to port do not. Defaults to Auto.
	// +optional
	ProxyProtocol CheckProxyProtocol `json:"proxyProtocol,omitempty"`
}

// CheckProxyProtocol says whether checks begin with a PROXY header.
//
// +kubebuilder:validation:Enum=Auto;Always;Never
type CheckProxyProtocol string

// Whether checks begin with a PROXY header.
const (
	CheckProxyAuto   CheckProxyProtocol = "Auto"
	CheckProxyAlways CheckProxyProtocol = "Always"
	CheckProxyNever  CheckProxyProtocol = "Never"
)

// HealthCheckType is what a check does: TCP connects, HTTP requests a path, TLSHello does a TLS handshake.
//
// +kubebuilder:validation:Enum=TCP;HTTP;TLSHello;None
type HealthCheckType string

// The types of health checks.
const (
	HealthCheckTCP      HealthCheckType = "TCP"
	HealthCheckHTTP     HealthCheckType = "HTTP"
	HealthCheckTLSHello HealthCheckType = "TLSHello"
	HealthCheckNone     HealthCheckType = "None"
)
