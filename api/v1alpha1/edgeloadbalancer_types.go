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
	// Status is the state that the operator last observed. Its default shows programs that wait for the object that the
	// operator has not observed it yet.
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
// The API server estimates the worst-case cost of its rules from the lists' maxima, and limits it. That is why a listener
// names at most 32 hosts, and why two rules compare the binds of listeners. The rules know that :443 is ipv4@:443. The
// operator reports other equivalent spellings, such as those of an IPv6 address, and a hostname that two routes claim.
//
// Targets lead to others by split and fallback, and must not lead in a circle. Rules have no recursion, so one of them
// counts: it takes the targets that lead to any other, then those of them that lead to one of these, and so on. A circle
// always leaves some; if none is left after five steps, there is no circle. Each rule that looks up many names lists them
// once, because the run-time cost of a rule is limited as well.
//
// +kubebuilder:validation:XValidation:rule="[self.targets.map(t, t.name)].all(names, self.listeners.all(l, !has(l.target) || l.target in names))",message="a listener's target must be the name of an entry of spec.targets: add the target, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.targets.map(t, t.name)].all(names, self.listeners.all(l, !has(l.routes) || l.routes.all(r, r.target in names)))",message="a route's target must be the name of an entry of spec.targets: add the target, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.targets.map(t, t.name)].all(names, self.targets.all(t, !has(t.fallback) || t.fallback in names))",message="a target's fallback must be the name of an entry of spec.targets: add the target, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.targets.map(t, t.name)].all(names, self.targets.all(t, !has(t.split) || t.split.all(s, s.target in names)))",message="a split's targets must be names of entries of spec.targets: add the target, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.targets.filter(t, has(t.fallback) || has(t.split)).map(t, t.name)].all(r1, [self.targets.filter(t, has(t.fallback) && t.fallback in r1 || has(t.split) && t.split.exists(s, s.target in r1)).map(t, t.name)].all(r2, [self.targets.filter(t, has(t.fallback) && t.fallback in r2 || has(t.split) && t.split.exists(s, s.target in r2)).map(t, t.name)].all(r3, [self.targets.filter(t, has(t.fallback) && t.fallback in r3 || has(t.split) && t.split.exists(s, s.target in r3)).map(t, t.name)].all(r4, [self.targets.filter(t, has(t.fallback) && t.fallback in r4 || has(t.split) && t.split.exists(s, s.target in r4)).map(t, t.name)].all(r5, !self.targets.exists(t, has(t.fallback) && t.fallback in r5 || has(t.split) && t.split.exists(s, s.target in r5)))))))",message="targets lead to one another by split and fallback in a circle, or in more than five steps: let one of them end it"
// +kubebuilder:validation:XValidation:rule="[self.hosts.map(h, h.name)].all(names, self.listeners.all(l, !has(l.hosts) || l.hosts.all(h, h in names)))",message="a listener's hosts must be names of entries of spec.hosts: add the host, or correct the name"
// +kubebuilder:validation:XValidation:rule="[self.listeners.filter(l, !has(l.hosts))].all(ls, ls.all(l, [l.bind + l.bind.map(b, (b.startsWith('[') ? 'ipv6@' : 'ipv4@') + b)].all(binds, self.listeners.exists_one(m, m.bind.exists(b, b in binds || (b.startsWith('[') ? 'ipv6@' : 'ipv4@') + b in binds)))))",message="two listeners want the same bind, and one of them is for all hosts: give them different binds, or set hosts on both so that no host has both"
// +kubebuilder:validation:XValidation:rule="[self.listeners.filter(l, has(l.hosts))].all(ls, ls.all(l, [l.bind + l.bind.map(b, (b.startsWith('[') ? 'ipv6@' : 'ipv4@') + b)].all(binds, ls.exists_one(m, m.bind.exists(b, b in binds) && m.hosts.exists(h, h in l.hosts)))))",message="two listeners want the same bind on the same host: give them different binds, or different hosts"
// +kubebuilder:validation:XValidation:rule="has(self.virtualIPs) || self.hosts.all(h, !has(h.priority) && !has(h.vrrpAddress) && (!(has(h.maintenance) && h.maintenance) || has(self.haproxy) && has(self.haproxy.healthEndpoint)))",message="hosts[].priority, hosts[].vrrpAddress and hosts[].maintenance are about virtual addresses, and maintenance about haproxy.healthEndpoint as well: set spec.virtualIPs, or remove them"
// +kubebuilder:validation:XValidation:rule="!has(self.haproxy) || !has(self.haproxy.healthEndpoint) || [self.haproxy.healthEndpoint.bind].all(b, self.listeners.all(l, !(b in l.bind) && !((b.startsWith('[') ? 'ipv6@' : 'ipv4@') + b in l.bind) && !(b.startsWith('ipv') && b.substring(5) in l.bind)))",message="haproxy.healthEndpoint wants the bind of a listener: give it an address and port of its own"
// +kubebuilder:validation:XValidation:rule="!has(self.rollout) || self.hosts.exists(h, h.name == self.rollout.canary)",message="spec.rollout.canary must be the name of an entry of spec.hosts: add the host, or correct the name"
type EdgeLoadBalancerSpec struct {
	// Suspend stops every change on every host; the operator keeps reporting the status.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// DriftPolicy says what happens when somebody else changes a host. Repair restores the state that this object describes.
	// Report does not change the host and reports in the status how it differs, until that is undone, or there is a new change
	// for the host: of this object, or of a Service's endpoints.
	// +kubebuilder:default=Repair
	// +optional
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`

	// DeletionPolicy says what happens to the hosts' configuration when the object is deleted. Retain leaves it there, and so
	// does the deletion of an object that is suspended. A host that other objects share runs what they describe, so it does not
	// keep the listeners of a deleted object.
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

	// VirtualIPs are addresses that one of the hosts has at a time, and that another one takes if it fails.
	// +optional
	VirtualIPs *VirtualIPs `json:"virtualIPs,omitempty"`

	// HAProxy tunes HAProxy itself.
	// +kubebuilder:default={}
	// +optional
	HAProxy HAProxy `json:"haproxy,omitempty"`

	// Rollout brings changes that need a reload of HAProxy to one host first, and then to few at a time. Without it, they go to all
	// hosts at once.
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`
}

