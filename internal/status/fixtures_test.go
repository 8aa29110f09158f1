package status

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

const uid = types.UID("1234")

// noon is the time of the tests.
func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// twoHosts is an object of generation 2 with the hosts gw1 and gw2.
func twoHosts() *v1alpha1.EdgeLoadBalancer {
	return &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: uid, Generation: 2},
		Spec: v1alpha1.EdgeLoadBalancerSpec{
			SSH: v1alpha1.SSH{User: "root", Port: 22},
			Hosts: []v1alpha1.Host{
				{Name: "gw1", Address: "a", PublicAddresses: []string{"192.0.2.1", "192.0.2.9"}},
				{Name: "gw2", Address: "b", PublicAddresses: []string{"192.0.2.2", "192.0.2.9"}},
			},
		},
	}
}

// tried is the record of a host that was tried for twoHosts.
func tried(outcome model.Outcome, problems ...desired.Problem) record.Host {
	member := desired.Member{Object: types.NamespacedName{Namespace: "shop", Name: "web"}, Backends: []string{"shop_web_app"},
		Counts: []string{"shop_web_app"}}
	known := record.Host{
		Wanted: desired.Host{Members: []desired.Member{member}, Problems: problems}, Problems: problems,
		Built:   map[types.UID]int64{uid: 2},
		Outcome: outcome,
		Tried:   map[types.UID]int64{uid: 2},
	}
	if record.Failed(outcome.State) {
		known.Failures, known.Repeats = 5, 5
	}
	return known
}

func synced() record.Host {
	known := tried(model.Outcome{State: model.Synced, Fingerprint: "f00", HAProxyVersion: "2.6.12",
		Servers: map[string]model.ServerCount{"shop_web_app": {Up: 2, Total: 3}, "shop_other_app": {Up: 1, Total: 1}}})
	known.ChangedAt, known.ReloadedAt, known.Update = noon(), noon(), model.UpdateReload
	return known
}

func failing(state model.State, message string) record.Host {
	return tried(model.Outcome{State: state, Message: message})
}

// summarized is the status of twoHosts when its hosts have these records.
func summarized(object *v1alpha1.EdgeLoadBalancer, first, second record.Host) v1alpha1.EdgeLoadBalancerStatus {
	records := record.NewStore()
	for address, known := range map[string]record.Host{"a": first, "b": second} {
		records.Update(model.NewHostID(address, 22), func(r *record.Host) { *r = known })
	}
	return Summarize(object, ViewsOf(object, records.Get), noon())
}

// only returns the record of one host, and an empty one for any other.
func only(address string, known record.Host) func(model.HostID) record.Host {
	return func(key model.HostID) record.Host {
		if key == model.NewHostID(address, 22) {
			return known
		}
		return record.Host{}
	}
}

// conditionOf returns a condition in short form, such as "False Unreachable".
func conditionOf(status v1alpha1.EdgeLoadBalancerStatus, kind string) string {
	condition := meta.FindStatusCondition(status.Conditions, kind)
	if condition == nil {
		return "absent"
	}
	return string(condition.Status) + " " + condition.Reason
}

func problem(reason, message string) desired.Problem {
	return desired.Problem{Object: types.NamespacedName{Namespace: "shop", Name: "web"}, Reason: reason, Message: message}
}
