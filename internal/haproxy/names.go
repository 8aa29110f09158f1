package haproxy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Entry is one route map entry: what frontends look up at run time, in a map that HAProxy can change without a reload.
// Neither part contains a blank.
type Entry struct{ Key, Value string }

// UsesMap reports whether any frontend looks something up, and thus whether there is a map file, which may be empty.
func (c Config) UsesMap() bool { return slices.ContainsFunc(c.Frontends, c.LooksFrom) }

// LooksFrom reports whether the frontend looks something up. If not, it does not use weighted routes either.
func (c Config) LooksFrom(f Frontend) bool {
	return f.Protocol != TCP || slices.ContainsFunc(c.WeightedRoutes, func(r WeightedRoute) bool { return r.Name == f.Backend })
}

// Entries returns the lines of the map file, sorted by key; keys are unique.
//
//	FRONTEND/NAME    the backend or weighted route of a route
//	NAME**FRONTEND   that of a route for "**." and that name
//	ROUTE            the backends of a weighted route with one share, separated by commas
//	ROUTE:00 … :99   those of the share that a hundredth of the connections goes to
func (c Config) Entries() []Entry {
	var entries []Entry
	for _, f := range c.Frontends {
		for _, r := range f.Routes {
			entries = append(entries, r.entry(f))
		}
	}
	for _, r := range c.WeightedRoutes {
		entries = append(entries, r.entries()...)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	return entries
}

// EntryCount returns the number of Entries, without making them.
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

const (
	// below begins a name that stands for any number of labels, and belowKey separates the rest of it from its frontend in a key. Every
	// key that HAProxy looks for either begins with the frontend and a slash, or ends with belowKey and the frontend, so that no
	// text that a client sends leads to what another frontend has.
	below, belowKey = "**.", "**"
	// MaxLabelsBelow is how many labels such a name may have after "**.": HAProxy looks for each number of labels by itself.
	MaxLabelsBelow = 8
)

// Below returns how the keys end of the frontend's names that stand for any number of labels.
func (e Frontend) Below() string { return belowKey + e.Name }

func (r Route) entry(f Frontend) Entry {
	if name, isBelow := strings.CutPrefix(r.Name, below); isBelow {
		return Entry{Key: name + f.Below(), Value: r.To}
	}
	return Entry{Key: f.Name + "/" + r.Name, Value: r.To}
}

// RouteOf returns the frontend and the name of the Route that a key is of; false for the key of a weighted route.
func RouteOf(key string) (frontend, name string, isRoute bool) {
	if name, frontend, isBelow := strings.Cut(key, belowKey); isBelow {
		return frontend, below + name, true
	}
	return strings.Cut(key, "/")
}

// Splits reports whether the weighted route has several shares.
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

// RouteShape is the part of the weighted routes that the lines of frontends depend on; the rest is in the map file.
type RouteShape struct {
	// Exist reports whether there are any. Splits reports whether one of them has several shares.
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

// RouteShape returns the shape of all weighted routes together. If it changes, so does the structure.
func (c Config) RouteShape() RouteShape {
	var all RouteShape
	for _, r := range c.WeightedRoutes {
		shape := r.shape()
		all = RouteShape{Exist: true, Splits: all.Splits || shape.Splits, Longest: max(all.Longest, shape.Longest)}
	}
	return all
}
