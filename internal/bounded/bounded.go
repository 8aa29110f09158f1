// Package bounded keeps results of computations in maps of limited size. It is for what is cheap to compute again: a full map is
// emptied, so that nothing has to know which entries are still used.
package bounded

import "sync"

// Entries is how many entries a Cache holds at most, unless it says otherwise.
const Entries = 10_000

// Cache is a map of limited size. The zero Cache is empty and holds up to Entries. Its methods may be called concurrently.
type Cache[K comparable, V any] struct {
	// Most limits the entries, if it is not 0, and MostSize the sum of their sizes, if SizeOf is not nil.
	Most, MostSize int
	SizeOf         func(V) int

	mu      sync.Mutex
	entries map[K]V
	size    int
}

// Get returns the entry of a key; false if there is none.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, found := c.entries[key]
	return entry, found
}

// Put sets the entry of a key. It first drops all others if the Cache would grow beyond its limits.
func (c *Cache[K, V]) Put(key K, entry V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	previous, replaces := c.entries[key]
	size := c.sizeOf(entry)
	after := c.size + size
	if replaces {
		after -= c.sizeOf(previous)
	}
	if c.entries == nil || !replaces && len(c.entries) >= c.most() || c.SizeOf != nil && after > c.MostSize {
		c.entries, after = map[K]V{}, size
	}
	c.entries[key], c.size = entry, after
}

// Clear drops all entries.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries, c.size = nil, 0
}

func (c *Cache[K, V]) most() int {
	if c.Most == 0 {
		return Entries
	}
	return c.Most
}

func (c *Cache[K, V]) sizeOf(entry V) int {
	if c.SizeOf == nil {
		return 0
	}
	return c.SizeOf(entry)
}
