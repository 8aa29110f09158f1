package record

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// Unserved are the binds of an object that the host could not take at the last attempt, although it serves everything else.
func (r Host) Unserved(object types.NamespacedName) []model.BindFailure {
	member, found := MemberOf(r.Wanted, object)
	if !found || r.Outcome.State != model.Synced {
		return nil
	}
	return unservedOf(member, r.Outcome)
}

func unservedOf(member desired.Member, outcome model.Outcome) []model.BindFailure {
	var binds []model.BindFailure
	for _, bind := range outcome.BindFailures {
		if slices.Contains(member.Frontends, bind.Frontend) {
			binds = append(binds, bind)
		}
	}
	return binds
}

// shortfallsAfter counts on after an attempt. One that only followed the endpoints has not looked whether the binds are free,
// and one that failed says nothing of them.
func shortfallsAfter(before map[types.NamespacedName]int, a Attempt) map[types.NamespacedName]int {
	if a.Outcome.State != model.Synced || a.Outcome.Update == model.UpdateRuntime || a.Outcome.Update == model.UpdateFile {
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
