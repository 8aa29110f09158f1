package cfg

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/edgelb/edgelb/internal/haproxy/valid"
)

// Platform holds the host's facts that the text depends on.
type Platform struct {
	// User and Group are the account to which HAProxy's worker drops its privileges; empty to keep those of the master.
	User, Group string
	// Chroot is the worker's chroot; empty for none.
	Chroot string
	// SocketUser owns the admin socket, so that the account that logs in can reach it; empty for HAProxy's own user.
	SocketUser string
	// StateFile is the absolute path of the server state file that the next worker reads at a reload.
	StateFile string
	// NamesPrefix is the absolute path of the map file, without the 16 digits of the structure hash that follow it: map files
	// of different structures have different names, so that both can exist while HAProxy is reloaded.
	NamesPrefix string
	// Syslog reports whether the host has a /dev/log.
	Syslog bool
	// ResolvConf reports whether the account that starts HAProxy can read /etc/resolv.conf. If not, servers with a DNS name are
	// never found.
	ResolvConf bool
}

// The longest strings, in bytes.
const (
	maxPath    = 200
	maxAccount = 32
)

var accountPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// Validate returns everything that is wrong with the Platform; nil if nothing is.
func (p Platform) Validate() error {
	faults := []error{
		checkAccount("the user", p.User),
		checkAccount("the group", p.Group),
		checkAccount("the admin socket's user", p.SocketUser),
		valid.Path("the state file", p.StateFile, maxPath),
	}
	if p.Chroot != "" {
		faults = append(faults, valid.Path("the chroot", p.Chroot, maxPath))
	}
	if p.NamesPrefix != "" {
		faults = append(faults, valid.Path("the map file", p.NamesPrefix, maxPath))
	}
	return errors.Join(faults...)
}

// checkAccount requires the name of an account, or an empty string.
func checkAccount(what, name string) error {
	if name != "" && (len(name) > maxAccount || !accountPattern.MatchString(name)) {
		return fmt.Errorf("%s: %.80q is no account name of at most %d characters", what, name, maxAccount)
	}
	return nil
}
