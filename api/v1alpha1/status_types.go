package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// EdgeLoadBalancerStatus is the state that the operator last observed.
type EdgeLoadBalancerStatus struct {
	// ObservedGeneration is the generation of the spec that this status describes; -1 until the operator has observed the
	// object.
	// +kubebuilder:default=-1
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions always contains all of the condition types below.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Addresses are the virtual addresses and the public addresses of the hosts, for DNS. An address stays while its host is away.
	// +listType=set
	// +kubebuilder:validation:items:MaxLength=45
	// +optional
	Addresses []string `json:"addresses,omitempty"`

	// Summary counts hosts and servers.
	// +optional
	Summary Summary `json:"summary,omitempty"`

	// Hosts holds the state of every host of the spec.
	// +listType=map
	// +listMapKey=name
	// +optional
	Hosts []HostStatus `json:"hosts,omitempty"`
}

// Summary is what kubectl get shows. A printer column shows only the first match of its JSONPath, so lists are strings here.
// A string that is too long ends with the number of omitted items, such as ", and 12 more".
type Summary struct {
	// Hosts is synced/declared, such as "2/2".
	// +kubebuilder:validation:MaxLength=32
	// +optional
	Hosts string `json:"hosts,omitempty"`
	// Servers is up/declared over all hosts, such as "6/6".
	// +kubebuilder:validation:MaxLength=32
	// +optional
	Servers string `json:"servers,omitempty"`
	// Addresses are those of status.addresses, such as "198.51.100.1,2001:db8::1".
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Addresses string `json:"addresses,omitempty"`
	// Binds are those of all listeners, such as "ipv4@:443,ipv6@:443".
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Binds string `json:"binds,omitempty"`
	// NotSynced names the hosts that are not synced, such as "gw2,gw3".
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	NotSynced string `json:"notSynced,omitempty"`
}

// HostStatus is the state of one host.
type HostStatus struct {
	// Name is the host's name in the spec.
	// +kubebuilder:validation:MaxLength=700
	Name string `json:"name"`
	// Address is the address that the operator dials.
	// +kubebuilder:validation:MaxLength=253
	Address string `json:"address"`
	// Port is the port of sshd. Port and User are kept so that a host that was removed from the spec can still be cleaned up.
	// +optional
	Port int32 `json:"port,omitempty"`
	// JumpHost is the jump host through which the operator reaches the host, as user@address:port. It is kept for the same reason.
	// +kubebuilder:validation:MaxLength=300
	// +optional
	JumpHost string `json:"jumpHost,omitempty"`
	// User is the account on the host.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	User string `json:"user,omitempty"`

	// State is the state of the host.
	State HostState `json:"state"`

	// ConfigHash is the hash of the configuration that was read back from the running HAProxy.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	ConfigHash string `json:"configHash,omitempty"`
	// ObservedGeneration is the generation of the spec that was read back from the running HAProxy.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// LastSyncTime is when the running configuration of the host last changed, not when it was last checked.
	// +optional
	LastSyncTime *metav1.Time `json:"lastSyncTime,omitempty"`
	// LastReloadTime is when HAProxy was last reloaded for edgelb.
	// +optional
	LastReloadTime *metav1.Time `json:"lastReloadTime,omitempty"`
	// LastUpdate is how the last change was made.
	// +optional
	LastUpdate UpdateKind `json:"lastUpdate,omitempty"`
	// LastDriftTime is when the operator last found that somebody else had changed the host.
	// +optional
	LastDriftTime *metav1.Time `json:"lastDriftTime,omitempty"`
	// StoppedRollout identifies the change with which this host, the canary of spec.rollout, has stopped the roll-out. It is not
	// tried again until the spec changes.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	StoppedRollout string `json:"stoppedRollout,omitempty"`
	// CertificateExpires is when the SSH certificate that logs in to the host expires, once that is soon: within a week, and in the last
	// tenth of its time.
	// +optional
	CertificateExpires *metav1.Time `json:"certificateExpires,omitempty"`
	// HAProxyVersion is the version of the running HAProxy, such as 2.6.12.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	HAProxyVersion string `json:"haproxyVersion,omitempty"`
	// Installed are the packages that the operator has installed on the host, with the versions that they had then, such as
	// "haproxy 2.6.12-1".
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=128
	// +optional
	Installed []string `json:"installed,omitempty"`
	// Removing reports whether the operator is removing the object's configuration from the host, because the host was removed
	// from the spec or the object is being deleted.
	// +optional
	Removing bool `json:"removing,omitempty"`
	// ServersUp and Servers count the object's servers on this host.
	// +optional
	ServersUp int32 `json:"serversUp"`
	// +optional
	Servers int32 `json:"servers"`
	// VirtualIPs is what the host is for the object's virtual addresses; empty if it has none, or if that is not known.
	// +optional
	VirtualIPs VirtualIPRole `json:"virtualIPs,omitempty"`
	// VRRPAddress is the address from which the host tells the others that it has the virtual addresses. The others need it while the
	// host is away.
	// +kubebuilder:validation:MaxLength=45
	// +optional
	VRRPAddress string `json:"vrrpAddress,omitempty"`
	// ConsecutiveErrors counts failed attempts since the last successful one.
	// +optional
	ConsecutiveErrors int32 `json:"consecutiveErrors"`
	// Message says what is wrong and how to fix it. It has at most 2,048 bytes, and less if an object has more than 128 hosts:
	// those of all hosts together have at most 256 KiB. Unprintable characters are escaped, as \x1b.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Message string `json:"message,omitempty"`
}

