// Package record keeps what the operator knows about each host since it started, and decides what to do with a host next, and when.
//
// The logic for one host is pure: a Host is a value that takes in the wanted configuration and the results of attempts. Only Store
// holds all hosts.
package record

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/rollout"
)

// Host is what the operator knows about one host since it started. It is a value: its maps and slices are replaced and never
// changed, so that a copy may be read without a lock.
type Host struct {
	// Wanted is the wanted state of the host as last built, and Built the generations of the objects that it was built from.
	Wanted desired.Host
	Built  map[types.UID]int64
	// Problems are those of Wanted, plus earlier ones until an attempt shows that they are over: that a Service has endpoints again
	// is not reported until they are served.
	Problems []desired.Problem

	// Outcome is that of the last attempt, and Tried the generations of the objects that it was for. Reason is one of package
	// v1alpha1 where it is more precise than the state.
	Outcome model.Outcome
	Reason  string
	Tried   map[types.UID]int64
	// Proved is the last generation of each object that the host was proved to run, Fingerprint that of the configuration, and
	// ProvedAt the time of the last proof; zero if this operator has proved nothing.
	Proved      map[types.UID]int64
	Fingerprint string
	ProvedAt    time.Time
	// Reported are the generations that an earlier operator has reported of the objects of a host with roll-outs.
	Reported map[types.UID]int64
	// Runs is what the host was proved to run; nil if unknown.
	Runs *desired.Host
	// Attempted are the objects whose listeners a later change was about to add. The change may have failed halfway.
	Attempted map[types.UID]int64

	// Claims are the results of the logins of each owner that names the host.
	Claims map[spec.Owner]Claim
	// Certificate is when the SSH certificate is valid that logs in to the host. CertificateEnds reports that it ended soon at the last attempt.
	Certificate     model.Validity
	CertificateEnds bool

	// Failures counts the failed attempts since the last success, Repeats the consecutive attempts with the same outcome.
	Failures, Repeats int
	// BindFailures counts, for each object, the consecutive checks at which a bind of the object failed.
	BindFailures map[types.NamespacedName]int
	// UnresolvedNames are the names that the host found no address for at the last check.
	UnresolvedNames map[model.UnresolvedName]UnresolvedName
	// Inputs are what the last attempt depended on. RetryAt is when to retry while they stay the same.
	Inputs  string
	RetryAt time.Time
	// Followed reports that servers could be updated since the last attempt, which failed.
	Followed bool

	// ChangedAt and ReloadedAt are the times of the last change of what the host runs and of the last reload of HAProxy; zero if
	// not by this operator. Update is the kind of that change, and ReloadReasons are those of the last reload.
	ChangedAt, ReloadedAt time.Time
	Update                model.Update
	ReloadReasons         []string
	// DriftedAt is when the host was last found changed outside of the operator, and Drift the differences; zero if it never was.
	DriftedAt time.Time
	Drift     []string
	// Servers, Down, OldWorkers and FailedReloads are those of the last outcome for which HAProxy answered.
	Servers                   map[string]model.ServerCount
	Down                      []model.DownServers
	OldWorkers, FailedReloads int
	// Installed are the packages that edgelb has installed, as last found on the host.
	Installed []string

	// Egress is the address from which the host last saw the operator's connection; the zero Addr if it never reported one.
	Egress netip.Addr

	// UnseenSince is when the watch delivered the oldest change that no sync has observed yet, and UnprovedSince the same for
	// changes that were observed and are not proved; zero when there is none.
	UnseenSince, UnprovedSince time.Time
	// UnseenTriggers and UnprovedTriggers are, likewise, the times of the changes of Pods and Services that changed the
	// EndpointSlices.
	UnseenTriggers, UnprovedTriggers []time.Time
	// Held says why the host keeps what it runs for now, and Trial is the change that it tries as a canary.
	Held  rollout.Wait
	Trial rollout.Trial
	// Detachments are the removals of the objects that detach from the host.
	Detachments detach.Detachments
	// Virtual is what is known of keepalived on the host.
	Virtual Virtual
}

// HoldOff returns how long to leave the host alone: the rest of the wait after a failure, unless what the failure depended on has
// changed. Endpoints change while a host is unreachable; they must not trigger a connection attempt each time.
func (r Host) HoldOff(inputs string, now time.Time) time.Duration {
	if !Failed(r.Outcome.State) || r.Outcome.State == "" || r.Inputs != inputs || r.Outcome.Kept {
		return 0
	}
	return max(0, r.RetryAt.Sub(now))
}

