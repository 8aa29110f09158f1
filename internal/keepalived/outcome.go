package keepalived

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/internal/model"
)

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
	// UpdateNotify ran the commands of instances that the host is the master of.
	UpdateNotify Update = "notify"
)

// Notice is how far the command of an instance has come on a host; the zero Notice for one that was told, or need not be.
type Notice struct {
	// Running reports that it is not known yet whether the command succeeds.
	Running bool
	// Trouble says why the command has failed, or would fail, and what to do.
	Trouble string
}

// Secret is what a command gets from a Secret.
type Secret struct {
	// Files are its content. Trouble is a sentence that says why it is not known, and what to do: what the host has is then left as it is.
	Files   SecretFiles
	Trouble string
}

// SecretFiles are the contents of files by their names. They are in no log: formatted, they only say how many they are.
type SecretFiles map[string][]byte

// Format writes the number of the files.
func (f SecretFiles) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "%d files of a Secret", len(f))
}

// ID identifies the files, in 16 hexadecimal digits, as cfg/notify.sh does.
func (f SecretFiles) ID() string {
	var lines []string
	for key, content := range f {
		lines = append(lines, fmt.Sprintf("%x  ./%s\n", sha256.Sum256(content), key))
	}
	slices.Sort(lines)
	all := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(all[:8])
}

// Outcome is the result of a sync of keepalived on a host, or of a look at it.
type Outcome struct {
	State model.State
	// Message says what is wrong and what to do; empty if nothing is. It is also set for a host that is Synced, but in the role Fault.
	Message string
	// Roles are what the host is for each instance of the configuration that it was last proved to run, by the instance's name.
	Roles map[string]Role
	// Notices are how far the commands of these instances have come, likewise; an instance without one has none that matters.
	Notices map[string]Notice
	// LacksPackage says that the host cannot be synced because it has no keepalived, or because one is being installed. Installed are the
	// packages that edgelb has installed, such as "keepalived 2.2.7-1".
	LacksPackage bool
	Installed    []string
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
