package status

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

func TestASuspensionIsReportedWithTheObjectsThatSetIt(t *testing.T) {
	t.Parallel()
	const would = "suspended; would reload: bind added"
	suspended := func(message string, own bool, others ...string) record.Host {
		known := tried(model.Outcome{State: model.Suspended, Message: message})
		known.Wanted.Members[0].Suspended = own
		for _, other := range others {
			known.Wanted.Members = append(known.Wanted.Members,
				desired.Member{Object: types.NamespacedName{Namespace: "shop", Name: other}, Suspended: other != "resumed"})
		}
		return known
	}
	for name, test := range map[string]struct {
		known record.Host
		want  string
	}{
		"its own":               {suspended(would, true), would},
		"its own and another's": {suspended(would, true, "mail"), would},
		"another's": {suspended(would, false, "mail", "resumed"),
			"spec.suspend is set in EdgeLoadBalancer mail on the same host; " + would},
		"another's, in sync": {suspended("", false, "mail"), "spec.suspend is set in EdgeLoadBalancer mail on the same host"},
		"several others'": {suspended(would, false, "mail", "ftp"),
			"spec.suspend is set in EdgeLoadBalancer mail, ftp on the same host; " + would},
		"another's, which has gone": {suspended(would, false, "resumed"), would},
	} {
		object := twoHosts()
		object.Spec.Suspend = test.known.Wanted.Members[0].Suspended
		if got := summarized(object, test.known, synced()).Hosts[0].Message; got != test.want {
			t.Errorf("%s: the host says %q, want %q", name, got, test.want)
		}
	}
}