// Rebuild takes in the wanted host, with the objects that want it and those that detach from it. It returns how urgently the
// objects must be updated.
func (r *Host) Rebuild(host desired.Host, objects []*v1alpha1.EdgeLoadBalancer, detaching []detach.Object, now time.Time) Urgency {
	before := *r
	if len(objects) == 0 {
		// Detaching may still need the host key pins in it.
		host.Login = r.Wanted.Login
	}
	r.Wanted, r.Built = host, map[types.UID]int64{}
	for _, object := range objects {
		r.Built[object.UID] = object.Generation
	}
	r.Claims = r.claimsOf(host)
	r.recall(host, objects)
	r.Problems = withNew(r.Problems, host.Problems)
	r.Detachments = r.Detachments.Next(r.Wanted, detaching, r.MayHave, now)
	r.Wanted = r.Detachments.Keep(r.Wanted, before.Wanted, detaching)
	return r.UrgencySince(before)
}

// Apply takes in the result of an attempt, and returns how urgently the objects must be updated. random, from 0 to 1, spreads the
// retries of hosts that failed together.
func (r *Host) Apply(a Attempt, now time.Time, random float64) Urgency {
	before := *r
	r.Certificate, r.CertificateEnds = a.Certificate, a.Certificate.EndsSoon(now)
	if a.Outcome.Egress.IsValid() {
		r.Egress = a.Outcome.Egress
	}
	if a.Task.RuntimeOnly {
		r.follow(a, now)
		return r.UrgencySince(before)
	}
	if len(a.Task.Objects) > 0 {
		r.Try(a, now, random)
	}
	r.count(a.Outcome)
	r.BindFailures, r.UnresolvedNames = bindFailuresAfter(r.BindFailures, a), unresolvedAfter(r.UnresolvedNames, a, now)
	r.Outcome, r.Reason, r.Inputs, r.Tried = a.Outcome, a.Reason, a.Task.Inputs, a.Task.Objects
	r.RetryAt, r.Followed = now.Add(r.waitAfter(a.Outcome, now, random)), false
	r.noteChange(a.Outcome, now)
	r.noteDrift(a.Outcome, now)
	r.noteProof(a, now)
	r.noteProblems(a.Task)
	r.Held = a.Held
	if a.Trial != nil {
		r.Trial = *a.Trial
	}
	r.Detachments = r.Detachments.After(a.Task.Frees, a.Outcome.State, a.Reason)
	return r.UrgencySince(before)
}

// follow takes in an update of servers on a host whose last attempt failed. The host keeps reporting that failure, and the time of
// its retry stays. Only if servers could be updated before and no longer can, a full check is retried soon, because it makes them
// follow again. After a failed reload the host has to wait nevertheless.
func (r *Host) follow(a Attempt, now time.Time) {
	r.noteChange(a.Outcome, now)
	r.Outcome.Live = a.Outcome.Live || a.Outcome.State == model.Synced
	if a.Outcome.State == model.Synced {
		r.Outcome.Servers, r.Followed = a.Outcome.Servers, true
		r.UnprovedSince, r.UnprovedTriggers = time.Time{}, nil
		r.noteProblems(a.Task)
	}
	if !r.Outcome.Live && r.Followed && !r.Outcome.ReloadFailed {
		r.RetryAt = model.Earlier(r.RetryAt, now.Add(backoffOf(model.Outcome{State: model.Unreachable}).First))
	}
}

// noteProblems drops the problems that are over. The problems of a host that is only freed are of no interest.
func (r *Host) noteProblems(task *Task) {
	if len(task.Objects) > 0 {
		r.Problems = task.Host.Problems
	}
}

// Wait returns how long to leave the host alone after an attempt, or until a follow-up is due. It is never 0, which would mean
// forever: the retry may have become due during an update of servers. Servers that an attempt could not update together with
// everything else follow at once, and so does a server at an address that the attempt has found out.
func (r Host) Wait(last Attempt, now time.Time) time.Duration {
	wait := r.RetryAt.Sub(now)
	switch {
	case r.Outcome.Live && !last.Task.RuntimeOnly, r.knowsBetter(last.Task):
		wait = 0
	case r.Outcome.Live && last.Outcome.FollowUp > 0:
		wait = min(wait, last.Outcome.FollowUp)
	}
	return max(r.Trial.Await(wait, now), time.Millisecond)
}

