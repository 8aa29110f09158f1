package daemon

import "testing"

func TestParseVersionTakesTheNumber(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n": "2.6.12",
		"HA-Proxy version 1.8.27 2020/11/06":                                   "1.8.27",
		"HAProxy version 3.0":                                                  "3.0",
		"":                                                                     "",
	} {
		if got := parseVersion(output); got != want {
			t.Errorf("%q: got %q, want %q", output, got, want)
		}
	}
}
