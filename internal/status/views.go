package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// What is said of a host before it was tried for the spec, and after it has left that.
const (
	notLookedAt  = "not checked yet"
	beingRemoved = "is being removed"
)

// View is one host as one object sees it.
type HostView struct {
	// name is the host's name in the status.
	name  string
	key   model.HostID
	entry v1alpha1.Host
	user  string
	// former is what the object's status said last; nil if it did not mention the host.
	former *v1alpha1.HostStatus
	record record.Host
	// leaving says that the host is to be freed from the object.
	removing bool
}

// ViewsOf are the hosts of an object's spec, in order, and after them those that only its status still has. recordOf returns
// what is known of a host.
func ViewsOf(object *v1alpha1.EdgeLoadBalancer, recordOf func(model.HostID) record.Host) []HostView {
	deleting := !object.DeletionTimestamp.IsZero()
	former := map[model.HostID]*v1alpha1.HostStatus{}
	for i := range object.Status.Hosts {
		former[KeyOf(object.Status.Hosts[i])] = &object.Status.Hosts[i]
	}
	var views []HostView
	for _, entry := range object.Spec.Hosts {
		key := desired.IDOf(&object.Spec.SSH, &entry)
		views = append(views, HostView{
			name: entry.Name, key: key, entry: entry, user: cmp.Or(entry.User, object.Spec.SSH.User),
			former: former[key], record: recordOf(key), removing: deleting,
		})
		delete(former, key)
	}
	for _, host := range object.Status.Hosts {
		key := KeyOf(host)
		if former[key] != nil {
			views = append(views, removingView(object, former[key], recordOf(key)))
		}
	}
	return views
}

// leavingView is a host that has left the spec. Another host may have taken over its name.
func removingView(object *v1alpha1.EdgeLoadBalancer, former *v1alpha1.HostStatus, known record.Host) HostView {
	key, name := KeyOf(*former), former.Name
	for i := range object.Spec.Hosts {
		if object.Spec.Hosts[i].Name == name {
			name = fmt.Sprintf("%s@%s", name, key)
		}
	}
	return HostView{
		name: name, key: key, entry: v1alpha1.Host{Name: name, Address: former.Address}, user: former.User,
		former: former, record: known, removing: true,
	}
}

// mayHave says whether the host has had the object's listeners, or may have got them from a change that was not proved.
func (v HostView) mayHave(object *v1alpha1.EdgeLoadBalancer) bool {
	return v.record.MayHave(object.UID) || (v.former != nil && v.former.ObservedGeneration > 0)
}

// status is what the object's status says about the host.
func (v HostView) status(object *v1alpha1.EdgeLoadBalancer) v1alpha1.HostStatus {
	host := v1alpha1.HostStatus{State: v1alpha1.HostPending, Message: notLookedAt}
	if v.former != nil {
		host = *v.former.DeepCopy()
	}
	if !v.removing && host.Removing {
		// It has come back into the spec.
		host.Message, host.ConsecutiveErrors = notLookedAt, 0
	}
	host.Removing = v.removing
	host.Name, host.Address, host.Port, host.User = v.name, v.entry.Address, v.key.Port, v.user
	switch {
	case v.removing:
		host.State, host.Message = v1alpha1.HostPending, v.removingMessage(object)
	case v.isLeftOut(object):
		why, _ := v.leftOut(object)
		host.State, host.Message = v1alpha1.HostPending, why.Message
		if why.Reason == v1alpha1.ReasonPolicyViolation {
			host.State = v1alpha1.HostRefused
		}
	case v.record.Tried[object.UID] > 0:
		v.describe(object, &host)
	}
	return host
}

func (v HostView) removingMessage(object *v1alpha1.EdgeLoadBalancer) string {
	detachment := v.record.Detachments[object.UID]
	switch {
	case detachment.IsSuspended():
		return beingRemoved + " as soon as no EdgeLoadBalancer on the host has spec.suspend set"
	case detachment.Tried && v.record.Outcome.Message != "":
		return beingRemoved + ": " + v.record.Outcome.Message
	default:
		return beingRemoved
	}
}

// leftOut says why the object has no part in the host; false if it has, or if that is not known yet of this generation.
func (v HostView) leftOut(object *v1alpha1.EdgeLoadBalancer) (why desired.Problem, found bool) {
	name := record.NameOf(object)
	if _, member := record.MemberOf(v.record.Wanted, name); member || v.record.Built[object.UID] != object.Generation {
		return desired.Problem{}, false
	}
	for _, problem := range v.record.Wanted.Problems {
		if problem.Object == name && (problem.Reason == v1alpha1.ReasonHostConflict || problem.Reason == v1alpha1.ReasonPolicyViolation) {
			return problem, true
		}
	}
	return desired.Problem{}, false
}

