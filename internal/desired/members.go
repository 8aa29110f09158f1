package desired

import (
	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/limits"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/desired/spec/targets"
	"github.com/edgelb/edgelb/internal/model"
)

// membersOf finds the objects that share the host, oldest first, and the other owners of objects that name it. A configuration
// file has one owner: membersOf leaves out objects of other owners, and objects that may not have the host.
func membersOf(key model.HostID, s Snapshot) (members []membership, rivals []spec.Owner, problems []Problem) {
	all, problems := candidatesOf(key, s)
	if len(all) == 0 {
		return nil, nil, problems
	}
	objects := make([]*v1alpha1.EdgeLoadBalancer, len(all))
	for i, m := range all {
		objects[i] = m.object
	}
	owners := spec.OwnersOf(objects, key, s.Able)
	var others []membership
	for _, m := range all {
		if spec.OwnerOf(m.object) == owners[0] {
			members = append(members, m)
		} else {
			others = append(others, m)
		}
	}
	for _, m := range others {
		problems = append(problems, m.estranged(key, members[0]))
	}
	return members, append(rivals, owners[1:]...), problems
}

// candidatesOf finds the objects that name the host and may have it, oldest first.
func candidatesOf(key model.HostID, s Snapshot) (all []membership, problems []Problem) {
	for _, object := range limits.ByAge(s.Objects) {
		m, found, repeated := membershipOf(key, object)
		problems = append(problems, repeated...)
		if !found {
			continue
		}
		if refused := refusal(key, m, s); len(refused) > 0 {
			problems = append(problems, refused...)
			continue
		}
		all = append(all, m)
	}
	return all, problems
}

// membershipOf finds the host among those of the object. The first entry counts; a repeated entry is a problem.
func membershipOf(key model.HostID, object *v1alpha1.EdgeLoadBalancer) (m membership, found bool, repeated []Problem) {
	for i := range object.Spec.Hosts {
		entry := &object.Spec.Hosts[i]
		switch {
		case !spec.IsHost(&object.Spec.SSH, entry, key):
		case !found:
			m = membership{object: object, host: entry, entry: i, targets: targets.Read(object.Spec.Targets)}
			found = true
		default:
			repeated = append(repeated, m.problem(v1alpha1.ReasonHostConflict,
				"hosts %s and %s are both %s: the first one counts, remove the other", m.host.Name, entry.Name, key))
		}
	}
	return m, found, repeated
}

// estranged is the problem of an object whose host belongs to another object that cannot share it. A message to a user names
// nothing of other namespaces.
func (m membership) estranged(key model.HostID, holder membership) Problem {
	if m.object.Namespace != holder.object.Namespace {
		return m.problem(v1alpha1.ReasonHostConflict, "host %s (%s) belongs to an EdgeLoadBalancer of another namespace, which logged in "+
			"to it or named it first: use another host, or ask the administrators, whose operator's log says which object that is", m.host.Name, key)
	}
	return m.problem(v1alpha1.ReasonHostConflict, "host %s (%s) belongs to EdgeLoadBalancer %s, and only objects with its SSH "+
		"Secret can share it: use another host, or the same Secret", m.host.Name, key, holder.name())
}
