package facts

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
)

func TestCheckDescriptorsKnowsWhichProcessMayRaiseItsLimit(t *testing.T) {
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
			got := Facts{Own: test.own, mostDescriptors: most}.CheckDescriptors(haproxy.Config{MaxConnections: test.connections})
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheDefaultOfConnectionsIsLoweredToWhatTheHostAllows(t *testing.T) {
	t.Parallel()
	master := func(descriptors int) []Process {
		return []Process{{descriptors: descriptors, args: []string{"/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg"}}}
	}
	for name, test := range map[string]struct {
		own                    []Process
		wanted, reported, want int
	}{
		"enough":                          {master(524_288), 40_000, 0, 40_000},
		"too few":                         {master(20_000), 40_000, 0, 7182},
		"just enough":                     {master(100_048), 40_000, 0, 40_000},
		"a number that somebody chose":    {master(20_000), 30_000, 0, 30_000},
		"not known":                       {nil, 40_000, 0, 40_000},
		"HAProxy reported it":             {nil, 40_000, 20_000, 7182},
		"HAProxy needed more than it may": {master(100_100), 40_000, 100_100, 36_018},
		"the limit was raised":            {master(524_288), 40_000, 20_000, 40_000},
	} {
		if got := (Facts{Own: test.own}).FittingConnections(test.wanted, test.reported); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

func TestDescriptorLimitIsReadFromHAProxysOutput(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"the start of HAProxy's service failed: [haproxy.main()] Cannot raise FD limit to 100049, limit is 20000.": 20_000,
		"[haproxy.main()] FD limit (1024) too low for maxconn=40000/maxsock=100049. Please raise":                  1024,
		"cannot bind socket (Address already in use)":                                                              0,
	} {
		if got := DescriptorLimit(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}