// knowsBetter reports whether a server of the task has no address, or another one than the address from which the host sees the
// operator.
func (r Host) knowsBetter(task *Task) bool {
	return task.Host.UsesEgress && task.Host.Egress != r.Egress
}

// ReachedFrom returns the address from which the host sees the operator's connection. hidden reports that the host does not report
// it.
func (r Host) ReachedFrom() (egress netip.Addr, hidden bool) {
	return r.Egress, !r.Egress.IsValid() && !r.ProvedAt.IsZero()
}

// noteChange records a change of what runs. A write of only the file is not such a change.
func (r *Host) noteChange(outcome model.Outcome, now time.Time) {
	if outcome.Changed && outcome.Update != model.UpdateFile {
		r.ChangedAt, r.Update = now, outcome.Update
	}
	if outcome.Changed && outcome.Update == model.UpdateReload {
		r.ReloadedAt, r.ReloadReasons = now, outcome.Reasons
	}
	if outcome.Installed != nil {
		r.Installed = outcome.Installed
	}
	if outcome.Servers != nil {
		r.Servers, r.Down = outcome.Servers, outcome.Down
		r.OldWorkers, r.FailedReloads = outcome.OldWorkers, outcome.FailedReloads
	}
}

// noteDrift records a change from outside of the operator. A drift that is left as it is, is found again at every check.
func (r *Host) noteDrift(outcome model.Outcome, now time.Time) {
	if HasDrifted(outcome) && (outcome.State != model.Drifted || r.Repeats == 1) {
		r.DriftedAt, r.Drift = now, outcome.Drift
	}
}

// Packages are those that edgelb has installed on the host: the longer list is the newer one. It is nil if the host was not observed.
func (r Host) Packages() []string {
	if len(r.Virtual.Outcome.Installed) > len(r.Installed) {
		return r.Virtual.Outcome.Installed
	}
	return r.Installed
}

// HasDrifted reports whether an attempt found a host that was changed outside of the operator, and repaired or left it.
func HasDrifted(outcome model.Outcome) bool {
	return outcome.State == model.Drifted || (outcome.Changed && len(outcome.Drift) > 0)
}

func (r *Host) noteProof(a Attempt, now time.Time) {
	switch {
	case a.Outcome.State == model.Synced && !r.knowsBetter(a.Task):
		r.Proved, r.Attempted = a.Task.Objects, nil
		r.ProvedAt, r.Fingerprint, r.Runs = now, a.Outcome.Fingerprint, &a.Task.Host
	case a.Outcome.State != model.Drifted && len(a.Outcome.Reasons) > 0:
		r.Attempted = union(r.Attempted, a.Task.Objects)
	}
	if !Failed(a.Outcome.State) {
		// The duration of a suspension or a drift is not the duration of a change.
		r.UnprovedSince, r.UnprovedTriggers = time.Time{}, nil
	}
}

// MayHave reports whether the host may have an object's listeners, as far as this operator can know.
func (r Host) MayHave(object types.UID) bool {
	return r.Proved[object] > 0 || r.Attempted[object] > 0
}

// Serves reports whether the host is proved to serve everything of the object's present generation.
func (r Host) Serves(object *v1alpha1.EdgeLoadBalancer) bool {
	return r.Proved[object.UID] == object.Generation && len(r.BindFailuresOf(spec.NameOf(object))) == 0
}

func union(a, b map[types.UID]int64) map[types.UID]int64 {
	both := make(map[types.UID]int64, len(a)+len(b))
	maps.Copy(both, a)
	maps.Copy(both, b)
	return both
}

// withNew appends the problems that are not among the old ones.
func withNew(old, problems []desired.Problem) []desired.Problem {
	if slices.Equal(old, problems) {
		return old
	}
	known := make(map[desired.Problem]bool, len(old))
	for _, problem := range old {
		known[problem] = true
	}
	all := slices.Clone(old)
	for _, problem := range problems {
		if !known[problem] {
			all = append(all, problem)
		}
	}
	return all
}

func (r *Host) count(outcome model.Outcome) {
	if outcome.State == r.Outcome.State {
		r.Repeats++
	} else {
		r.Repeats = 1
	}
	if Failed(outcome.State) && outcome.RetryAfter == 0 && !outcome.Kept {
		r.Failures++
	} else {
		r.Failures = 0
	}
}
