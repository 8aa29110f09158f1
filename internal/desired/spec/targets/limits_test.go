package targets

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/desired/spec"
)

// alternating returns a split of 16 shares between a and b, whose weights depend on the step.
func alternating(name string, step int) string {
	var parts []string
	for i := range mostCandidates {
		parts = append(parts, fmt.Sprintf("%s:%d", []string{"a", "b"}[i%2], 1+(i*step)%11))
	}
	return name + "=" + strings.Join(parts, "+")
}

// inARow returns targets of which each falls back to the next.
func inARow(name string, count int) []string {
	var texts []string
	for i := range count {
		texts = append(texts, fmt.Sprintf("%s%d|%s%d", name, i, name, i+1))
	}
	texts[count-1], _, _ = strings.Cut(texts[count-1], "|")
	return texts
}

func TestTargetsMayLeadToAsManyAsTheLimitsSay(t *testing.T) {
	t.Parallel()
	sixteen := "t=" + strings.TrimSuffix(strings.Repeat("a:1+", 16), "+")
	deep := []string{"a", "b"}
	for i := range 5 {
		text := alternating(fmt.Sprint("s", i), i+1)
		if i > 0 {
			text += fmt.Sprint("|s", i-1)
		}
		deep = append(deep, text)
	}
	deep = slices.Clip(deep)
	for name, test := range map[string]struct {
		targets  []string
		want     string // empty when there is no fault
		wantLost string
	}{
		"16 shares":                     {[]string{sixteen, "a"}, "", ""},
		"17 shares":                     {[]string{sixteen + "+a:1", "a"}, "more than 16 targets", ""},
		"16 shares, and one of nothing": {[]string{sixteen + "+a:0", "a"}, "more than 16 targets", ""},
		"16 shares, one of them below":  {[]string{strings.Replace(sixteen, "a:1", "s:1", 1), "s=a:1", "a"}, "", ""},
		"16 shares, two of them below":  {[]string{strings.Replace(sixteen, "a:1", "s:1", 1), "s=a:1+b:1", "a", "b"}, "more than 16 targets", ""},
		"16 stand-ins":                  {append(inARow("f", 15), "t|f0"), "", ""},
		"17 stand-ins":                  {append(inARow("f", 16), "t|f0"), "", "f0"},
		"17 stand-ins behind a split":   {append(inARow("f", 16), "t=f0:1+a:1", "a"), "17 targets stand in", ""},
		"many shares":                   {append(deep, "t=a:1+b:1|s4"), "", ""},
		"too many shares":               {append(deep, alternating("t", 6)+"|s4"), "", "s4"},
		"too many shares behind a split": {append(deep, "x=a:1+b:1|s3", "y=b:1+a:1|s4", "t=x:1+y:1"),
			"its split and its fallback divide connections into", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			targets := Read(targetsOf(test.targets...))
			found := targets.Fault("t")
			if (found == nil) != (test.want == "") || found != nil && !strings.Contains(found.Sentence, test.want) {
				t.Fatalf("got the fault %+v, want %q", found, test.want)
			}
			var lost []string
			for _, loss := range targets.Losses("t") {
				lost = append(lost, loss.Target)
			}
			if strings.Join(lost, " ") != test.wantLost {
				t.Errorf("it does without %v, want %q", lost, test.wantLost)
			}
			if found == nil && len(targets.Shares("t")) > mostShares {
				t.Errorf("it has %d shares", len(targets.Shares("t")))
			}
		})
	}
}

// Each of four targets leads to four, and so on: a fault at the end is found once, not once for each of the paths.
func TestAFaultBehindManyPathsIsFoundInTime(t *testing.T) {
	t.Parallel()
	var texts []string
	const levels = 60
	for level := range levels {
		for i := range 4 {
			next := level + 1
			texts = append(texts, fmt.Sprintf("t%d-%d=t%d-0:1+t%d-1:1+t%d-2:1+t%d-3:1|t%d-%d", level, i, next, next, next, next, next, i))
		}
	}
	for end, want := range map[string]string{"": "there is no such target", "t60-0|t0-0": "it leads back to itself"} {
		list := texts
		if end != "" {
			list = append(slices.Clone(texts), end, "t60-1|t0-0", "t60-2|t0-0", "t60-3|t0-0")
		}
		if found := Read(targetsOf(list...)).Fault("t0-0"); found == nil || !strings.Contains(found.Sentence, want) {
			t.Errorf("got %+v, want %q", found, want)
		}
	}
}

// randomTargets returns the texts of a few targets that lead to each other, without circles.
func randomTargets(r *rand.Rand) []string {
	names := []string{"a", "b", "c", "d", "e", "f", "missing"}
	var texts []string
	for i, name := range names[:6] {
		next := func() string { return names[i+1+r.IntN(len(names)-i-1)] }
		text := name
		if r.IntN(2) == 0 && i < 5 {
			text += fmt.Sprintf("=%s:%d+%s:%d", next(), r.IntN(4), next(), r.IntN(100))
		}
		if r.IntN(2) == 0 {
			text += "|" + next()
		}
		texts = append(texts, text)
	}
	return texts
}

