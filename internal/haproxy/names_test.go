package haproxy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEntriesAreTheLinesOfTheFileOfNames(t *testing.T) {
	t.Parallel()
	c := routing(t)
	c.Ways[0].Shares = []Share{{Percent: 98, Backends: []string{"ns.web.traefik", "ns.web.blog"}}, {}, {Percent: 2, Backends: []string{"ns.web.blog"}}}
	var want []string
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
	if got := strings.Split(strings.TrimSuffix(string(namesText(c.Entries())), "\n"), "\n"); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What HAProxy can be told at run time is no part of the structure, and everything is part of the whole.
func TestNamesAreNoPartOfTheStructure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		edit func(*Config, *Platform)
		// wantSame says that the structure, and with it the path of the file of names, stays.
		wantSame bool
	}{
		{"a name leads elsewhere", func(c *Config, _ *Platform) { c.Frontends[2].Routes[1].To = "ns.web.canary" }, true},
		{"a name is added", func(c *Config, _ *Platform) {
			c.Frontends[2].Routes = append(c.Frontends[2].Routes, Route{Name: "z.example.com", To: "ns.web.blog"})
		}, true},
		{"all names go", func(c *Config, _ *Platform) { c.Frontends[1].Routes, c.Frontends[2].Routes = nil, nil }, true},
		{"percentages", func(c *Config, _ *Platform) { c.Ways[0].Shares[0].Percent, c.Ways[0].Shares[1].Percent = 0, 100 }, true},
		{"the order of preference", func(c *Config, _ *Platform) { c.Ways[1].Shares[0].Backends[0] = "ns.web.traefik" }, true},
		{"another way like one that is there", func(c *Config, _ *Platform) {
			c.Ways = append(c.Ways, Way{Name: "z", Shares: c.Ways[1].Shares})
		}, true},
		{"a longer list", func(c *Config, _ *Platform) {
			c.Ways[1].Shares[0].Backends = append(c.Ways[1].Shares[0].Backends, "ns.web.blog")
		}, false},
		{"no split any more", func(c *Config, _ *Platform) {
			c.Ways[0].Shares = []Share{{Percent: 100, Backends: []string{"ns.web.blog"}}}
		}, false},
		{"where what no route claims goes", func(c *Config, _ *Platform) { c.Frontends[2].Backend = "ns.web.blog" }, false},
		{"no redirect", func(c *Config, _ *Platform) { c.Frontends[1].RedirectToHTTPS = false }, false},
		{"protocol", func(c *Config, _ *Platform) { c.Frontends[0].Protocol = TLS }, false},
		{"allowed sources", func(c *Config, _ *Platform) { c.Frontends[0].Door.AllowedSources = door().AllowedSources }, false},
		{"proxies", func(c *Config, _ *Platform) { c.Frontends[0].Door.ProxiesFrom = door().ProxiesFrom }, false},
		{"maximum of connections", func(c *Config, _ *Platform) { c.Frontends[0].Door.MaxConnections = 1 }, false},
		{"rate", func(c *Config, _ *Platform) { c.Frontends[0].Door.Rate = Rate{PerSource: 1, Interval: time.Second} }, false},
		{"place of the file of names", func(_ *Config, p *Platform) { p.NamesPrefix = "/other" }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before := render(t, routing(t), debian())
			c, p := routing(t), debian()
			tc.edit(&c, &p)
			after := render(t, c, p)
			if same := before.Structure == after.Structure && before.NamesPath == after.NamesPath; same != tc.wantSame {
				t.Errorf("got structures %s and %s, want them to be one: %v", before.Structure, after.Structure, tc.wantSame)
			}
			if before.Whole == after.Whole {
				t.Errorf("got one whole %s for both", after.Whole)
			}
		})
	}
}

func TestNormalizeSortsRoutesWaysAndDoors(t *testing.T) {
	t.Parallel()
	sorted := func() Config {
		return reroute(t, func(c *Config) { c.Frontends[0].Door = door() })
	}
	mixed := sorted()
	slices.Reverse(mixed.Frontends[2].Routes)
	slices.Reverse(mixed.Frontends[0].Door.AllowedSources)
	slices.Reverse(mixed.Frontends[0].Door.ProxiesFrom)
	slices.Reverse(mixed.Frontends)
	slices.Reverse(mixed.Ways)
	slices.Reverse(mixed.Backends)
	if got, want := mixed.Normalize(), sorted(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
