package facts

import (
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/keepalived"
)

func TestAStrangerIsKnownByWhatNoPeerSends(t *testing.T) {
	t.Parallel()
	i := instance()
	i.Multicast = true
	for name, test := range map[string]struct {
		log  string
		want string
	}{
		"keepalived 2.2 hears version 2": {"Startup complete\n(web) wrong version. Received 2 and expect 3\n", "wrong version"},
		"keepalived 2.3 hears version 2": {"(web) wrong VRRP version from 192.0.2.9. Received 2 and expect 3\n", "wrong VRRP version"},
		"more addresses":                 {"(web) received an invalid ip number count 2, expected 1!\n", "received an invalid ip number count"},
		"fewer, in other words":          {"(web) received an unexpected ip number count 0, expected 1!", "received an unexpected ip number count"},
		"other addresses":                {"(web) ip address associated with VRID 33 not present in MASTER advert : 192.0.2.100\n", "ip address associated with VRID"},
		"with the words of syslog":       {"Nov 28 13:00:00 gw1 Keepalived_vrrp[162]: (web) wrong version. Received 2 and expect 3\n", "wrong version"},
		"another instance's":             {"(other) wrong version. Received 2 and expect 3\n", ""},
		"a peer of another priority":     {"(web) Received advert with higher priority 250, ours 249\n(web) Entering BACKUP STATE\n", ""},
		"something else":                 {"the (web) is not wrong version\n", ""},
		"nothing":                        {"", ""},
	} {
		got := Stranger([]byte(test.log), keepalived.Config{Instances: []keepalived.Instance{i}})
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		if got != "" && !strings.Contains(got, "in the network of eth0 has the virtual router ID 33") {
			t.Errorf("%s: got %q", name, got)
		}
		if alone := Stranger([]byte(test.log), keepalived.Config{Instances: []keepalived.Instance{instance()}}); alone != "" {
			t.Errorf("%s: without multicast, got %q", name, alone)
		}
	}
}
