package targets

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

// targetsOf parses targets such as "a", "a|fallback" and "a=b:90+c:10|fallback".
func targetsOf(texts ...string) []v1alpha1.Target {
	var targets []v1alpha1.Target
	for _, text := range texts {
		var t v1alpha1.Target
		text, t.Fallback, _ = strings.Cut(text, "|")
		name, split, divided := strings.Cut(text, "=")
		t.Name = name
		if !divided {
			t.Service = &v1alpha1.ServicePort{Name: name, Port: intstr.FromInt32(443)}
		}
		for part := range strings.SplitSeq(split, "+") {
			var share v1alpha1.SplitTarget
			if target, weight, found := strings.Cut(part, ":"); found {
				share.Target = target
				_, _ = fmt.Sscan(weight, &share.Weight) // a weight that is none is 0
				t.Split = append(t.Split, share)
			}
		}
		targets = append(targets, *withDefaults(t))
	}
	return targets
}

func withDefaults(t v1alpha1.Target) *v1alpha1.Target {
	t.Default()
	return &t
}

func TestTargetsLeadToTheirSharesAndStandIns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		targets []string
		want    string
	}{
		"servers":                           {[]string{"t"}, "100 t"},
		"a fallback":                        {[]string{"t|a", "a"}, "100 t,a"},
		"fallbacks in a row":                {[]string{"t|a", "a|b", "b"}, "100 t,a,b"},
		"a split":                           {[]string{"t=a:90+b:10", "a", "b"}, "90 a,b + 10 b,a"},
		"a split with a fallback":           {[]string{"t=a:90+b:10|c", "a", "b", "c"}, "90 a,b,c + 10 b,a,c"},
		"a share with a fallback":           {[]string{"t=a:90+b:10", "a", "b|c", "c"}, "90 a,b,c + 10 b,c,a"},
		"a fallback that is a split":        {[]string{"t|s", "s=a:90+b:10", "a", "b"}, "90 t,a,b + 10 t,b,a"},
		"a split behind a split":            {[]string{"t=a:90+b:10|s", "s=c:1+d:1", "a", "b", "c", "d"}, "50 a,b,c,d + 40 a,b,d,c + 10 b,a,d,c"},
		"a split of a split":                {[]string{"t=a:50+s:50", "s=b:50+c:50", "a", "b", "c"}, "50 a,b,c + 25 b,c,a + 25 c,b,a"},
		"a split of a split has a fallback": {[]string{"t=a:50+s:50", "s=b:50+c:50|d", "a", "b", "c", "d"}, "50 a,b,c,d + 25 b,c,d,a + 25 c,b,d,a"},
		"what is little is not nothing":     {[]string{"t=a:1000+s:1", "s=b:1+c:1", "a", "b", "c"}, "98 a,b,c + 1 b,c,a + 1 c,b,a"},
		"one share alone":                   {[]string{"t=a:3", "a"}, "100 a"},
		"a weight of 0 is not even a stand-in": {[]string{"t=a:100+b:0+c:1", "a", "b", "c"},
			"99 a,c + 0 b,a,c + 1 c,a"},
		"a weight of 0 deeper down": {[]string{"t=a:1+s:1", "s=b:1+c:0", "a", "b", "c"}, "50 a,b + 50 b,a + 0 c,b,a"},
		"the fallback is a share":   {[]string{"t=a:1+b:1|b", "a", "b"}, "50 a,b + 50 b,a"},
		"a share has two paths":     {[]string{"t=a:1+s:1", "s=a:1+b:1", "a", "b"}, "50 a,b + 25 a,b + 25 b,a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			targets := Read(targetsOf(test.targets...))
			if found := targets.Fault("t"); found != nil {
				t.Fatalf("it has a fault: %+v", found)
			}
			if got := printed(targets.Shares("t")); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestWeightsChangeNoShape checks what HAProxy cannot change at run time: whether there is a choice, and how many targets at
// most stand in for one another.
func TestWeightsChangeNoShape(t *testing.T) {
	t.Parallel()
	shape := func(a, b, c, d int) (bool, int) {
		targets := Read(targetsOf(fmt.Sprintf("t=a:%d+b:%d+s:1|f", a, b), fmt.Sprintf("s=c:%d+d:%d", c, d), "a", "b", "c", "d|e", "e", "f"))
		if found := targets.Fault("t"); found != nil {
			t.Fatalf("it has a fault: %+v", found)
		}
		longest := 0
		for _, share := range targets.Shares("t") {
			longest = max(longest, len(share.Backends))
		}
		return len(targets.Shares("t")) > 1, longest
	}
	wantChoice, wantLongest := shape(1, 1, 1, 1)
	for _, weights := range [][4]int{{0, 0, 0, 1}, {100, 0, 1, 0}, {1000, 1, 1, 1000}, {0, 1, 1, 0}} {
		choice, longest := shape(weights[0], weights[1], weights[2], weights[3])
		if choice != wantChoice || longest != wantLongest {
			t.Errorf("with weights %v there is a choice: %t, of %d; want %t, %d", weights, choice, longest, wantChoice, wantLongest)
		}
	}
}

func TestTargetsThatCannotBeUsedSayWhy(t *testing.T) {
	t.Parallel()
	many := []string{"t=" + strings.Repeat("x:1+", 16) + "y:1|x", "x", "y"}
	var long []string
	for i := range 8 {
		long = append(long, fmt.Sprintf("a%d|a%d", i, i+1), fmt.Sprintf("b%d|b%d", i, i+1))
	}
	long = append(long, "a8", "b8", "t=a0:1+b0:1")
	for name, test := range map[string]struct {
		targets []string
		target  string // where it is wrong
		want    string
	}{
		"no such target":                {[]string{"a"}, "t", "there is no such target"},
		"a missing share":               {[]string{"t=a:1"}, "a", "there is no such target"},
		"its own fallback":              {[]string{"t|t"}, "t", "(t → t)"},
		"a circle":                      {[]string{"t|a", "a=b:1", "b|t"}, "t", "(t → a → b → t)"},
		"it leads to a circle":          {[]string{"t|a", "a|b", "b|a"}, "a", "(a → b → a)"},
		"a share with a weight below 0": {[]string{"t=a:-1+b:1", "a", "b"}, "t", "less than 0"},
		"nothing has a weight":          {[]string{"t=a:0", "a"}, "t", "more than 0"},
		"nothing has a weight below it": {[]string{"t=a:1", "a=b:0", "b"}, "a", "more than 0"},
		"too many shares":               {many, "t", "more than 16 targets"},
		"too many stand-ins":            {long, "t", "18 targets stand in"},
		"all shares missing":            {[]string{"t=a:1+b:1|c", "c"}, "a", "there is no such target"},
		"all shares with a weight":      {[]string{"t=a:0+b:1+c:0", "c"}, "b", "there is no such target"},
		"all shares of all shares":      {[]string{"t=a:1+b:1", "a=c:1", "b=d:1"}, "c", "there is no such target"},
		"a circle behind a share":       {[]string{"t=a:1+b:1", "a", "b|c", "c|b"}, "b", "(b → c → b)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := Read(targetsOf(test.targets...)).Fault("t")
			if found == nil || found.Target != test.target || !strings.Contains(found.Sentence, test.want) {
				t.Fatalf("got %+v, want that of %s: %s", found, test.target, test.want)
			}
			if own := found.Of(test.target); own != found.Sentence {
				t.Errorf("it says %q of itself", own)
			}
			if of := found.Of("other"); !strings.Contains(of, "leads to target "+test.target) || !strings.Contains(of, found.Sentence) {
				t.Errorf("it says %q of another", of)
			}
		})
	}
}

func TestATargetDropsWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	long := []string{"t|f0"}
	for i := range 15 {
		long = append(long, fmt.Sprintf("f%d|f%d", i, i+1))
	}
	long = append(long, "f15")
	for name, test := range map[string]struct {
		targets  []string
		want     string
		wantLost string // with a space between them
		wantText string
	}{
		"the fallback":               {[]string{"t|b"}, "100 t", "b", "target t does without its fallback b: there is no such target"},
		"the fallback of a fallback": {[]string{"t|a", "a|b"}, "100 t,a", "", ""},
		"a fallback with a fault below": {[]string{"t|s", "s=a:1"}, "100 t", "s",
			"target t does without its fallback s: it leads to target a, where this is wrong: there is no such target"},
		"a share": {[]string{"t=a:60+x:10+b:30", "a", "b"}, "67 a,b + 33 b,a", "x",
			"target t does without share x of its split, which goes to the others: there is no such target"},
		"a share without a weight":      {[]string{"t=a:1+x:0", "a"}, "100 a", "x", "without share x"},
		"a share below":                 {[]string{"t=a:1+s:1", "a", "s=x:9+b:1+c:1", "b", "c"}, "50 a,b,c + 25 b,c,a + 25 c,b,a", "", ""},
		"a share and the fallback":      {[]string{"t=a:1+x:1|y", "a"}, "100 a", "x y", "without share x"},
		"a share, and not the fallback": {[]string{"t=a:1+x:1|b", "a", "b"}, "100 a,b", "x", "without share x"},
		"a fallback of too many stand-ins": {long, "100 t", "f0",
			"target t does without its fallback f0: 17 targets stand in for one another there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			targets := Read(targetsOf(test.targets...))
			if found := targets.Fault("t"); found != nil {
				t.Fatalf("it has a fault: %+v", found)
			}
			if got := printed(targets.Shares("t")); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			var lost []string
			for _, loss := range targets.Losses("t") {
				lost = append(lost, loss.Target)
			}
			if strings.Join(lost, " ") != test.wantLost {
				t.Fatalf("it does without %v, want %s", lost, test.wantLost)
			}
			if len(lost) > 0 && !strings.Contains(targets.Losses("t")[0].Of("t"), test.wantText) {
				t.Errorf("it says %q, want %q", targets.Losses("t")[0].Of("t"), test.wantText)
			}
		})
	}
}

