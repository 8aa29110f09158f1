package status

import (
	"maps"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

func TestATargetWithTwoBackendsIsCountedOnce(t *testing.T) {
	t.Parallel()
	known := synced()
	member := &known.Wanted.Members[0]
	member.Backends = []string{"shop_web_api:http", "shop_web_app", "shop_web_app:http"}
	member.Counts = []string{"shop_web_api:http", "shop_web_app"}
	known.Outcome.Servers = map[string]model.ServerCount{
		"shop_web_api:http": {Up: 1, Total: 1}, "shop_web_app": {Up: 2, Total: 3}, "shop_web_app:http": {Up: 3, Total: 3},
	}
	known.Servers = known.Outcome.Servers
	if host := summarized(twoHosts(), known, synced()).Hosts[0]; host.ServersUp != 3 || host.Servers != 4 {
		t.Errorf("%d of %d servers are up, want 3 of 4", host.ServersUp, host.Servers)
	}
	want := map[string]model.ServerCount{"api": {Up: 1, Total: 1}, "app": {Up: 2, Total: 3}}
	if got := SamplesOf(twoHosts(), only("a", known))[0].Targets; !maps.Equal(got, want) {
		t.Errorf("targets %v, want %v", got, want)
	}
}

func TestAFailureOfASharedBindIsReportedWithTheListenerOfEachObject(t *testing.T) {
	t.Parallel()
	known := withBindFailures(taken("shop_other_https", "ipv4@:443"))
	member := &known.Wanted.Members[0]
	member.Frontends, member.Joined = []string{"shop_other_https"}, map[string]string{"shop_other_https": "names"}
	host := summarized(twoHosts(), known, synced()).Hosts[0]
	if host.State != v1alpha1.HostRejected || !strings.HasPrefix(host.Message, "listener names does not get bind ipv4@:443: ") {
		t.Errorf("host is %s: %s", host.State, host.Message)
	}
}

func TestAnObjectOfWhichAPartIsIgnoredIsStalled(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{
		v1alpha1.ReasonListenerInvalid, v1alpha1.ReasonNameConflict, v1alpha1.ReasonTargetInvalid, v1alpha1.ReasonNamespaceNotAllowed,
	} {
		known := synced()
		known.Wanted.Problems = []desired.Problem{problem(reason, "it is so")}
		known.Problems = known.Wanted.Problems
		status := summarized(twoHosts(), known, synced())
		for kind, want := range map[string]string{
			v1alpha1.ConditionReady: "False ", v1alpha1.ConditionAccepted: "False ", v1alpha1.ConditionStalled: "True ",
		} {
			if got := conditionOf(status, kind); got != want+reason {
				t.Errorf("%s is %s, want %s", kind, got, want+reason)
			}
		}
		if got := conditionOf(status, v1alpha1.ConditionTargetsAvailable); got != "True Available" {
			t.Errorf("TargetsAvailable is %s for %s", got, reason)
		}
	}
}

func TestDifferentReasonsBecomeTheFirstUnlessTheyAreOfHosts(t *testing.T) {
	t.Parallel()
	with := func(known record.Host, reasons ...string) record.Host {
		for _, reason := range reasons {
			known.Problems = append(known.Problems, problem(reason, "it is so"))
		}
		known.Wanted.Problems = known.Problems
		return known
	}
	unreachable, refused := failing(model.Unreachable, "x"), failing(model.Refused, "y")
	for name, test := range map[string]struct {
		first, second                                   record.Host
		wantReady, wantAccepted, wantTargets, wantHosts string
	}{
		"two of the spec": {with(synced(), v1alpha1.ReasonNameConflict, v1alpha1.ReasonTargetInvalid), synced(),
			"False NameConflict", "False NameConflict", "True Available", "True Synced"},
		"two of targets": {synced(), with(synced(), v1alpha1.ReasonServiceNotFound, v1alpha1.ReasonNoEndpoints),
			"False ServiceNotFound", "True Accepted", "False ServiceNotFound", "True Synced"},
		"a target and a host": {with(unreachable, v1alpha1.ReasonNoEndpoints), synced(),
			"False Unreachable", "True Accepted", "False NoEndpoints", "False Unreachable"},
		"the spec and a host": {with(unreachable, v1alpha1.ReasonNameConflict), synced(),
			"False NameConflict", "False NameConflict", "True Available", "False Unreachable"},
		"a target and two hosts": {with(unreachable, v1alpha1.ReasonNoEndpoints), refused,
			"False HostsNotSynced", "True Accepted", "False NoEndpoints", "False HostsNotSynced"},
	} {
		status := summarized(twoHosts(), test.first, test.second)
		for kind, want := range map[string]string{
			v1alpha1.ConditionReady: test.wantReady, v1alpha1.ConditionAccepted: test.wantAccepted,
			v1alpha1.ConditionTargetsAvailable: test.wantTargets, v1alpha1.ConditionHostsSynced: test.wantHosts,
		} {
			if got := conditionOf(status, kind); got != want {
				t.Errorf("%s: %s is %s, want %s", name, kind, got, want)
			}
		}
	}
}
