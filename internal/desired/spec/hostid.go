package spec

import (
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// IDOf identifies one of the hosts of a spec.
func IDOf(ssh *v1alpha1.SSH, host *v1alpha1.Host) model.HostID {
	id := model.NewHostID(host.Address, sshPort(ssh, host))
	if ssh.JumpHost == nil {
		return id
	}
	return id.Through(jumpID(ssh.JumpHost))
}

// IsHost reports whether a host of a spec has the ID. It is cheaper than IDOf, and runs for every host of every object that
// shares a host.
func IsHost(ssh *v1alpha1.SSH, host *v1alpha1.Host, id model.HostID) bool {
	switch {
	case sshPort(ssh, host) != id.Port, (ssh.JumpHost == nil) != (id.Jump == ""):
		return false
	case strings.Contains(host.Address, ":"):
		// Only IPv6 addresses have spellings that differ in more than the case.
		return IDOf(ssh, host) == id
	default:
		return strings.EqualFold(host.Address, id.Address) && (ssh.JumpHost == nil || jumpID(ssh.JumpHost).String() == id.Jump)
	}
}

// IDOfStatus identifies the host that a host status is about.
func IDOfStatus(host *v1alpha1.HostStatus) model.HostID {
	id := model.NewHostID(host.Address, host.Port)
	if jump := readJump(host.JumpHost); jump != nil {
		return id.Through(jumpID(jump))
	}
	return id
}
