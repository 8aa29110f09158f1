package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// EdgePolicy says what the EdgeLoadBalancers of some namespaces may ask for. The administrators of the cluster set it; users
// who can write EdgeLoadBalancers need not be able to write it.
//
// Several policies may select a namespace: what one of them allows is allowed, and the largest of each limit applies. If
// none of them sets something, the operator's built-in default applies, which is the safe side.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=edgepol
// +kubebuilder:printcolumn:name="Namespaces",type=string,JSONPath=`.spec.namespaces.names`
// +kubebuilder:printcolumn:name="Fields",type=string,JSONPath=`.spec.allowedFields`
// +kubebuilder:printcolumn:name="Hosts",type=string,JSONPath=`.spec.hostAddresses`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type EdgePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is allowed.
	// +required
	Spec EdgePolicySpec `json:"spec"`
}

// EdgePolicyList is what a list request returns.
//
// +kubebuilder:object:root=true
type EdgePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// Items are the objects.
	Items []EdgePolicy `json:"items"`
}

// EdgePolicySpec is what the EdgeLoadBalancers of some namespaces may ask for.
//
// Three lists say where connections may go. If no policy of a namespace has the list, every address is allowed that is not
// special. Special are loopback, link-local, unspecified, multicast and broadcast addresses, however they are written. If
// one or more policies have the list, only what these lists contain is allowed. A special address is only allowed by a
// network that lies within the special ones: 127.0.0.0/8 does that, and 0.0.0.0/0 does not. A DNS name stands for itself,
// *.example.com for all names below example.com, and * for all; the addresses that it resolves to must not be special
// either.
type EdgePolicySpec struct {
	// Namespaces are those that the policy is for. Default: all.
	// +optional
	Namespaces PolicyNamespaces `json:"namespaces,omitzero"`

	// HostAddresses are where the hosts of EdgeLoadBalancers may be: networks such as 198.51.100.0/24, and DNS names such as
	// gw1.example.net or *.edge.example.net. The addresses of a name are checked when it is dialled.
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +optional
	HostAddresses []AllowedAddress `json:"hostAddresses,omitzero"`

	// KubeconfigServers are where the API servers and proxies of kubeconfigs may be, in the same format.
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +optional
	KubeconfigServers []AllowedAddress `json:"kubeconfigServers,omitzero"`

	// ServerAddresses are where the servers in spec.targets[].addresses, those of other clusters, and the syslog server in
	// spec.haproxy.logging.target may be, in the same format. The host resolves a server with a DNS name, which the operator
	// does not see: only the name counts.
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +optional
	ServerAddresses []AllowedAddress `json:"serverAddresses,omitzero"`

	// VirtualAddresses are the networks that virtual addresses, those in spec.virtualIPs.addresses, may be in. If no policy of a namespace
	// has the list, each address is allowed that is not special.
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +optional
	VirtualAddresses []AllowedNetwork `json:"virtualAddresses,omitzero"`

	// AllowedFields are fields that nobody may set otherwise. ReloadCommand is spec.haproxy.reloadCommand, which runs as root on
	// the hosts. NotifyCommand is spec.virtualIPs.notifyCommand, which runs there as keepalived_script. Paths is spec.haproxy.paths with a config outside of /etc/haproxy and /usr/local/etc/haproxy, or an adminSocket
	// outside of /run/haproxy, /var/run/haproxy and /var/lib/haproxy. Adopt is spec.hosts[].adopt, which replaces a file that
	// somebody else wrote, and takes a host from another namespace or cluster.
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +optional
	AllowedFields []AllowedField `json:"allowedFields,omitempty"`

	// Limits limit what all EdgeLoadBalancers of a namespace have together. What came last is left out.
	// +optional
	Limits PolicyLimits `json:"limits,omitzero"`
}

// PolicyLimits limit what all EdgeLoadBalancers of a namespace have together.
type PolicyLimits struct {
	// Hosts is how many machines they have; one that several objects share counts once. Built in: 500.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	Hosts *int32 `json:"hosts,omitempty"`

	// Listeners is how many listeners they have. Built in: 500.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	Listeners *int32 `json:"listeners,omitempty"`

	// Hostnames is how many names their routes have. Built in: 20000.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000000
	// +optional
	Hostnames *int32 `json:"hostnames,omitempty"`

	// SecretBytes is how many bytes the Secrets have that they name. Built in: 4194304.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1073741824
	// +optional
	SecretBytes *int32 `json:"secretBytes,omitempty"`

	// ChangesPerSecond is how many changes of their specs are applied to hosts in a second; ten times as many may come at once.
	// A change that must wait includes those that follow meanwhile. Changes of endpoints are not limited. Built in: 10.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	// +optional
	ChangesPerSecond *int32 `json:"changesPerSecond,omitempty"`
}

// PolicyNamespaces are the namespaces with one of the names, and those that have all of the labels.
type PolicyNamespaces struct {
	// Names are the namespaces' names. Without names and matchLabels, the policy is for all namespaces.
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Names []string `json:"names,omitempty"`

	// MatchLabels are labels; the policy is also for the namespaces that have all of them.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
}

// AllowedAddress is a network as ADDRESS/LENGTH, a DNS name, "*." and the end of DNS names, or * for every DNS name.
//
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="isCIDR(self) || self == '*' || self.matches('^([*][.])?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?([.][a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$') && !self.matches('(^|[.])[0-9]+$')",message="write a network with its length, such as 198.51.100.7/32 or fd00::/8, a DNS name in lower case, *. before the end of DNS names, or * for all of them"
type AllowedAddress string

// AllowedNetwork is a network as ADDRESS/LENGTH.
//
// +kubebuilder:validation:MaxLength=49
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="write a network with its length, such as 198.51.100.7/32 or fd00::/8"
type AllowedNetwork string

// AllowedField is a field that nobody may set unless a policy allows it.
//
// +kubebuilder:validation:Enum=ReloadCommand;Paths;Adopt;NotifyCommand
type AllowedField string

// The fields that are allowed by policies only.
const (
	// FieldReloadCommand is spec.haproxy.reloadCommand, which runs as root on the hosts.
	FieldReloadCommand AllowedField = "ReloadCommand"
	// FieldPaths is spec.haproxy.paths with a file outside of HAProxy's own folders.
	FieldPaths AllowedField = "Paths"
	// FieldAdopt is spec.hosts[].adopt, which replaces a file that somebody else wrote, or another edgelb.
	FieldAdopt AllowedField = "Adopt"
	// FieldNotifyCommand is spec.virtualIPs.notifyCommand, which runs as keepalived_script on the hosts.
	FieldNotifyCommand AllowedField = "NotifyCommand"
)
