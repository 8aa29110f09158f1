package desired

import (
	"net/netip"
	"path"
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/keepalived"
)

// healthSocket stands beside the admin socket.
const healthSocket = "edgelb-health.sock"

// addVirtual adds the virtual addresses that the members ask for, and what HAProxy needs for them.
func (h *Host) addVirtual(members []membership, s Snapshot) []Problem {
	if !slices.ContainsFunc(members, func(m membership) bool { return m.object.Spec.VirtualIPs != nil }) {
		return nil
	}
	asking := make([]virtualips.Member, len(members))
	byObject := make(map[*v1alpha1.EdgeLoadBalancer]membership, len(members))
	for i, m := range members {
		asking[i] = virtualips.Member{Object: m.object, Entry: m.entry}
		byObject[m.object] = m
	}
	virtual, conflicts := virtualips.Build(h.Key, asking, virtualips.Known{PeerOf: s.peerOf, RulesOf: s.RulesOf})
	var problems []Problem
	for _, c := range conflicts {
		problems = append(problems, byObject[c.Object].problem(c.Reason, "%s", c.Message))
	}
	h.Virtual = virtual
	if !virtual.Asked() {
		return problems
	}
	socket := path.Join(path.Dir(h.Config.AdminSocket), healthSocket)
	if virtual.ScriptUser {
		h.Config.HealthSocket = haproxy.HealthSocket{Path: socket, User: keepalived.ScriptUser}
	}
	h.Config.VirtualAddresses = slices.DeleteFunc(slices.Clone(virtual.Addresses), h.bindsNot)
	if virtual.Config != nil {
		virtual.Config.Owner, virtual.Config.Host, virtual.Config.CheckSocket = h.Config.Owner, h.Config.Host, socket
	}
	return problems
}

// bindsNot reports whether no frontend is bound to that very address: HAProxy then needs not know of it.
func (h *Host) bindsNot(addr netip.Addr) bool {
	return !slices.ContainsFunc(h.Config.Frontends, func(f haproxy.Frontend) bool {
		return slices.ContainsFunc(f.Binds, func(b haproxy.Bind) bool { return b.Addr == addr })
	})
}
