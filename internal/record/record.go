// Package record keeps what the operator knows about each host since it started, and says what to do with a host next, and when.
//
// What it says of one host is pure: a Host is a value that takes in what the host should be and how an attempt went. Store
// alone holds them all.
package record

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// Host is what the operator knows about one host since it started. It is a value: maps and slices in it are replaced
// and never changed, so that a copy may be read without a lock.
type Host struct {
	// Wanted is what the host should be, as last built, and Built the generations of the objects that it was built from.
	Wanted desired.Host
	Built  map[types.UID]int64
	// Problems are those of Wanted, and those of before as long as no attempt has shown that the host is rid of them: that a
	// Service has endpoints again is no news until they are served.
	Problems []desired.Problem

	// Outcome is that of the last attempt, and Tried the generations of the objects that it was for. Reason is one of
	// package v1alpha1 where it says more than the state.
	Outcome model.Outcome
	Reason  string
	Tried   map[types.UID]int64
	// Proved holds the last generation of each object that the host was proved to run, Fingerprint is that of the
	// configuration, and ProvedAt the last time; zero if this operator has proved nothing.
	Proved      map[types.UID]int64
	Fingerprint string
	ProvedAt    time.Time
	// Runs is what it was proved to run; nil if that is not known.
	Runs *desired.Host
	// Attempted holds the objects whose listeners a change was to bring since then. It may have broken in the middle.
	Attempted map[types.UID]int64

	// Claims are how it went for each owner that names the host.
	Claims map[desired.Owner]Claim

	// Failures counts the failed attempts since the last good one, Repeats those that ended like the last one.
	Failures, Repeats int
	// Shortfalls counts, for each object, the looks in a row at which the host could not serve a bind of its.
	BindFailures map[types.NamespacedName]int
	// Absences are those of the names that the host found no address for at the last look.
	UnresolvedNames map[model.UnresolvedName]UnresolvedName
	// Inputs are what the last attempt depended on, and RetryAt is when to try again as long as they are the same.
	Inputs  string
	RetryAt time.Time
	// Followed says that servers could be brought in line since the last attempt, which failed.
	Followed bool

	// ChangedAt and ReloadedAt are when what runs on the host was last changed, and HAProxy reloaded; zero if this operator
	// did not. Update says how it was changed, and ReloadReasons what the last reload was for.
	ChangedAt, ReloadedAt time.Time
	Update                model.Update
	ReloadReasons         []string
	// DriftedAt is when the host was last found changed by somebody else, and Drift how; zero if it never was.
	DriftedAt time.Time
	Drift     []string
	// Servers, Down, OldWorkers and FailedReloads are those of the last outcome of a HAProxy that answered.
	Servers                   map[string]model.ServerCount
	Down                      []model.DownServers
	OldWorkers, FailedReloads int

	// Egress is the address from which the host last saw the operator's connection; the zero Addr if it never said.
	Egress netip.Addr

	// UnseenSince is when the watch delivered the oldest change that nobody has looked at yet, and UnprovedSince the same
	// of those that were looked at and are not proved; zero when there is none.
	UnseenSince, UnprovedSince time.Time
	// UnseenTriggers and UnprovedTriggers are when Pods and Services changed because of which EndpointSlices did, likewise.
	UnseenTriggers, UnprovedTriggers []time.Time
	// Leaving are the objects that the host is to be freed from.
	Detachments map[types.UID]Detachment
}

// HoldOff is how long to leave the host alone: the rest of the wait after a failure, unless what the failure depended on
// has changed. Endpoints come and go while a host is away; they must not trigger a connection attempt each time.
func (r Host) HoldOff(inputs string, now time.Time) time.Duration {
	if !Failed(r.Outcome.State) || r.Outcome.State == "" || r.Inputs != inputs {
		return 0
	}
	return max(0, r.RetryAt.Sub(now))
}

// Rebuild takes in what the host should be now that these objects want it and those leave it. It says what news that is for the
// objects.
func (r *Host) Rebuild(host desired.Host, objects []*v1alpha1.EdgeLoadBalancer, detaching []Detaching, now time.Time) Urgency {
	before := *r
	if len(objects) == 0 {
		// The pins in it may still be needed on the way out.
		host.Login = r.Wanted.Login
	}
	r.Wanted, r.Built = host, map[types.UID]int64{}
	for _, object := range objects {
		r.Built[object.UID] = object.Generation
	}
	r.Claims = r.claimsOf(host)
	r.Problems = withNew(r.Problems, host.Problems)
	r.Detachments = detachingNow(*r, detaching, now)
	r.Wanted = r.keepAwaiting(before.Wanted, detaching)
	return r.UrgencySince(before)
}

