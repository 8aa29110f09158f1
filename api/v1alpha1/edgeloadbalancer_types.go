package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// EdgeLoadBalancer declares the HAProxy hosts in front of a cluster, what they listen on, and where the traffic goes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=elb;edgelb,categories=edgelb
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Hosts",type=string,JSONPath=`.status.summary.hosts`
// +kubebuilder:printcolumn:name="Servers",type=string,JSONPath=`.status.summary.servers`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.addresses[*]`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Binds",type=string,priority=1,JSONPath=`.spec.listeners[*].bind[*]`
// +kubebuilder:printcolumn:name="Not synced",type=string,priority=1,JSONPath=`.status.hosts[?(@.state!="Synced")].name`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be at most 63 characters: it becomes part of HAProxy's frontend and backend names"
type EdgeLoadBalancer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec EdgeLoadBalancerSpec `json:"spec"`
	// +optional
	Status EdgeLoadBalancerStatus `json:"status,omitempty"`
}

// EdgeLoadBalancerList is what a list request returns.
//
// +kubebuilder:object:root=true
type EdgeLoadBalancerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EdgeLoadBalancer `json:"items"`
}

// EdgeLoadBalancerSpec is what the user wants.
//
// +kubebuilder:validation:XValidation:rule="self.listeners.all(l, self.targets.exists(t, t.name == l.target))",message="every listener's target must name an entry of spec.targets"
// +kubebuilder:validation:XValidation:rule="self.listeners.all(l, !has(l.hosts) || l.hosts.all(h, self.hosts.exists(x, x.name == h)))",message="every name in a listener's hosts must name an entry of spec.hosts"
// +kubebuilder:validation:XValidation:rule="self.listeners.all(l, l.bind.all(b, self.listeners.all(m, m.name == l.name || !(b in m.bind) || (has(l.hosts) && has(m.hosts) && !l.hosts.exists(h, h in m.hosts)))))",message="two listeners want the same bind on the same host: give them different binds, or different hosts"
type EdgeLoadBalancerSpec struct {
	// Suspend stops every change on every host; the status goes on being reported.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// DeletionPolicy says what happens to the hosts' configuration when the object is deleted.
	// +kubebuilder:default=Remove
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// SSH says how the operator reaches the hosts.
	// +required
	SSH SSH `json:"ssh"`

	// Hosts are the machines that run HAProxy.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	// +required
	Hosts []Host `json:"hosts"`

	// Listeners are what the hosts listen on.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +required
	Listeners []Listener `json:"listeners"`

	// Targets are where connections go.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +required
	Targets []Target `json:"targets"`

	// HAProxy tunes HAProxy itself.
	// +optional
	HAProxy HAProxy `json:"haproxy,omitempty"`
}

// DeletionPolicy says what happens to the hosts' configuration when the object is deleted.
//
// +kubebuilder:validation:Enum=Remove;Retain
type DeletionPolicy string

const (
	// DeletionRemove takes the object's listeners off the hosts before the object goes.
	DeletionRemove DeletionPolicy = "Remove"
	// DeletionRetain leaves the hosts as they are.
	DeletionRetain DeletionPolicy = "Retain"
)

// SSH says how the operator reaches the hosts.
type SSH struct {
	// User is the account on the hosts. Any other account than root works through passwordless sudo, or without sudo
	// where it may write the configuration and reach HAProxy's sockets itself.
	// +kubebuilder:default=root
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_-]*$`
	// +optional
	User string `json:"user,omitempty"`

	// Port is the hosts' SSH port.
	// +kubebuilder:default=22
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port int32 `json:"port,omitempty"`

	// SecretRef names a Secret of the object's namespace with the keys ssh-privatekey (required) and known_hosts.
	// +required
	SecretRef SecretReference `json:"secretRef"`

	// ConnectTimeout bounds one attempt to connect and log in.
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('60s')",message="connectTimeout must be between 100ms and 60s"
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +optional
	ConnectTimeout *metav1.Duration `json:"connectTimeout,omitempty"`
}

// SecretReference names a Secret of the object's namespace.
type SecretReference struct {
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +required
	Name string `json:"name"`
}

// Host is one machine that runs HAProxy.
type Host struct {
	// Name is the key of status.hosts.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Address is the name or the IP address that the operator dials.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$`
	// +required
	Address string `json:"address"`

	// Port overrides spec.ssh.port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port *int32 `json:"port,omitempty"`

	// User overrides spec.ssh.user.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_-]*$`
	// +optional
	User string `json:"user,omitempty"`

	// HostKeys pins the host's keys, each as in known_hosts without the names: "ssh-ed25519 AAAA…". Without pins the
	// Secret's known_hosts decides.
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=2048
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$`
	// +optional
	HostKeys []string `json:"hostKeys,omitempty"`

	// PublicAddresses are what clients use; they are published in status.addresses.
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule="isIP(self)",message="publicAddresses must be IP addresses"
	// +optional
	PublicAddresses []string `json:"publicAddresses,omitempty"`

	// Adopt lets the operator replace a haproxy.cfg that somebody else wrote. A backup stays beside it.
	// +optional
	Adopt bool `json:"adopt,omitempty"`
}

// Listener is one frontend.
type Listener struct {
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Protocol is TCP. HAProxy does not carry UDP.
	// +kubebuilder:default=TCP
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self != 'UDP'",message="HAProxy does not carry UDP: use protocol TCP, or another way for this port"
	// +kubebuilder:validation:XValidation:rule="self == 'TCP' || self == 'UDP'",message="protocol must be TCP"
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`

	// Bind is what to listen on, in HAProxy's own syntax: ipv4@:443, ipv6@:443, ipv4@192.0.2.1:443,
	// ipv6@[2001:db8::1]:443, 192.0.2.1:443, [2001:db8::1]:443 or :443 (IPv4).
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	// +required
	Bind []BindAddress `json:"bind"`

	// Hosts limits the listener to some of spec.hosts. Default: all.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Hosts []string `json:"hosts,omitempty"`

	// Target names the entry of spec.targets that connections go to.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Target string `json:"target"`
}

