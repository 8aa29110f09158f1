package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status/fit"
)

// The messages of a host that was not tried for the spec yet, and of one that is no longer in it.
const (
	notChecked   = "not checked yet"
	beingRemoved = "is being removed"
)

// HostView is one host from the view of one object.
type HostView struct {
	// name is the host's name in the status.
	name  string
	key   model.HostID
	entry v1alpha1.Host
	user  string
	// jump is the jump host, as in the status.
	jump string
	// previous is the host in the object's last status; nil if it did not contain the host.
	previous *v1alpha1.HostStatus
	record   record.Host
	// removing reports that the host must be freed from the object.
	removing bool
}

// ViewsOf returns the hosts of an object's spec, in order, followed by those that only its status still has. recordOf returns the
// record of a host.
func ViewsOf(object *v1alpha1.EdgeLoadBalancer, recordOf func(model.HostID) record.Host) []HostView {
	deleting := !object.DeletionTimestamp.IsZero()
	previous := map[model.HostID]*v1alpha1.HostStatus{}
	for i := range object.Status.Hosts {
		previous[KeyOf(object.Status.Hosts[i])] = &object.Status.Hosts[i]
	}
	var views []HostView
	for _, entry := range object.Spec.Hosts {
		key := spec.IDOf(&object.Spec.SSH, &entry)
		views = append(views, HostView{
			name: entry.Name, key: key, entry: entry, user: cmp.Or(entry.User, object.Spec.SSH.User),
			jump: spec.JumpText(&object.Spec.SSH), previous: previous[key], record: recordOf(key), removing: deleting,
		})
		delete(previous, key)
	}
	for _, host := range object.Status.Hosts {
		key := KeyOf(host)
		if previous[key] != nil {
			views = append(views, removingView(object, previous[key], recordOf(key)))
		}
	}
	return views
}

// removingView returns a host that is no longer in the spec. Another host may have its name now.
func removingView(object *v1alpha1.EdgeLoadBalancer, previous *v1alpha1.HostStatus, known record.Host) HostView {
	key, name := KeyOf(*previous), previous.Name
	for i := range object.Spec.Hosts {
		if object.Spec.Hosts[i].Name == name {
			name = fmt.Sprintf("%s@%s", name, key)
		}
	}
	return HostView{
		name: name, key: key, entry: v1alpha1.Host{Name: name, Address: previous.Address}, user: previous.User,
		jump: previous.JumpHost, previous: previous, record: known, removing: true,
	}
}

// mayHave reports whether the host has had the object's listeners, or may have got them from a change that was not proved.
func (v HostView) mayHave(object *v1alpha1.EdgeLoadBalancer) bool {
	return v.record.MayHave(object.UID) || (v.previous != nil && v.previous.ObservedGeneration > 0)
}