func (v HostView) isLeftOut(object *v1alpha1.EdgeLoadBalancer) bool {
	_, found := v.leftOut(object)
	return found
}

// describe tells the outcome of the last attempt.
func (v HostView) describe(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) {
	known, outcome := v.record, v.record.Outcome
	host.State, host.Message = v1alpha1.HostState(outcome.State), outcome.Message
	if outcome.State == model.Drifted {
		host.Message = cmp.Or(outcome.Message, "was changed by somebody else: "+phrases(outcome.Drift))
	}
	if outcome.State == model.Suspended {
		host.Message = v.suspendedMessage(object)
	}
	host.ConsecutiveErrors = rounded(known.Failures)
	if record.Failed(outcome.State) && outcome.State != model.Pending {
		host.Message += retryNote(outcome)
	}
	if outcome.HAProxyVersion != "" {
		host.HAProxyVersion = outcome.HAProxyVersion
	}
	if outcome.Fingerprint != "" {
		host.ConfigHash, host.ObservedGeneration = outcome.Fingerprint, known.Tried[object.UID]
	}
	v.describeUnresolved(object, host)
	v.describeBindFailures(object, host)
	v.describeChanges(host)
	v.countServers(object, host)
}

// suspendedMessage says what would be changed, and whose the suspension is where it is not the object's own.
func (v HostView) suspendedMessage(object *v1alpha1.EdgeLoadBalancer) string {
	would := v.record.Outcome.Message
	var others []string
	for _, member := range v.record.Wanted.Members {
		if member.Suspended {
			others = append(others, member.Object.Name)
		}
	}
	if object.Spec.Suspend || len(others) == 0 {
		return would
	}
	return strings.TrimSuffix(fmt.Sprintf("spec.suspend is set in EdgeLoadBalancer %s on the same host; %s", few(others), would), "; ")
}

// describeChanges tells when the host was changed, as far as this operator knows; else what the former one told stays.
func (v HostView) describeChanges(host *v1alpha1.HostStatus) {
	known := v.record
	if !known.ChangedAt.IsZero() {
		host.LastSyncTime, host.LastUpdate = seconds(known.ChangedAt), v1alpha1.UpdateKind(known.Update)
	}
	if !known.ReloadedAt.IsZero() {
		host.LastReloadTime = seconds(known.ReloadedAt)
	}
	// A drift that is left so is the same one after a start of the operator.
	left := host.LastDriftTime != nil && v.former.State == v1alpha1.HostDrifted && host.State == v1alpha1.HostDrifted
	if !known.DriftedAt.IsZero() && !left {
		host.LastDriftTime = seconds(known.DriftedAt)
	}
}

// countServers counts the object's servers, if HAProxy could be asked; else the last count stays.
func (v HostView) countServers(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) {
	member, found := record.MemberOf(v.record.Wanted, record.NameOf(object))
	if v.record.Outcome.Servers == nil || !found {
		return
	}
	host.ServersUp, host.Servers = 0, 0
	for _, backend := range member.Counts {
		count := v.record.Outcome.Servers[backend]
		host.ServersUp += int32(count.Up)
		host.Servers += int32(count.Total)
	}
}

// retryNote says when the next try is. It names the longest wait and not the present one, so that the status of a host that
// stays away is not written at each try.
func retryNote(outcome model.Outcome) string {
	return fmt.Sprintf("; next try within %s", shortDuration(record.LongestWait(outcome)))
}

func shortDuration(d time.Duration) string {
	if d >= time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// rounded rounds a number of failures down to a power of two: a host that stays away for a day is some ten writes of the
// status and not thousands.
func rounded(failures int) int32 {
	power := int32(1)
	if failures < 1 {
		return 0
	}
	for int(power) <= failures/2 {
		power *= 2
	}
	return power
}

// ProvedBefore is the fingerprint of the configuration that a host was last proved to run, as the objects that name it told it
// last; empty if none of them knows the host. Objects that share a host are written one after the other: the newest counts.
func ProvedBefore(objects []*v1alpha1.EdgeLoadBalancer, key model.HostID) string {
	var hash string
	var at time.Time
	for _, object := range objects {
		for _, host := range object.Status.Hosts {
			if host.ConfigHash == "" || KeyOf(host) != key {
				continue
			}
			if synced := timeOf(host.LastSyncTime); hash == "" || synced.After(at) {
				hash, at = host.ConfigHash, synced
			}
		}
	}
	return hash
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// KeyOf is the host that a host's status is about.
func KeyOf(host v1alpha1.HostStatus) model.HostID {
	return model.NewHostID(host.Address, host.Port)
}
