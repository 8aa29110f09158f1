package plan_test

import (
	"net/netip"
	"testing"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
)

func TestServerStateKeepsDownServersAndResolvedAddresses(t *testing.T) {
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
		want := header
		if kept {
			want += line + "\n"
		}
		if got := string(plan.ServerState([]byte(header+line+"\n"), []haproxy.Backend{checked, plain})); got != want {
			t.Errorf("of %q the next worker gets\n%s", line, got)
		}
	}
}
