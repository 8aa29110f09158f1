package spec

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
		"two routes": {[][]v1alpha1.Hostname{{"a.c"}, {"a.c", "b.c"}}, []string{"x", "y"},
			Routes{Routes: routesOf("a.c>x b.c>y"), Twice: []string{"a.c"}}},
		"a route that is left out": {[][]v1alpha1.Hostname{{"a.c"}, {"a.c"}}, []string{"", "y"}, Routes{Routes: routesOf("a.c>y")}},
		"no names": {[][]v1alpha1.Hostname{{"", "*", "a b", "a..b", "*.*.c", "A.c"}}, []string{"x"},
			Routes{Routes: routesOf("a.c>x"), Invalid: []string{"", "*", "a b", "a..b", "*.*.c"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var list []v1alpha1.Route
			for _, hostnames := range test.hostnames {
				list = append(list, v1alpha1.Route{Hostnames: hostnames})
			}
			if got := (*Names)(nil).Read("", list, test.to); !reflect.DeepEqual(got, test.want) {
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
			if got := (*Names)(nil).Merge("", lists); !reflect.DeepEqual(got, want) {
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
	if &names.read["l"].list[0] != &list[0] {
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

func TestKeptRoutesAreBounded(t *testing.T) {
	t.Parallel()
	var names Names
	for i := range mostKept + 10 {
		names.Read(fmt.Sprint(i), nil, nil)
		names.Merge(fmt.Sprint(i), [][]haproxy.Route{nil, nil})
	}
	if len(names.read) > mostKept || len(names.merged) > mostKept {
		t.Errorf("there are %d and %d", len(names.read), len(names.merged))
	}
}
