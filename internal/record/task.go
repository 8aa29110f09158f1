package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// Job is what to do with a host now.
type Task struct {
	// Host is what to bring it to.
	Host desired.Host
	// Objects are the generations of the objects that Host holds, and Frees the objects that it is freed from.
	Objects map[types.UID]int64
	Frees   map[types.UID]bool
	// Inputs stand for all that a failure could have depended on, besides the host itself.
	Inputs string
	// RuntimeOnly says that the host is to be left alone after a failure, but for servers that can follow their endpoints.
	RuntimeOnly bool
}

// Attempt is one try to do a job.
type Attempt struct {
	// Job is what was tried, and Outcome how it went.
	Task    *Task
	Outcome model.Outcome
	// Reason is one of package v1alpha1 where it says more than the outcome's state.
	Reason string
}

// Choose says what to do with a host: to bring it to what the objects want, which frees it from those that leave; or
// first to leave it idle if it belongs to one that leaves and its next owner is another. Nil if there is nothing to do, or if
// one that leaves has to be served for the time being.
func (r Host) Choose(snapshot desired.Snapshot, detaching []Detaching) *Task {
	task := &Task{Host: r.Wanted, Objects: membersOf(r.Wanted, snapshot.Objects), Frees: map[types.UID]bool{}}
	for _, d := range detaching {
		detachment := r.Detachments[d.Object.UID]
		if detachment.Done {
			continue
		}
		idle := idleHost(snapshot, d, r)
		if detachment.awaits() {
			if idle.Config.Owner != r.Wanted.Config.Owner {
				return nil
			}
			task.keep(d.Object)
			continue
		}
		if len(task.Frees) == 0 && idle.Config.Owner != r.Wanted.Config.Owner {
			task.Host, task.Objects = idle, nil
		}
		if idle.Config.Owner == task.Host.Config.Owner {
			task.Frees[d.Object.UID] = true
		}
	}
	if len(task.Objects) == 0 && len(task.Frees) == 0 {
		return nil
	}
	return task
}

// keep notes in which generation the host still holds an object that is to leave.
func (j *Task) keep(object *v1alpha1.EdgeLoadBalancer) {
	if member, found := MemberOf(j.Host, NameOf(object)); found {
		j.Objects[object.UID] = member.Generation
	}
}

// idleHost is the host without the leaver. The pins of a host that is no longer in the spec are known from the last time.
func idleHost(snapshot desired.Snapshot, d Detaching, record Host) desired.Host {
	entry := d.Entry
	if len(entry.HostKeys) == 0 {
		entry.HostKeys = record.Wanted.Login.HostKeys
	}
	return desired.Idle(snapshot, d.Object, &entry)
}

// NameOf is the name of an object.
func NameOf(object *v1alpha1.EdgeLoadBalancer) types.NamespacedName {
	return types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
}

// membersOf are the generations of the objects that the host holds.
func membersOf(host desired.Host, objects []*v1alpha1.EdgeLoadBalancer) map[types.UID]int64 {
	held := make(map[types.NamespacedName]bool, len(host.Members))
	for _, member := range host.Members {
		held[member.Object] = true
	}
	members := make(map[types.UID]int64, len(objects))
	for _, object := range objects {
		if held[NameOf(object)] {
			members[object.UID] = object.Generation
		}
	}
	return members
}

// MemberOf is an object's part in a host.
func MemberOf(host desired.Host, object types.NamespacedName) (desired.Member, bool) {
	for i := range host.Members {
		// Of a host's members the namespace is the same, and comparing it first would cost more.
		if host.Members[i].Object.Name == object.Name && host.Members[i].Object == object {
			return host.Members[i], true
		}
	}
	return desired.Member{}, false
}

// InputsOf stands for what a person can change about a job, given the versions of its Secret and of the rules that hold for it.
func InputsOf(j *Task, secretVersion, rulesVersion string) string {
	parts := []string{j.Host.Login.Secret.String() + "@" + secretVersion, "rules@" + rulesVersion}
	for uid, generation := range j.Objects {
		parts = append(parts, fmt.Sprintf("%s@%d", uid, generation))
	}
	for uid := range maps.Keys(j.Frees) {
		parts = append(parts, fmt.Sprintf("%s leaves", uid))
	}
	if j.Host.UsesEgress {
		parts = append(parts, "reached from "+j.Host.Egress.String())
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
