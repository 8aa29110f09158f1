package targets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
)

const (
	// mostCandidates limits how many targets a split divides connections between, its nested splits included, and how many can
	// stand in for one another: HAProxy needs as many steps.
	mostCandidates = 16
	// mostShares limits how many shares result from splits that stand in for splits.
	mostShares = 64
)

// result is the result of checking a target: why it cannot be used, or what is left of it.
type result struct {
	fault *Fault
	// usable is the target without its losses; nil if it has a fault.
	usable *v1alpha1.Target
	losses []Loss
}

// Fault says why a target cannot be used.
type Fault struct {
	// Target is where the fault is; possibly another target that this one leads to.
	Target string
	// Sentence says what is wrong and how to fix it.
	Sentence string
	// circle reports whether the target leads to a circle. The operator cannot guess which link to leave out, so neither the
	// circle nor the targets that lead there can be used.
	circle bool
}

// Loss is an unusable target that another one leads to and does without.
type Loss struct {
	// Target is the target that is left out. Fallback reports whether it was the fallback and not a share of the split.
	Target   string
	Fallback bool
	// Fault is the reason: that of Target, or that there are too many targets with it.
	Fault *Fault
}

// Of describes what the target of the name does without, and why.
func (l Loss) Of(name string) string {
	what := "share " + l.Target + " of its split, which goes to the others"
	if l.Fallback {
		what = "its fallback " + l.Target
	}
	why := l.Fault.Sentence
	if l.Fault.Target != name {
		why = l.Fault.Of(l.Target)
	}
	return "target " + name + " does without " + what + ": " + why
}

// Of returns the sentence for a target that leads to the fault.
func (f *Fault) Of(target string) string {
	if f.Target == target {
		return f.Sentence
	}
	return "it leads to target " + f.Target + ", where this is wrong: " + f.Sentence
}

// Fault says why the target cannot be used; nil if it can. A faulty fallback alone does not make a target unusable, nor does
// an unusable share of a split as long as another share has a weight.
func (l *Targets) Fault(name string) *Fault { return l.check(name, nil).fault }

// check follows splits and fallbacks down to targets with servers. The path holds the targets that led here; to meet one of
// them again is a circle.
func (l *Targets) check(name string, path []string) result {
	if known, found := l.checked[name]; found {
		return known
	}
	if i := slices.Index(path, name); i >= 0 {
		return result{fault: &Fault{name, fmt.Sprintf("it leads back to itself by split or fallback (%s): let one of them lead elsewhere",
			strings.Join(append(slices.Clone(path[i:]), name), " → ")), true}}
	}
	found := l.checkNext(name, append(slices.Clone(path), name))
	l.checked[name] = found
	return found
}

// checkNext checks the target at the end of the path, then the targets that it leads to, and then the combined result.
func (l *Targets) checkNext(name string, path []string) result {
	t := l.byName[name]
	if sentence := l.own(t); sentence != "" {
		return result{fault: &Fault{Target: name, Sentence: sentence}}
	}
	found := result{usable: t}
	if fault := l.loseShares(&found, path); fault != nil {
		return result{fault: fault}
	}
	if fault := l.loseFallback(&found, path); fault != nil {
		return result{fault: fault}
	}
	return l.bound(name, found)
}

// bound drops the fallback of a target that leads to too many targets, if that is enough.
func (l *Targets) bound(name string, found result) result {
	// excess looks the target up by its name.
	l.checked[name] = found
	sentence := l.excess(name)
	if sentence == "" {
		return found
	}
	fault := &Fault{Target: name, Sentence: sentence}
	if found.usable.Fallback == "" {
		return result{fault: fault}
	}
	delete(l.laid, name)
	return l.bound(name, found.withoutFallback(fault))
}

// loseShares removes the unusable shares from a split. The fault says why nothing is left of it.
func (l *Targets) loseShares(found *result, path []string) *Fault {
	t, left := found.usable, slices.Clone(found.usable.Split)
	var missed *Fault
	for _, share := range t.Split {
		fault := l.check(share.Target, path).fault
		switch {
		case fault == nil:
			continue
		case fault.circle:
			return fault
		case missed == nil && share.Weight > 0:
			missed = fault
		}
		found.losses = append(found.losses, Loss{Target: share.Target, Fault: fault})
		left = slices.DeleteFunc(left, func(s v1alpha1.SplitTarget) bool { return s.Target == share.Target })
	}
	if len(found.losses) == 0 {
		return nil
	}
	found.usable = without(t, left, t.Fallback)
	if !weighs(left) {
		return missed
	}
	return nil
}

// loseFallback removes the fallback if it is unusable. The fault says why the target is then unusable, too.
func (l *Targets) loseFallback(found *result, path []string) *Fault {
	t := found.usable
	if t.Fallback == "" {
		return nil
	}
	fault := l.check(t.Fallback, path).fault
	if fault == nil || fault.circle {
		return fault
	}
	*found = found.withoutFallback(fault)
	return nil
}

// withoutFallback returns the result with the fallback lost.
func (r result) withoutFallback(fault *Fault) result {
	r.losses = append(r.losses, Loss{Target: r.usable.Fallback, Fallback: true, Fault: fault})
	r.usable = without(r.usable, r.usable.Split, "")
	return r
}

// without returns the target with another split and fallback.
func without(t *v1alpha1.Target, split []v1alpha1.SplitTarget, fallback string) *v1alpha1.Target {
	left := *t
	left.Split, left.Fallback = split, fallback
	return &left
}

// weighs reports whether a share of a split has a weight.
func weighs(split []v1alpha1.SplitTarget) bool {
	return slices.ContainsFunc(split, func(s v1alpha1.SplitTarget) bool { return s.Weight > 0 })
}

// excess says in which way a target leads to too many targets; empty if it does not. The targets that it leads to are within
// the limits.
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
	if !spec.IsLabel(t.Name) {
		return spec.NamesLabels
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
	case spec.HasServers(t):
		return backendFault(t)
	case slices.ContainsFunc(t.Split, func(s v1alpha1.SplitTarget) bool { return s.Weight < 0 }):
		return "its split has a weight of less than 0: use 0 for none"
	case !weighs(t.Split):
		return "no share of its split has a weight of more than 0: give one to some"
	}
	return ""
}
