package desired

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

// leads finds out where the targets of one object lead to, each once and only if somebody asks. It depends on the spec alone.
type leads struct {
	targets map[string]*v1alpha1.Target
	checked map[string]*fault
	laid    map[string][]haproxy.Share
}

// fault is why a target cannot be used: the target, which may be another one that it leads to, and a sentence about that.
type fault struct {
	target, sentence string
}

func newLeads(object *v1alpha1.EdgeLoadBalancer) *leads {
	l := &leads{targets: map[string]*v1alpha1.Target{}, checked: map[string]*fault{}, laid: map[string][]haproxy.Share{}}
	for i := range object.Spec.Targets {
		if t := &object.Spec.Targets[i]; l.targets[t.Name] == nil {
			l.targets[t.Name] = t
		}
	}
	return l
}

// isLeaf says that a target has servers of its own.
func isLeaf(t *v1alpha1.Target) bool { return len(t.Split) == 0 }

// isWay says that there is more than one place where connections to the target may end.
func isWay(t *v1alpha1.Target) bool { return !isLeaf(t) || t.Fallback != "" }

// nextOf are the targets that a target leads to.
func nextOf(t *v1alpha1.Target) []string {
	var names []string
	for _, part := range t.Split {
		names = append(names, part.Target)
	}
	if t.Fallback != "" {
		names = append(names, t.Fallback)
	}
	return names
}

// fault says what keeps the target, or one that it leads to, from being used; nil if nothing does.
func (l *leads) fault(name string) *fault { return l.check(name, nil) }

// check follows splits and fallbacks down to what has servers. The path is the way that led here; a target of it is a circle.
func (l *leads) check(name string, path []string) *fault {
	if known, found := l.checked[name]; found {
		return known
	}
	if i := slices.Index(path, name); i >= 0 {
		return &fault{name, fmt.Sprintf("it leads back to itself by split or fallback (%s): let one of them lead elsewhere",
			strings.Join(append(slices.Clone(path[i:]), name), " → "))}
	}
	found := l.checkNext(name, append(slices.Clone(path), name))
	l.checked[name] = found
	return found
}

// checkNext looks at the target at the end of the path, then at those that it leads to, and then at what that makes of it.
func (l *leads) checkNext(name string, path []string) *fault {
	t := l.targets[name]
	if sentence := l.own(t); sentence != "" {
		return &fault{name, sentence}
	}
	for _, other := range nextOf(t) {
		if found := l.check(other, path); found != nil {
			return found
		}
	}
	if sentence := l.excess(name); sentence != "" {
		return &fault{name, sentence}
	}
	return nil
}

// excess says that a target leads to too much; empty if it does not. What it leads to does not.
func (l *leads) excess(name string) string {
	if len(l.leaves(name, 1)) > mostCandidates {
		return fmt.Sprintf("it divides connections between more than %d targets: let its split lead to fewer", mostCandidates)
	}
	shares := l.shares(name)
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
func (l *leads) own(t *v1alpha1.Target) string {
	if t == nil {
		return "there is no such target: add it to spec.targets, or name another one"
	}
	if !isLabel(t.Name) {
		return "its name is none: use lower-case letters, digits and \"-\""
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
	case isLeaf(t):
		return leafFault(t)
	case slices.ContainsFunc(t.Split, func(s v1alpha1.SplitTarget) bool { return s.Weight < 0 }):
		return "its split has a weight of less than 0: use 0 for none"
	case !slices.ContainsFunc(t.Split, func(s v1alpha1.SplitTarget) bool { return s.Weight > 0 }):
		return "no part of its split has a weight of more than 0: give one to some"
	}
	return ""
}

// isLabel says that a name can be that of a listener or a target, in which nothing is left of what tells names in HAProxy apart.
func isLabel(name string) bool {
	const most = 63
	return name != "" && len(name) <= most && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

// leaf is a target at the end of splits: its weight is its part of all connections.
type leaf struct {
	target string
	weight float64
}

// leaves are those that a target without a fault is divided into, in the order of the spec; where that are more than
// mostCandidates, not all of them.
func (l *leads) leaves(name string, weight float64) []leaf {
	t := l.targets[name]
	if isLeaf(t) {
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

// shares are those of the target's haproxy.Way, with names of targets where that has names of backends. The target has no fault.
//
// A share's connections go to its own target, then to that one's fallback, then to the other targets of the split, and then to the
// fallback of the split. A target of weight 0 gets no connection of a split, not even while all others are down: that is what
// fallbacks are for. Its own share is there nevertheless and names all of them, so that no way gets longer, which would be a
// reload, when the target is given some weight.
func (l *leads) shares(name string) []haproxy.Share {
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
func (l *leads) lay(name string, percents []int) (shares []haproxy.Share, rest []int) {
	t := l.targets[name]
	if isLeaf(t) {
		shares, rest = []haproxy.Share{{Percent: percents[0], Backends: []string{name}}}, percents[1:]
	} else {
		shares, rest = l.laySplit(t, percents)
	}
	if t.Fallback != "" {
		shares = overlay(shares, l.shares(t.Fallback))
	}
	return shares, rest
}

func (l *leads) laySplit(t *v1alpha1.Target, percents []int) (shares []haproxy.Share, rest []int) {
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
