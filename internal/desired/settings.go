package desired

import (
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// settle returns the host with the settings that it has only once, from the oldest object, and with those that add up from all
// objects. It reports the settings that are ignored.
func settle(key model.HostID, members []membership, s Snapshot) (Host, []Problem) {
	holder := members[0]
	spec := &holder.object.Spec
	command, problems := reloadCommand(holder, s)
	host := Host{
		Key: key,
		Config: haproxy.Config{
			Owner:          s.Cluster + "/" + holder.object.Namespace,
			Host:           key.String(),
			AdminSocket:    adminSocket(&spec.HAProxy),
			MaxConnections: maxConnections(&spec.HAProxy),
			Timeouts:       timeouts(&spec.HAProxy.Timeouts),
		},
		Login: Login{
			User:           sshUser(&spec.SSH, holder.host),
			Secret:         OwnerOf(holder.object),
			ConnectTimeout: connectTimeout(&spec.SSH),
			HostKeys:       pins(holder.host),
		},
		ConfigPath:    configPath(&spec.HAProxy),
		ReloadCommand: command,
		Suspend:       slices.ContainsFunc(members, func(m membership) bool { return m.object.Spec.Suspend }),
	}
	host.Adopt, host.NoAdopt = adoption(members, s)
	for _, m := range members {
		problems = append(problems, compareSettings(key, holder, m)...)
	}
	return host, problems
}

// pins returns the host keys of an entry without their comments, sorted, without duplicates.
func pins(entry *v1alpha1.Host) []string {
	var keys []string
	for _, line := range entry.HostKeys {
		kind, rest, _ := strings.Cut(line, " ")
		key, _, _ := strings.Cut(rest, " ")
		keys = append(keys, kind+" "+key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// compareSettings reports the settings of the member that are ignored. A setting at its default asks for nothing.
func compareSettings(key model.HostID, holder, m membership) []Problem {
	unset := settings(membership{object: &v1alpha1.EdgeLoadBalancer{}, host: &v1alpha1.Host{}})
	holds := settings(holder)
	var ignored []string
	for i, want := range settings(m) {
		if want != unset[i] && want != holds[i] {
			ignored = append(ignored, want.name)
		}
	}
	held := pins(holder.host)
	if wanted := pins(m.host); len(wanted) > 0 && !slices.ContainsFunc(wanted, func(pin string) bool { return slices.Contains(held, pin) }) {
		ignored = append(ignored, "hosts[].hostKeys")
	}
	if len(ignored) == 0 {
		return nil
	}
	return []Problem{m.problem(v1alpha1.ReasonHostConflict, "host %s (%s) is shared with the older EdgeLoadBalancer %s, whose settings hold. "+
		"Those of this object are ignored there: %s. Set them as that object does, or leave them out",
		m.host.Name, key, holder.name(), strings.Join(ignored, ", "))}
}

// setting is something that a host has only once.
type setting struct {
	name  string
	value any
}

// settings lists the settings of the member, always in the same order.
func settings(m membership) []setting {
	spec := &m.object.Spec
	limits := timeouts(&spec.HAProxy.Timeouts)
	return []setting{
		{"driftPolicy", reportDrift(spec)},
		{"ssh.user", sshUser(&spec.SSH, m.host)},
		{"haproxy.maxConnections", maxConnections(&spec.HAProxy)},
		{"haproxy.timeouts.connect", limits.Connect},
		{"haproxy.timeouts.client", limits.Client},
		{"haproxy.timeouts.server", limits.Server},
		{"haproxy.timeouts.queue", limits.Queue},
		{"haproxy.paths.config", configPath(&spec.HAProxy)},
		{"haproxy.paths.adminSocket", adminSocket(&spec.HAProxy)},
		{"haproxy.reloadCommand", spec.HAProxy.ReloadCommand},
	}
}

// usesEgress reports whether a target of one of the members uses the operator's own address as its server.
func usesEgress(members []membership) bool {
	return slices.ContainsFunc(members, func(m membership) bool {
		return slices.ContainsFunc(m.object.Spec.Targets, func(target v1alpha1.Target) bool {
			return target.Via == v1alpha1.ViaNodePort && target.NodeAddressType == v1alpha1.NodeEgress
		})
	})
}
