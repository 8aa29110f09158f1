package policy

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// burst is for how many seconds' changes a namespace may have at once.
const burst = 10

// mostSlots limits how many past changes of a namespace are kept. mostNamespaces limits how many namespaces without pending
// changes are kept.
const (
	mostSlots      = 1000
	mostNamespaces = 1000
)

// Pace says when changes of objects may begin, so that a namespace does not exceed its rate limit. Its methods may be called
// concurrently. The zero Pace is ready for use.
type Pace struct {
	mu         sync.Mutex
	namespaces map[string]*timetable
}

// timetable holds the times of the changes of one namespace.
type timetable struct {
	// filled is the time up to which the changes of the namespace would last if they were spread evenly.
	filled time.Time
	slots  map[types.UID]slot
}

// slot is when a change of an object may begin. A later change before that time replaces it.
type slot struct {
	generation int64
	at         time.Time
}

// Wait returns how long a change, the one that made this generation of an object, must wait in its namespace with this rate
// limit.
func (p *Pace) Wait(namespace string, object types.UID, generation int64, perSecond int, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.namespaces == nil {
		p.namespaces = map[string]*timetable{}
	}
	t := p.namespaces[namespace]
	if t == nil {
		p.prune(now)
		t = &timetable{slots: map[types.UID]slot{}}
		p.namespaces[namespace] = t
	}
	s, found := t.slots[object]
	if !found || s.generation != generation && !s.at.After(now) {
		s.at = t.next(perSecond, now)
	}
	s.generation = generation
	t.slots[object] = s
	t.prune(now)
	return max(0, s.at.Sub(now))
}

// prune drops namespaces without pending changes.
func (p *Pace) prune(now time.Time) {
	if len(p.namespaces) < mostNamespaces {
		return
	}
	maps.DeleteFunc(p.namespaces, func(_ string, t *timetable) bool { return t.filled.Before(now) })
}

// next returns the time for another change.
func (t *timetable) next(perSecond int, now time.Time) time.Time {
	interval := time.Second / time.Duration(max(1, perSecond))
	if t.filled.Before(now) {
		t.filled = now
	}
	at := t.filled.Add(-burst*time.Second + interval)
	t.filled = t.filled.Add(interval)
	if at.Before(now) {
		return now
	}
	return at
}

// prune drops past changes.
func (t *timetable) prune(now time.Time) {
	if len(t.slots) <= mostSlots {
		return
	}
	maps.DeleteFunc(t.slots, func(_ types.UID, s slot) bool { return now.Sub(s.at) > burst*time.Second })
}
