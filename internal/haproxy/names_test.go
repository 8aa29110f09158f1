package haproxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/lab/sample"
)

func TestEntriesAreTheLinesOfTheMapFile(t *testing.T) {
	t.Parallel()
	c := sample.Routing(t)
	c.Frontends[2].Routes = append([]haproxy.Route{{Name: "**.dev.example.com", To: "ns.web.blog"}}, c.Frontends[2].Routes...)
	c.WeightedRoutes[0].Shares = []haproxy.Share{{Percent: 98, Backends: []string{"ns.web.traefik", "ns.web.blog"}}, {}, {Percent: 2, Backends: []string{"ns.web.blog"}}}
	want := []string{"dev.example.com**ns.web.https ns.web.blog"}
	for i := range 98 {
		want = append(want, fmt.Sprintf("ns.web.canary:%02d ns.web.traefik,ns.web.blog", i))
	}
	want = append(want,
		"ns.web.canary:98 ns.web.blog",
		"ns.web.canary:99 ns.web.blog",
		"ns.web.http/blog.example.com ns.web.blog:http",
		"ns.web.https/*.apps.example.com ns.web.canary",
		"ns.web.https/app1.example.com ns.web.blog",
		"ns.web.https/app2.example.com ns.web.safe",
		"ns.web.safe ns.web.blog,ns.web.traefik,ns.web.blog",
	)
	var got []string
	for _, e := range c.Entries() {
		got = append(got, e.Key+" "+e.Value)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if count := c.EntryCount(); count != len(want) {
		t.Errorf("%d entries are counted, want %d", count, len(want))
	}
}

func TestTheKeyOfARouteSaysItsFrontendAndItsName(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][]string{
		"in/a.example.com": {"in", "a.example.com"}, "in/*.example.com": {"in", "*.example.com"}, "example.com**in": {"in", "**.example.com"}, "com**a.b": {"a.b", "**.com"},
		"way": nil, "way:00": nil,
	} {
		frontend, name, isRoute := haproxy.RouteOf(key)
		if isRoute != (want != nil) || isRoute && !slices.Equal([]string{frontend, name}, want) {
			t.Errorf("%s: got %q, %q, %t, want %q", key, frontend, name, isRoute, want)
		}
	}
}

// A frontend that looks nothing up costs no map; one that does not look up what it must sends its connections nowhere.
func TestAFrontendLooksUpNamesOrItsOwnWeightedRoute(t *testing.T) {
	t.Parallel()
	c := haproxy.Config{WeightedRoutes: []haproxy.WeightedRoute{{Name: "r"}, {Name: "s"}}}
	for name, test := range map[string]struct {
		frontend haproxy.Frontend
		want     bool
	}{
		"TCP to a backend":               {haproxy.Frontend{Backend: "a"}, false},
		"TCP to the first of the routes": {haproxy.Frontend{Backend: "r"}, true},
		"TCP to the last of the routes":  {haproxy.Frontend{Backend: "s"}, true},
		"TLS":                            {haproxy.Frontend{Protocol: haproxy.TLS, Backend: "a"}, true},
		"TLS to nowhere":                 {haproxy.Frontend{Protocol: haproxy.TLS}, true},
		"HTTP":                           {haproxy.Frontend{Protocol: haproxy.HTTP}, true},
	} {
		c.Frontends = []haproxy.Frontend{{Backend: "b"}, test.frontend}
		if got := c.LooksFrom(test.frontend); got != test.want || c.UsesMap() != test.want {
			t.Errorf("%s: it looks something up: %t, and there is a map: %t", name, got, c.UsesMap())
		}
	}
}

func TestWhatNobodyLooksUpIsNoChange(t *testing.T) {
	t.Parallel()
	with := func(to string) haproxy.Config {
		return sample.WebWith(t, func(c *haproxy.Config) {
			c.WeightedRoutes = []haproxy.WeightedRoute{{Name: "unused", Shares: []haproxy.Share{{Percent: 100, Backends: []string{to}}}}}
		})
	}
	if change, only := with("a").ChangeFrom(with("b")); !only || !change.Empty() {
		t.Errorf("got %+v, %t", change, only)
	}
}

func TestAChangeIsEmptyOnlyWithoutAnyPart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change haproxy.Change
		want   bool
	}{
		"nothing":          {haproxy.Change{}, true},
		"servers":          {haproxy.Change{Backends: make([]haproxy.Backend, 1)}, false},
		"entries":          {haproxy.Change{Entries: make([]haproxy.Entry, 1)}, false},
		"removed entries":  {haproxy.Change{Former: make([]haproxy.Entry, 1)}, false},
		"empty lists":      {haproxy.Change{Backends: []haproxy.Backend{}, Entries: []haproxy.Entry{}, Former: []haproxy.Entry{}}, true},
		"entries of both":  {haproxy.Change{Entries: make([]haproxy.Entry, 1), Former: make([]haproxy.Entry, 1)}, false},
		"all but removals": {haproxy.Change{Backends: make([]haproxy.Backend, 1), Entries: make([]haproxy.Entry, 1)}, false},
	} {
		if got := test.change.Empty(); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
