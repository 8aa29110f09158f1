package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// membership is one object's membership in a host: the object, the entry of its spec.hosts, its targets, and what it uses
// there.
type membership struct {
	object  *v1alpha1.EdgeLoadBalancer
	host    *v1alpha1.Host
	targets *spec.Targets
	served  *usage
}

func (m membership) name() types.NamespacedName {
	return types.NamespacedName{Namespace: m.object.Namespace, Name: m.object.Name}
}

// configName returns the name, in HAProxy, of one of the object's listeners or targets. "_" cannot occur in any of the three
// parts, so two objects never share a name.
func (m membership) configName(element string) string {
	return m.object.Namespace + "_" + m.object.Name + "_" + element
}

// ownerOf returns the part of a name in HAProxy that identifies the object.
func ownerOf(name string) string {
	return name[:strings.LastIndexByte(name, '_')+1]
}

// ListenerOf returns the listener that a frontend of Host.Config is named after.
func ListenerOf(frontend string) string { return elementOf(frontend) }

// elementOf returns the listener or the target that a name in HAProxy was made from.
func elementOf(name string) string {
	element, _, _ := strings.Cut(name[len(ownerOf(name)):], ":")
	return element
}

func (m membership) problem(reason, format string, args ...any) Problem {
	return Problem{Object: m.name(), Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// share finds the objects that share the host, oldest first. A configuration file has one owner: share leaves out objects of
// other owners, and objects that may not have the host.
func (h *Host) share(s Snapshot) []membership {
	var all []membership
	var objects []*v1alpha1.EdgeLoadBalancer
	for _, object := range byAge(s.Objects) {
		if m, found := h.membershipOf(object); found && !h.refused(m, s) {
			all, objects = append(all, m), append(objects, object)
		}
	}
	if len(all) == 0 {
		return nil
	}
	owners := ownersOf(objects, h.Key, s.Able)
	h.Rivals = append(h.Rivals, owners[1:]...)
	var members []membership
	for _, m := range all {
		if OwnerOf(m.object) == owners[0] {
			members = append(members, m)
		}
	}
	for _, m := range all {
		if OwnerOf(m.object) != owners[0] {
			h.Problems = append(h.Problems, m.estranged(h.Key, members[0]))
		}
	}
	return members
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

func byAge(objects []*v1alpha1.EdgeLoadBalancer) []*v1alpha1.EdgeLoadBalancer {
	return slices.SortedFunc(slices.Values(objects), func(a, b *v1alpha1.EdgeLoadBalancer) int {
		return cmp.Or(
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.UID, b.UID),
			strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name),
		)
	})
}

// membershipOf finds the host among those of the object. The first entry counts; a repeated entry is a problem.
func (h *Host) membershipOf(object *v1alpha1.EdgeLoadBalancer) (m membership, found bool) {
	for i := range object.Spec.Hosts {
		entry := &object.Spec.Hosts[i]
		switch {
		case !IsHost(&object.Spec.SSH, entry, h.Key):
		case !found:
			m = membership{object: object, host: entry, targets: spec.ReadTargets(object.Spec.Targets), served: &usage{}}
			found = true
		default:
			h.Problems = append(h.Problems, m.problem(v1alpha1.ReasonHostConflict,
				"hosts %s and %s are both %s: the first one counts, remove the other", m.host.Name, entry.Name, h.Key))
		}
	}
	return m, found
}

// settle takes the settings that a host has only once from the oldest object, and the settings that add up from all objects.
func (h *Host) settle(s Snapshot, members []membership) {
	holder := members[0]
	spec := &holder.object.Spec
	h.Config = haproxy.Config{
		Owner:          s.Cluster + "/" + holder.object.Namespace,
		Host:           h.Key.String(),
		AdminSocket:    adminSocket(&spec.HAProxy),
		MaxConnections: maxConnections(&spec.HAProxy),
		Timeouts:       timeouts(&spec.HAProxy.Timeouts),
	}
	h.Login = Login{
		User:           sshUser(&spec.SSH, holder.host),
		Secret:         OwnerOf(holder.object),
		ConnectTimeout: connectTimeout(&spec.SSH),
		HostKeys:       pins(holder.host),
	}
	h.ConfigPath = configPath(&spec.HAProxy)
	h.setReloadCommand(holder, s)
	for _, m := range members {
		h.setAdopt(m, s)
		h.Suspend = h.Suspend || m.object.Spec.Suspend
		h.compareSettings(holder, m)
	}
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
func (h *Host) compareSettings(holder, m membership) {
	unset := settings(membership{object: &v1alpha1.EdgeLoadBalancer{}, host: &v1alpha1.Host{}})
	holds := settings(holder)
	var ignored []string
	for i, want := range settings(m) {
		if want != unset[i] && want != holds[i] {
			ignored = append(ignored, want.name)
		}
	}
	if wanted := pins(m.host); len(wanted) > 0 && !slices.ContainsFunc(wanted, func(pin string) bool {
		return slices.Contains(h.Login.HostKeys, pin)
	}) {
		ignored = append(ignored, "hosts[].hostKeys")
	}
	if len(ignored) > 0 {
		h.Problems = append(h.Problems, m.problem(v1alpha1.ReasonHostConflict,
			"host %s (%s) is shared with the older EdgeLoadBalancer %s, whose settings hold. Those of this object are ignored "+
				"there: %s. Set them as that object does, or leave them out",
			m.host.Name, h.Key, holder.name(), strings.Join(ignored, ", ")))
	}
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