// TestTheOrderOfChecksDoesNotMatter checks the targets in both orders, circles and faults among them.
func TestTheOrderOfChecksDoesNotMatter(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "missing"}
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 2))
		var texts []string
		for _, name := range names[:5] {
			text := name
			if r.IntN(2) == 0 {
				text += fmt.Sprintf("=%s:%d+%s:1", names[r.IntN(6)], r.IntN(2), names[r.IntN(6)])
			}
			if r.IntN(2) == 0 {
				text += "|" + names[r.IntN(6)]
			}
			texts = append(texts, text)
		}
		first, last := Read(targetsOf(texts...)), Read(targetsOf(texts...))
		for i := range names {
			first.Fault(names[i])
			last.Fault(names[len(names)-1-i])
		}
		for _, name := range names {
			if got, want := first.Usable(name), last.Usable(name); !reflect.DeepEqual(got, want) {
				t.Errorf("seed %d, of %v: %s is %+v, and %+v in another order", seed, texts, name, got, want)
			}
			if first.Fault(name) != nil {
				continue
			}
			if got, want := printed(first.Shares(name)), printed(last.Shares(name)); got != want {
				t.Errorf("seed %d, of %v: %s leads to %s, and to %s in another order", seed, texts, name, got, want)
			}
		}
	}
}

