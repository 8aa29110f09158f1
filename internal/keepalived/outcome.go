package keepalived

import "github.com/edgelb/edgelb/internal/model"

// Update is how a change was brought to keepalived on a host.
type Update string

// The kinds of updates.
const (
	// UpdateFile changed what keepalived reads at any time, such as the file of the maintenance mode.
	UpdateFile Update = "file"
	// UpdateStart started keepalived, and UpdateReload had it load another file. UpdateStop stopped it and removed its files.
	UpdateStart  Update = "start"
	UpdateReload Update = "reload"
	UpdateStop   Update = "stop"
)

// Outcome is the result of a sync of keepalived on a host, or of a look at it.
type Outcome struct {
	State model.State
	// Message says what is wrong and what to do; empty if nothing is. It is also set for a host that is Synced, but in the role Fault.
	Message string
	// Roles are what the host is for each instance of the configuration that it was last proved to run, by the instance's name.
	Roles map[string]Role
	// Networks are the host's own addresses; see Network. They are nil if the host was not observed.
	Networks []Network
	// ScriptUser reports whether the account of that name exists, if the host was observed.
	ScriptUser bool
	// Version is a version such as "2.2.7"; empty if unknown.
	Version string
	// Fingerprint is the hash of the configuration that keepalived was proved to run; empty if it is not the wanted one.
	Fingerprint string
	// Update is how a change was brought to the host, and Reasons say why. Both are also set if the change failed; Changed says that it was
	// proved.
	Update  Update
	Reasons []string
	Changed bool
	// Drift is how the host differed from what it was proved to run; if the drift was repaired, Reasons have the same content.
	Drift []string
	// Owner is the owner of a host that is Refused because it belongs to another edgelb. It is for the operator's log only.
	Owner string
}
