package driver

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy/facts"
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
