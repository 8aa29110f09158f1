package fair

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
)

// recorded returns a Limiter that records which waiting keys got a place.
func recorded(limits Limits) (*Limiter[string], *[]string) {
	var granted []string
	return New(limits, func(key string) { granted = append(granted, key) }), &granted
}

// acquire asks for places for keys such as "a1", whose owner is "a", and returns those that got one.
func acquire(l *Limiter[string], keys ...string) []string {
	var held []string
	for _, key := range keys {
		if l.Acquire(key[:1], key) {
			held = append(held, key)
		}
	}
	return held
}

func TestAcquireGrantsPlacesWithinTheLimits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limits Limits
		asks   []string
		want   []string
	}{
		"the total limit":                  {Limits{Total: 2, PerOwner: 2}, []string{"a1", "b1", "c1"}, []string{"a1", "b1"}},
		"the limit of an owner":            {Limits{Total: 9, PerOwner: 2}, []string{"a1", "a2", "a3", "b1"}, []string{"a1", "a2", "b1"}},
		"reserved places beyond the total": {Limits{Total: 2, PerOwner: 2, Reserved: 1}, []string{"a1", "a2", "b1", "b2", "c1"}, []string{"a1", "a2", "b1", "c1"}},
		"a key gets one place only":        {Limits{Total: 2, PerOwner: 2}, []string{"a1", "a1", "a1", "b1"}, []string{"a1", "a1", "a1", "b1"}},
		"a key is queued once":             {Limits{Total: 1, PerOwner: 1}, []string{"a1", "b1", "b1"}, []string{"a1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, _ := recorded(test.limits)
			if got := acquire(l, test.asks...); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestWaitingKeysAreServedRoundRobinByOwner(t *testing.T) {
	t.Parallel()
	l, granted := recorded(Limits{Total: 1, PerOwner: 1})
	acquire(l, "a1", "a2", "a3", "a4", "b1", "b2", "c1")
	for key := "a1"; ; key = (*granted)[len(*granted)-1] {
		before := len(*granted)
		if l.Release(key); len(*granted) == before {
			break
		}
	}
	if want := []string{"a2", "b1", "c1", "a3", "b2", "a4"}; !reflect.DeepEqual(*granted, want) {
		t.Errorf("served were %v, want %v", *granted, want)
	}
	if len(l.keys)+len(l.owners)+len(l.order)+l.total != 0 {
		t.Errorf("it keeps %+v", l)
	}
}

func TestAnOwnerAtItsLimitIsSkipped(t *testing.T) {
	t.Parallel()
	l, granted := recorded(Limits{Total: 3, PerOwner: 2})
	acquire(l, "a1", "a2", "b1", "a3", "c1", "c2")
	l.Release("b1")
	if want := []string{"c1"}; !reflect.DeepEqual(*granted, want) {
		t.Errorf("served were %v, want %v", *granted, want)
	}
	if l.Release("a1"); !reflect.DeepEqual(*granted, []string{"c1", "a3"}) {
		t.Errorf("served were %v", *granted)
	}
}

func TestAKeyWaitsUnderTheLastOwnerThatAsked(t *testing.T) {
	t.Parallel()
	l, granted := recorded(Limits{Total: 3, PerOwner: 1})
	acquire(l, "a1", "b1")
	if l.Acquire("a", "x") || !l.Acquire("c", "x") {
		t.Error("the key has no place, though its owner has room")
	}
	if l.Acquire("a", "y") || l.Acquire("b", "y") || !l.Acquire("b", "x") {
		t.Error("a key is not where it should be")
	}
	l.Release("a1")
	if l.Release("b1"); !reflect.DeepEqual(*granted, []string{"y"}) {
		t.Errorf("served were %v", *granted)
	}
}

func TestAReleasedKeyIsNotServed(t *testing.T) {
	t.Parallel()
	l, granted := recorded(Limits{Total: 1, PerOwner: 1})
	acquire(l, "a1", "b1", "b2")
	l.Release("b1")
	l.Release("unheard of")
	l.Release("a1")
	if !reflect.DeepEqual(*granted, []string{"b2"}) {
		t.Errorf("served were %v", *granted)
	}
	// A key that got a place holds it until it is released.
	if !l.Acquire("b", "b2") || l.Acquire("a", "a1") {
		t.Error("the place is not held by the key that got it")
	}
}

// In any order of Acquire and Release, no limit is exceeded, no key waits while there is room, and all keys are served.
func TestNoLimitIsExceededInAnyOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	limits := Limits{Total: 6, PerOwner: 4, Reserved: 1}
	held := map[string]bool{}
	l := New(limits, func(key string) { held[key] = true })
	for step := range 20000 {
		key := fmt.Sprintf("%c%d", 'a'+rune(random.IntN(5)), random.IntN(8))
		if random.IntN(2) == 0 {
			if l.Acquire(key[:1], key) {
				held[key] = true
			}
		} else {
			delete(held, key)
			l.Release(key)
		}
		checkLimits(t, l, held, step)
	}
	for key := range l.keys {
		l.Release(key)
	}
	if len(l.owners)+len(l.order)+l.total != 0 {
		t.Errorf("it keeps %+v", l)
	}
}

func checkLimits(t *testing.T, l *Limiter[string], held map[string]bool, step int) {
	t.Helper()
	perOwner, beyond := map[string]int{}, 0
	for key := range held {
		perOwner[key[:1]]++
	}
	for name, count := range perOwner {
		if count > l.limits.PerOwner {
			t.Fatalf("step %d: %s holds %d", step, name, count)
		}
		beyond += max(0, count-l.limits.Reserved)
	}
	if l.total != len(held) || beyond > l.limits.Total {
		t.Fatalf("step %d: %d are held and %d counted", step, len(held), l.total)
	}
	if i := slices.IndexFunc(l.order, l.hasRoom); i >= 0 {
		t.Fatalf("step %d: %s waits though there is room", step, l.order[i].name)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	var l *Limiter[int]
	done := make(chan int, 400)
	l = New(Limits{Total: 8, PerOwner: 4, Reserved: 1}, func(key int) { done <- key })
	var all sync.WaitGroup
	for key := range cap(done) {
		all.Go(func() {
			if l.Acquire(fmt.Sprint(key%7), key) {
				done <- key
			}
		})
	}
	served := map[int]bool{}
	for range cap(done) {
		key := <-done
		served[key] = true
		l.Release(key)
	}
	all.Wait()
	if len(served) != cap(done) || l.total != 0 {
		t.Errorf("%d of %d were served, and %d places are held", len(served), cap(done), l.total)
	}
}
