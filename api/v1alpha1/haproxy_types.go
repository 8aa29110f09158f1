package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HAProxy tunes HAProxy itself.
type HAProxy struct {
	// Install says whether HAProxy, and keepalived where virtualIPs need it, are installed on a host that has none, from the packages of
	// its distribution: by apt-get, dnf, zypper or apk. What is installed is neither upgraded nor removed.
	// +kubebuilder:default=Never
	// +optional
	Install InstallPolicy `json:"install,omitempty"`

	// MaxConnections limits the connections of one host. The default is lowered on a host where HAProxy may not open enough
	// files; any other number is refused there.
	// +kubebuilder:default=40000
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	MaxConnections int32 `json:"maxConnections,omitempty"`

	// MaxHeaderBytes is how long the first line and the headers of an HTTP request or answer may be together. A longer request is answered
	// with 400, or over HTTP/2 its connection is closed, and in the place of a longer answer the client gets 502. HAProxy takes twice as much memory for each connection that is at
	// work. On a host that several objects share, the oldest of them decides. Default: HAProxy's own limit, some
	// 15,000.
	// +kubebuilder:validation:Minimum=15360
	// +kubebuilder:validation:Maximum=131072
	// +optional
	MaxHeaderBytes int32 `json:"maxHeaderBytes,omitempty"`

	// Timeouts are HAProxy's own.
	// +kubebuilder:default={}
	// +optional
	Timeouts Timeouts `json:"timeouts,omitempty"`

	// Logging is what HAProxy logs, and where to.
	// +kubebuilder:default={}
	// +optional
	Logging Logging `json:"logging,omitempty"`

	// HealthEndpoint is where cloud load balancers and monitoring ask by HTTP whether the host serves. It is about HAProxy itself and not
	// about its servers. On a host that several objects share, the oldest of them decides. Default: there is none.
	// +optional
	HealthEndpoint *HealthEndpoint `json:"healthEndpoint,omitempty"`

	// Paths are where HAProxy's files are on the hosts.
	// +kubebuilder:default={}
	// +optional
	Paths Paths `json:"paths,omitempty"`

	// ReloadCommand is run on the host, without a shell, to reload HAProxy. Default: detected on the host.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9/._:=@-]+( [A-Za-z0-9/._:=@-]+)*)?$`
	// +optional
	ReloadCommand string `json:"reloadCommand,omitempty"`
}

// InstallPolicy says whether packages are installed on hosts.
//
// +kubebuilder:validation:Enum=Never;IfMissing
type InstallPolicy string

const (
	// InstallNever installs nothing.
	InstallNever InstallPolicy = "Never"
	// InstallIfMissing installs what a host does not have.
	InstallIfMissing InstallPolicy = "IfMissing"
)

// Timeouts are HAProxy's.
type Timeouts struct {
	// Connect limits the time to connect to a server.
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10ms') && duration(self) <= duration('1h')",message="connect must be between 10ms and 1h"
	// +optional
	Connect *metav1.Duration `json:"connect,omitempty"`

	// Client is how long a client may be silent.
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('240h')",message="client must be between 1s and 240h"
	// +optional
	Client *metav1.Duration `json:"client,omitempty"`

	// Server is how long a server may be silent.
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('240h')",message="server must be between 1s and 240h"
	// +optional
	Server *metav1.Duration `json:"server,omitempty"`

	// Queue is how long a connection may wait for a free server.
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10ms') && duration(self) <= duration('1h')",message="queue must be between 10ms and 1h"
	// +optional
	Queue *metav1.Duration `json:"queue,omitempty"`
}

// Paths are where HAProxy's files are on the hosts.
type Paths struct {
	// Config is the configuration file that HAProxy is started with.
	// +kubebuilder:default="/etc/haproxy/haproxy.cfg"
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^(/[A-Za-z0-9_.-]+)+$`
	// +kubebuilder:validation:XValidation:rule="!self.matches('/[.]{1,2}(/|$)')",message="a path must be without . and .. in it"
	// +optional
	Config string `json:"config,omitempty"`

	// AdminSocket is the stats socket that the operator reads HAProxy's state from. A unix socket's path is limited to
	// 107 bytes; HAProxy needs some of them for the name that it binds before renaming.
	// +kubebuilder:default="/run/haproxy/admin.sock"
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:Pattern=`^(/[A-Za-z0-9_.-]+)+$`
	// +kubebuilder:validation:XValidation:rule="!self.matches('/[.]{1,2}(/|$)')",message="a path must be without . and .. in it"
	// +optional
	AdminSocket string `json:"adminSocket,omitempty"`
}
