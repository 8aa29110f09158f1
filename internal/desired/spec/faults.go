package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

const (
	// mostCandidates bounds how many targets a split divides connections between, its own splits included, and how many stand in
	// for one another: HAProxy has to be told as many steps.
	mostCandidates = 16
	// mostShares bounds how many shares come of splits that stand in for splits.
	mostShares = 64
)

// result is what has become of a target: why it cannot be used, or what is left of it.
type result struct {
	fault *Fault
	// usable is the target without its losses; nil if it has a fault.
	usable *v1alpha1.Target
	losses []Loss
}

// Fault is why a target cannot be used.
type Fault struct {
	// Target is where it is; maybe another one that the target leads to.
	Target string
	// Sentence says what is wrong there and what to do.
	Sentence string
	// circle says that the target leads to a circle. Which of its links would be the one to leave out is nobody's to guess, so
	// that it can be used no more than those that lead there.
	circle bool
}

// Loss is a target that another one leads to and goes on without, since it cannot be used.
type Loss struct {
	// Target is the one that is left out, and Fallback says that it was the fallback and no part of the split.
	Target   string
	Fallback bool
	// Fault is why: that of Target, or that there are too many targets with it.
	Fault *Fault
}

// Of says in words what the target of the name goes on without, and why.
func (l Loss) Of(name string) string {
	what := "part " + l.Target + " of its split, whose share goes to the others"
	if l.Fallback {
		what = "its fallback " + l.Target
	}
	why := l.Fault.Sentence
	if l.Fault.Target != name {
		why = l.Fault.Of(l.Target)
	}
	return "target " + name + " goes on without " + what + ": " + why
}

// Of is the sentence as that of a target that leads to the fault.
func (f *Fault) Of(target string) string {
	if f.Target == target {
		return f.Sentence
	}
	return "it leads to target " + f.Target + ", where this is wrong: " + f.Sentence
}

// Fault says what keeps the target from being used; nil if nothing does. What is wrong with a fallback alone keeps no target from
// being used, nor does a part of a split that cannot be used, as long as another one has a weight.
func (l *Targets) Fault(name string) *Fault { return l.check(name, nil).fault }

// check follows splits and fallbacks down to what has servers. The path is the way that led here; a target of it is a circle.
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

// checkNext looks at the target at the end of the path, then at those that it leads to, and then at what that makes of it.
func (l *Targets) checkNext(name string, path []string) result {
	t := l.byName[name]
	if sentence := l.own(t); sentence != "" {
		return result{fault: &Fault{Target: name, Sentence: sentence}}
	}
	found := result{usable: t}
	if fault := l.loseParts(&found, path); fault != nil {
		return result{fault: fault}
	}
	if fault := l.loseFallback(&found, path); fault != nil {
		return result{fault: fault}
	}
	return l.bound(name, found)
}

// bound lets a target that leads to too much go on without its fallback, if that is enough.
func (l *Targets) bound(name string, found result) result {
	// What it leads to is looked up by its name.
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

// loseParts takes the parts out of a split that cannot be used. The fault is why nothing is left of it.
func (l *Targets) loseParts(found *result, path []string) *Fault {
	t, left := found.usable, slices.Clone(found.usable.Split)
	var missed *Fault
	for _, part := range t.Split {
		fault := l.check(part.Target, path).fault
		switch {
		case fault == nil:
			continue
		case fault.circle:
			return fault
		case missed == nil && part.Weight > 0:
			missed = fault
		}
		found.losses = append(found.losses, Loss{Target: part.Target, Fault: fault})
		left = slices.DeleteFunc(left, func(s v1alpha1.SplitTarget) bool { return s.Target == part.Target })
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

// loseFallback takes the fallback away if it cannot be used. The fault is why the target cannot, either.
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

// withoutFallback is the result with the fallback lost.
func (r result) withoutFallback(fault *Fault) result {
	r.losses = append(r.losses, Loss{Target: r.usable.Fallback, Fallback: true, Fault: fault})
	r.usable = without(r.usable, r.usable.Split, "")
	return r
}

// without is the target with another split and fallback.
func without(t *v1alpha1.Target, split []v1alpha1.SplitTarget, fallback string) *v1alpha1.Target {
	left := *t
	left.Split, left.Fallback = split, fallback
	return &left
}

// weighs says that some part of a split has a weight.
func weighs(split []v1alpha1.SplitTarget) bool {
	return slices.ContainsFunc(split, func(s v1alpha1.SplitTarget) bool { return s.Weight > 0 })
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
	case !weighs(t.Split):
		return "no part of its split has a weight of more than 0: give one to some"
	}
	return ""
}
