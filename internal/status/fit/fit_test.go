package fit

import (
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestOfPackagesAsManyAreNamedAsFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", installedSize+1)
	some := []string{"haproxy 2.6.12-1+deb12u1", "keepalived 1:2.2.7-1+b2"}
	for name, test := range map[string]struct {
		hosts       int
		names, want []string
	}{
		"none":                         {1, nil, nil},
		"those of a host":              {1, some, some},
		"those of the most hosts":      {500, some, some},
		"more than the operator knows": {1, slices.Repeat(some, 10), slices.Repeat(some, installedCount/2)},
		"more than fits":               {500, slices.Repeat(some, 10), slices.Repeat(some, 10)[:5]},
		"one that is too long":         {500, append([]string{long}, some...), []string{long[:installedSize-len("…")] + "…"}},
	} {
		hosts := make([]v1alpha1.HostStatus, test.hosts)
		hosts[test.hosts-1].Installed = test.names
		got := Status(v1alpha1.EdgeLoadBalancerStatus{Hosts: hosts}).Hosts[test.hosts-1].Installed
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
