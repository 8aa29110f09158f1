package desired

import (
	"net/netip"
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/policy"
)

// What a policy does not allow is left out, so that it harms nothing else: a server; a command, in which case the operator
// finds out on the host how to reload; adopt, which a host of ours does not need. The operator leaves the whole host
// unchanged only if nothing remains: it must not dial the host, or must not write its files.

// RulesOf returns the rules for the objects of a namespace.
func (s Snapshot) RulesOf(namespace string) policy.Rules {
	if rules, found := s.Rules[namespace]; found {
		return rules
	}
	return policy.Builtin(namespace)
}

func (s Snapshot) rulesFor(m membership) policy.Rules { return s.RulesOf(m.object.Namespace) }

// refused reports whether the object may not have the host.
func (h *Host) refused(m membership, s Snapshot) bool {
	rules, paths := s.rulesFor(m), &m.object.Spec.HAProxy
	found := rules.Hosts.Check(h.Key.Address)
	if found == nil {
		found = rules.CheckPaths(configPath(paths), adminSocket(paths))
	}
	if found == nil && s.Excess[m.object.Namespace].hosts[h.Key] {
		found = rules.Limits.Hosts.Exceeded()
	}
	if found != nil {
		h.violated(m, "host %s (%s) is left alone as it is: %v", m.host.Name, h.Key, found)
	}
	return found != nil
}

func (h *Host) violated(m membership, format string, args ...any) {
	h.Problems = append(h.Problems, m.problem(v1alpha1.ReasonPolicyViolation, format, args...))
}

// setReloadCommand sets the command if it may be run.
func (h *Host) setReloadCommand(holder membership, s Snapshot) {
	command := holder.object.Spec.HAProxy.ReloadCommand
	if found := s.rulesFor(holder).CheckReloadCommand(command); found != nil {
		h.violated(holder, "HAProxy is reloaded by the method that each host has for it: %v", found)
		return
	}
	h.ReloadCommand = command
}

// setAdopt lets the object replace somebody else's file if policy allows it. NoAdopt is reported only if there is such a
// file.
func (h *Host) setAdopt(m membership, s Snapshot) {
	if !m.host.Adopt {
		return
	}
	if found := s.rulesFor(m).CheckAdopt(); found != nil {
		h.NoAdopt = found.Error()
		return
	}
	h.Adopt = true
}

// listenersWithin returns the member's listeners that are within the limits of its namespace.
func (h *Host) listenersWithin(m membership, s Snapshot) []v1alpha1.Listener {
	all := m.object.Spec.Listeners
	within := s.Excess[m.object.Namespace].listenersOf(m.object)
	if left := all[len(within):]; len(left) > 0 {
		var names []string
		for i := range left {
			names = append(names, left[i].Name)
		}
		h.violated(m, "listeners %s are left out: %v", listed(names), s.rulesFor(m).Limits.Listeners.Exceeded())
	}
	return within
}

// routesBeyond says for each route of the listener whether it is beyond the limits of its namespace; nil if none is.
func (h *Host) routesBeyond(c *claim, s Snapshot) []bool {
	beyond := s.Excess[c.member.object.Namespace].excessRoutes(c.member.object, c.listener.Name)
	if i := slices.Index(beyond, true); i >= 0 {
		h.violated(c.member, "listener %s: the routes from that for %s on are left out: %v", c.listener.Name,
			listed(hostnamesOf(&c.listener.Routes[i])), s.rulesFor(c.member).Limits.Hostnames.Exceeded())
	}
	return beyond
}

func hostnamesOf(route *v1alpha1.Route) []string {
	names := make([]string, len(route.Hostnames))
	for i, name := range route.Hostnames {
		names[i] = string(name)
	}
	return names
}

// allowedServers returns the target's servers that policy allows.
func (h *Host) allowedServers(m membership, t *v1alpha1.Target, servers []haproxy.Server, s Snapshot) []haproxy.Server {
	check := checkOfServers(t, s.rulesFor(m).Servers)
	isForbidden := func(server haproxy.Server) bool { return check(server) != nil }
	first := slices.IndexFunc(servers, isForbidden)
	if first < 0 {
		return servers
	}
	problem := m.problem(v1alpha1.ReasonPolicyViolation, "target %s: server %s is left out: %v", t.Name, servers[first].Name, check(servers[first]))
	problem.Target = t.Name
	h.Problems = append(h.Problems, problem)
	// Others may share the list.
	return slices.DeleteFunc(slices.Clone(servers), isForbidden)
}

// checkOfServers returns a function that says why a server of the target is not allowed. The cluster decides on the
// addresses of its own pods and nodes, unless they lead to the edge host itself or to no machine: tenants may be able to
// write EndpointSlices.
func checkOfServers(t *v1alpha1.Target, allowed policy.Addresses) func(haproxy.Server) *policy.Violation {
	isOwn := t.Service != nil && t.Service.KubeconfigSecretRef == nil
	return func(server haproxy.Server) *policy.Violation {
		switch {
		case server.Addr == (netip.Addr{}):
			return allowed.CheckUnresolved(server.DNSName)
		case isOwn:
			return allowed.CheckSpecial(server.Addr)
		default:
			return allowed.CheckResolved(server.Addr.String(), server.Addr)
		}
	}
}
