package cfg

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/edgelb/edgelb/internal/haproxy"
)

// Platform is what the text depends on that only the host knows.
type Platform struct {
	// User and Group are what HAProxy's worker drops its privileges to; empty to keep those of the master.
	User, Group string
	// Chroot is where the worker locks itself in; empty for nowhere.
	Chroot string
	// SocketUser owns the admin socket, so that the account that logs in reaches it; empty for HAProxy's own user.
	SocketUser string
	// StateFile is the absolute path of the server state that a reload hands over.
	StateFile string
	// NamesPrefix is the absolute path of the file of names and ways, without the 16 digits of the structure's fingerprint that
	// follow it: files of another structure have other names, so that both can be there while HAProxy is reloaded.
	NamesPrefix string
	// Syslog says that the host has a /dev/log.
	Syslog bool
	// ResolvConf says that whoever starts HAProxy can read /etc/resolv.conf. If not, servers with a DNS name are never found.
	ResolvConf bool
}

// Longest strings, in bytes.
const (
	maxPath    = 200
	maxAccount = 32
)

var accountPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// Validate says everything that is wrong with the Platform; nil for nothing.
func (p Platform) Validate() error {
	faults := []error{
		checkAccount("the user", p.User),
		checkAccount("the group", p.Group),
		checkAccount("the admin socket's user", p.SocketUser),
		haproxy.CheckPath("the state file", p.StateFile, maxPath),
	}
	if p.Chroot != "" {
		faults = append(faults, haproxy.CheckPath("the chroot", p.Chroot, maxPath))
	}
	if p.NamesPrefix != "" {
		faults = append(faults, haproxy.CheckPath("the file of names", p.NamesPrefix, maxPath))
	}
	return errors.Join(faults...)
}

// checkAccount wants the name of an account, or nothing.
func checkAccount(what, name string) error {
	if name != "" && (len(name) > maxAccount || !accountPattern.MatchString(name)) {
		return fmt.Errorf("%s: %.80q is no account name of at most %d characters", what, name, maxAccount)
	}
	return nil
}
