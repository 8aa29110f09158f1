package spec

import (
	"cmp"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

// jumpID identifies a jump host.
func jumpID(jump *v1alpha1.JumpHost) model.HostID {
	return model.NewHostID(jump.Address, cmp.Or(jump.Port, 22))
}

// JumpID identifies the jump host of a spec; the zero value if there is none.
func JumpID(ssh *v1alpha1.SSH) model.HostID {
	if ssh.JumpHost == nil {
		return model.HostID{}
	}
	return jumpID(ssh.JumpHost)
}

// JumpUser returns the user to log in to the jump host as; empty if there is none.
func JumpUser(ssh *v1alpha1.SSH) string {
	if ssh.JumpHost == nil {
		return ""
	}
	return cmp.Or(ssh.JumpHost.User, ssh.User, "root")
}

// JumpKeys returns the pinned keys of the jump host, as HostKeys does.
func JumpKeys(ssh *v1alpha1.SSH) []string {
	if ssh.JumpHost == nil {
		return nil
	}
	return HostKeys(&v1alpha1.Host{HostKeys: ssh.JumpHost.HostKeys})
}

// JumpText returns the jump host of a spec as it is in the status of a host: user@address:port; empty if there is none.
func JumpText(ssh *v1alpha1.SSH) string {
	if ssh.JumpHost == nil {
		return ""
	}
	return JumpUser(ssh) + "@" + jumpID(ssh.JumpHost).String()
}

// readJump returns the jump host in a host status; nil if there is none.
func readJump(text string) *v1alpha1.JumpHost {
	user, address, found := strings.Cut(text, "@")
	id, err := model.ParseHostID(address)
	if !found || err != nil {
		return nil
	}
	return &v1alpha1.JumpHost{Address: id.Address, Port: id.Port, User: user}
}

// ReachedAs returns the object with the jump host through which the status says that one of its hosts was reached: the object itself if its
// spec has the same one. The pins of a jump host that is no longer in the spec are unknown.
func ReachedAs(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) *v1alpha1.EdgeLoadBalancer {
	jump := readJump(host.JumpHost)
	same := (jump == nil) == (object.Spec.SSH.JumpHost == nil)
	if same && (jump == nil || jumpID(jump) == JumpID(&object.Spec.SSH)) {
		return object
	}
	changed := *object
	changed.Spec.SSH.JumpHost = jump
	return &changed
}
