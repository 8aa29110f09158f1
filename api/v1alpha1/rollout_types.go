package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Rollout says how a change that needs a reload of HAProxy is brought to the hosts. Changes of servers, names and weights need none,
// and go to all hosts at once.
type Rollout struct {
	// Canary is the name of the host that gets each change first. The other hosts get it when the canary is proved to run it and was
	// healthy for the pause. A canary that rejects a change, or is unhealthy with it, stops the roll-out and gets back what it ran
	// before; the other hosts keep what they run.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Canary string `json:"canary"`

	// Pause is how long the canary is watched: for failed reloads, for servers that go down, and for more failed connections to
	// servers than before.
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('1h')",message="pause must be between 0s and 1h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +optional
	Pause *metav1.Duration `json:"pause,omitempty"`

	// MaxUnavailable is how many hosts may be changed at a time. A host whose change has failed counts until it is resolved.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500
	// +optional
	MaxUnavailable int32 `json:"maxUnavailable,omitempty"`
}
