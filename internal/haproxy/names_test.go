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
	c.WeightedRoutes[0].Shares = []haproxy.Share{{Percent: 98, Backends: []string{"ns.web.traefik", "ns.web.blog"}}, {}, {Percent: 2, Backends: []string{"ns.web.blog"}}}
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
