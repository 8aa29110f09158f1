// Package targets translates targets of the API to the types of package haproxy, says where splits and fallbacks lead, and what is wrong
// with a target or what it does without. It is pure.
package targets

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Targets computes where the targets of one object lead to, each once and on demand.
type Targets struct {
	byName  map[string]*v1alpha1.Target
	checked map[string]result
	laid    map[string][]haproxy.Share
}

// Read takes the targets of an object. Of targets with the same name, the first one counts.
func Read(list []v1alpha1.Target) *Targets {
	l := &Targets{byName: make(map[string]*v1alpha1.Target, len(list)), checked: map[string]result{}, laid: map[string][]haproxy.Share{}}
	for i := range list {
		if t := &list[i]; l.byName[t.Name] == nil {
			l.byName[t.Name] = t
		}
	}
	return l
}

// Has reports whether the target is the first one with its name.
func (l *Targets) Has(t *v1alpha1.Target) bool { return l.byName[t.Name] == t }

// Usable returns the target of that name without its losses; nil if it has a fault.
func (l *Targets) Usable(name string) *v1alpha1.Target { return l.check(name, nil).usable }

// Losses are what the target of that name does without: shares of its split, and then its fallback. A target with a fault
// has none.
func (l *Targets) Losses(name string) []Loss { return l.check(name, nil).losses }

// Reach adds a target without a fault to a set, and all targets that its connections may pass or end in.
func (l *Targets) Reach(name string, reached map[string]bool) {
	if reached[name] {
		return
	}
	reached[name] = true
	for _, next := range spec.LeadsTo(l.Usable(name)) {
		l.Reach(next, reached)
	}
}

// leaf is a target at the end of splits. Its weight is its share of all connections.
type leaf struct {
	target string
	weight float64
}

// leaves returns the leaves that a target without a fault is divided into, in the order of the spec. If there are more than
// mostCandidates, it does not return all of them.
func (l *Targets) leaves(name string, weight float64) []leaf {
	t := l.checked[name].usable
	if spec.HasServers(t) {
		return []leaf{{name, weight}}
	}
	total := 0.0
	for _, share := range t.Split {
		total += float64(share.Weight)
	}
	var all []leaf
	for _, share := range t.Split {
		if all = append(all, l.leaves(share.Target, weight*float64(share.Weight)/total)...); len(all) > mostCandidates {
			break
		}
	}
	return all
}

// Shares returns the shares of the target's haproxy.WeightedRoute, with names of targets in place of names of backends. The
// target has no fault.
//
// A share's connections go to its own target, then to that target's fallback, then to the other targets of the split, and
// then to the fallback of the split. A target of weight 0 gets no connection of a split, not even while all others are down:
// that is what fallbacks are for. It has a share nevertheless, which names all of them. So the weighted route does not get
// longer, which would be a reload, when the target gets a weight.
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

// lay makes the shares of a target whose leaves have these percents, and returns the percents that belong to other targets.
func (l *Targets) lay(name string, percents []int) (shares []haproxy.Share, rest []int) {
	t := l.checked[name].usable
	if spec.HasServers(t) {
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
	lists := make([][]haproxy.Share, len(t.Split))
	var used, all []string
	rest = percents
	for i, to := range t.Split {
		lists[i], rest = l.lay(to.Target, rest)
		for _, share := range lists[i] {
			all = joined(all, share.Backends)
			if share.Percent > 0 {
				used = joined(used, share.Backends)
			}
		}
	}
	for _, share := range slices.Concat(lists...) {
		others := used
		if share.Percent == 0 {
			others = all
		}
		share.Backends = joined(share.Backends, others)
		shares = append(shares, share)
	}
	return shares, rest
}
