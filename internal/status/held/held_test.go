package held

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/internal/keepalived"
)

func TestWhoHasTheAddressesAndWhetherThatWasTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hosts  []Host
		status metav1.ConditionStatus
		// says are the reason and the message.
		reason, says string
	}{
		"one":     {[]Host{{Name: "gw1", Role: "MASTER"}, {Name: "gw2", Role: "BACKUP"}}, metav1.ConditionTrue, "VirtualIPsHeld", "gw1 has the virtual addresses"},
		"both":    {[]Host{{Name: "gw1", Role: "MASTER"}, {Name: "gw2", Role: "MASTER"}}, metav1.ConditionFalse, "SeveralMasters", "gw1, gw2 have"},
		"none":    {[]Host{{Name: "gw1", Role: "FAULT", Message: "it is down"}, {Name: "gw2", Role: "BACKUP"}}, metav1.ConditionFalse, "NoMaster", "gw1 is FAULT; it is down; gw2 is BACKUP"},
		"unknown": {[]Host{{Name: "gw1"}, {Name: "gw2", Role: "BACKUP"}}, metav1.ConditionUnknown, "Progressing", "not known of gw1"},
		"its command runs": {[]Host{{Name: "gw1", Role: "MASTER", Notice: keepalived.Notice{Running: true}}, {Name: "gw2", Role: "BACKUP"}},
			metav1.ConditionUnknown, "Progressing", "gw1 has the virtual addresses, and runs notifyCommand"},
		"its command fails": {[]Host{{Name: "gw1", Role: "MASTER", Notice: keepalived.Notice{Trouble: "it failed: mend it"}}, {Name: "gw2", Role: "BACKUP"}},
			metav1.ConditionFalse, "NotifyFailed", "gw1 has the virtual addresses, but gw1: it failed: mend it"},
		"the other's would fail": {[]Host{{Name: "gw1", Role: "MASTER"}, {Name: "gw2", Role: "BACKUP", Notice: keepalived.Notice{Trouble: "its Secret is missing"}}},
			metav1.ConditionFalse, "NotifyFailed", "gw1 has the virtual addresses, but gw2: its Secret is missing"},
		"a backup runs one": {[]Host{{Name: "gw1", Role: "MASTER"}, {Name: "gw2", Role: "BACKUP", Notice: keepalived.Notice{Running: true}}},
			metav1.ConditionTrue, "VirtualIPsHeld", "gw1 has"},
	} {
		got := Judge(test.hosts)
		if got.Status != test.status || got.Reason != test.reason || !strings.Contains(got.Message, test.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
