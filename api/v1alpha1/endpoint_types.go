package v1alpha1

// HealthEndpoint is where HAProxy says by HTTP whether the host serves.
type HealthEndpoint struct {
	// Bind is what to listen on, in the form of spec.listeners[].bind. No listener of the host may have it.
	// +required
	Bind BindAddress `json:"bind"`

	// Path is answered with 200 as long as HAProxy accepts connections, and with 503 while an object has the host in maintenance. Servers
	// do not count. Every other path is answered with 404.
	// +kubebuilder:default=/healthz
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9._~-]*)+$')",message="a path begins with / and has letters, digits and /._~- only, such as /healthz"
	// +optional
	Path string `json:"path,omitempty"`
}
