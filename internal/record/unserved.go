package record

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
)

// Unserved are the binds of an object that the host could not take at the last attempt, although it serves everything else.
func (r Host) Unserved(object types.NamespacedName) []edge.Unserved {
	member, found := MemberOf(r.Wanted, object)
	if !found || r.Outcome.State != edge.Synced {
		return nil
	}
	return unservedOf(member, r.Outcome)
}

func unservedOf(member desired.Member, outcome edge.Outcome) []edge.Unserved {
	var binds []edge.Unserved
	for _, bind := range outcome.Unserved {
		if slices.Contains(member.Frontends, bind.Frontend) {
			binds = append(binds, bind)
		}
	}
	return binds
}

// shortfallsAfter counts on after an attempt. One that only followed the endpoints has not looked whether the binds are free,
// and one that failed says nothing of them.
func shortfallsAfter(before map[types.NamespacedName]int, a Attempt) map[types.NamespacedName]int {
	if a.Outcome.State != edge.Synced || a.Outcome.Update == edge.UpdateRuntime || a.Outcome.Update == edge.UpdateFile {
		return before
	}
	after := map[types.NamespacedName]int{}
	for _, member := range a.Job.Host.Members {
		if len(unservedOf(member, a.Outcome)) > 0 {
			after[member.Object] = before[member.Object] + 1
		}
	}
	return after
}
