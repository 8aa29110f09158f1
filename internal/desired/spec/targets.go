package spec

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Targets finds out where the targets of one object lead to, each once and only if somebody asks.
type Targets struct {
	byName  map[string]*v1alpha1.Target
	checked map[string]result
	laid    map[string][]haproxy.Share
}

// ReadTargets takes in the targets of an object. Of those of one name the first counts.
func ReadTargets(list []v1alpha1.Target) *Targets {
	l := &Targets{byName: make(map[string]*v1alpha1.Target, len(list)), checked: map[string]result{}, laid: map[string][]haproxy.Share{}}
	for i := range list {
		if t := &list[i]; l.byName[t.Name] == nil {
			l.byName[t.Name] = t
		}
	}
	return l
}

// Has says whether the target is the one that counts of its name.
func (l *Targets) Has(t *v1alpha1.Target) bool { return l.byName[t.Name] == t }

// Usable is what is left of the target of that name without its losses; nil if it has a fault.
func (l *Targets) Usable(name string) *v1alpha1.Target { return l.check(name, nil).usable }

// Losses are what the target of that name goes on without: parts of its split, and then its fallback. One with a fault has none.
func (l *Targets) Losses(name string) []Loss { return l.check(name, nil).losses }

// Reach adds a target without a fault to a set, and all targets that its connections may pass or end in.
func (l *Targets) Reach(name string, reached map[string]bool) {
	if reached[name] {
		return
	}
	reached[name] = true
	for _, next := range LeadsTo(l.Usable(name)) {
		l.Reach(next, reached)
	}
}

// HasServers says that a target has servers of its own.
func HasServers(t *v1alpha1.Target) bool { return len(t.Split) == 0 }

// IsWay says that there is more than one place where connections to the target may end.
func IsRoute(t *v1alpha1.Target) bool { return !HasServers(t) || t.Fallback != "" }

// LeadsTo are the targets that a target leads to.
func LeadsTo(t *v1alpha1.Target) []string {
	var names []string
	for _, part := range t.Split {
		names = append(names, part.Target)
	}
	if t.Fallback != "" {
		names = append(names, t.Fallback)
	}
	return names
}

// leaf is a target at the end of splits: its weight is its part of all connections.
type leaf struct {
	target string
	weight float64
}

// leaves are those that a target without a fault is divided into, in the order of the spec; where that are more than
// mostCandidates, not all of them.
func (l *Targets) leaves(name string, weight float64) []leaf {
	t := l.checked[name].usable
	if HasServers(t) {
		return []leaf{{name, weight}}
	}
	total := 0.0
	for _, part := range t.Split {
		total += float64(part.Weight)
	}
	var all []leaf
	for _, part := range t.Split {
		if all = append(all, l.leaves(part.Target, weight*float64(part.Weight)/total)...); len(all) > mostCandidates {
			break
		}
	}
	return all
}

// Shares are those of the target's haproxy.Way, with names of targets where that has names of backends. The target has no fault.
//
// A share's connections go to its own target, then to that one's fallback, then to the other targets of the split, and then to the
// fallback of the split. A target of weight 0 gets no connection of a split, not even while all others are down: that is what
// fallbacks are for. Its own share is there nevertheless and names all of them, so that no way gets longer, which would be a
// reload, when the target is given some weight.
func (l *Targets) Shares(name string) []haproxy.Share {
	if known, found := l.laid[name]; found {
		return known
	}
	var weights []float64
	for _, leaf := range l.leaves(name, 1) {
		weights = append(weights, leaf.weight)
	}
	shares, _ := l.lay(name, apportion(100, weights))
	l.laid[name] = shares
	return shares
}

// lay makes the shares of a target whose leaves have so many percents, and returns the percents of those that are not its own.
func (l *Targets) lay(name string, percents []int) (shares []haproxy.Share, rest []int) {
	t := l.checked[name].usable
	if HasServers(t) {
		shares, rest = []haproxy.Share{{Percent: percents[0], Backends: []string{name}}}, percents[1:]
	} else {
		shares, rest = l.laySplit(t, percents)
	}
	if t.Fallback != "" {
		shares = overlay(shares, l.Shares(t.Fallback))
	}
	return shares, rest
}

func (l *Targets) laySplit(t *v1alpha1.Target, percents []int) (shares []haproxy.Share, rest []int) {
	parts := make([][]haproxy.Share, len(t.Split))
	var used, all []string
	rest = percents
	for i, part := range t.Split {
		parts[i], rest = l.lay(part.Target, rest)
		for _, share := range parts[i] {
			all = joined(all, share.Backends)
			if share.Percent > 0 {
				used = joined(used, share.Backends)
			}
		}
	}
	for _, share := range slices.Concat(parts...) {
		others := used
		if share.Percent == 0 {
			others = all
		}
		share.Backends = joined(share.Backends, others)
		shares = append(shares, share)
	}
	return shares, rest
}
