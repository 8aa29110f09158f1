// Package shared lets those that need the same thing open it once, and closes it when the last of them no longer needs it. A failure to
// open it is shared as well, for a while.
package shared

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Need describes what is needed, and how to open it.
type Need[T any] struct {
	// Key is the same for those that may share a value. Among those, Terms are the same for those that may share an attempt to open it
	// and its failure.
	Key, Terms string
	// Accepts reports whether an open value of the key can still be used.
	Accepts func(T) bool
	// Open opens the value. It must end with its context.
	Open func(context.Context) (T, error)
	// Close closes the value.
	Close func(T)
	// Hold returns how long a failure is returned to the others, without another attempt.
	Hold func(error) time.Duration
}

// Set holds what is shared. The zero Set is empty. Its methods are safe for concurrent use.
type Set[T any] struct {
	mu      sync.Mutex
	entries map[string][]*entry[T]
}

// entry is an attempt to open a value, and its result: value and err are set before done is closed. The Set's lock guards users, and ended,
// which says that the attempt has.
type entry[T any] struct {
	need   Need[T]
	users  int
	ended  bool
	cancel context.CancelFunc
	done   chan struct{}
	value  T
	err    error
}

// Get returns what is needed. It waits for an attempt that has begun, or begins one, which ends when nobody waits for it any more. If it
// returns no error, the caller must call release once.
func (s *Set[T]) Get(ctx context.Context, need Need[T]) (value T, release func(), err error) {
	for {
		e := s.enter(need)
		select {
		case <-e.done:
		case <-ctx.Done():
			s.leave(e)
			return value, nil, context.Cause(ctx)
		}
		switch {
		case e.err != nil:
			s.leave(e)
			return value, nil, e.err
		case need.Accepts(e.value):
			return e.value, sync.OnceFunc(func() { s.leave(e) }), nil
		}
		// It was opened for others, or has ended since.
		s.remove(e)
		s.leave(e)
	}
}

// enter returns the entry for a need, with the caller as one of its users.
func (s *Set[T]) enter(need Need[T]) *entry[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries[need.Key] {
		if e.suits(need) {
			e.users++
			return e
		}
	}
	e := &entry[T]{need: need, users: 1, done: make(chan struct{})}
	var ctx context.Context
	ctx, e.cancel = context.WithCancel(context.Background())
	if s.entries == nil {
		s.entries = map[string][]*entry[T]{}
	}
	s.entries[need.Key] = append(s.entries[need.Key], e)
	go s.open(ctx, e)
	return e
}

// suits reports whether the entry is an open value that the need accepts, or an attempt or a failure on the same terms.
func (e *entry[T]) suits(need Need[T]) bool {
	select {
	case <-e.done:
		if e.err == nil {
			return need.Accepts(e.value)
		}
	default:
	}
	return e.need.Terms == need.Terms
}

// open opens an entry's value. A failure stays until its hold has ended.
func (s *Set[T]) open(ctx context.Context, e *entry[T]) {
	e.value, e.err = e.need.Open(ctx)
	var hold time.Duration
	if e.err != nil && ctx.Err() == nil {
		hold = e.need.Hold(e.err)
	}
	s.mu.Lock()
	e.ended = true
	unused := e.users == 0
	if e.err != nil && hold <= 0 {
		s.drop(e)
	}
	s.mu.Unlock()
	close(e.done)
	switch {
	case hold > 0:
		time.AfterFunc(hold, func() { s.remove(e) })
	case e.err == nil && unused:
		e.need.Close(e.value)
	}
}

// leave removes a user. The last one ends the attempt, or closes the value.
func (s *Set[T]) leave(e *entry[T]) {
	s.mu.Lock()
	e.users--
	last := e.users == 0
	opened := e.ended && e.err == nil
	if last && (opened || !e.ended) {
		s.drop(e)
	}
	s.mu.Unlock()
	if !last {
		return
	}
	e.cancel()
	if opened {
		e.need.Close(e.value)
	}
}

// remove makes an entry unknown to those that come later.
func (s *Set[T]) remove(e *entry[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(e)
}

func (s *Set[T]) drop(e *entry[T]) {
	rest := slices.DeleteFunc(s.entries[e.need.Key], func(other *entry[T]) bool { return other == e })
	if len(rest) == 0 {
		delete(s.entries, e.need.Key)
		return
	}
	s.entries[e.need.Key] = rest
}
