package record

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
)

// resolvePatience is how long a name may have no address before that is reported: right after a reload no new name has one, and DNS
// may take a moment. resolveInterval is the time between the first checks of such a name.
const (
	resolvePatience = 2 * time.Second
	resolveInterval = time.Second
)

// UnresolvedName is the time in which a name had no address at each check.
type UnresolvedName struct {
	// Since is the first of these checks, and Seen the last one.
	Since, Seen time.Time
}

// Lasts reports whether the name has had no address for long enough to be reported.
func (u UnresolvedName) Lasts() bool { return u.Seen.Sub(u.Since) >= resolvePatience }

// UnresolvedNamesOf returns the names of the object's servers that the host keeps finding no address for, as the spec writes them.
// known reports that the host has found an address for each other name, in this generation of the object. While the host is
// unreachable, the last result stays.
func (r Host) UnresolvedNamesOf(object *v1alpha1.EdgeLoadBalancer) (lasting []model.UnresolvedName, known bool) {
	known = true
	member, _ := MemberOf(r.Wanted, spec.NameOf(object))
	for _, name := range resolvedBy(r.Wanted, member) {
		unresolved, found := r.UnresolvedNames[model.UnresolvedName{Backend: name.Backend, DNSName: strings.ToLower(name.DNSName)}]
		switch {
		case found && unresolved.Lasts():
			lasting = append(lasting, name)
		case found, !r.hasBeenSeenFor(object):
			known = false
		}
	}
	return lasting, known
}

// hasBeenSeenFor reports whether the host was checked with what this generation of the object wants.
func (r Host) hasBeenSeenFor(object *v1alpha1.EdgeLoadBalancer) bool {
	return r.Proved[object.UID] == object.Generation || (r.Tried[object.UID] == object.Generation && !Failed(r.Outcome.State))
}

// resolvedBy returns the names that HAProxy must resolve for the member, each once per backend.
func resolvedBy(host desired.Host, member desired.Member) []model.UnresolvedName {
	var names []model.UnresolvedName
	for i := range host.Config.Backends {
		backend := &host.Config.Backends[i]
		if _, ours := slices.BinarySearch(member.Backends, backend.Name); !ours {
			continue
		}
		for j := range backend.Servers {
			name := model.UnresolvedName{Backend: backend.Name, DNSName: backend.Servers[j].DNSName}
			if name.DNSName != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// unresolvedAfter returns the unresolved names after an attempt. An attempt that only updated servers, or failed, has not observed
// all servers. A new worker reports nothing about a new name yet.
func unresolvedAfter(before map[model.UnresolvedName]UnresolvedName, a Attempt, now time.Time) map[model.UnresolvedName]UnresolvedName {
	if Failed(a.Outcome.State) || a.Outcome.Update == model.UpdateRuntime || a.Outcome.Update == model.UpdateFile {
		return before
	}
	after := make(map[model.UnresolvedName]UnresolvedName, len(a.Outcome.UnresolvedNames))
	for _, name := range a.Outcome.UnresolvedNames {
		unresolved, found := before[name]
		if !found || (!unresolved.Lasts() && a.Outcome.Update == model.UpdateReload) {
			unresolved.Since = now
		}
		unresolved.Seen = now
		after[name] = unresolved
	}
	return after
}

// sameUnresolved reports whether the two have no difference that must be reported.
func sameUnresolved(a, b map[model.UnresolvedName]UnresolvedName) bool {
	return maps.EqualFunc(a, b, func(x, y UnresolvedName) bool { return x.Lasts() == y.Lasts() })
}

// waitAfter returns how long to leave the host alone after an outcome.
func (r Host) waitAfter(outcome model.Outcome, now time.Time, random float64) time.Duration {
	wait := waitAfter(outcome, r.Repeats, random)
	if Failed(outcome.State) {
		return wait
	}
	return min(wait, untilResolved(r.UnresolvedNames, now))
}

// untilResolved returns the wait until the next check whether names have an address: as long again as they have had none, so that
// the end of a short failure is noticed soon, and a long one costs no more checks than a host has anyway.
func untilResolved(names map[model.UnresolvedName]UnresolvedName, now time.Time) time.Duration {
	wait := reason.LookInterval
	for _, name := range names {
		wait = min(wait, max(resolveInterval, now.Sub(name.Since)))
	}
	return wait
}
