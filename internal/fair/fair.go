// Package fair hands out places that many owners compete for, so that none of them can take all of them. Nothing in it blocks:
// who gets no place is told so, and hears of the one that becomes free.
package fair

import (
	"slices"
	"sync"
)

// Limits bound the places of a Limiter.
type Limits struct {
	// Total is how many places there are, and PerOwner how many of them one owner may hold.
	Total, PerOwner int
	// Reserved is how many places every owner may hold no matter how many others hold: an owner with less waits for nobody else.
	// All owners together hold up to Total and Reserved for each of them.
	Reserved int
}

// Limiter hands out places to keys, each of which belongs to an owner. Keys that wait are served in turn by owner, and the keys of
// one owner in the order in which they came. Its methods may be called at the same time.
type Limiter[K comparable] struct {
	limits  Limits
	granted func(K)

	mu     sync.Mutex
	keys   map[K]*place
	owners map[string]*owner[K]
	// order holds the owners of which keys wait; the first one is served next.
	order []*owner[K]
	total int
}

// place is what a key has: a place, or one in its owner's queue.
type place struct {
	owner string
	held  bool
}

type owner[K comparable] struct {
	name    string
	held    int
	waiting []K
}

// New returns a Limiter without holders. It calls granted when a place has become free for a key that waited. The key holds it from
// then on.
func New[K comparable](limits Limits, granted func(K)) *Limiter[K] {
	return &Limiter[K]{limits: limits, granted: granted, keys: map[K]*place{}, owners: map[string]*owner[K]{}}
}

// Acquire reports whether the key holds a place now. If not, it waits for one, as a key of that owner even if it has waited as one of
// another. A place that it holds stays that of the owner that it came with.
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

// Release gives back the place that the key holds, or has it wait no more.
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

// remove forgets a key, and its owner with the last one.
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

// grant gives what is free to keys that wait, and returns them.
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