// UpdateKind is how a change was applied to a host.
//
// +kubebuilder:validation:Enum=Runtime;Reload
type UpdateKind string

const (
	// UpdateRuntime is a change of servers in the running HAProxy, without a reload.
	UpdateRuntime UpdateKind = "Runtime"
	// UpdateReload is a reload of HAProxy.
	UpdateReload UpdateKind = "Reload"
)

// HostState is the state of one host.
//
// +kubebuilder:validation:Enum=Synced;Pending;Unreachable;Untrusted;Unauthorized;Rejected;Refused;Drifted;Suspended;Installing
type HostState string

const (
	// HostSynced: the wanted configuration was read back from the running HAProxy.
	HostSynced HostState = "Synced"
	// HostPending: not checked yet, or something on the Kubernetes side is missing.
	HostPending HostState = "Pending"
	// HostUnreachable: no TCP or SSH connection.
	HostUnreachable HostState = "Unreachable"
	// HostUntrusted: the host's key is unknown, or differs from the pinned ones.
	HostUntrusted HostState = "Untrusted"
	// HostUnauthorized: the host refuses the key or the user.
	HostUnauthorized HostState = "Unauthorized"
	// HostRejected: the host cannot take the configuration, or HAProxy refuses it. The previous configuration still runs.
	HostRejected HostState = "Rejected"
	// HostRefused: the host's haproxy.cfg belongs to somebody else.
	HostRefused HostState = "Refused"
	// HostDrifted: somebody changed the host, and spec.driftPolicy is Report; the message says how it differs.
	HostDrifted HostState = "Drifted"
	// HostSuspended: spec.suspend is set; the message says what would be changed.
	HostSuspended HostState = "Suspended"
	// HostInstalling: packages are being installed; the message says which.
	HostInstalling HostState = "Installing"
)

// The condition types of an EdgeLoadBalancer. Each but VirtualIPsHeld is always present. Ready, HostsSynced, TargetsAvailable,
// TargetsHealthy, VirtualIPsHeld and Accepted are good when True; Reconciling and Stalled, which kstatus reads, are good when False.
const (
	// ConditionReady: all hosts are verified in sync, and every target has a server.
	ConditionReady = "Ready"
	// ConditionReconciling: the operator is working on the object, or will retry by itself.
	ConditionReconciling = "Reconciling"
	// ConditionStalled: the operator cannot continue until a person changes something.
	ConditionStalled = "Stalled"
	// ConditionAccepted: the spec can be turned into configurations.
	ConditionAccepted = "Accepted"
	// ConditionHostsSynced: all hosts are verified in sync.
	ConditionHostsSynced = "HostsSynced"
	// ConditionTargetsAvailable: every target has at least one server.
	ConditionTargetsAvailable = "TargetsAvailable"
	// ConditionTargetsHealthy: on every host, every target that has servers has one that passes HAProxy's health checks. Ready
	// does not depend on it: the health of an application is not the health of the edge.
	ConditionTargetsHealthy = "TargetsHealthy"
	// ConditionVirtualIPsHeld: exactly one host has the virtual addresses. It is present if spec.virtualIPs is set.
	ConditionVirtualIPsHeld = "VirtualIPsHeld"
)

