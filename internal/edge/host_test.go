package edge

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/edge/facts"
)

func TestCheckObservationRejectsAnIncompleteObservation(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"": "cannot be inspected",
		"config /etc/haproxy/haproxy.cfg\nexists yes\n":          "cannot read /etc/haproxy/haproxy.cfg",
		"config /etc/haproxy/haproxy.cfg\nprocesseshidden yes\n": "hidepid",
	} {
		h := &host{req: Request{Login: "edgelb"}, facts: facts.ParseFacts([]byte(output), "/etc/haproxy/haproxy.cfg")}
		if err := h.checkObservation(Result{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %q", output, err, want)
		}
	}
}

func TestTheClientOfAConnectionIsAUsableAddress(t *testing.T) {
	t.Parallel()
	for connection, want := range map[string]string{
		"198.51.100.9 40022 192.0.2.1 22":               "198.51.100.9",
		"2001:db8::9 40022 2001:db8::1 22":              "2001:db8::9",
		"::ffff:198.51.100.9 40022 ::ffff:192.0.2.1 22": "198.51.100.9",
		"fe80::9%eth0 40022 fe80::1%eth0 22":            "fe80::9",
		"UNKNOWN 65535 UNKNOWN 65535":                   "invalid IP",
		"0.0.0.0 0 192.0.2.1 22":                        "invalid IP",
		"":                                              "invalid IP",
	} {
		if got := clientOf(connection); got.String() != want {
			t.Errorf("%q: got %s, want %s", connection, got, want)
		}
	}
}