func TestAThousandPathsThroughFewTargetsAreTooMany(t *testing.T) {
	t.Parallel()
	var texts []string
	for level := range 60 {
		for i := range 4 {
			text := fmt.Sprintf("t%d-%d=", level, i)
			for j := range 4 {
				text += fmt.Sprintf("t%d-%d:1+", level+1, j)
			}
			texts = append(texts, strings.TrimSuffix(text, "+")+fmt.Sprintf("|t%d-%d", level+1, i))
		}
	}
	texts = append(texts, "t60-0", "t60-1", "t60-2", "t60-3")
	targets := Read(targetsOf(texts...))
	if found := targets.Fault("t0-0"); found == nil || !strings.Contains(found.Sentence, "more than 16 targets") {
		t.Errorf("got %+v", found)
	}
	if found := targets.Fault("t59-0"); found != nil {
		t.Errorf("a target that leads to four has a fault: %+v", found)
	}
}

func TestTargetsHaveOneKindAndAName(t *testing.T) {
	t.Parallel()
	service := &v1alpha1.ServicePort{Name: "app"}
	addresses := []v1alpha1.TargetAddress{{Address: "192.0.2.1", Port: 443}}
	for name, test := range map[string]struct {
		target v1alpha1.Target
		want   string // empty when nothing is wrong
	}{
		"a Service":            {v1alpha1.Target{Name: "t", Service: service}, ""},
		"addresses":            {v1alpha1.Target{Name: "t", Addresses: addresses}, ""},
		"both":                 {v1alpha1.Target{Name: "t", Service: service, Addresses: addresses}, "exactly one"},
		"none":                 {v1alpha1.Target{Name: "t"}, "exactly one"},
		"the name of a route":  {v1alpha1.Target{Name: "t:or", Service: service}, "its name"},
		"the name of another":  {v1alpha1.Target{Name: "t_a", Service: service}, "its name"},
		"no name":              {v1alpha1.Target{Service: service}, "its name"},
		"less than no servers": {v1alpha1.Target{Name: "t", Service: service, MaxConnectionsPerServer: new(int32(-1))}, "maximum of connections"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := Read([]v1alpha1.Target{*withDefaults(test.target)}).Fault(test.target.Name)
			if (found == nil) != (test.want == "") || found != nil && !strings.Contains(found.Sentence, test.want) {
				t.Errorf("got %+v, want %q", found, test.want)
			}
		})
	}
}

