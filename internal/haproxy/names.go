package haproxy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Entry is one line of the file of names: what frontends look up at run time, in a map that HAProxy can change without a
// reload. Neither part has a blank in it.
type Entry struct{ Key, Value string }

// Looks says whether any frontend looks something up, and so whether there is a file of names, though it may be empty.
func (c Config) UsesMap() bool { return slices.ContainsFunc(c.Frontends, c.LooksFrom) }

// LooksFrom says whether one of the frontends looks something up. One that does not is not concerned with ways either.
func (c Config) LooksFrom(f Frontend) bool {
	return f.Protocol != TCP || slices.ContainsFunc(c.WeightedRoutes, func(r WeightedRoute) bool { return r.Name == f.Backend })
}

// Entries are the lines of the file of names, sorted by key; no key comes twice.
//
//	FRONTEND/NAME   the backend or way of a route
//	WAY             the backends of a way with one share, separated by commas
//	WAY:00 … :99    those of the share that a hundredth of the connections goes to
func (c Config) Entries() []Entry {
	var entries []Entry
	for _, f := range c.Frontends {
		for _, r := range f.Routes {
			entries = append(entries, r.entry(f.Name))
		}
	}
	for _, r := range c.WeightedRoutes {
		entries = append(entries, r.entries()...)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	return entries
}

// EntryCount is how many Entries there are, without making them.
func (c Config) EntryCount() int {
	count := 0
	for _, f := range c.Frontends {
		count += len(f.Routes)
	}
	for _, r := range c.WeightedRoutes {
		count += r.entryCount()
	}
	return count
}

func (r WeightedRoute) entryCount() int {
	if len(r.Shares) == 1 {
		return 1
	}
	count := 0
	for _, share := range r.Shares {
		count += share.Percent
	}
	return count
}

func (r Route) entry(frontend string) Entry { return Entry{Key: frontend + "/" + r.Name, Value: r.To} }

// Splits says whether the way has a choice of shares.
func (r WeightedRoute) Splits() bool { return len(r.Shares) > 1 }

func (r WeightedRoute) entries() []Entry {
	if len(r.Shares) == 1 {
		return []Entry{{Key: r.Name, Value: strings.Join(r.Shares[0].Backends, ",")}}
	}
	var entries []Entry
	slot := 0
	for _, share := range r.Shares {
		value := strings.Join(share.Backends, ",")
		for range share.Percent {
			entries = append(entries, Entry{Key: fmt.Sprintf("%s:%02d", r.Name, slot), Value: value})
			slot++
		}
	}
	return entries
}

// WayShape is all that the lines of frontends say of ways; what else there is to know of them stands in the file of names.
type RouteShape struct {
	// Exist says that there are any, Splits that one of them has a choice of shares.
	Exist, Splits bool
	// Longest is the length of the longest list of backends.
	Longest int
}

func (r WeightedRoute) shape() RouteShape {
	shape := RouteShape{Exist: true, Splits: r.Splits()}
	for _, s := range r.Shares {
		shape.Longest = max(shape.Longest, len(s.Backends))
	}
	return shape
}

// WayShape is that of all the ways together. Where it changes, so does the structure.
func (c Config) RouteShape() RouteShape {
	var all RouteShape
	for _, r := range c.WeightedRoutes {
		shape := r.shape()
		all = RouteShape{Exist: true, Splits: all.Splits || shape.Splits, Longest: max(all.Longest, shape.Longest)}
	}
	return all
}