// status returns the host's entry in the object's status.
func (v HostView) status(object *v1alpha1.EdgeLoadBalancer) v1alpha1.HostStatus {
	host := v1alpha1.HostStatus{State: v1alpha1.HostPending, Message: notChecked}
	if v.previous != nil {
		host = *v.previous.DeepCopy()
	}
	if !v.removing && host.Removing {
		// The host is in the spec again.
		host.Message, host.ConsecutiveErrors = notChecked, 0
	}
	host.Removing = v.removing
	host.Name, host.Address, host.Port, host.User, host.JumpHost = v.name, v.entry.Address, v.key.Port, v.user, v.jump
	switch {
	case v.removing:
		host.State, host.Message = v1alpha1.HostPending, v.removingMessage(object)
	case v.isLeftOut(object):
		why, _ := v.leftOut(object)
		host.State, host.Message = v1alpha1.HostPending, why.Message
		if why.Reason == v1alpha1.ReasonPolicyViolation {
			host.State = v1alpha1.HostRefused
		}
	case v.record.Held.Why != "":
		v.describeHeld(object, &host)
	case v.record.Tried[object.UID] > 0:
		v.describe(object, &host)
		v.describeVirtual(object, &host)
	}
	v.describeTrial(&host)
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

// leftOut returns why the object is not a member of the host; false if it is, or if that is unknown yet for this generation.
func (v HostView) leftOut(object *v1alpha1.EdgeLoadBalancer) (why desired.Problem, found bool) {
	name := spec.NameOf(object)
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

// describe fills in the outcome of the last attempt.
func (v HostView) describe(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) {
	known, outcome := v.record, v.record.Outcome
	host.State, host.Message = v1alpha1.HostState(outcome.State), outcome.Message
	if outcome.State == model.Drifted {
		host.Message = cmp.Or(outcome.Message, "was changed by somebody else: "+fit.Phrases(outcome.Drift))
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
	host.CertificateExpires = nil
	if notice := v.expiry(); notice != "" {
		host.CertificateExpires = seconds(v.record.Certificate.To)
		host.Message = strings.TrimPrefix(host.Message+"; "+notice, "; ")
	}
	v.describeUnresolved(object, host)
	v.describeBindFailures(object, host)
	v.describeChanges(host)
	v.countServers(object, host)
}

// expiry says that the certificate that logs in to the host expires soon, or has expired; empty if it does not.
func (v HostView) expiry() string {
	if !v.record.CertificateEnds {
		return ""
	}
	return fmt.Sprintf("the SSH certificate in Secret %s is valid until %s, and hosts refuse a login with it from then on: store a new one there as %s",
		v.record.Wanted.Login.Secret, v.record.Certificate.To.UTC().Format(time.RFC3339), v1alpha1.SecretKeyCertificate)
}

// describeHeld fills in why the host keeps what it runs. The canary that has stopped the roll-out has rejected the change.
func (v HostView) describeHeld(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) {
	if v.record.Tried[object.UID] > 0 {
		v.describe(object, host)
	}
	if outcome := v.record.Outcome; outcome.State != model.Synced && !outcome.Kept {
		host.Message = v.record.Held.Why + "; " + host.Message
		return
	}
	host.State, host.Message = v1alpha1.HostPending, v.record.Held.Why
	if v.record.Trial.Why != "" {
		host.State = v1alpha1.HostRejected
	}
}

// describeTrial fills in with which change the host has stopped the roll-out. Until the host is checked, the previous status counts.
func (v HostView) describeTrial(host *v1alpha1.HostStatus) {
	switch {
	case v.record.Trial.Why != "":
		host.StoppedRollout = v.record.Trial.Change
	case !v.record.ProvedAt.IsZero() || v.record.Trial.Exists():
		host.StoppedRollout = ""
	}
}

// suspendedMessage says what would be changed, and which objects suspend the host if it is not the object itself.
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
	return strings.TrimSuffix(fmt.Sprintf("spec.suspend is set in EdgeLoadBalancer %s on the same host; %s", fit.Few(others), would), "; ")
}

// describeChanges fills in when the host was changed, as far as this operator knows; otherwise the previous values stay.
func (v HostView) describeChanges(host *v1alpha1.HostStatus) {
	known := v.record
	if packages := known.Packages(); packages != nil {
		host.Installed = packages
	}
	if !known.ChangedAt.IsZero() {
		host.LastSyncTime, host.LastUpdate = seconds(known.ChangedAt), v1alpha1.UpdateKind(known.Update)
	}
	if !known.ReloadedAt.IsZero() {
		host.LastReloadTime = seconds(known.ReloadedAt)
	}
	// After a restart of the operator, a drift that was left is still the same one.
	left := host.LastDriftTime != nil && v.previous.State == v1alpha1.HostDrifted && host.State == v1alpha1.HostDrifted
	if !known.DriftedAt.IsZero() && !left {
		host.LastDriftTime = seconds(known.DriftedAt)
	}
}

// countServers counts the object's servers if HAProxy answered; otherwise the last count stays.
func (v HostView) countServers(object *v1alpha1.EdgeLoadBalancer, host *v1alpha1.HostStatus) {
	member, found := record.MemberOf(v.record.Wanted, spec.NameOf(object))
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

// retryNote says when the next attempt is. It names the longest wait and not the current one, so that the status of an unreachable
// host is not written at each attempt.
func retryNote(outcome model.Outcome) string {
	return fmt.Sprintf("; next try within %s", shortDuration(record.LongestWait(outcome)))
}

func shortDuration(d time.Duration) string {
	if d >= time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// rounded rounds a number of failures down to a power of two: a host that is unreachable for a day causes some ten writes of the
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

// ProvedBefore returns the fingerprint of the configuration that a host was last proved to run, according to the statuses of the
// objects that name it; empty if none of them has it. Objects that share a host are written one after the other: the newest status
// counts.
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

// KeyOf returns the ID of the host that a host status is about.
func KeyOf(host v1alpha1.HostStatus) model.HostID {
	return spec.IDOfStatus(&host)
}
