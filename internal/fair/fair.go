// Package fair assigns a limited number of places to competing owners, so that no owner can take all of them. It never blocks:
// a key that gets no place is queued, and a callback reports when it gets one.
package fair

import (
	"slices"
	"sync"
)

// Limits limit the places of a Limiter.
type Limits struct {
	// Total is the number of places, and PerOwner how many of them one owner may hold.
	Total, PerOwner int
	// Reserved is how many places every owner may hold regardless of the others: an owner with fewer never waits.
	// All owners together hold up to Total plus Reserved for each of them.
	Reserved int
}

// Limiter assigns places to keys, each of which belongs to an owner. Waiting keys are served round-robin by owner, and the keys of
// one owner in FIFO order. Its methods are safe for concurrent use.
type Limiter[K comparable] struct {
	limits  Limits
	granted func(K)

	mu     sync.Mutex
	keys   map[K]*place
	owners map[string]*owner[K]
	// order holds the owners with waiting keys; the first one is served next.
	order []*owner[K]
	total int
}

// place is the state of a key: it holds a place, or waits in its owner's queue.
type place struct {
	owner string
	held  bool
}

type owner[K comparable] struct {
	name    string
	held    int
	waiting []K
}

// New returns a Limiter without holders. It calls granted when a waiting key gets a place; the key holds the place from then on.
func New[K comparable](limits Limits, granted func(K)) *Limiter[K] {
	return &Limiter[K]{limits: limits, granted: granted, keys: map[K]*place{}, owners: map[string]*owner[K]{}}
}

// Acquire reports whether the key holds a place now. If not, the key is queued under that owner, even if it was queued under
// another one before. A place that the key holds stays with the owner under which it was acquired.
func (l *Limiter[K]) Acquire(name string, key K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.keys[key]; known != nil {
		if known.held || known.owner == name {
			return known.held
		}
		l.remove(key)
	}
	o := l.owners[name]
	if o == nil {
		o = &owner[K]{name: name}
		l.owners[name] = o
	}
	held := len(o.waiting) == 0 && l.hasRoom(o)
	l.keys[key] = &place{owner: name, held: held}
	if held {
		l.count(o, 1)
		return true
	}
	if o.waiting = append(o.waiting, key); len(o.waiting) == 1 {
		l.order = append(l.order, o)
	}
	return false
}

// Release gives back the key's place, or removes the key from the queue.
func (l *Limiter[K]) Release(key K) {
	for _, next := range l.release(key) {
		l.granted(next)
	}
}

func (l *Limiter[K]) release(key K) []K {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys[key] == nil {
		return nil
	}
	l.remove(key)
	return l.grant()
}

// remove deletes a key, and its owner with the last key.
func (l *Limiter[K]) remove(key K) {
	known := l.keys[key]
	delete(l.keys, key)
	o := l.owners[known.owner]
	if known.held {
		l.count(o, -1)
	} else if o.waiting = slices.DeleteFunc(o.waiting, func(k K) bool { return k == key }); len(o.waiting) == 0 {
		l.order = slices.DeleteFunc(l.order, func(other *owner[K]) bool { return other == o })
	}
	if o.held+len(o.waiting) == 0 {
		delete(l.owners, o.name)
	}
}

// grant assigns free places to waiting keys, and returns those keys.
func (l *Limiter[K]) grant() []K {
	var granted []K
	for {
		i := slices.IndexFunc(l.order, l.hasRoom)
		if i < 0 {
			return granted
		}
		o := l.order[i]
		key := o.waiting[0]
		o.waiting = o.waiting[1:]
		l.keys[key].held = true
		l.count(o, 1)
		granted = append(granted, key)
		l.order = slices.Delete(l.order, i, i+1)
		if len(o.waiting) > 0 {
			l.order = append(l.order, o)
		}
	}
}

func (l *Limiter[K]) hasRoom(o *owner[K]) bool {
	return o.held < l.limits.Reserved || (o.held < l.limits.PerOwner && l.total < l.limits.Total)
}

func (l *Limiter[K]) count(o *owner[K], more int) {
	o.held += more
	l.total += more
}
