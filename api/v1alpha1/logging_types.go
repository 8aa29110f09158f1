package v1alpha1

// Logging is what HAProxy logs. A host that several objects share logs what the oldest of them says.
type Logging struct {
	// Target is where HAProxy sends its log: Journal, which is the host's journal or syslog; None; or a syslog server that takes RFC
	// 5424, as udp://192.0.2.9:514 or tcp://[2001:db8::9]:514. A server has an IP address, which must be one that spec.targets may have
	// as well. While a server is away, HAProxy drops what it would log; it keeps the last MiB for a server that is reached by TCP.
	// +kubebuilder:default=Journal
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self in ['Journal', 'None'] || self.matches('^(udp|tcp)://(((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])|[[][0-9A-Fa-f:]+[]]):([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$') && (!self.contains('[') || isIP(self.substring(7, self.indexOf(']'))))",message="target must be Journal, None, or udp:// or tcp:// with an IP address and a port, such as udp://192.0.2.9:514 or tcp://[2001:db8::9]:514"
	// +optional
	Target string `json:"target,omitempty"`

	// Connections are those that are logged, and over HTTP the requests. Errors are those that failed and sent something; All are
	// all. HAProxy's own messages, such as that a server is down, are logged in any case.
	// +kubebuilder:default=Errors
	// +optional
	Connections LoggedConnections `json:"connections,omitempty"`

	// Format is how a connection or a request is logged. HAProxy is HAProxy's own format for TCP or HTTP, which has the whole line of
	// the request. JSON has one object with numbers and strings: the client, the listener, the name in the ClientHello or the Host, the
	// target, the server, the bytes and times, and how it ended; over HTTP also the method, the status, and the path. The path is
	// without the query, which may hold a secret. HAProxy's own messages stay text.
	// +kubebuilder:default=HAProxy
	// +optional
	Format LogFormat `json:"format,omitempty"`
}

// LoggedConnections are the connections that are logged.
//
// +kubebuilder:validation:Enum=Errors;All
type LoggedConnections string

const (
	// LogErrors: those that failed.
	LogErrors LoggedConnections = "Errors"
	// LogAll: all.
	LogAll LoggedConnections = "All"
)

// LogFormat is how a connection is logged.
//
// +kubebuilder:validation:Enum=HAProxy;JSON
type LogFormat string

const (
	// LogHAProxy: HAProxy's own format.
	LogHAProxy LogFormat = "HAProxy"
	// LogJSON: a JSON object.
	LogJSON LogFormat = "JSON"
)

// The values of Logging.Target that are no servers.
const (
	LogToJournal = "Journal"
	LogToNone    = "None"
)
