package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

const (
	// mostCandidates bounds how many targets a split divides connections between, its own splits included, and how many stand in
	// for one another: HAProxy has to be told as many steps.
	mostCandidates = 16
	// mostShares bounds how many shares come of splits that stand in for splits.
	mostShares = 64
)

// Targets finds out where the targets of one object lead to, each once and only if somebody asks.
type Targets struct {
	byName  map[string]*v1alpha1.Target
	checked map[string]*Fault
	laid    map[string][]haproxy.Share
}

// Fault is why a target cannot be used.
type Fault struct {
	// Target is where it is; maybe another one that the target leads to.
	Target string
	// Sentence says what is wrong there and what to do.
	Sentence string
}

// Of is the sentence as that of a target that leads to the fault.
func (f *Fault) Of(target string) string {
	if f.Target == target {
		return f.Sentence
	}
	return "it leads to target " + f.Target + ", where this is wrong: " + f.Sentence
}

// ReadTargets takes in the targets of an object. Of those of one name the first counts.
func ReadTargets(list []v1alpha1.Target) *Targets {
	l := &Targets{byName: make(map[string]*v1alpha1.Target, len(list)), checked: map[string]*Fault{}, laid: map[string][]haproxy.Share{}}
	for i := range list {
		if t := &list[i]; l.byName[t.Name] == nil {
			l.byName[t.Name] = t
		}
	}
	return l
}

// Get is the target of that name; nil if there is none.
func (l *Targets) Get(name string) *v1alpha1.Target { return l.byName[name] }

// HasServers says that a target has servers of its own.
func HasServers(t *v1alpha1.Target) bool { return len(t.Split) == 0 }

// IsWay says that there is more than one place where connections to the target may end.
func IsWay(t *v1alpha1.Target) bool { return !HasServers(t) || t.Fallback != "" }

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

// Fault says what keeps the target, or one that it leads to, from being used; nil if nothing does.
func (l *Targets) Fault(name string) *Fault { return l.check(name, nil) }

// check follows splits and fallbacks down to what has servers. The path is the way that led here; a target of it is a circle.
func (l *Targets) check(name string, path []string) *Fault {
	if known, found := l.checked[name]; found {
		return known
	}
	if i := slices.Index(path, name); i >= 0 {
		return &Fault{name, fmt.Sprintf("it leads back to itself by split or fallback (%s): let one of them lead elsewhere",
			strings.Join(append(slices.Clone(path[i:]), name), " → "))}
	}
	found := l.checkNext(name, append(slices.Clone(path), name))
	l.checked[name] = found
	return found
}

// checkNext looks at the target at the end of the path, then at those that it leads to, and then at what that makes of it.
func (l *Targets) checkNext(name string, path []string) *Fault {
	t := l.byName[name]
	if sentence := l.own(t); sentence != "" {
		return &Fault{name, sentence}
	}
	for _, other := range LeadsTo(t) {
		if found := l.check(other, path); found != nil {
			return found
		}
	}
	if sentence := l.excess(name); sentence != "" {
		return &Fault{name, sentence}
	}
	return nil
}

// excess says that a target leads to too much; empty if it does not. What it leads to does not.
func (l *Targets) excess(name string) string {
	if len(l.leaves(name, 1)) > mostCandidates {
		return fmt.Sprintf("it divides connections between more than %d targets: let its split lead to fewer", mostCandidates)
	}
	shares := l.Shares(name)
	for _, share := range shares {
		if most := len(share.Backends); most > mostCandidates {
			return fmt.Sprintf("%d targets stand in for one another there: let its split and its fallback lead to %d at most", most, mostCandidates)
		}
	}
	if len(shares) > mostShares {
		return fmt.Sprintf("its split and its fallback divide connections into %d shares: let them lead to fewer targets", len(shares))
	}
	return ""
}

// own says what is wrong with a target by itself; empty if nothing is.
func (l *Targets) own(t *v1alpha1.Target) string {
	if t == nil {
		return "there is no such target: add it to spec.targets, or name another one"
	}
	if !isLabel(t.Name) {
		return namesLabels
	}
	kinds := 0
	for _, has := range []bool{t.Service != nil, len(t.Addresses) > 0, len(t.Split) > 0} {
		if has {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return "a target has exactly one of service, addresses and split: set one of them"
	case HasServers(t):
		return backendFault(t)
	case slices.ContainsFunc(t.Split, func(s v1alpha1.SplitTarget) bool { return s.Weight < 0 }):
		return "its split has a weight of less than 0: use 0 for none"
	case !slices.ContainsFunc(t.Split, func(s v1alpha1.SplitTarget) bool { return s.Weight > 0 }):
		return "no part of its split has a weight of more than 0: give one to some"
	}
	return ""
}

// leaf is a target at the end of splits: its weight is its part of all connections.
type leaf struct {
	target string
	weight float64
}

// leaves are those that a target without a fault is divided into, in the order of the spec; where that are more than
// mostCandidates, not all of them.
func (l *Targets) leaves(name string, weight float64) []leaf {
	t := l.byName[name]
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
	t := l.byName[name]
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
