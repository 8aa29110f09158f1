package plan_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

// entries returns the entries with these keys and values in alternation.
func entries(keysAndValues ...string) []haproxy.Entry {
	var all []haproxy.Entry
	for i := 0; i < len(keysAndValues); i += 2 {
		all = append(all, haproxy.Entry{Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return all
}

// hundredths returns the entries of a weighted route whose first count hundredths go to one list and the others to another.
func hundredths(route string, count int, first, second string) []haproxy.Entry {
	var all []haproxy.Entry
	for i := range 100 {
		value := first
		if i >= count {
			value = second
		}
		all = append(all, haproxy.Entry{Key: fmt.Sprintf("%s:%02d", route, i), Value: value})
	}
	return all
}

func lines(commands []runtime.Command) []string {
	var all []string
	for _, command := range commands {
		all = append(all, command.String())
	}
	return all
}

func TestNamesReturnsTheCommandsForEachDifference(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		running, wanted []haproxy.Entry
		reasons         []string
		bring, take     []string
	}{
		"all is as wanted, in any order": {running: entries("in/b", "b", "in/a", "a"), wanted: entries("in/a", "a", "in/b", "b")},
		"one is added": {
			running: entries("in/a", "a"), wanted: entries("in/*.example.com", "b", "in/a", "a"),
			reasons: []string{"frontend in: name *.example.com added"}, bring: []string{"add map /names in/*.example.com b"},
		},
		"one for any number of labels is added, and another is removed": {
			running: entries("in/a", "a", "example.com**in", "b"), wanted: entries("example.org**in", "b", "in/a", "a"),
			reasons: []string{"frontend in: name **.example.com removed", "frontend in: name **.example.org added"},
			bring:   []string{"add map /names example.org**in b"}, take: []string{"del map /names example.com**in"},
		},
		"one goes elsewhere": {
			running: entries("in/a", "a"), wanted: entries("in/a", "b"),
			reasons: []string{"frontend in: name a goes to b now"}, bring: []string{"set map /names in/a b"},
		},
		"one is removed": {
			running: entries("in/a", "a", "in/b", "b"), wanted: entries("in/b", "b"),
			reasons: []string{"frontend in: name a removed"}, take: []string{"del map /names in/a"},
		},
		"one is there twice, and once wrong": {
			running: entries("in/a", "a", "in/a", "x", "in/a", "y"), wanted: entries("in/a", "a"),
			reasons: []string{"frontend in: name a goes to a now"}, bring: []string{"set map /names in/a a"},
		},
		"an unwanted one is there twice": {
			running: entries("in/a", "a", "in/a", "b"),
			reasons: []string{"frontend in: name a removed"}, take: []string{"del map /names in/a"},
		},
		"one that is right is there twice": {running: entries("in/a", "a", "in/a", "a"), wanted: entries("in/a", "a")},
		"a weighted route is added before the name that leads to it": {
			running: entries("in/a", "a"), wanted: entries("in/a", "web", "web", "a,b"),
			reasons: []string{"frontend in: name a goes to web now", "weighted route web: goes to a or else b now"},
			bring:   []string{"add map /names web a,b", "set map /names in/a web"},
		},
		"a weighted route is deleted after the name that led to it": {
			running: entries("web", "a,b", "in/a", "web"),
			reasons: []string{"frontend in: name a removed", "weighted route web: removed"},
			take:    []string{"del map /names in/a", "del map /names web"},
		},
		"a list of backends is longer than its key": {
			wanted: entries("web", "a,b", "web:http", "a,b", "web:or", "a", "web:000", "a", "web:0x", "a", "other", "b"),
			reasons: []string{"weighted route web: goes to a or else b now", "weighted route web:http: goes to a or else b now", "weighted route web:or: goes to a now",
				"weighted route web:000: goes to a now", "weighted route web:0x: goes to a now", "weighted route other: goes to b now"},
			bring: []string{"add map /names web a,b", "add map /names web:http a,b", "add map /names web:or a", "add map /names web:000 a", "add map /names web:0x a", "add map /names other b"},
		},
		"a part of the hundredths is there": {
			wanted:  slices.Concat(hundredths("w", 50, "c", "a"), entries("w2", "b"))[:60],
			reasons: []string{"weighted route w: 50 % to c, 10 % to a now"}, bring: addsOf(hundredths("w", 50, "c", "a")[:60]),
		},
		"some more connections are sent to the second share": {
			running: hundredths("web:http", 90, "a", "b,a"), wanted: hundredths("web:http", 89, "a", "b,a"),
			reasons: []string{"weighted route web:http: 89 % to a, 11 % to b or else a now"}, bring: []string{"set map /names web:http:89 b,a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := plan.Names(test.running, test.wanted, "/names")

			if !reflect.DeepEqual(got.Reasons, test.reasons) || !reflect.DeepEqual(lines(got.Bring), test.bring) || !reflect.DeepEqual(lines(got.Take), test.take) {
				t.Errorf("got  %q\n     %q, %q\nwant %q\n     %q, %q", got.Reasons, lines(got.Bring), lines(got.Take), test.reasons, test.bring, test.take)
			}
		})
	}
}

// addsOf returns the commands that add the entries.
func addsOf(all []haproxy.Entry) []string {
	var adds []string
	for _, e := range all {
		adds = append(adds, "add map /names "+e.Key+" "+e.Value)
	}
	return adds
}

func TestAServerThatANameLeftIsDrainedOnlyAfterTheAnswer(t *testing.T) {
	t.Parallel()
	a := server("a", "10.0.0.1")
	config := haproxy.Config{
		Frontends: []haproxy.Frontend{{Name: "in", Protocol: haproxy.TLS, Routes: []haproxy.Route{{Name: "app", To: "blog"}}}},
		Backends:  []haproxy.Backend{{Name: "blog"}, web()},
	}
	for name, test := range map[string]struct {
		running plan.Running
		rounds  int
	}{
		"a name moves and a server goes": {plan.Running{Servers: []runtime.Server{runs(a, nil)}, Names: entries("in/app", "web")}, 2},
		"only a server goes":             {plan.Running{Servers: []runtime.Server{runs(a, nil)}, Names: entries("in/app", "blog")}, 1},
		"only a name moves":              {plan.Running{Names: entries("in/app", "web")}, 1},
	} {
		if got := plan.Live(test.running, config, "/names").Rounds(); len(got) != test.rounds {
			t.Errorf("%s: %d rounds, want %d", name, len(got), test.rounds)
		}
	}
}

func TestAWeightedRouteWithManyDifferencesHasOneReason(t *testing.T) {
	t.Parallel()
	got := plan.Names(hundredths("web", 90, "a", "b"), hundredths("web", 0, "a", "b"), "/names")
	if want := []string{"weighted route web: 100 % to b now"}; !reflect.DeepEqual(got.Reasons, want) || len(slices.Concat(got.Rounds()...)) != 90 {
		t.Errorf("got %q and %d commands, want %q", got.Reasons, len(slices.Concat(got.Rounds()...)), want)
	}
	// While entries of both kinds exist, the hundredths count; without any, the weighted route's own entry counts.
	got = plan.Names(hundredths("web", 90, "a", "b"), entries("web", "b"), "/names")
	if len(got.Bring) != 1 || len(got.Take) != 100 || !reflect.DeepEqual(got.Reasons, []string{"weighted route web: goes to b now"}) {
		t.Errorf("got %+v", got)
	}
}

func TestServersAreAddedBeforeNamesAndRemovedAfterThem(t *testing.T) {
	t.Parallel()
	a, b := server("a", "10.0.0.1"), server("b", "10.0.0.2")
	wanted := haproxy.Config{
		Frontends: []haproxy.Frontend{{Name: "in", Protocol: haproxy.TLS, Routes: []haproxy.Route{{Name: "new", To: "web"}}}},
		Backends:  []haproxy.Backend{web(b)},
	}
	running := plan.Running{Servers: []runtime.Server{runs(a, nil)}, Names: entries("in/old", "web")}

	var got [][]string
	for _, round := range plan.Live(running, wanted, "/names").Rounds() {
		got = append(got, lines(round))
	}

	want := [][]string{{
		"add server web/b 10.0.0.2:8443 check inter 2s fall 3 rise 2", "enable health web/b", "set server web/b state ready",
		"add map /names in/new web", "del map /names in/old", "show fd 0",
	}, {"set server web/a state drain"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if without := plan.Live(running, wanted, ""); len(without.Reasons) != 2 || len(without.Rounds()) != 1 {
		t.Errorf("without a map file got %q in %d rounds, want one", without.Reasons, len(without.Rounds()))
	}
}

func TestNamesMoveBeforeAServersWeightBecomesZero(t *testing.T) {
	t.Parallel()
	a := server("a", "10.0.0.1")
	running := plan.Running{Servers: []runtime.Server{runs(a, nil)}, Names: entries("in/app", "web")}
	a.Weight = 0
	wanted := haproxy.Config{
		Frontends: []haproxy.Frontend{{Name: "in", Protocol: haproxy.TLS, Routes: []haproxy.Route{{Name: "app", To: "blog"}}}},
		Backends:  []haproxy.Backend{{Name: "blog"}, web(a)},
	}

	got := lines(slices.Concat(plan.Live(running, wanted, "/names").Rounds()...))

	if want := []string{"set map /names in/app blog", "show fd 0", "set server web/a weight 0"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
