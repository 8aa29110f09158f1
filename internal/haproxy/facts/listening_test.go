package facts

import (
	"net/netip"
	"slices"
	"testing"
)

func TestListeningSocketsAreReadWithTheirProcesses(t *testing.T) {
	t.Parallel()
	output := "listens 700 0100007F:20FB\nlistens 700 00000000000000000000000001000000:20FC\nhidden 701\nlistens x 0100007F:20FB\nlistens 702 zz\n\nother 1 2\nserves 703 0100007F:20FB\nlistens 704\nhidden x\nlistens\nlistens 705 0100007F:120FB\n"

	listening, hidden := ParseListening([]byte(output))

	want := []Listening{{700, netip.MustParseAddrPort("127.0.0.1:8443")}, {700, netip.MustParseAddrPort("[::1]:8444")}}
	if !slices.Equal(listening, want) || !slices.Equal(hidden, []int{701}) {
		t.Errorf("got %v and %v, want %v and 701", listening, hidden, want)
	}
}

func TestFormerProcessesExcludeTheMasterAndTheServingWorker(t *testing.T) {
	t.Parallel()
	args := []string{"/usr/sbin/haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg"}
	daemon := []string{"/usr/sbin/haproxy", "-D", "-f", "/etc/haproxy/haproxy.cfg"}
	for name, test := range map[string]struct {
		own     []Process
		serving int
		want    []int
	}{
		"a master":            {[]Process{{PID: 9, args: args}, {PID: 12, parent: 9, args: args}, {PID: 11, parent: 9, args: args}}, 13, []int{11, 12}},
		"no other process":    {[]Process{{PID: 9, args: args}, {PID: 12, parent: 9, args: args}}, 12, nil},
		"without a master":    {[]Process{{PID: 20, args: daemon}}, 21, []int{20}},
		"HAProxy did not run": {nil, 21, nil},
		"seen twice":          {[]Process{{PID: 9, args: args}, {PID: 12, parent: 9, args: args}, {PID: 12, parent: 9, args: args}}, 13, []int{12}},
		"two masters":         {[]Process{{PID: 9, args: args}, {PID: 20, args: args}, {PID: 12, parent: 9, args: args}}, 12, []int{20}},
		"the master serves":   {[]Process{{PID: 9, args: args}}, 9, nil},
		"daemons of reloads":  {[]Process{{PID: 31, args: daemon}, {PID: 20, args: daemon}, {PID: 30, args: daemon}}, 31, []int{20, 30}},
	} {
		if got := (Facts{Own: test.own}).Former(test.serving); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