// What a user must change is in the target with the fault, and each target that leads there says so.
func TestAFaultIsReportedWhereItIsAndWhereItLeads(t *testing.T) {
	t.Parallel()
	targets := Read(targetsOf("a=b:1", "b=c:1", "c=x:1", "d|a", "e=a:1+ok:1|b", "ok", "f|ok"))
	const missing = "there is no such target: add it to spec.targets, or name another one"
	const at = "it leads to target x, where this is wrong: " + missing
	for name, want := range map[string]string{"a": at, "b": at, "c": at, "x": missing, "d": "", "e": "", "ok": "", "f": ""} {
		found := targets.Fault(name)
		if (found == nil) != (want == "") || found != nil && found.Of(name) != want {
			t.Errorf("%s: got %+v, want %q", name, found, want)
		}
	}
	for name, want := range map[string][]string{
		"d":  {"target d does without its fallback a: " + at},
		"e":  {"target e does without share a of its split, which goes to the others: " + at, "target e does without its fallback b: " + at},
		"ok": nil, "f": nil, "a": nil,
	} {
		var got []string
		for _, loss := range targets.Losses(name) {
			if loss.Fallback != (loss.Target == "b" || name == "d") {
				t.Errorf("%s: %s is its fallback: %t", name, loss.Target, loss.Fallback)
			}
			got = append(got, loss.Of(name))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// The operator cannot guess which link of a circle to leave out: none of its targets can be used, nor what leads there.
func TestACircleMakesAllUnusableThatLeadThere(t *testing.T) {
	t.Parallel()
	targets := Read(targetsOf("a|b", "b=c:1+ok:1", "c|a", "to|a", "share=to:0+ok:1", "ok", "beside|ok", "self|self"))
	for name, want := range map[string]string{
		"a": "(", "b": "(", "c": "(", "to": "(", "share": "(", "self": "(self → self)", "ok": "", "beside": "",
	} {
		found := targets.Fault(name)
		if (found == nil) != (want == "") || found != nil && (!strings.Contains(found.Sentence, want) || !found.circle) {
			t.Errorf("%s: got %+v, want %q", name, found, want)
		}
	}
}
