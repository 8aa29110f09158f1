package edge

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/edge/daemon"
	"github.com/edgelb/edgelb/internal/edge/survey"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
)

func TestCheckSightRefusesAHostOfWhichNotEnoughWasSeen(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"": "cannot be looked at",
		"config /etc/haproxy/haproxy.cfg\nexists yes\n":          "cannot read /etc/haproxy/haproxy.cfg",
		"config /etc/haproxy/haproxy.cfg\nprocesseshidden yes\n": "hidepid",
	} {
		h := &host{req: Request{Login: "edgelb"}, facts: survey.ParseFacts([]byte(output), "/etc/haproxy/haproxy.cfg")}
		if err := h.checkSight(Result{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %q", output, err, want)
		}
	}
}

func TestTheClientOfAConnectionIsAnAddressThatAServerCanHave(t *testing.T) {
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

func TestTheNextWorkerIsToldWhoIsDownAndWhereDNSHasFoundServers(t *testing.T) {
	t.Parallel()
	const header = "1\n# be_name srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_check_state srv_fqdn srv_port\n"
	checked := haproxy.Backend{Name: "checked", Check: haproxy.Check{Interval: 1e9, Rise: 1, Fall: 1}}
	plain := haproxy.Backend{Name: "plain"}
	for _, b := range []*haproxy.Backend{&checked, &plain} {
		b.Servers = []haproxy.Server{
			{Name: "cdn", DNSName: "cdn.example.com", Port: 443, Weight: 7},
			{Name: "pod", Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Weight: 1},
		}
	}
	for line, kept := range map[string]bool{
		"checked pod 192.0.2.1 0 0 1 1 6 - 80":                true,
		"checked pod 192.0.2.1 2 0 1 1 6 - 80":                false, // it is up
		"checked pod 192.0.2.2 0 0 1 1 6 - 80":                false, // it is elsewhere now
		"checked pod 192.0.2.1 0 0 2 1 6 - 80":                false, // its weight would stay
		"checked pod 192.0.2.1 0 1 1 1 6 - 80":                false, // somebody took it out of service
		"checked gone 192.0.2.1 0 0 1 1 6 - 80":               false,
		"plain pod 192.0.2.1 0 0 1 1 0 - 80":                  false, // nothing would bring it up again
		"checked cdn 192.0.2.3 2 0 7 7 6 CDN.example.com 443": true,
		"checked cdn 192.0.2.3 2 0 7 1 6 cdn.example.com 443": true,
		"checked cdn 192.0.2.3 0 0 7 7 6 cdn.example.com 443": true,
		"plain cdn 192.0.2.3 2 0 7 7 0 cdn.example.com 443":   true,
		"plain cdn 192.0.2.3 0 0 7 7 0 cdn.example.com 443":   false,
		"plain cdn - 0 32 7 7 0 cdn.example.com 443":          false, // it has no address
		"plain cdn 192.0.2.3 2 0 7 7 0 old.example.com 443":   false,
		"plain cdn 192.0.2.3 2 0 7 7 0 cdn.example.com 80":    false,
		"plain cdn 192.0.2.3 2 0 1 7 0 cdn.example.com 443":   false,
	} {
		h := &host{config: haproxy.Config{Backends: []haproxy.Backend{checked, plain}}, running: daemon.Running{State: []byte(header + line + "\n")}}
		want := header
		if kept {
			want += line + "\n"
		}
		if got := string(h.handover()); got != want {
			t.Errorf("of %q the next worker is told\n%s", line, got)
		}
	}
}

// The Service of a target may be missing that leads to a DNS name.
func TestServersThatTheHostResolvesAreKeptByTheirNames(t *testing.T) {
	t.Parallel()
	got := serversByBackend([]runtime.Server{
		{Backend: "b", Name: "found", DNSName: "found.example.com", Addr: netip.MustParseAddr("192.0.2.1"), Port: 443, Weight: 7},
		{Backend: "b", Name: "lost", DNSName: "lost.example.com", Port: 443, Weight: 1, Admin: 0x20},
		{Backend: "b", Name: "leaves", Addr: netip.MustParseAddr("192.0.2.2"), Port: 443, Weight: 1, Admin: 8},
	})["b"]
	want := []haproxy.Server{{Name: "found", DNSName: "found.example.com", Port: 443, Weight: 7}, {Name: "lost", DNSName: "lost.example.com", Port: 443, Weight: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
