package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// EdgeLoadBalancer declares the HAProxy hosts in front of a cluster, what they listen on, and where the traffic goes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=elb;edgelb,categories=edgelb
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Hosts",type=string,JSONPath=`.status.summary.hosts`
// +kubebuilder:printcolumn:name="Servers",type=string,JSONPath=`.status.summary.servers`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.summary.addresses`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Binds",type=string,priority=1,JSONPath=`.status.summary.binds`
// +kubebuilder:printcolumn:name="Not synced",type=string,priority=1,JSONPath=`.status.summary.notSynced`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be at most 63 characters: it becomes part of HAProxy's frontend and backend names"
type EdgeLoadBalancer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user wants.
	// +required
	Spec EdgeLoadBalancerSpec `json:"spec"`
	// Status is what the operator has seen to be true. By its default, programs that wait for the object know that the operator has not
	// seen it yet.
	// +kubebuilder:default={}
	// +optional
	Status EdgeLoadBalancerStatus `json:"status,omitempty"`
}

// EdgeLoadBalancerList is what a list request returns.
//
// +kubebuilder:object:root=true
type EdgeLoadBalancerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// Items are the objects.
	Items []EdgeLoadBalancer `json:"items"`
}

// EdgeLoadBalancerSpec is what the user wants.
//
// The API server estimates what its rules cost at worst, from the lists' maxima, and limits it. That is why a listener names
// at most 32 hosts, and why two listeners' binds are compared in two rules. The rules know that :443 is ipv4@:443;
// whatever else means the same, such as another way to write an IPv6 address, the operator reports. So it does with a
// hostname that two routes claim.
//
// Targets lead to others by split and fallback, and must not lead in a circle. A rule knows no recursion, and so one of them
// counts: it takes the targets that lead to any other, then those of them that lead to one of these, and so on. From a circle
// there is always some left; where after five steps there is none, there is no circle. Names are listed once for each rule that
// looks many of them up, since what a rule may cost at run time is limited as well.
//
// +kubebuilder:validation:XValidation:rule="self.listeners.all(l, !has(l.target) || self.targets.exists(t, t.name == l.target))",message="a listener's target must be the name of an entry of spec.targets: add the target, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.targets.map(t, t.name)].all(names, self.listeners.all(l, !has(l.routes) || l.routes.all(r, r.target in names)))",message="a route's target must be the name of an entry of spec.targets: add the target, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.targets.map(t, t.name)].all(names, self.targets.all(t, !has(t.fallback) || t.fallback in names))",message="a target's fallback must be the name of an entry of spec.targets: add the target, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.targets.map(t, t.name)].all(names, self.targets.all(t, !has(t.split) || t.split.all(s, s.target in names)))",message="a split's targets must be names of entries of spec.targets: add the target, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.targets.filter(t, has(t.fallback) || has(t.split)).map(t, t.name)].all(r1, [self.targets.filter(t, has(t.fallback) && t.fallback in r1 || has(t.split) && t.split.exists(s, s.target in r1)).map(t, t.name)].all(r2, [self.targets.filter(t, has(t.fallback) && t.fallback in r2 || has(t.split) && t.split.exists(s, s.target in r2)).map(t, t.name)].all(r3, [self.targets.filter(t, has(t.fallback) && t.fallback in r3 || has(t.split) && t.split.exists(s, s.target in r3)).map(t, t.name)].all(r4, [self.targets.filter(t, has(t.fallback) && t.fallback in r4 || has(t.split) && t.split.exists(s, s.target in r4)).map(t, t.name)].all(r5, !self.targets.exists(t, has(t.fallback) && t.fallback in r5 || has(t.split) && t.split.exists(s, s.target in r5)))))))",message="targets lead to one another by split and fallback in a circle, or in more than five steps: let one of them end it"
// +kubebuilder:validation:XValidation:rule="self.listeners.all(l, !has(l.hosts) || self.hosts.filter(h, h.name in l.hosts).size() == l.hosts.size())",message="a listener's hosts must be names of entries of spec.hosts: add the host, or correct the name"
// +kubebuilder:validation:XValidation:rule="self.listeners.all(l, self.listeners.all(m, m.name == l.name || (has(l.hosts) && has(m.hosts)) || !l.bind.exists(b, b in m.bind || (b.startsWith('[') ? 'ipv6@' : 'ipv4@') + b in m.bind)))",message="two listeners want the same bind, and one of them is for all hosts: give them different binds, or set hosts on both so that no host has both"
// +kubebuilder:validation:XValidation:rule="self.listeners.all(l, !has(l.hosts) || self.listeners.all(m, m.name == l.name || !has(m.hosts) || !l.hosts.exists(h, h in m.hosts) || !l.bind.exists(b, b in m.bind || (b.startsWith('[') ? 'ipv6@' : 'ipv4@') + b in m.bind)))",message="two listeners want the same bind on the same host: give them different binds, or different hosts"
type EdgeLoadBalancerSpec struct {
	// Suspend stops every change on every host; the status goes on being reported.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// DriftPolicy says what happens when somebody else changes a host. Repair brings it back to what this object says;
	// Report leaves it alone and says in the status how it differs, until that is undone, or there is something new to bring
	// to the host: a change of this object, or of a Service's endpoints.
	// +kubebuilder:default=Repair
	// +optional
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`

	// DeletionPolicy says what happens to the hosts' configuration when the object is deleted. Retain leaves it there, and so
	// does the deletion of an object that is suspended. A host that another object shares runs what its objects say,
	// so it does not keep the listeners of one that has gone.
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
	// +kubebuilder:default={}
	// +optional
	HAProxy HAProxy `json:"haproxy,omitempty"`
}

// DriftPolicy says what happens when somebody else changes a host.
//
// +kubebuilder:validation:Enum=Repair;Report
type DriftPolicy string

const (
	// DriftRepair brings the host back to what the object says.
	DriftRepair DriftPolicy = "Repair"
	// DriftReport leaves the host as it was found, and says how it differs.
	DriftReport DriftPolicy = "Report"
)

// DeletionPolicy says what happens to the hosts' configuration when the object is deleted.
//
// +kubebuilder:validation:Enum=Remove;Retain
type DeletionPolicy string

const (
	// DeletionRemove takes the object's listeners off the hosts before the object goes.
	DeletionRemove DeletionPolicy = "Remove"
	// DeletionRetain leaves the hosts as they are, but for a host that another object shares: it runs what its objects say.
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
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('60s')",message="connectTimeout must be between 100ms and 60s"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +optional
	ConnectTimeout *metav1.Duration `json:"connectTimeout,omitempty"`
}

// SecretReference names a Secret of the object's namespace.
type SecretReference struct {
	// Name is the Secret's.
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
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[0-9.]+$|:') || isIP(self)",message="address must be a host name or a valid IP address, without brackets and without the port, which has a field of its own"
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

	// HostKeys pins the host's keys, each as in known_hosts without the names: "ssh-ed25519 AAAA…". What follows the key, as in the
	// host's own files, is a comment and does not count. Without pins the Secret's known_hosts decides. On a host that several
	// objects share, those of the oldest one hold.
	// ---
	// Two rules say the same of two kinds of keys, since one that searches twice costs more than the API server allows.
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=2048
	// +kubebuilder:validation:items:XValidation:rule="!self.contains(' ssh-') || self.startsWith('ssh-') || self.startsWith('ecdsa-') || self.startsWith('sk-')",message="a host key begins with its type, as in \"ssh-ed25519 AAAA…\": remove the host's name before it"
	// +kubebuilder:validation:items:XValidation:rule="!self.contains(' ecdsa-') || self.startsWith('ssh-') || self.startsWith('ecdsa-') || self.startsWith('sk-')",message="a host key begins with its type, as in \"ssh-ed25519 AAAA…\": remove the host's name before it"
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [!-~]+)*$`
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