// Whatever the targets are: all connections go somewhere, each to a target with servers that the first one leads to, and nothing is
// tried twice.
func TestTheSharesOfAUsableTargetDivideAllConnections(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		texts := randomTargets(rand.New(rand.NewPCG(seed, 3)))
		targets := Read(targetsOf(texts...))
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			if targets.Fault(name) != nil {
				if targets.Usable(name) != nil || len(targets.Losses(name)) > 0 {
					t.Errorf("seed %d, of %v: %s has a fault, and is used", seed, texts, name)
				}
				continue
			}
			reached, total := map[string]bool{}, 0
			targets.Reach(name, reached)
			for _, share := range targets.Shares(name) {
				total += share.Percent
				for i, backend := range share.Backends {
					usable := targets.Usable(backend)
					if !reached[backend] || usable == nil || !spec.HasServers(usable) || slices.Contains(share.Backends[:i], backend) {
						t.Errorf("seed %d, of %v: %s leads to %s by %v", seed, texts, name, backend, share.Backends)
					}
				}
			}
			if total != 100 {
				t.Errorf("seed %d, of %v: the shares of %s add up to %d percent", seed, texts, name, total)
			}
		}
	}
}

// A user who shifts connections from one target to another must get what he sees in the spec.
func TestATargetsPercentsAreThoseOfItsWeights(t *testing.T) {
	t.Parallel()
	for a := range 101 {
		targets := Read(targetsOf(fmt.Sprintf("t=a:%d+b:%d|c", a, 100-a), "a", "b", "c"))
		if found := targets.Fault("t"); found != nil {
			t.Fatalf("%d:%d: it has a fault: %+v", a, 100-a, found)
		}
		got := map[string]int{}
		for _, share := range targets.Shares("t") {
			got[share.Backends[0]] += share.Percent
			if last := share.Backends[len(share.Backends)-1]; last != "c" {
				t.Errorf("%d:%d: behind %v there is %s", a, 100-a, share.Backends, last)
			}
		}
		if got["a"] != a || got["b"] != 100-a || got["c"] != 0 {
			t.Errorf("%d:%d: got %v", a, 100-a, got)
		}
	}
}

func TestTheFirstOfTwoTargetsOfOneNameCounts(t *testing.T) {
	t.Parallel()
	list := targetsOf("t=a:1", "a", "t=b:1", "b", "a|b")
	targets := Read(list)
	for i, want := range []bool{true, true, false, true, false} {
		if got := targets.Has(&list[i]); got != want {
			t.Errorf("target %d, %s, counts: %t", i, list[i].Name, got)
		}
	}
	if found := targets.Fault("t"); found != nil {
		t.Fatalf("it has a fault: %+v", found)
	}
	if got := printed(targets.Shares("t")); got != "100 a" {
		t.Errorf("got %s", got)
	}
}

// Whether a target is a route decides whether HAProxy can change at run time where its connections go.
func TestATargetIsARouteIfItsConnectionsMayEndInTwoPlaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		isRoute bool
		leadsTo string
	}{
		"t": {false, ""}, "t|a": {true, "a"}, "t=a:1": {true, "a"}, "t=a:1+b:0": {true, "a b"}, "t=a:1+b:1|c": {true, "a b c"},
	} {
		target := &targetsOf(text)[0]
		if spec.IsRoute(target) != want.isRoute || strings.Join(spec.LeadsTo(target), " ") != want.leadsTo {
			t.Errorf("%s is a route: %t, leads to %v", text, spec.IsRoute(target), spec.LeadsTo(target))
		}
	}
}

func TestReachIsEveryTargetThatConnectionsMayPass(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		targets []string
		want    string
	}{
		"itself":                           {[]string{"t", "a"}, "t"},
		"its fallbacks":                    {[]string{"t|a", "a|b", "b", "c"}, "a b t"},
		"its split, and what is below":     {[]string{"t=s:1+a:1", "s=b:1|c", "a", "b", "c"}, "a b c s t"},
		"shares of nothing":                {[]string{"t=a:1+b:0", "a", "b"}, "a b t"},
		"not a share that it does without": {[]string{"t=a:1+x:1|y", "a"}, "a t"},
		"not what leads to it":             {[]string{"s=t:1+a:1", "t", "a"}, "t"},
		"what two ways lead to":            {[]string{"t=a:1+b:1", "a|c", "b|c", "c"}, "a b c t"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			targets, reached := Read(targetsOf(test.targets...)), map[string]bool{}
			targets.Reach("t", reached)
			var got []string
			for target := range reached {
				got = append(got, target)
			}
			slices.Sort(got)
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}
