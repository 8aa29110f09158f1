package bounded_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/edgelb/edgelb/internal/bounded"
)

func requireEntries(t *testing.T, cache *bounded.Cache[int, string], want map[int]string) {
	t.Helper()
	for key := range 10 {
		got, found := cache.Get(key)
		if text, wanted := want[key]; found != wanted || got != text {
			t.Errorf("entry %d is %q (%t), want %q (%t)", key, got, found, text, wanted)
		}
	}
}

func TestAFullCacheIsEmptied(t *testing.T) {
	t.Parallel()
	cache := bounded.Cache[int, string]{Most: 2}
	requireEntries(t, &cache, nil)
	cache.Put(1, "a")
	cache.Put(2, "b")
	cache.Put(1, "c")
	requireEntries(t, &cache, map[int]string{1: "c", 2: "b"})
	cache.Put(3, "d")
	requireEntries(t, &cache, map[int]string{3: "d"})
	cache.Clear()
	requireEntries(t, &cache, nil)
	cache.Put(4, "")
	requireEntries(t, &cache, map[int]string{4: ""})
}

func TestACacheHoldsNoMoreThanItsSize(t *testing.T) {
	t.Parallel()
	cache := bounded.Cache[int, string]{MostSize: 10, SizeOf: func(s string) int { return len(s) }}
	for _, step := range []struct {
		key  int
		size int
		want []int
	}{
		{1, 4, []int{1}}, {2, 6, []int{1, 2}},
		{2, 5, []int{1, 2}}, {3, 1, []int{1, 2, 3}}, // a smaller entry makes room
		{1, 5, []int{1}}, {2, 5, []int{1, 2}}, // a larger one does not
		{3, 11, []int{3}}, {4, 1, []int{4}}, // one that is too large alone is kept until the next
	} {
		cache.Put(step.key, strings.Repeat("x", step.size))
		var has []int
		for key := range 10 {
			if _, found := cache.Get(key); found {
				has = append(has, key)
			}
		}
		if len(has) != len(step.want) {
			t.Fatalf("after entry %d of %d bytes it holds %v, want %v", step.key, step.size, has, step.want)
		}
		for i := range has {
			if has[i] != step.want[i] {
				t.Errorf("after entry %d of %d bytes it holds %v, want %v", step.key, step.size, has, step.want)
			}
		}
	}
}

func TestACacheHoldsTenThousandEntriesByDefault(t *testing.T) {
	t.Parallel()
	var cache bounded.Cache[int, int]
	for key := range bounded.Entries {
		cache.Put(key, key)
	}
	if got, found := cache.Get(0); !found || got != 0 {
		t.Error("the first entry is gone")
	}
	cache.Put(-1, 0)
	if _, found := cache.Get(0); found {
		t.Error("it has grown beyond its limit")
	}
}

func TestACacheMayBeUsedConcurrently(t *testing.T) {
	t.Parallel()
	cache := bounded.Cache[int, int]{Most: 3}
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for n := range 1000 {
				cache.Put(n%5, i)
				cache.Get(n % 5)
				if n%100 == 0 {
					cache.Clear()
				}
			}
		})
	}
	work.Wait()
}
