package record

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
)

// resolvePatience is how long a name may be without an address before anybody is told: right after a reload no name that is new
// has one, and DNS may take a moment. resolveInterval is the time between the first looks at such a name.
const (
	resolvePatience = 2 * time.Second
	resolveInterval = time.Second
)

// Absence is the time in which a name was found without an address at each look.
type UnresolvedName struct {
	// Since is the first of these looks, and Seen the last one.
	Since, Seen time.Time
}

// Lasts says that it is no matter of a moment.
func (a UnresolvedName) Lasts() bool { return a.Seen.Sub(a.Since) >= resolvePatience }

// Unresolved are the names of the object's servers that the host goes on finding no address for, as the spec writes them. Known
// says that of each other one it has found an address, in this generation of the object; what was seen stays so while the host is
// away.
func (r Host) UnresolvedNamesOf(object *v1alpha1.EdgeLoadBalancer) (lasting []model.UnresolvedName, known bool) {
	known = true
	member, _ := MemberOf(r.Wanted, NameOf(object))
	for _, name := range resolvedBy(r.Wanted, member) {
		absence, absent := r.UnresolvedNames[model.UnresolvedName{Backend: name.Backend, DNSName: strings.ToLower(name.DNSName)}]
		switch {
		case absent && absence.Lasts():
			lasting = append(lasting, name)
		case absent, !r.hasBeenSeenFor(object):
			known = false
		}
	}
	return lasting, known
}

// hasBeenSeenFor says that the host was looked at with what this generation of the object wants.
func (r Host) hasBeenSeenFor(object *v1alpha1.EdgeLoadBalancer) bool {
	return r.Proved[object.UID] == object.Generation || (r.Tried[object.UID] == object.Generation && !Failed(r.Outcome.State))
}

// resolvedBy are the names that HAProxy has to resolve for the member, each once for a backend.
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

// absencesAfter are those after an attempt. One that only followed the endpoints, or failed, has not seen all servers. A worker
// that has just begun says of a name that is new nothing yet.
func unresolvedAfter(before map[model.UnresolvedName]UnresolvedName, a Attempt, now time.Time) map[model.UnresolvedName]UnresolvedName {
	if Failed(a.Outcome.State) || a.Outcome.Update == model.UpdateRuntime || a.Outcome.Update == model.UpdateFile {
		return before
	}
	after := make(map[model.UnresolvedName]UnresolvedName, len(a.Outcome.UnresolvedNames))
	for _, name := range a.Outcome.UnresolvedNames {
		absence, found := before[name]
		if !found || (!absence.Lasts() && a.Outcome.Update == model.UpdateReload) {
			absence.Since = now
		}
		absence.Seen = now
		after[name] = absence
	}
	return after
}

// sameAbsences says that nobody has to be told of a difference.
func sameUnresolved(a, b map[model.UnresolvedName]UnresolvedName) bool {
	return maps.EqualFunc(a, b, func(x, y UnresolvedName) bool { return x.Lasts() == y.Lasts() })
}

// waitAfter is how long to leave the host alone after an outcome.
func (r Host) waitAfter(outcome model.Outcome, now time.Time, random float64) time.Duration {
	wait := waitAfter(outcome, r.Repeats, random)
	if Failed(outcome.State) {
		return wait
	}
	return min(wait, untilResolved(r.UnresolvedNames, now))
}

// untilResolved is how long to wait before it is worth a look whether names have an address: as long again as they have had none,
// so that the end of a short absence is seen soon, and one that lasts costs no more looks than a host has anyway.
func untilResolved(absences map[model.UnresolvedName]UnresolvedName, now time.Time) time.Duration {
	wait := reason.LookInterval
	for _, absence := range absences {
		wait = min(wait, max(resolveInterval, now.Sub(absence.Since)))
	}
	return wait
}
