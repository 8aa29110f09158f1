package record

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/model"
)

// Store keeps the records of all hosts. Its methods are safe for concurrent use.
type Store struct {
	mu sync.Mutex
	// hosts are changed in place under the lock; callers get copies.
	hosts map[model.HostID]*Host
	// began is when the first host was checked. A standby replica receives changes as well.
	began time.Time
}

// NewStore returns a store without records.
func NewStore() *Store {
	return &Store{hosts: map[model.HostID]*Host{}}
}

// Get returns a host's record; the zero record if there is none.
func (s *Store) Get(key model.HostID) Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	if record := s.hosts[key]; record != nil {
		return *record
	}
	return Host{}
}

// Update changes a host's record and returns it.
func (s *Store) Update(key model.HostID, change func(*Host)) Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := s.at(key)
	change(record)
	return *record
}

// UpdateKnown changes a host's record and returns it. It does nothing for a host without a record, and returns the zero record.
func (s *Store) UpdateKnown(key model.HostID, change func(*Host)) Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := s.hosts[key]
	if record == nil {
		return Host{}
	}
	change(record)
	return *record
}

// at returns a host's record; a new one if it has none.
func (s *Store) at(key model.HostID) *Host {
	if s.hosts[key] == nil {
		s.hosts[key] = &Host{}
	}
	return s.hosts[key]
}

// Forget drops a host's record.
func (s *Store) Forget(key model.HostID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hosts, key)
}

// Moved records that the machine that was managed as this host for the objects is now managed under another name.
func (s *Store) Moved(host string, objects map[types.UID]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, record := range s.hosts {
		if key.String() != host {
			continue
		}
		record.Detachments = record.Detachments.Moved(objects)
		s.hosts[key] = record
	}
}

// Began reports whether this replica has checked a host yet.
func (s *Store) Began() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.began.IsZero()
}

// Touch records that something that the hosts depend on has changed. trigger is the time of the change that caused the change of an
// EndpointSlice; zero if unknown.
func (s *Store) Touch(keys []model.HostID, now, trigger time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		record := s.at(key)
		record.UnseenSince = model.Earlier(record.UnseenSince, now)
		record.UnseenTriggers = withTrigger(record.UnseenTriggers, trigger)
	}
}

// Look records that what is observed from now on contains all changes that were delivered so far.
func (s *Store) Look(key model.HostID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		s.began = now
	}
	record := s.hosts[key]
	if record == nil || record.UnseenSince.IsZero() {
		return
	}
	if record.UnseenSince.Before(s.began) {
		record.UnseenSince = s.began
	}
	record.UnprovedSince, record.UnseenSince = model.Earlier(record.UnprovedSince, record.UnseenSince), time.Time{}
	unproved := slices.Clone(record.UnprovedTriggers)
	for _, trigger := range record.UnseenTriggers {
		if !trigger.Before(s.began) {
			unproved = withTrigger(unproved, trigger)
		}
	}
	record.UnprovedTriggers, record.UnseenTriggers = unproved, nil
}

// triggersKept is the most triggers that are kept for a host that is unreachable.
const triggersKept = 64

// withTrigger appends a trigger that is known and new. Slices that were changed by one cause have the same trigger.
func withTrigger(triggers []time.Time, trigger time.Time) []time.Time {
	if trigger.IsZero() || len(triggers) >= triggersKept || slices.ContainsFunc(triggers, trigger.Equal) {
		return triggers
	}
	return append(triggers, trigger)
}
