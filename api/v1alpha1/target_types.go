package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Target is one backend: where connections go.
type Target struct {
	// Name is what listeners call the target.
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

	// DrainTimeout is how long a server that is wanted no more, such as a pod that terminates, keeps its open connections. It
	// gets no new ones. 0s cuts them at once.
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('24h')",message="drainTimeout must be between 0s and 24h"
	// +optional
	DrainTimeout *metav1.Duration `json:"drainTimeout,omitempty"`
}

// ServicePort names one port of a Service.
type ServicePort struct {
	// Name is the Service's.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Port is the name or the number of one of the Service's ports.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 65535 : self.matches('^[a-z0-9-]*[a-z][a-z0-9-]*$')",message="port must be the name of one of the Service's ports, or its number from 1 to 65535 without quotes"
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
	// Type is what a check does.
	// +kubebuilder:default=TCP
	// +optional
	Type HealthCheckType `json:"type,omitempty"`

	// Interval is the time between two checks of one server.
	// +kubebuilder:default="2s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
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
