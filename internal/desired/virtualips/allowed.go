package virtualips

import (
	"fmt"
	"net/netip"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/policy"
)

// allowed is what a policy allows of what an object asks for.
type allowed struct {
	prefixes []netip.Prefix
	notify   keepalived.Notify
}

// allowed leaves out what a policy does not allow, so that it harms nothing else: an address, while the host keeps the others; and the command,
// while keepalived does everything else.
func (m Member) allowed(rules policy.Rules) (allowed, []Conflict) {
	var is allowed
	var left []Conflict
	leave := func(format string, args ...any) {
		left = append(left, Conflict{m.Object, v1alpha1.ReasonPolicyViolation, fmt.Sprintf(format, args...)})
	}
	wants := m.Object.Spec.VirtualIPs
	for _, prefix := range prefixesOf(wants) {
		addr := prefix.Addr()
		if found := rules.Virtual.CheckResolved(addr.String(), addr); found != nil {
			leave("no host gets the virtual address: %v", found)
			continue
		}
		is.prefixes = append(is.prefixes, prefix)
	}
	if found := rules.CheckNotifyCommand(wants.NotifyCommand); found != nil {
		leave("nobody is told which host has the virtual addresses: %v", found)
		return is, left
	}
	is.notify = keepalived.Notify{Command: wants.NotifyCommand, Secret: wants.NotifyCommand != "" && wants.NotifySecretRef != nil}
	return is, left
}