// DriftPolicy says what happens when somebody else changes a host.
//
// +kubebuilder:validation:Enum=Repair;Report
type DriftPolicy string

const (
	// DriftRepair restores the state that the object describes.
	DriftRepair DriftPolicy = "Repair"
	// DriftReport does not change the host, and reports how it differs.
	DriftReport DriftPolicy = "Report"
)

// DeletionPolicy says what happens to the hosts' configuration when the object is deleted.
//
// +kubebuilder:validation:Enum=Remove;Retain
type DeletionPolicy string

const (
	// DeletionRemove removes the object's listeners from the hosts before the object is removed.
	DeletionRemove DeletionPolicy = "Remove"
	// DeletionRetain leaves the hosts unchanged, except a host that other objects share: it runs what they describe.
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

	// SecretRef names a Secret of the object's namespace with the keys ssh-privatekey (required), known_hosts,
	// ssh-privatekey-cert.pub (an OpenSSH user certificate of the private key) and ssh-privatekey-previous (a private key that
	// hosts are offered which do not take the first one yet).
	// +required
	SecretRef SecretReference `json:"secretRef"`

	// ConnectTimeout limits one attempt to connect and log in.
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('60s')",message="connectTimeout must be between 100ms and 60s"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +optional
	ConnectTimeout *metav1.Duration `json:"connectTimeout,omitempty"`

	// JumpHost is the host through which the operator connects to all hosts of the object. It resolves their names.
	// +optional
	JumpHost *JumpHost `json:"jumpHost,omitempty"`
}

// JumpHost is a host that forwards connections to others, as ssh -J uses it. The operator logs in to it with the Secret that logs
// in to the hosts, and runs nothing there. Objects of a namespace with the same Secret share the connection.
type JumpHost struct {
	// Address is the name or the IP address that the operator dials.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[0-9.]+$|:') || isIP(self)",message="address must be a host name or a valid IP address, without brackets and without the port, which has a field of its own"
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$`
	// +required
	Address string `json:"address"`

	// Port is the SSH port of the jump host.
	// +kubebuilder:default=22
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port int32 `json:"port,omitempty"`

	// User is the account on the jump host, which needs neither a shell nor sudo. Without it, it is spec.ssh.user.
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_-]*$`
	// +optional
	User string `json:"user,omitempty"`

	// HostKeys pins the jump host's keys, in the form of hosts[].hostKeys. Without pins the Secret's known_hosts decides. Where
	// several objects share a host behind the jump host, the pins of the oldest object apply.
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=2048
	// +kubebuilder:validation:items:XValidation:rule="!self.contains(' ssh-') || self.startsWith('ssh-') || self.startsWith('ecdsa-') || self.startsWith('sk-')",message="a host key begins with its type, as in \"ssh-ed25519 AAAA…\": remove the host's name before it"
	// +kubebuilder:validation:items:XValidation:rule="!self.contains(' ecdsa-') || self.startsWith('ssh-') || self.startsWith('ecdsa-') || self.startsWith('sk-')",message="a host key begins with its type, as in \"ssh-ed25519 AAAA…\": remove the host's name before it"
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [!-~]+)*$`
	// +optional
	HostKeys []string `json:"hostKeys,omitempty"`
}

// SecretReference names a Secret of the object's namespace.
type SecretReference struct {
	// Name is the name of the Secret.
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

	// HostKeys pins the host's keys, each as in known_hosts without the names: "ssh-ed25519 AAAA…". Text after the key, as in
	// the host's own files, is a comment and does not count. Without pins the Secret's known_hosts decides. On a host that
	// several objects share, the pins of the oldest object apply.
	// ---
	// Two rules check two kinds of keys in the same way, because one rule that searches twice costs more than the API server
	// allows.
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

	// Priority decides which host takes the virtual addresses: the healthy one with the highest priority, if it does not come too late.
	// By default the first host has 250, the next one 249, and so on.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=254
	// +optional
	Priority *int32 `json:"priority,omitempty"`

	// VRRPAddress is the address of the host from which it tells the others that it has the virtual addresses. Default: that of the
	// interface, in the network of the first virtual address.
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="isIP(self)",message="vrrpAddress must be an IP address"
	// +optional
	VRRPAddress string `json:"vrrpAddress,omitempty"`

	// Maintenance makes the host give up the virtual addresses, and take none, and makes haproxy.healthEndpoint answer 503. Its
	// configuration is kept up to date.
	// +optional
	Maintenance bool `json:"maintenance,omitempty"`

	// Adopt lets the operator replace a haproxy.cfg, and a keepalived.conf, that somebody else wrote. A backup stays beside it.
	// +optional
	Adopt bool `json:"adopt,omitempty"`
}
