package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// VirtualIPs are addresses that move to a healthy host, by keepalived on the hosts.
//
// +kubebuilder:validation:XValidation:rule="!has(self.notifySecretRef) || has(self.notifyCommand) && size(self.notifyCommand) > 0",message="notifySecretRef is for notifyCommand: set it, or remove notifySecretRef"
type VirtualIPs struct {
	// Addresses are the virtual addresses, each with the length of its network's prefix, such as 203.0.113.10/24. They may be of both
	// families. All of them are on one host at a time. Each must be in a network of the interface; with notifyCommand, and hosts[].vrrpAddress on
	// each host, they need not.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self) && !self.startsWith('::ffff:')",message="virtual addresses are IP addresses with the length of their network's prefix, such as 203.0.113.10/24"
	// +required
	Addresses []string `json:"addresses"`

	// Interface has the addresses on every host. Default: on each host, the interface that is in the network of the first address.
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`
	// +optional
	Interface string `json:"interface,omitempty"`

	// VirtualRouterID identifies the hosts that share the addresses. No other VRRP router of the network may have it.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=255
	// +required
	VirtualRouterID int32 `json:"virtualRouterID"`

	// AdvertisementInterval is the time between two signs of life of the host that has the addresses. After a little more than three
	// of them without one, another host takes the addresses. Fractions of a hundredth of a second are cut off.
	// +kubebuilder:default="1s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('40s')",message="advertisementInterval must be between 100ms and 40s"
	// +optional
	AdvertisementInterval *metav1.Duration `json:"advertisementInterval,omitempty"`

	// Unicast sends the signs of life to the other hosts of this object only. Their addresses are found out on the hosts; see
	// hosts[].vrrpAddress. False sends them to the network by multicast.
	// +kubebuilder:default=true
	// +optional
	Unicast *bool `json:"unicast,omitempty"`

	// Preempt lets a host with a higher priority take the addresses back when it returns. Otherwise they stay where they are.
	// +optional
	Preempt bool `json:"preempt,omitempty"`

	// NotifyCommand is run on the host that gets the addresses, without a shell, by keepalived and as its account keepalived_script: for a
	// cloud that must be told who has a floating address. It begins with the absolute path of a program. It is run again until it succeeds,
	// and ended after 30s. Its environment has EDGELB_ADDRESSES, separated by blanks, EDGELB_INTERFACE, EDGELB_INSTANCE, EDGELB_STATE, which
	// is MASTER, and EDGELB_SECRET. Only an EdgePolicy with NotifyCommand allows it.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^(/[A-Za-z0-9/._:=@-]+( [A-Za-z0-9/._:=@-]+)*)?$`
	// +optional
	NotifyCommand string `json:"notifyCommand,omitempty"`

	// NotifySecretRef names a Secret of the type edgelb.io/notify, whose keys become files on the hosts that only the command's account can
	// read. The command begins in their folder, whose path is in EDGELB_SECRET.
	// +optional
	NotifySecretRef *SecretReference `json:"notifySecretRef,omitempty"`
}

// VirtualIPRole is what a host is for the virtual addresses.
//
// +kubebuilder:validation:Enum=MASTER;BACKUP;FAULT
type VirtualIPRole string

const (
	// VirtualIPMaster: the host has the addresses.
	VirtualIPMaster VirtualIPRole = "MASTER"
	// VirtualIPBackup: the host takes them if the master fails.
	VirtualIPBackup VirtualIPRole = "BACKUP"
	// VirtualIPFault: the host cannot take them, or must not.
	VirtualIPFault VirtualIPRole = "FAULT"
)

// MaxVIPPriority is the priority of an object's first host by default. Each next host has one less, and at least 1. High priorities make
// a planned change of the master fast: by VRRP, a backup waits for (256 - priority)/256 of an interval.
const MaxVIPPriority = 250
