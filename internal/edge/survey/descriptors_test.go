package survey

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestLackOfDescriptorsKnowsWhoMayRaiseHisLimit(t *testing.T) {
	t.Parallel()
	master := []string{"/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg"}
	most := 1 << 20
	for name, test := range map[string]struct {
		own         []Process
		connections int
		want        string
	}{
		"enough":                           {[]Process{{descriptors: 524288, args: master}}, 40_000, ""},
		"too few":                          {[]Process{{descriptors: 20_000, args: master}}, 40_000, "40000 connections need 100048 file descriptors, and HAProxy may open 20000: lower spec.haproxy.maxConnections to 7900"},
		"too few, but it may take more":    {[]Process{{descriptors: 20_000, capabilities: 1 << capSysResource, args: master}}, 40_000, ""},
		"more than the kernel gives":       {[]Process{{descriptors: 20_000, capabilities: 1 << capSysResource, args: master}}, 1_000_000, "HAProxy may open 1048576"},
		"no limit":                         {[]Process{{args: master}}, 1_000_000, ""},
		"HAProxy does not run":             {nil, 1_000_000, ""},
		"HAProxy runs without a master":    {[]Process{{descriptors: 1024, args: []string{"haproxy", "-D"}}}, 40_000, ""},
		"exactly what the message advises": {[]Process{{descriptors: 20_000, args: master}}, 7900, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Facts{Own: test.own, mostDescriptors: most}.LackOfDescriptors(haproxy.Config{MaxConnections: test.connections})
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
