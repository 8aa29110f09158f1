package controllers

import (
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
)

// hostRecord is what the operator knows about one host since it started. It is a value: maps and slices in it are replaced
// and never changed, so that a copy may be read without a lock.
type hostRecord struct {
	// host is what the host should be, as last built, and built the generations of the objects that it was built from.
	host  desired.Host
	built map[types.UID]int64
	// problems are those of host, and those of before as long as no attempt has shown that the host is rid of them: that a
	// Service has endpoints again is no news until they are served.
	problems []desired.Problem

	// outcome is that of the last attempt, and tried the generations of the objects that it was for. reason is one of
	// package v1alpha1 where it says more than the state.
	outcome edge.Outcome
	reason  string
	tried   map[types.UID]int64
	// proved holds the last generation of each object that the host was proved to run.
	proved map[types.UID]int64
	// attempted holds the objects whose listeners a change was to bring since then. It may have broken in the middle.
	attempted map[types.UID]int64

	// failures counts the failed attempts since the last good one, repeats those that ended like the last one.
	failures, repeats int
	// inputs are what the last attempt depended on, and retryAt is when to try again as long as they are the same.
	inputs  string
	retryAt time.Time

	changedAt, reloadedAt time.Time
	// changes says what the last change was for.
	changes []string

	// unseenSince is when the watch delivered the oldest change that nobody has looked at yet, and unprovedSince the same
	// of those that were looked at and are not proved; zero when there is none.
	unseenSince, unprovedSince time.Time
	// leaving are the objects that the host is to be freed from.
	leaving map[types.UID]leave
}

// leave is how far a host is with getting rid of an object's listeners.
type leave struct {
	// since is when it could begin; zero as long as the host is suspended. delayed says that it once was.
	since   time.Time
	delayed bool
	// tried says that it was attempted at least once, and done that it is proved.
	tried, done bool
}

// holdOff is how long to leave the host alone: the rest of the wait after a failure, unless what the failure depended on
// has changed. Endpoints come and go while a host is away; they must not make the operator knock at its door each time.
func (r hostRecord) holdOff(inputs string, now time.Time) time.Duration {
	if !failed(r.outcome.State) || r.outcome.State == "" || r.inputs != inputs {
		return 0
	}
	return max(0, r.retryAt.Sub(now))
}

// rebuild takes in what the host should be now that these objects want it and those leave it. It says whether that is news for
// the objects.
func (r *hostRecord) rebuild(host desired.Host, objects []*v1alpha1.EdgeLoadBalancer, leavers []leaver, now time.Time) (news bool) {
	before := *r
	if len(objects) == 0 {
		// The pins in it may still be needed on the way out.
		host.Login = r.host.Login
	}
	r.host, r.built = host, map[types.UID]int64{}
	for _, object := range objects {
		r.built[object.UID] = object.Generation
	}
	r.problems = withNew(r.problems, host.Problems)
	r.leaving = leavingNow(*r, leavers, now)
	return !slices.Equal(before.problems, r.problems) || !maps.Equal(before.built, r.built) || !maps.Equal(before.leaving, r.leaving)
}

// apply takes in the result of an attempt.
func (r *hostRecord) apply(a attempt, now time.Time, random float64) {
	r.count(a.outcome.State)
	r.outcome, r.reason, r.inputs, r.tried = a.outcome, a.reason, a.job.inputs, a.job.objects
	r.retryAt = now.Add(waitAfter(a.outcome, r.repeats, random))
	if a.outcome.Changed {
		r.changedAt, r.changes = now, a.outcome.Reasons
	}
	if a.outcome.Reloaded {
		r.reloadedAt = now
	}
	switch {
	case a.outcome.State == edge.Synced:
		r.proved, r.attempted = a.job.objects, nil
	case len(a.outcome.Reasons) > 0:
		r.attempted = union(r.attempted, a.job.objects)
	}
	if !failed(a.outcome.State) {
		// How long a suspension lasts says nothing about how long a change takes.
		r.unprovedSince = time.Time{}
	}
	if len(a.job.objects) > 0 {
		r.problems = a.job.host.Problems
	}
	r.leaving = leavingAfter(r.leaving, a)
}

// mayHave says that the host may have an object's listeners, as far as this operator can know.
func (r hostRecord) mayHave(object types.UID) bool {
	return r.proved[object] > 0 || r.attempted[object] > 0
}

func union(a, b map[types.UID]int64) map[types.UID]int64 {
	both := make(map[types.UID]int64, len(a)+len(b))
	maps.Copy(both, a)
	maps.Copy(both, b)
	return both
}

// withNew appends the problems that are not among the old ones.
func withNew(old, problems []desired.Problem) []desired.Problem {
	all := slices.Clone(old)
	for _, problem := range problems {
		if !slices.Contains(all, problem) {
			all = append(all, problem)
		}
	}
	return all
}

func (r *hostRecord) count(state edge.State) {
	if state == r.outcome.State {
		r.repeats++
	} else {
		r.repeats = 1
	}
	if failed(state) {
		r.failures++
	} else {
		r.failures = 0
	}
}

// leavingAfter notes how an attempt went for the objects that leave. On a host that belongs to somebody else there is
// nothing of ours.
func leavingAfter(leaving map[types.UID]leave, a attempt) map[types.UID]leave {
	after := make(map[types.UID]leave, len(leaving))
	for uid, l := range leaving {
		if a.job.frees[uid] {
			// A suspended host is only looked at.
			l.tried = l.tried || a.outcome.State != edge.Suspended
			l.done = a.outcome.State == edge.Synced || a.outcome.State == edge.Refused
		}
		after[uid] = l
	}
	return after
}

// hostRecords keeps the records of all hosts. Its methods may be called at the same time.
type hostRecords struct {
	mu    sync.Mutex
	hosts map[desired.HostKey]hostRecord
	// began is when the first host was looked at. A replica that only stands by hears of changes as well.
	began time.Time
}

func newHostRecords() *hostRecords {
	return &hostRecords{hosts: map[desired.HostKey]hostRecord{}}
}

// get returns a host's record; the zero record if there is none.
func (s *hostRecords) get(key desired.HostKey) hostRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[key]
}

// update changes a host's record and returns it.
func (s *hostRecords) update(key desired.HostKey, change func(*hostRecord)) hostRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := s.hosts[key]
	change(&record)
	s.hosts[key] = record
	return record
}

// forget drops a host's record.
func (s *hostRecords) forget(key desired.HostKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hosts, key)
}

// touch notes that something which the hosts depend on has changed.
func (s *hostRecords) touch(keys []desired.HostKey, now time.Time) {
	for _, key := range keys {
		s.update(key, func(r *hostRecord) { r.unseenSince = earlier(r.unseenSince, now) })
	}
}

// look notes that what is observed from now on has all the changes in it that were delivered so far.
func (s *hostRecords) look(key desired.HostKey, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		s.began = now
	}
	record, found := s.hosts[key]
	if !found || record.unseenSince.IsZero() {
		return
	}
	if record.unseenSince.Before(s.began) {
		record.unseenSince = s.began
	}
	record.unprovedSince, record.unseenSince = earlier(record.unprovedSince, record.unseenSince), time.Time{}
	s.hosts[key] = record
}

// earlier is the earlier of a time, which may be zero for none, and another.
func earlier(known, other time.Time) time.Time {
	if known.IsZero() || other.Before(known) {
		return other
	}
	return known
}
