package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/rollout"
)

// Task is what to do with a host now.
type Task struct {
	// Host is the wanted state.
	Host desired.Host
	// Objects are the generations of the objects in Host, and Frees the objects that the host is freed from.
	Objects map[types.UID]int64
	Frees   map[types.UID]bool
	// Inputs identify everything that a failure could have depended on, except for the host itself.
	Inputs string
	// RuntimeOnly leaves the host alone after a failure, except for servers that can follow their endpoints.
	RuntimeOnly bool
}

// Attempt is one attempt at a task.
type Attempt struct {
	// Task is what was tried, and Outcome the result.
	Task    *Task
	Outcome model.Outcome
	// Reason is one of package v1alpha1 where it is more precise than the outcome's state.
	Reason string
	// Certificate is when the SSH certificate in the task's Secret is valid.
	Certificate model.Validity
	// Held says why the host keeps what it runs, if Task is to keep that. Trial replaces that of the host, unless it is nil.
	Held  rollout.Wait
	Trial *rollout.Trial
	// Next are the hosts that waited for this one.
	Next []model.HostID
}

// Choose returns what to do with a host: bring it to what the objects want, or first free it from those that detach. It returns nil if
// there is nothing to do, or if an object that detaches must be served for now.
func (r Host) Choose(snapshot desired.Snapshot, detaching []detach.Object) *Task {
	removal, ok := r.Detachments.Remove(r.Wanted, snapshot, detaching)
	if !ok {
		return nil
	}
	task := &Task{Host: removal.Host, Frees: removal.Frees}
	if !removal.Idle {
		task.Objects = membersOf(r.Wanted, snapshot.Objects)
		task.keep(removal.Keeps)
	}
	if len(task.Objects) == 0 && len(task.Frees) == 0 {
		return nil
	}
	return task
}

// Packages are what may be installed on the host if HAProxy is missing, which takes one installation for everything that is needed.
func (t *Task) Packages() []string {
	switch {
	case !t.Host.Install:
		return nil
	case t.Host.Virtual.Asked():
		return []string{"haproxy", "keepalived"}
	default:
		return []string{"haproxy"}
	}
}

// keep records the generations in which the host still has the objects that will detach.
func (t *Task) keep(objects []detach.Object) {
	for _, object := range objects {
		if member, found := MemberOf(t.Host, spec.NameOf(object.EdgeLoadBalancer)); found {
			t.Objects[object.UID] = member.Generation
		}
	}
}

// membersOf returns the generations of the objects in the host.
func membersOf(host desired.Host, objects []*v1alpha1.EdgeLoadBalancer) map[types.UID]int64 {
	held := make(map[types.NamespacedName]bool, len(host.Members))
	for _, member := range host.Members {
		held[member.Object] = true
	}
	members := make(map[types.UID]int64, len(objects))
	for _, object := range objects {
		if held[spec.NameOf(object)] {
			members[object.UID] = object.Generation
		}
	}
	return members
}

// MemberOf returns an object's membership in a host.
func MemberOf(host desired.Host, object types.NamespacedName) (desired.Member, bool) {
	for i := range host.Members {
		// All members of a host have the same namespace, so comparing it first would only cost time.
		if host.Members[i].Object.Name == object.Name && host.Members[i].Object == object {
			return host.Members[i], true
		}
	}
	return desired.Member{}, false
}

// InputsOf identifies what a person can change about a task, given the versions of its Secret and of its rules.
func InputsOf(task *Task, secretVersion, rulesVersion string) string {
	parts := []string{task.Host.Login.Secret.String() + "@" + secretVersion, "rules@" + rulesVersion}
	for uid, generation := range task.Objects {
		parts = append(parts, fmt.Sprintf("%s@%d", uid, generation))
	}
	for uid := range maps.Keys(task.Frees) {
		parts = append(parts, fmt.Sprintf("%s detaches", uid))
	}
	if task.Host.UsesEgress {
		parts = append(parts, "reached from "+task.Host.Egress.String())
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
