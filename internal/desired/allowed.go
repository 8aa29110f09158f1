package desired

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/servers"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/policy"
)

// What a policy does not allow is left out, so that it harms nothing else: a server; a command, in which case the operator
// finds out on the host how to reload; adopt, which a host of ours does not need. The operator leaves the whole host
// unchanged only if nothing remains: it must not dial the host, or must not write its files.

func (s Snapshot) rulesFor(m membership) policy.Rules { return s.RulesOf(m.object.Namespace) }

// refusal says why the object may not have the host; empty if it may.
func refusal(key model.HostID, m membership, s Snapshot) []Problem {
	rules, paths := s.rulesFor(m), &m.object.Spec.HAProxy
	found := rules.Hosts.CheckBehind(key.JumpAddress(), key.Address)
	if found == nil {
		found = rules.CheckPaths(spec.ConfigPath(paths), spec.AdminSocket(paths))
	}
	if found == nil && s.Excess[m.object.Namespace].HasHost(key) {
		found = rules.Limits.Hosts.Exceeded()
	}
	if found == nil {
		return nil
	}
	return notAllowed(m, "host %s (%s) is left alone as it is: %v", m.host.Name, key, found)
}

func notAllowed(m membership, format string, args ...any) []Problem {
	return []Problem{m.problem(v1alpha1.ReasonPolicyViolation, format, args...)}
}

// reloadCommand returns the object's command if it may be run.
func reloadCommand(holder membership, s Snapshot) (string, []Problem) {
	command := holder.object.Spec.HAProxy.ReloadCommand
	if found := s.rulesFor(holder).CheckReloadCommand(command); found != nil {
		return "", notAllowed(holder, "HAProxy is reloaded by the method that each host has for it: %v", found)
	}
	return command, nil
}

// adoption reports whether one of the objects may replace somebody else's file, and why another one may not although it asks
// for that, which is reported only if there is such a file.
func adoption(members []membership, s Snapshot) (adopt bool, refused string) {
	for _, m := range members {
		if !m.host.Adopt {
			continue
		}
		if found := s.rulesFor(m).CheckAdopt(); found != nil {
			refused = found.Error()
		} else {
			adopt = true
		}
	}
	return adopt, refused
}

// listenersWithin returns the member's listeners that are within the limits of its namespace.
func listenersWithin(m membership, s Snapshot) ([]v1alpha1.Listener, []Problem) {
	all := m.object.Spec.Listeners
	within := s.Excess[m.object.Namespace].Listeners(m.object)
	left := all[len(within):]
	if len(left) == 0 {
		return within, nil
	}
	var names []string
	for i := range left {
		names = append(names, left[i].Name)
	}
	return within, notAllowed(m, "listeners %s are left out: %v", listed(names), s.rulesFor(m).Limits.Listeners.Exceeded())
}

// routesBeyond says for each route of the listener whether it is beyond the limits of its namespace; nil if none is.
func routesBeyond(m membership, l *v1alpha1.Listener, s Snapshot) ([]bool, []Problem) {
	beyond := s.Excess[m.object.Namespace].Routes(m.object, l)
	i := slices.Index(beyond, true)
	if i < 0 {
		return beyond, nil
	}
	return beyond, notAllowed(m, "listener %s: the routes from that for %s on are left out: %v", l.Name,
		listed(hostnamesOf(&l.Routes[i])), s.rulesFor(m).Limits.Hostnames.Exceeded())
}

func hostnamesOf(route *v1alpha1.Route) []string {
	names := make([]string, len(route.Hostnames))
	for i, name := range route.Hostnames {
		names[i] = string(name)
	}
	return names
}

// allowedServers returns the target's servers that policy allows.
func allowedServers(m membership, t *v1alpha1.Target, all []haproxy.Server, s Snapshot) ([]haproxy.Server, []Problem) {
	check := servers.Allowed(t, s.rulesFor(m).Servers)
	isForbidden := func(server haproxy.Server) bool { return check(server) != nil }
	first := slices.IndexFunc(all, isForbidden)
	if first < 0 {
		return all, nil
	}
	problems := notAllowed(m, "target %s: server %s is left out: %v", t.Name, all[first].Name, check(all[first]))
	problems[0].Target = t.Name
	// Others may share the list.
	return slices.DeleteFunc(slices.Clone(all), isForbidden), problems
}
