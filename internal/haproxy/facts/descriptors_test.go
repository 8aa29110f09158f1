package facts

import (
	"strconv"
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
		"exactly enough":                   {[]Process{{descriptors: 100_048, args: master}}, 40_000, ""},
		"one too few":                      {[]Process{{descriptors: 100_047, args: master}}, 40_000, "40000 connections need 100048 file descriptors, and HAProxy may open 100047"},
		"the right to bind ports only":     {[]Process{{descriptors: 20_000, capabilities: 1 << capNetBindService, args: master}}, 40_000, "HAProxy may open 20000"},
		"the kernel gives exactly that":    {[]Process{{capabilities: 1 << capSysResource, args: master}}, 419_411, ""},
		"the worker's limit is another":    {[]Process{{descriptors: 524_288, args: master}, {descriptors: 1024, args: master}}, 40_000, ""},
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
		"enough":                                 {master(524_288), 40_000, 0, 40_000},
		"too few":                                {master(20_000), 40_000, 0, 7182},
		"just enough":                            {master(100_048), 40_000, 0, 40_000},
		"a number that somebody chose":           {master(20_000), 30_000, 0, 30_000},
		"not known":                              {nil, 40_000, 0, 40_000},
		"HAProxy reported it":                    {nil, 40_000, 20_000, 7182},
		"HAProxy needed more than it may":        {master(100_100), 40_000, 100_100, 36_018},
		"the limit was raised":                   {master(524_288), 40_000, 20_000, 40_000},
		"the limit was lowered since":            {master(10_000), 40_000, 20_000, 7182},
		"one too few":                            {master(100_047), 40_000, 0, 35_999},
		"HAProxy reported a chosen number":       {master(20_000), 39_999, 20_000, 39_999},
		"HAProxy needs very many for its checks": {master(125_000), 40_000, 125_000, 40_000},
		"next to nothing":                        {master(64), 40_000, 0, 5},
		"nothing":                                {master(20), 40_000, 0, 1},
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
		"Cannot raise FD limit to 99999999999999999999, limit is 4096.":                                            4096,
		"limit is 20000": 0,
		"":               0,
	} {
		if got := DescriptorLimit(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

// Whatever the limit is: a lowered default, and what a message advises, fit into it.
func TestWhatIsAdvisedAndConfiguredFitsIntoTheLimit(t *testing.T) {
	t.Parallel()
	master := []string{"/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg"}
	for limit := 300; limit < 1<<20; limit = limit*5/4 + 1 {
		f := Facts{Own: []Process{{descriptors: limit, args: master}}}
		wanted := f.FittingConnections(haproxy.DefaultMaxConnections, 0)
		if sentence := f.CheckDescriptors(haproxy.Config{MaxConnections: wanted}); sentence != "" || wanted < 1 {
			t.Errorf("limit %d: %d are configured, and %s", limit, wanted, sentence)
		}
		if reported := f.FittingConnections(haproxy.DefaultMaxConnections, limit); reported > wanted {
			t.Errorf("limit %d: %d, and %d after HAProxy has found it too low", limit, wanted, reported)
		}
		sentence := f.CheckDescriptors(haproxy.Config{MaxConnections: limit})
		_, advice, found := strings.Cut(sentence, "lower spec.haproxy.maxConnections to ")
		number, _, _ := strings.Cut(advice, ",")
		advised, err := strconv.Atoi(number)
		if !found || err != nil || advised < 1 {
			t.Fatalf("limit %d: %q advises nothing", limit, sentence)
		}
		if again := f.CheckDescriptors(haproxy.Config{MaxConnections: advised}); again != "" {
			t.Errorf("limit %d: %d is advised, and %s", limit, advised, again)
		}
	}
}
