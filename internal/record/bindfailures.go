package record

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// BindFailuresOf returns the object's binds that failed on the host at the last attempt, although the host serves everything else.
func (r Host) BindFailuresOf(object types.NamespacedName) []model.BindFailure {
	member, found := MemberOf(r.Wanted, object)
	if !found || r.Outcome.State != model.Synced {
		return nil
	}
	return bindFailuresOf(member, r.Outcome)
}

func bindFailuresOf(member desired.Member, outcome model.Outcome) []model.BindFailure {
	var binds []model.BindFailure
	for _, bind := range outcome.BindFailures {
		if slices.Contains(member.Frontends, bind.Frontend) {
			binds = append(binds, bind)
		}
	}
	return binds
}

// bindFailuresAfter returns the counts after an attempt. An attempt that only updated servers did not check the binds, and one that
// failed reports nothing about them.
func bindFailuresAfter(before map[types.NamespacedName]int, a Attempt) map[types.NamespacedName]int {
	if a.Outcome.State != model.Synced || a.Outcome.Update == model.UpdateRuntime || a.Outcome.Update == model.UpdateFile {
		return before
	}
	after := map[types.NamespacedName]int{}
	for _, member := range a.Task.Host.Members {
		if len(bindFailuresOf(member, a.Outcome)) > 0 {
			after[member.Object] = before[member.Object] + 1
		}
	}
	return after
}
