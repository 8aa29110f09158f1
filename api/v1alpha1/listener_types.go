package v1alpha1

// Listener is one frontend.
type Listener struct {
	// Name tells the object's listeners apart.
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

// BindAddress is one address and port to listen on, in HAProxy's syntax.
//
// +kubebuilder:validation:MaxLength=58
// +kubebuilder:validation:XValidation:rule="self.matches('^((ipv4@)?[0-9.]*|(ipv6@)?\\\\[[0-9A-Fa-f:.]+\\\\]|ipv6@):[1-9][0-9]{0,4}$')",message="a bind is ADDRESS:PORT, such as ipv4@:443, ipv6@:443, 192.0.2.1:443, ipv6@[2001:db8::1]:443 or :443"
// +kubebuilder:validation:XValidation:rule="!self.matches(':[0-9]{1,5}$') || int(self.substring(self.lastIndexOf(':') + 1)) <= 65535",message="a bind's port must be between 1 and 65535"
// +kubebuilder:validation:XValidation:rule="self.contains('[') || !self.matches('[0-9.]:[0-9]+$') || self.split(':')[0].split('@').all(part, part == 'ipv4' || isIP(part))",message="a bind's IPv4 address must be valid, such as 192.0.2.1"
// +kubebuilder:validation:XValidation:rule="!self.matches('\\\\[.*\\\\]') || self.substring(self.indexOf('[') + 1, self.indexOf(']')).contains(':') && isIP(self.substring(self.indexOf('[') + 1, self.indexOf(']')))",message="a bind's address in brackets must be a valid IPv6 address, such as [2001:db8::1]"
type BindAddress string
