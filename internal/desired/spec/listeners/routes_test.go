package listeners

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

func list(networks []netip.Prefix) string { return fmt.Sprint(networks) }

// routesOf parses routes such as "a>x b>y".
func routesOf(text string) []haproxy.Route {
	var routes []haproxy.Route
	for route := range strings.FieldsSeq(text) {
		name, to, _ := strings.Cut(route, ">")
		routes = append(routes, haproxy.Route{Name: name, To: to})
	}
	return routes
}

func TestTheFirstRouteOfANameCounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hostnames [][]v1alpha1.Hostname
		to        []string
		want      Routes
	}{
		"none":     {nil, nil, Routes{}},
		"sorted":   {[][]v1alpha1.Hostname{{"b.c", "*.c"}, {"a.c"}}, []string{"x", "y"}, Routes{Routes: routesOf("*.c>x a.c>y b.c>x")}},
		"any case": {[][]v1alpha1.Hostname{{"B.c"}, {"b.C"}}, []string{"x", "x"}, Routes{Routes: routesOf("b.c>x")}},
		"a dot at the end": {[][]v1alpha1.Hostname{{"B.c.", "b.c"}, {"**.C."}, {"*.c.", "**.c"}}, []string{"x", "x", "y"},
			Routes{Routes: routesOf("**.c>x *.c>y b.c>x"), Twice: []string{"**.c"}}},
		"two routes": {[][]v1alpha1.Hostname{{"a.c"}, {"a.c", "b.c"}}, []string{"x", "y"},
			Routes{Routes: routesOf("a.c>x b.c>y"), Twice: []string{"a.c"}}},
		"a route that is left out":                            {[][]v1alpha1.Hostname{{"a.c"}, {"a.c"}}, []string{"", "y"}, Routes{Routes: routesOf("a.c>y")}},
		"a route that is left out, behind":                    {[][]v1alpha1.Hostname{{"a.c"}, {"a.c"}}, []string{"x", ""}, Routes{Routes: routesOf("a.c>x")}},
		"all routes are left out":                             {[][]v1alpha1.Hostname{{"a.c"}, {"a.c", "b.c"}}, []string{"", ""}, Routes{}},
		"a name that is no name, of a route that is left out": {[][]v1alpha1.Hostname{{"a b", "a.c"}}, []string{""}, Routes{Invalid: []string{"a b"}}},
		"a wildcard is a name of its own": {[][]v1alpha1.Hostname{{"*.c"}, {"a.c", "*.c"}}, []string{"x", "y"},
			Routes{Routes: routesOf("*.c>x a.c>y"), Twice: []string{"*.c"}}},
		"three routes of one name": {[][]v1alpha1.Hostname{{"a.c"}, {"A.c"}, {"a.C"}}, []string{"x", "y", "x"},
			Routes{Routes: routesOf("a.c>x"), Twice: []string{"a.c"}}},
		"no names": {[][]v1alpha1.Hostname{{"", ".", "*", "**", "a b", "a..b", "b..", "*.*.c", "**.*.c", "A.c"}}, []string{"x"},
			Routes{Routes: routesOf("a.c>x"), Invalid: []string{"", ".", "*", "**", "a b", "a..b", "b..", "*.*.c", "**.*.c"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var list []v1alpha1.Route
			for _, hostnames := range test.hostnames {
				list = append(list, v1alpha1.Route{Hostnames: hostnames})
			}
			if got := new(Names).Read("", list, test.to); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestANameBelongsToTheFirstListener(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lists []string
		want  string
		lost  []Lost
	}{
		"one alone":       {[]string{"a>x"}, "a>x", nil},
		"different names": {[]string{"b>x", "a>y c>y"}, "a>y b>x c>y", nil},
		"one name":        {[]string{"a>x b>x", "a>y c>y"}, "a>x b>x c>y", []Lost{{By: 1, To: 0, Names: []string{"a"}}}},
		"the same of all": {[]string{"a>x", "a>x"}, "a>x", nil},
		"the first of three wins": {[]string{"a>x", "a>y", "a>z"}, "a>x",
			[]Lost{{By: 1, To: 0, Names: []string{"a"}}, {By: 2, To: 0, Names: []string{"a"}}}},
		"the third agrees with the first": {[]string{"a>x", "a>y", "a>x"}, "a>x", []Lost{{By: 1, To: 0, Names: []string{"a"}}}},
		"nobody has any":                  {[]string{"", ""}, "", nil},
		"the first has none":              {[]string{"", "b>x a>x"}, "a>x b>x", nil},
		"three": {[]string{"a>x", "b>y", "a>z b>z c>z"}, "a>x b>y c>z",
			[]Lost{{By: 2, To: 0, Names: []string{"a"}}, {By: 2, To: 1, Names: []string{"b"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lists [][]haproxy.Route
			for _, text := range test.lists {
				lists = append(lists, routesOf(text))
			}
			want := Merged{Routes: routesOf(test.want), Lost: test.lost}
			if got := new(Names).Merge("", lists); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestRoutesAreCachedWhileTheirInputIsTheSame(t *testing.T) {
	t.Parallel()
	var names Names
	list := []v1alpha1.Route{{Hostnames: []v1alpha1.Hostname{"a.c"}}}
	same := func(a, b []haproxy.Route) bool { return &a[0] == &b[0] }
	first := names.Read("l", list, []string{"x"}).Routes
	if again := names.Read("l", list, []string{"x"}).Routes; !same(first, again) {
		t.Error("the very same is read again")
	}
	// Each write of an object's status produces such a copy.
	list = []v1alpha1.Route{*list[0].DeepCopy()}
	if again := names.Read("l", list, []string{"x"}).Routes; !same(first, again) {
		t.Error("a copy that says the same is read again")
	}
	if kept, _ := names.read.Get("l"); &kept.list[0] != &list[0] {
		t.Error("the previous list is kept, and its object with it")
	}
	if other := names.Read("l", list, []string{"y"}).Routes; other[0].To != "y" {
		t.Errorf("with another target it is %+v", other)
	}
	copied := []v1alpha1.Route{{Hostnames: []v1alpha1.Hostname{"b.c"}}}
	second := names.Read("l", copied, []string{"x"}).Routes
	if second[0].Name != "b.c" {
		t.Errorf("with other names it is %+v", second)
	}
	merged := names.Merge("f", [][]haproxy.Route{first, second}).Routes
	if again := names.Merge("f", [][]haproxy.Route{first, second}).Routes; !same(merged, again) {
		t.Error("the very same is merged again")
	}
	if other := names.Merge("f", [][]haproxy.Route{second, first[:0]}).Routes; len(other) != 1 {
		t.Errorf("others are merged to %+v", other)
	}
	names.Forget()
	if again := names.Read("l", copied, []string{"x"}).Routes; same(second, again) {
		t.Error("what was forgotten is still there")
	}
}

// A stale answer would send a name's clients to its previous target, or to none, until the operator is started again.
func TestACacheOfRoutesChangesNoResult(t *testing.T) {
	t.Parallel()
	hostnames := func(texts ...string) []v1alpha1.Route {
		var list []v1alpha1.Route
		for _, text := range texts {
			var route v1alpha1.Route
			for name := range strings.FieldsSeq(text) {
				route.Hostnames = append(route.Hostnames, v1alpha1.Hostname(name))
			}
			list = append(list, route)
		}
		return list
	}
	both := hostnames("a.c", "b.c")
	reads := []struct {
		list []v1alpha1.Route
		to   []string
	}{
		{nil, nil}, {hostnames("a.c"), []string{"x"}}, {hostnames("b.c"), []string{"x"}}, {hostnames("a.c"), []string{"y"}},
		{hostnames("a.c b.c"), []string{"x"}}, {both, []string{"x", "x"}}, {both, []string{"x", "y"}}, {both[:1], []string{"x"}},
		{both[1:], []string{"x"}}, {hostnames("a.c", ""), []string{"x", "x"}}, {hostnames(""), []string{"x"}},
	}
	for i, before := range reads {
		for j, now := range reads {
			var names Names
			names.Read("l", before.list, before.to)
			want := new(Names).Read("l", now.list, now.to)
			if got := names.Read("l", now.list, now.to); !reflect.DeepEqual(got, want) {
				t.Errorf("%d after %d: %+v, want %+v", j, i, got, want)
			}
		}
	}
	ab, cd := routesOf("a>x b>x"), routesOf("c>y d>y")
	lists := [][][]haproxy.Route{
		{nil, nil}, {ab, cd}, {cd, ab}, {ab, routesOf("a>y b>y")}, {ab[:1], cd}, {ab[1:], cd}, {ab, nil}, {nil, ab}, {ab, cd, nil}, {ab},
	}
	for i, before := range lists {
		for j, now := range lists {
			var names Names
			names.Merge("f", before)
			want := new(Names).Merge("f", now)
			if got := names.Merge("f", now); !reflect.DeepEqual(got, want) {
				t.Errorf("%d after %d: %+v, want %+v", j, i, got, want)
			}
		}
	}
}

func TestListenersAndFrontendsHaveRoutesOfTheirOwn(t *testing.T) {
	t.Parallel()
	var names Names
	for range 2 {
		for key, to := range map[string]string{"first": "x", "second": "y"} {
			list := []v1alpha1.Route{{Hostnames: []v1alpha1.Hostname{"a.c"}}}
			if got := names.Read(key, list, []string{to}).Routes; !reflect.DeepEqual(got, routesOf("a.c>"+to)) {
				t.Errorf("%s: %+v", key, got)
			}
			if got := names.Merge(key, [][]haproxy.Route{routesOf("a>" + to), routesOf("b>" + to)}).Routes; got[0].To != to {
				t.Errorf("%s: merged to %+v", key, got)
			}
		}
	}
}
