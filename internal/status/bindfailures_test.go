package status

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// withBindFailures is the record of a host that serves twoHosts and another object, and has these bind failures.
func withBindFailures(failures ...model.BindFailure) record.Host {
	known := synced()
	other := types.NamespacedName{Namespace: "shop", Name: "other"}
	known.Wanted.Members[0].Frontends = []string{"shop_web_http", "shop_web_https"}
	known.Wanted.Members = append(known.Wanted.Members, desired.Member{Object: other, Frontends: []string{"shop_other_https"}})
	known.Outcome.BindFailures = failures
	return known
}

func taken(frontend, bind string) model.BindFailure {
	return model.BindFailure{Frontend: frontend, Bind: bind,
		Why: "nginx (pid 12) already listens on 0.0.0.0:443; stop it, or choose another port"}
}

func TestAHostIsRejectedForTheObjectWithABindFailure(t *testing.T) {
	t.Parallel()
	known := withBindFailures(taken("shop_web_https", "ipv4@:443"), taken("shop_other_https", "ipv4@:8443"))
	known.BindFailures = map[types.NamespacedName]int{{Namespace: "shop", Name: "web"}: 5}
	status := summarized(twoHosts(), known, synced())
	host := status.Hosts[0]
	const want = "listener https does not get bind ipv4@:443: nginx (pid 12) already listens on 0.0.0.0:443; stop it, or choose " +
		"another port. Everything else is served; next try within 30s"
	if host.State != v1alpha1.HostRejected || host.Message != want || host.ConsecutiveErrors != 4 {
		t.Errorf("host is %s: %s (%d errors)", host.State, host.Message, host.ConsecutiveErrors)
	}
	if host.ObservedGeneration != 2 || host.ConfigHash == "" || host.Servers != 3 {
		t.Errorf("what is served is not reported: %+v", host)
	}
	for kind, want := range map[string]string{
		v1alpha1.ConditionReady: "False Rejected", v1alpha1.ConditionHostsSynced: "False Rejected", v1alpha1.ConditionStalled: "True Rejected",
		v1alpha1.ConditionAccepted: "True Accepted", v1alpha1.ConditionReconciling: "False Rejected",
	} {
		if got := conditionOf(status, kind); got != want {
			t.Errorf("%s is %s, want %s", kind, got, want)
		}
	}
	if status.Summary.Hosts != "1/2" || status.Summary.NotSynced != "gw1" {
		t.Errorf("summary %+v", status.Summary)
	}
	if events := EventsOf(v1alpha1.EdgeLoadBalancerStatus{}, status, nil); len(events) == 0 || events[0].Reason != "Rejected" ||
		events[0].Host != "gw1" {
		t.Errorf("events %+v", events)
	}
}

func TestAHostIsSyncedForObjectsWithoutBindFailures(t *testing.T) {
	t.Parallel()
	status := summarized(twoHosts(), withBindFailures(taken("shop_other_https", "ipv4@:8443")), synced())
	if host := status.Hosts[0]; host.State != v1alpha1.HostSynced || host.Message != "" || host.ConsecutiveErrors != 0 {
		t.Errorf("host is %s: %s (%d errors)", host.State, host.Message, host.ConsecutiveErrors)
	}
	if got := conditionOf(status, v1alpha1.ConditionReady); got != "True Synced" {
		t.Errorf("Ready is %s", got)
	}
}

func TestBindFailuresAreNamedUpToALimitAndTheHostsOwnMessageStays(t *testing.T) {
	t.Parallel()
	var all []model.BindFailure
	for range 7 {
		all = append(all, taken("shop_web_http", "ipv4@:80"))
	}
	known := withBindFailures(all...)
	known.Outcome.Message = "IPv6 is switched off on this host"
	host := summarized(twoHosts(), known, synced()).Hosts[0]
	if got := strings.Count(host.Message, "listener http "); got != 5 {
		t.Errorf("%d binds are named: %s", got, host.Message)
	}
	if !strings.Contains(host.Message, "and 2 more") || !strings.Contains(host.Message, "IPv6 is switched off") ||
		host.ConsecutiveErrors != 1 {
		t.Errorf("host says %q with %d errors", host.Message, host.ConsecutiveErrors)
	}
}

func TestAHostRecoversWhenTheBindSucceeds(t *testing.T) {
	t.Parallel()
	before := summarized(twoHosts(), withBindFailures(taken("shop_web_https", "ipv4@:443")), synced())
	object := twoHosts()
	object.Status = before
	after := summarized(object, withBindFailures(), synced())
	if host := after.Hosts[0]; host.State != v1alpha1.HostSynced || host.Message != "" || host.ConsecutiveErrors != 0 {
		t.Errorf("host is %s: %s (%d errors)", host.State, host.Message, host.ConsecutiveErrors)
	}
	if events := EventsOf(before, after, nil); len(events) != 1 || events[0].Reason != EventRecovered {
		t.Errorf("events %+v", events)
	}
}
