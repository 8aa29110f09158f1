package edge

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestLackOfDescriptorsKnowsWhoMayRaiseHisLimit(t *testing.T) {
	t.Parallel()
	master := []string{"/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg"}
	host := facts{mostDescriptors: 1 << 20}
	for name, test := range map[string]struct {
		own         []process
		connections int
		want        string
	}{
		"enough":                           {[]process{{descriptors: 524288, args: master}}, 40_000, ""},
		"too few":                          {[]process{{descriptors: 20_000, args: master}}, 40_000, "40000 connections need 100048 file descriptors, and HAProxy may open 20000: lower spec.haproxy.maxConnections to 7900"},
		"too few, but it may take more":    {[]process{{descriptors: 20_000, capabilities: 1 << capSysResource, args: master}}, 40_000, ""},
		"more than the kernel gives":       {[]process{{descriptors: 20_000, capabilities: 1 << capSysResource, args: master}}, 1_000_000, "HAProxy may open 1048576"},
		"no limit":                         {[]process{{args: master}}, 1_000_000, ""},
		"HAProxy does not run":             {nil, 1_000_000, ""},
		"HAProxy runs without a master":    {[]process{{descriptors: 1024, args: []string{"haproxy", "-D"}}}, 40_000, ""},
		"exactly what the message advises": {[]process{{descriptors: 20_000, args: master}}, 7900, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := host.lackOfDescriptors(test.own, haproxy.Config{MaxConnections: test.connections})
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
