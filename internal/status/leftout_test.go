package status

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// without is the record of a host that was built without twoHosts, for these problems.
func without(problems ...desired.Problem) record.Host {
	known := synced()
	other := desired.Member{Object: types.NamespacedName{Namespace: "shop", Name: "other"}, Backends: []string{"shop_other_app"}}
	known.Wanted.Members, known.Wanted.Problems, known.Tried = []desired.Member{other}, problems, nil
	return known
}

func ofAnother(p desired.Problem) desired.Problem {
	p.Object.Name = "other"
	return p
}

// messageOf returns the message of a condition.
func messageOf(status v1alpha1.EdgeLoadBalancerStatus, kind string) string {
	for _, condition := range status.Conditions {
		if condition.Type == kind {
			return condition.Message
		}
	}
	return ""
}

func TestAHostThatTheObjectIsLeftOutOfSaysWhy(t *testing.T) {
	t.Parallel()
	conflict := problem(v1alpha1.ReasonHostConflict, "host gw1 belongs to namespace blog")
	violation := problem(v1alpha1.ReasonPolicyViolation, "host gw1 is not allowed by EdgePolicy edge")
	tests := map[string]struct {
		first                                      record.Host
		wantState, wantMessage                     string
		wantHosts, wantAccepted, wantStalled, hint string
	}{
		"another owner": {first: without(conflict), wantState: "Pending", wantMessage: conflict.Message,
			wantHosts: "False HostConflict", wantAccepted: "False HostConflict", wantStalled: "True HostConflict"},
		"a policy": {first: without(violation), wantState: "Refused", wantMessage: violation.Message,
			wantHosts: "False Refused", wantAccepted: "False PolicyViolation", wantStalled: "True PolicyViolation"},
		"both": {first: without(conflict, violation), wantState: "Pending", wantMessage: conflict.Message,
			wantHosts: "False HostConflict", wantAccepted: "False HostConflict", wantStalled: "True HostConflict"},
		"a reason that leaves no host out": {first: without(problem(v1alpha1.ReasonBindConflict, "taken")), wantState: "Pending",
			wantMessage: notChecked, wantHosts: "Unknown Progressing", wantAccepted: "False BindConflict", wantStalled: "True BindConflict"},
		"another object's conflict": {first: without(ofAnother(conflict)), wantState: "Pending", wantMessage: notChecked,
			wantHosts: "Unknown Progressing", wantAccepted: "True Accepted", wantStalled: "False Progressing"},
		"another object's conflict, and its own": {first: without(ofAnother(problem(v1alpha1.ReasonHostConflict, "not mine")), conflict),
			wantState: "Pending", wantMessage: conflict.Message,
			wantHosts: "False HostConflict", wantAccepted: "False HostConflict", wantStalled: "True HostConflict"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := summarized(twoHosts(), test.first, synced())
			if host := status.Hosts[0]; string(host.State) != test.wantState || host.Message != test.wantMessage {
				t.Errorf("host is %s: %s, want %s: %s", host.State, host.Message, test.wantState, test.wantMessage)
			}
			for kind, want := range map[string]string{
				v1alpha1.ConditionHostsSynced: test.wantHosts, v1alpha1.ConditionAccepted: test.wantAccepted,
				v1alpha1.ConditionStalled: test.wantStalled,
			} {
				if got := conditionOf(status, kind); got != want {
					t.Errorf("%s is %s, want %s", kind, got, want)
				}
			}
			if status.Summary.Hosts != "1/2" || status.Summary.NotSynced != "gw1" {
				t.Errorf("summary %+v", status.Summary)
			}
		})
	}
}

// A member is not left out, whatever else is wrong; and what an earlier generation was left out for says nothing of this one.
func TestAMemberOrAnUnbuiltGenerationIsNotLeftOut(t *testing.T) {
	t.Parallel()
	conflict := problem(v1alpha1.ReasonHostConflict, "host gw1 belongs to namespace blog")
	member := synced()
	member.Wanted.Problems = []desired.Problem{conflict}
	older := without(conflict)
	older.Built = map[types.UID]int64{uid: 1}
	anothers := without(conflict)
	anothers.Built = map[types.UID]int64{"another": 2}
	for name, test := range map[string]struct {
		known     record.Host
		wantState v1alpha1.HostState
	}{
		"a member":           {member, v1alpha1.HostSynced},
		"an older spec":      {older, v1alpha1.HostPending},
		"another one's spec": {anothers, v1alpha1.HostPending},
	} {
		host := summarized(twoHosts(), test.known, synced()).Hosts[0]
		if host.State != test.wantState || strings.Contains(host.Message, "belongs to") {
			t.Errorf("%s: host is %s: %s", name, host.State, host.Message)
		}
	}
}

// What is wrong with another object on the same host is none of this one's business, and may be none that its reader should see.
func TestProblemsOfOtherObjectsOnAHostAreNotReported(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{
		v1alpha1.ReasonBindConflict, v1alpha1.ReasonNoEndpoints, v1alpha1.ReasonProgressing, v1alpha1.ReasonClusterUnreachable, v1alpha1.ReasonPolicyViolation,
	} {
		known := synced()
		known.Problems = []desired.Problem{ofAnother(problem(reason, "secret of another"))}
		known.Wanted.Problems = known.Problems
		sameName := problem(reason, "secret of another")
		sameName.Object.Namespace = "blog"
		known.Problems = append(known.Problems, sameName)
		status := summarized(twoHosts(), known, synced())
		for _, condition := range status.Conditions {
			if condition.Status != metav1.ConditionTrue && condition.Type != v1alpha1.ConditionReconciling && condition.Type != v1alpha1.ConditionStalled &&
				condition.Type != v1alpha1.ConditionTargetsHealthy || strings.Contains(condition.Message, "secret") {
				t.Errorf("%s: %s is %s: %s", reason, condition.Type, condition.Status, condition.Message)
			}
		}
	}
}

// A host that the object is left out of has no servers of it; the others decide whether its targets are healthy.
func TestAHostThatTheObjectIsLeftOutOfDoesNotHideTheHealthOfTargets(t *testing.T) {
	t.Parallel()
	conflict := without(problem(v1alpha1.ReasonHostConflict, "x"))
	conflict.Servers = nil
	down := model.DownServers{Backend: "shop_web_app", Check: "L4CON", Count: 1}
	for name, test := range map[string]struct {
		second record.Host
		want   string
	}{
		"all are up":   {withServers(3), "True Healthy"},
		"all are down": {withServers(0, down), "False ServersDown"},
		"unknown":      {record.Host{}, "Unknown Progressing"},
	} {
		if got := conditionOf(summarized(twoHosts(), conflict, test.second), v1alpha1.ConditionTargetsHealthy); got != test.want {
			t.Errorf("%s: targets are %s, want %s", name, got, test.want)
		}
	}
}