// Protocol is what a listener speaks.
type Protocol string

// ProtocolTCP passes bytes through unseen.
const ProtocolTCP Protocol = "TCP"

// BindAddress is one address to listen on, in HAProxy's syntax.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^((ipv4@)?([0-9]{1,3}(\.[0-9]{1,3}){3})?|ipv6@(\[[0-9A-Fa-f:.]+\])?|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$`
type BindAddress string

// Target is one backend: where connections go.
type Target struct {
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Service is a Service of the object's namespace; its endpoints are the servers.
	// +required
	Service ServicePort `json:"service"`

	// Via says how the edge reaches the Service: PodIP connects to the pods themselves.
	// +kubebuilder:default=PodIP
	// +optional
	Via Via `json:"via,omitempty"`

	// ProxyProtocol is the version of the PROXY header that tells the servers the client's address.
	// +kubebuilder:default=None
	// +optional
	ProxyProtocol ProxyProtocol `json:"proxyProtocol,omitempty"`

	// Balance is how a server is chosen.
	// +kubebuilder:default=LeastConn
	// +optional
	Balance Balance `json:"balance,omitempty"`

	// HealthCheck is how HAProxy finds out whether a server is up.
	// +kubebuilder:default={}
	// +optional
	HealthCheck HealthCheck `json:"healthCheck,omitempty"`
}

// ServicePort names one port of a Service.
type ServicePort struct {
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Port is the name or the number of one of the Service's ports.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +required
	Port intstr.IntOrString `json:"port"`
}

// Via says how the edge reaches a Service.
//
// +kubebuilder:validation:Enum=PodIP
type Via string

// ViaPodIP connects to the pods' own addresses.
const ViaPodIP Via = "PodIP"

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

// The ways to choose a server.
const (
	BalanceLeastConn  Balance = "LeastConn"
	BalanceRoundRobin Balance = "RoundRobin"
	BalanceSource     Balance = "Source"
)

// HealthCheck is how HAProxy finds out whether a server is up.
type HealthCheck struct {
	// +kubebuilder:default=TCP
	// +optional
	Type HealthCheckType `json:"type,omitempty"`

	// Interval is the time between two checks of one server.
	// +kubebuilder:default="2s"
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="interval must be between 100ms and 1h"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Rise is how many good checks in a row bring a server up.
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Rise int32 `json:"rise,omitempty"`

	// Fall is how many failed checks in a row take a server down.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Fall int32 `json:"fall,omitempty"`
}

// HealthCheckType is what a check does.
//
// +kubebuilder:validation:Enum=TCP;None
type HealthCheckType string

// The types of health checks.
const (
	HealthCheckTCP  HealthCheckType = "TCP"
	HealthCheckNone HealthCheckType = "None"
)

// HAProxy tunes HAProxy itself.
type HAProxy struct {
	// MaxConnections bounds the connections of one host.
	// +kubebuilder:default=40000
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	MaxConnections int32 `json:"maxConnections,omitempty"`

	// +kubebuilder:default={}
	// +optional
	Timeouts Timeouts `json:"timeouts,omitempty"`

	// +kubebuilder:default={}
	// +optional
	Paths Paths `json:"paths,omitempty"`

	// ReloadCommand is run on the host, without a shell, to reload HAProxy. Default: found out on the host.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9/._:=@-]+( [A-Za-z0-9/._:=@-]+)*)?$`
	// +optional
	ReloadCommand string `json:"reloadCommand,omitempty"`
}

// Timeouts are HAProxy's.
type Timeouts struct {
	// Connect bounds the connection to a server.
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10ms') && duration(self) <= duration('1h')",message="connect must be between 10ms and 1h"
	// +optional
	Connect *metav1.Duration `json:"connect,omitempty"`

	// Client is how long a client may be silent.
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('240h')",message="client must be between 1s and 240h"
	// +optional
	Client *metav1.Duration `json:"client,omitempty"`

	// Server is how long a server may be silent.
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('240h')",message="server must be between 1s and 240h"
	// +optional
	Server *metav1.Duration `json:"server,omitempty"`

	// Queue is how long a connection may wait for a free server.
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10ms') && duration(self) <= duration('1h')",message="queue must be between 10ms and 1h"
	// +optional
	Queue *metav1.Duration `json:"queue,omitempty"`
}

// Paths are where HAProxy's files are on the hosts.
type Paths struct {
	// +kubebuilder:default="/etc/haproxy/haproxy.cfg"
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^(/[A-Za-z0-9_.-]+)+$`
	// +optional
	Config string `json:"config,omitempty"`

	// AdminSocket is the stats socket that the operator reads HAProxy's state from. A unix socket's path is limited to
	// 107 bytes; HAProxy needs some of them for the name that it binds before renaming.
	// +kubebuilder:default="/run/haproxy/admin.sock"
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:Pattern=`^(/[A-Za-z0-9_.-]+)+$`
	// +optional
	AdminSocket string `json:"adminSocket,omitempty"`
}
