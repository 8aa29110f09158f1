// Package desired computes what each edge host should run from the objects of users and the state of the cluster. It is
// pure: a Builder uses no cluster, no host and no clock, and never changes its input.
package desired

import (
	"slices"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

// Build computes the desired state of a host. It ignores objects that do not name the host. If none does, the Host is almost
// empty; see Idle for how to leave it.
func (b *Builder) Build(key model.HostID, s Snapshot) Host {
	members, rivals, excluded := membersOf(key, s)
	if len(members) == 0 {
		return Host{Key: key, Problems: excluded}
	}
	host, ignored := settle(key, members, s)
	binds, unbound := b.claimBinds(members, s)
	groups := frontendGroupsOf(binds.at)
	frontends, lost := b.frontendsOf(key, groups)
	uses := usesOf(members, groups, frontends)
	targets, noServers := b.targetsOf(members, uses, reportedTargets(unbound), s)

	host.Rivals = rivals
	host.ReportDrift = spec.ReportsDrift(&members[0].object.Spec)
	host.UsesEgress, host.Egress = slices.ContainsFunc(members, func(m membership) bool { return spec.UsesEgress(&m.object.Spec) }), s.Egress
	host.Config.Frontends = frontends
	host = host.with(members, uses, targets)
	conflicts := host.addVirtual(members, s)
	host.Config = host.Config.Normalize()
	host.Problems = slices.Concat(excluded, ignored, unbound, lost, noServers, conflicts)
	return host
}

// with returns the host with the members and what it has of their targets.
func (h Host) with(members []membership, uses map[*v1alpha1.EdgeLoadBalancer]*usage, targets [][]servedTarget) Host {
	h.DrainTimeouts = make(map[string]time.Duration, len(members))
	h.Members = slices.Grow(h.Members, len(members))
	for i, m := range members {
		h.Members = append(h.Members, memberOf(m, uses[m.object], targets[i]))
	}
	for _, t := range slices.Concat(targets...) {
		h.Config.Backends = append(h.Config.Backends, t.backends...)
		h.Config.WeightedRoutes = append(h.Config.WeightedRoutes, t.routes...)
		for i := range t.backends {
			h.DrainTimeouts[t.backends[i].Name] = t.drainTimeout
		}
	}
	return h
}

// memberOf describes a member by what it uses on the host. Only one of a target's backends is counted.
func memberOf(m membership, u *usage, targets []servedTarget) Member {
	member := Member{
		Object: m.name(), Generation: m.object.Generation, Suspended: m.object.Spec.Suspend, HostName: m.host.Name,
		Frontends: u.frontends, Joined: u.joined, Redirects: u.redirects,
	}
	for _, t := range targets {
		for j := range t.backends {
			member.Backends = append(member.Backends, t.backends[j].Name)
		}
		if len(t.backends) > 0 {
			member.Counts = append(member.Counts, t.backends[0].Name)
		}
	}
	slices.Sort(member.Backends)
	slices.Sort(member.Counts)
	return member
}

// Idle is the desired state of a host after its last object has detached: free for any owner. The object says how to reach
// the host. The entry is the one that its spec has or had for the host.
func Idle(s Snapshot, object *v1alpha1.EdgeLoadBalancer, entry *v1alpha1.Host) Host {
	members := []membership{{object: object, host: entry}}
	host, problems := settle(spec.IDOf(&object.Spec.SSH, entry), members, s)
	host.Problems = problems
	return host
}