// Apply takes in the result of an attempt, and says what news that is for the objects. The random number, from 0 to 1, spreads the
// tries of hosts that failed together.
func (r *Host) Apply(a Attempt, now time.Time, random float64) Urgency {
	before := *r
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
	r.Detachments = detachmentsAfter(r.Detachments, a)
	return r.UrgencySince(before)
}

// follow takes in how servers were brought in line on a host whose last attempt has failed. That failure stays what there is
// to say of the host, and the time of the next try what it was. Only where servers could follow and can no more, that is tried
// soon which makes them follow again: a look at the whole host. Where HAProxy would be reloaded in vain, it has to wait nevertheless.
func (r *Host) follow(a Attempt, now time.Time) {
	r.noteChange(a.Outcome, now)
	r.Outcome.Live = a.Outcome.Live || a.Outcome.State == model.Synced
	if a.Outcome.State == model.Synced {
		r.Outcome.Servers, r.Followed = a.Outcome.Servers, true
		r.UnprovedSince, r.UnprovedTriggers = time.Time{}, nil
		r.noteProblems(a.Task)
	}
	if !r.Outcome.Live && r.Followed && !r.Outcome.ReloadFailed {
		r.RetryAt = earlier(r.RetryAt, now.Add(backoffOf(model.Outcome{State: model.Unreachable}).First))
	}
}

// noteProblems forgets the problems that are over. Of those of a host that is only freed nobody wants to hear.
func (r *Host) noteProblems(done *Task) {
	if len(done.Objects) > 0 {
		r.Problems = done.Host.Problems
	}
}

// Wait is how long to leave the host alone after an attempt, or until what it has begun is to be ended. It is never 0, which would
// mean for ever: the time of the next try may have come while servers followed. Those that an attempt could not bring together
// with everything else follow at once, and so does a server at an address that the attempt has found out.
func (r Host) Wait(last Attempt, now time.Time) time.Duration {
	wait := r.RetryAt.Sub(now)
	switch {
	case r.Outcome.Live && !last.Task.RuntimeOnly, r.knowsBetter(last.Task):
		wait = 0
	case r.Outcome.Live && last.Outcome.FollowUp > 0:
		wait = min(wait, last.Outcome.FollowUp)
	}
	return max(wait, time.Millisecond)
}

// knowsBetter says that a server of the job has another address than the one from which the host sees the operator, or has none.
func (r Host) knowsBetter(done *Task) bool {
	return done.Host.UsesEgress && done.Host.Egress != r.Egress
}

// ReachedFrom is the address from which the host sees the operator's connection; hidden says that it does not tell.
func (r Host) ReachedFrom() (egress netip.Addr, hidden bool) {
	return r.Egress, !r.Egress.IsValid() && !r.ProvedAt.IsZero()
}

// noteChange notes a change of what runs. That only the file was written is none.
func (r *Host) noteChange(outcome model.Outcome, now time.Time) {
	if outcome.Changed && outcome.Update != model.UpdateFile {
		r.ChangedAt, r.Update = now, outcome.Update
	}
	if outcome.Changed && outcome.Update == model.UpdateReload {
		r.ReloadedAt, r.ReloadReasons = now, outcome.Reasons
	}
	if outcome.Servers != nil {
		r.Servers, r.Down = outcome.Servers, outcome.Down
		r.OldWorkers, r.FailedReloads = outcome.OldWorkers, outcome.FailedReloads
	}
}

// noteDrift notes that somebody else has changed the host. A host that is left so is found so again at every look.
func (r *Host) noteDrift(outcome model.Outcome, now time.Time) {
	if HasDrifted(outcome) && (outcome.State != model.Drifted || r.Repeats == 1) {
		r.DriftedAt, r.Drift = now, outcome.Drift
	}
}

// HasDrifted says that an attempt found a host which somebody else has changed, and repaired it or left it so.
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
		// How long a suspension or a drift lasts says nothing about how long a change takes.
		r.UnprovedSince, r.UnprovedTriggers = time.Time{}, nil
	}
}

// MayHave says that the host may have an object's listeners, as far as this operator can know.
func (r Host) MayHave(object types.UID) bool {
	return r.Proved[object] > 0 || r.Attempted[object] > 0
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
	if Failed(outcome.State) && outcome.RetryAfter == 0 {
		r.Failures++
	} else {
		r.Failures = 0
	}
}
