package pool

import "sync"

// mostStored limits how many Services' ports a store holds.
const mostStored = 10_000

// store is a map of limited size: a full map is emptied first. Its methods may be called concurrently; the zero store is
// empty.
type store[key comparable, entry any] struct {
	mu    sync.Mutex
	known map[key]entry
}

func (s *store[key, entry]) get(k key) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found := s.known[k]
	return e, found
}

func (s *store[key, entry]) put(k key, e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= mostStored {
		s.known = map[key]entry{}
	}
	s.known[k] = e
}

func (s *store[key, entry]) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = nil
}