// The reasons of conditions. A reason is stable; the message beside it is a sentence that says how to fix the problem.
const (
	// ReasonSynced: the spec is applied and proved.
	ReasonSynced = "Synced"
	// ReasonProgressing: changes are being applied to hosts.
	ReasonProgressing = "Progressing"
	// ReasonHostsNotSynced: some hosts do not match the spec, for different reasons. If all failing hosts have the same state,
	// the reason is that state, such as Unreachable.
	ReasonHostsNotSynced = "HostsNotSynced"
	// ReasonRolloutStopped: the canary of spec.rollout rejected a change, or was unhealthy with it. The other hosts keep what they
	// run.
	ReasonRolloutStopped = "RolloutStopped"
	// ReasonSuspended: spec.suspend is set.
	ReasonSuspended = "Suspended"
	// ReasonAccepted: the spec can be turned into configurations.
	ReasonAccepted = "Accepted"
	// ReasonBindConflict: two listeners ask for the same address and port of one host, or one object asks for all addresses and
	// another one for one of them.
	ReasonBindConflict = "BindConflict"
	// ReasonBindInvalid: a bind is not a valid address and port, so its listener is left out.
	ReasonBindInvalid = "BindInvalid"
	// ReasonListenerInvalid: a listener has an invalid setting, such as an invalid network, so it is left out.
	ReasonListenerInvalid = "ListenerInvalid"
	// ReasonNameConflict: two listeners that share a bind, or two routes, ask for the connections for the same name.
	ReasonNameConflict = "NameConflict"
	// ReasonTargetInvalid: a target does not exist, leads back to itself or has an invalid setting. What leads there is left
	// out, or does without it as a fallback or a share of a split.
	ReasonTargetInvalid = "TargetInvalid"
	// ReasonNamespaceNotAllowed: a target's Service is in another namespace, and the operator does not allow that.
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	// ReasonHostConflict: the host belongs to objects with another Secret or of another namespace, or an older object's
	// settings apply.
	ReasonHostConflict = "HostConflict"
	// ReasonVirtualIPConflict: an older object on the same host has the virtual address or the virtual router ID.
	ReasonVirtualIPConflict = "VirtualIPConflict"
	// ReasonPolicyViolation: the object asks for something that no EdgePolicy allows in its namespace. It is left out, or the
	// host stays unchanged; the message says which, and whom to ask.
	ReasonPolicyViolation = "PolicyViolation"
	// ReasonSecretNotFound: the Secret of spec.ssh.secretRef does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid: the Secret holds no usable private key, or an invalid known_hosts.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonServiceNotFound: a target's Service does not exist.
	ReasonServiceNotFound = "ServiceNotFound"
	// ReasonPortNotFound: a target's Service has no such port.
	ReasonPortNotFound = "PortNotFound"
	// ReasonServiceInvalid: a target's Service is of a kind that has no addresses, such as ExternalName.
	ReasonServiceInvalid = "ServiceInvalid"
	// ReasonNoEndpoints: a target's Service has no endpoint that can serve.
	ReasonNoEndpoints = "NoEndpoints"
	// ReasonEndpointsPending: Kubernetes has not yet written the EndpointSlices for the current state of a target's Service.
	// The condition is Unknown until then, and hosts keep the servers that they have.
	ReasonEndpointsPending = "EndpointsPending"
	// ReasonNoNodePort: a target is reached via NodePort, and its Service's port has none.
	ReasonNoNodePort = "NoNodePort"
	// ReasonNoNodes: a target is reached via NodePort, and no node can be a server: none may get traffic, or none has an
	// address of the target's type.
	ReasonNoNodes = "NoNodes"
	// ReasonAddressNotFound: hosts find no address for a DNS name of a target, and no other server of the target is up there.
	// If another one is up, the target is available, and only the host's message reports the name.
	ReasonAddressNotFound = "AddressNotFound"
	// ReasonClusterUnreachable: the other cluster of a target does not answer. What was last known of it is kept.
	ReasonClusterUnreachable = "ClusterUnreachable"
	// ReasonClusterInvalid: the kubeconfig of the other cluster of a target is missing, invalid, or contains something that is
	// not allowed.
	ReasonClusterInvalid = "ClusterInvalid"
	// ReasonClusterUnauthorized: the other cluster of a target does not accept the credentials of the kubeconfig.
	ReasonClusterUnauthorized = "ClusterUnauthorized"
	// ReasonClusterForbidden: the kubeconfig's user may not read what the operator needs in the other cluster of a target.
	ReasonClusterForbidden = "ClusterForbidden"
	// ReasonAvailable: every target has a server.
	ReasonAvailable = "Available"
	// ReasonHealthy: every target has a server that is up. The message reports those that are down.
	ReasonHealthy = "Healthy"
	// ReasonServersDown: the health checks of all servers of a target fail on a host; the message has HAProxy's reason.
	ReasonServersDown = "ServersDown"
	// ReasonVirtualIPsHeld: one host has the virtual addresses, and the others would take them.
	ReasonVirtualIPsHeld = "VirtualIPsHeld"
	// ReasonNoMaster: no host has the virtual addresses.
	ReasonNoMaster = "NoMaster"
	// ReasonSeveralMasters: more than one host has the virtual addresses, because they do not hear each other.
	ReasonSeveralMasters = "SeveralMasters"
	// ReasonNotifyFailed: one host has the virtual addresses, and notifyCommand fails there, or would fail on another host.
	ReasonNotifyFailed = "NotifyFailed"
	// ReasonDeleting: the object is being deleted and its configuration removed from the hosts.
	ReasonDeleting = "Deleting"
)
