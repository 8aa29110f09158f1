package status

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/record"
)

func TestConditionsNameTheHostsAndWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	older := synced()
	older.Tried = map[types.UID]int64{uid: 1}
	secretGone := failing(model.Pending, "Secret shop/edge-ssh: not found")
	secretGone.Reason = v1alpha1.ReasonSecretNotFound
	withProblem := func(reason, message string) record.Host {
		known := synced()
		known.Problems = []desired.Problem{problem(reason, message)}
		known.Wanted.Problems = known.Problems
		return known
	}
	const allSynced, everyTarget = "all hosts are verified in sync", "every target has a server"
	for name, test := range map[string]struct {
		first, second                record.Host
		wantHosts, wantReady         string
		wantReconciling, wantStalled string
	}{
		"both are synced": {synced(), synced(), allSynced, allSynced + ", and " + everyTarget, "nothing is left to do", "nothing is left to do"},
		"one is unreachable": {synced(), failing(model.Unreachable, "no route to host"), "gw2 is Unreachable: no route to host; next try within 30s",
			"gw2 is Unreachable: no route to host; next try within 30s", "gw2 is Unreachable: no route to host; next try within 30s",
			"retrying; no action needed"},
		"one is rejected": {failing(model.Rejected, "the disk is full"), synced(), "gw1 is Rejected: the disk is full; next try within 5m",
			"gw1 is Rejected: the disk is full; next try within 5m", "gw1 is Rejected: the disk is full; next try within 5m",
			"gw1 is Rejected: the disk is full; next try within 5m"},
		"two fail, and a person must act for one": {failing(model.Unreachable, "x"), failing(model.Untrusted, "another key"),
			"gw1 is Unreachable: x; next try within 30s; gw2 is Untrusted: another key; next try within 5m",
			"gw1 is Unreachable: x; next try within 30s; gw2 is Untrusted: another key; next try within 5m",
			"gw2 is Untrusted: another key; next try within 5m", "gw2 is Untrusted: another key; next try within 5m"},
		"a host without a message": {failing(model.Suspended, ""), synced(), "gw1 is Suspended", "gw1 is Suspended", "gw1 is Suspended", "gw1 is Suspended"},
		"one is waited for":        {older, synced(), "gw1: sync in progress", "gw1: sync in progress", "gw1: sync in progress", "retrying; no action needed"},
		"one fails, and one is waited for": {older, failing(model.Unreachable, "x"), "gw2 is Unreachable: x; next try within 30s",
			"gw2 is Unreachable: x; next try within 30s", "gw2 is Unreachable: x; next try within 30s", "retrying; no action needed"},
		"the Secret is missing": {secretGone, synced(), "gw1 is Pending: Secret shop/edge-ssh: not found", "gw1 is Pending: Secret shop/edge-ssh: not found",
			"gw1 is Pending: Secret shop/edge-ssh: not found", "retrying; no action needed"},
		"the spec, a host and a target": {withProblem(v1alpha1.ReasonBindConflict, "bind :443 is taken"),
			failing(model.Unreachable, "x"), "gw2 is Unreachable: x; next try within 30s",
			"bind :443 is taken; gw2 is Unreachable: x; next try within 30s", "bind :443 is taken", "bind :443 is taken"},
		"a target": {withProblem(v1alpha1.ReasonNoEndpoints, "Service app has no endpoint"), withProblem(v1alpha1.ReasonNoEndpoints, "Service app has no endpoint"),
			allSynced, "Service app has no endpoint", "Service app has no endpoint", "retrying; no action needed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := summarized(twoHosts(), test.first, test.second)
			for kind, want := range map[string]string{
				v1alpha1.ConditionHostsSynced: test.wantHosts, v1alpha1.ConditionReady: test.wantReady,
				v1alpha1.ConditionReconciling: test.wantReconciling, v1alpha1.ConditionStalled: test.wantStalled,
			} {
				if got := messageOf(status, kind); got != want {
					t.Errorf("%s says %q, want %q", kind, got, want)
				}
			}
		})
	}
}

// kstatus, and so Flux and Argo CD, wait as long as Reconciling is True, and give up when Stalled is. With every state and reason of a
// host, at most one of them is, and one is exactly when the object is not ready and something or somebody must act.
func TestAtMostOneOfReconcilingAndStalledIsTrue(t *testing.T) {
	t.Parallel()
	var records []record.Host
	for _, state := range []model.State{model.Synced, model.Pending, model.Unreachable, model.Untrusted, model.Unauthorized, model.Rejected,
		model.Refused, model.Drifted, model.Suspended} {
		records = append(records, failing(state, "x"))
	}
	for _, reason := range []string{
		v1alpha1.ReasonHostConflict, v1alpha1.ReasonPolicyViolation, v1alpha1.ReasonBindConflict, v1alpha1.ReasonServiceNotFound,
		v1alpha1.ReasonPortNotFound, v1alpha1.ReasonNoEndpoints, v1alpha1.ReasonEndpointsPending, v1alpha1.ReasonProgressing,
	} {
		records = append(records, tried(model.Outcome{State: model.Synced}, problem(reason, "x")), without(problem(reason, "x")))
	}
	records = append(records, record.Host{})
	for _, first := range records {
		for _, second := range records {
			status := summarized(twoHosts(), first, second)
			is := func(kind string) bool { return meta.IsStatusConditionTrue(status.Conditions, kind) }
			ready, going, stalled := is(v1alpha1.ConditionReady), is(v1alpha1.ConditionReconciling), is(v1alpha1.ConditionStalled)
			why := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady).Reason
			watched := reason.Of(why).IsWatched() || why == v1alpha1.ReasonHostsNotSynced
			if going && stalled || ready && (going || stalled) || !ready && !going && !stalled && !watched {
				t.Errorf("with %s %v and %s %v: ready %t (%s), reconciling %t, stalled %t",
					first.Outcome.State, first.Problems, second.Outcome.State, second.Problems, ready, why, going, stalled)
			}
			for _, condition := range status.Conditions {
				if condition.Reason == "" || condition.Message == "" || condition.ObservedGeneration != 2 {
					t.Errorf("condition %+v", condition)
				}
			}
		}
	}
}

func TestTheNextTryIsReportedInWholeMinutesOrInSeconds(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		time.Second: "1s", 30 * time.Second: "30s", 59 * time.Second: "59s", time.Minute: "1m", 61 * time.Second: "61s",
		90 * time.Second: "90s", 5 * time.Minute: "5m", time.Hour: "60m", 0: "0s", 1500 * time.Millisecond: "1s",
	} {
		if got := shortDuration(wait); got != want {
			t.Errorf("%s is reported as %s, want %s", wait, got, want)
		}
	}
}

func TestMessagesOfFewFindingsAreWhole(t *testing.T) {
	t.Parallel()
	of := func(count, size int) []finding {
		var all []finding
		for i := range count {
			all = append(all, finding{"Unreachable", fmt.Sprint(i) + strings.Repeat("x", size-1)})
		}
		return all
	}
	for name, test := range map[string]struct {
		count, size int
		wantWhole   bool
		wantEnd     string
	}{
		"one that fits":          {1, 2000, true, "x"},
		"one that does not":      {1, 2049, false, "…"},
		"two that fit":           {2, 1000, true, "x"},
		"two of which each does": {2, 1500, false, "…"},
		"five that fit":          {5, 390, true, "x"},
		"six":                    {6, 390, true, "; and 1 more"},
		"six long ones":          {6, 2000, false, "…; and 1 more"},
	} {
		got := merge(of(test.count, test.size)).message
		if strings.Contains(got, "…") == test.wantWhole || !strings.HasSuffix(got, test.wantEnd) || len(got) > 2048 {
			t.Errorf("%s: %d bytes, ending in %q", name, len(got), got[max(0, len(got)-30):])
		}
	}
}

func TestTheReasonOfSeveralFindingsIsTheFirstUnlessHostsDiffer(t *testing.T) {
	t.Parallel()
	for reasons, want := range map[string]string{
		"Unreachable":                           "Unreachable",
		"Unreachable Unreachable":               "Unreachable",
		"Unreachable Refused":                   "HostsNotSynced",
		"Unreachable Refused Unreachable":       "HostsNotSynced",
		"Unreachable NoEndpoints":               "Unreachable",
		"Unreachable NoEndpoints Refused":       "HostsNotSynced",
		"NoEndpoints Unreachable Refused":       "NoEndpoints",
		"NoEndpoints ServiceNotFound":           "NoEndpoints",
		"HostConflict Unreachable":              "HostsNotSynced",
		"BindConflict HostConflict Unreachable": "BindConflict",
		"SecretNotFound Progressing":            "HostsNotSynced",
	} {
		var findings []finding
		for _, reason := range strings.Fields(reasons) {
			findings = append(findings, finding{reason, "x"})
		}
		if got := merge(findings).reason; got != want {
			t.Errorf("%s: got %s, want %s", reasons, got, want)
		}
	}
}

// A failure counts more than what is only unknown, in whichever condition it is.
func TestStatesCombineToTheWorst(t *testing.T) {
	t.Parallel()
	good := conditionState{status: metav1.ConditionTrue}
	unknown := func(message string) conditionState {
		return conditionState{metav1.ConditionUnknown, []finding{{"Progressing", message}}}
	}
	failed := func(message string) conditionState {
		return conditionState{metav1.ConditionFalse, []finding{{"Refused", message}}}
	}
	for name, test := range map[string]struct {
		states []conditionState
		want   conditionState
	}{
		"none":                        {nil, good},
		"all good":                    {[]conditionState{good, good}, good},
		"one unknown":                 {[]conditionState{good, unknown("a"), good}, unknown("a")},
		"one failed":                  {[]conditionState{failed("a"), good}, failed("a")},
		"an unknown one before":       {[]conditionState{unknown("a"), failed("b")}, failed("b")},
		"an unknown one behind":       {[]conditionState{failed("b"), unknown("a")}, failed("b")},
		"two failed, in their order":  {[]conditionState{failed("b"), unknown("x"), failed("a")}, conditionState{metav1.ConditionFalse, []finding{{"Refused", "b"}, {"Refused", "a"}}}},
		"two unknown, in their order": {[]conditionState{unknown("b"), unknown("a")}, conditionState{metav1.ConditionUnknown, []finding{{"Progressing", "b"}, {"Progressing", "a"}}}},
	} {
		if got := combine(test.states); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

// Every host has the same problem of a target; it is reported once. A problem that only the last attempt shows is reported as well.
func TestEachProblemIsReportedOnce(t *testing.T) {
	t.Parallel()
	with := func(wanted, proved []desired.Problem) record.Host {
		known := synced()
		known.Wanted.Problems, known.Problems = wanted, proved
		return known
	}
	none, lost := problem(v1alpha1.ReasonNoEndpoints, "Service app has no endpoint"), problem(v1alpha1.ReasonServiceNotFound, "no Service mail")
	list := func(problems ...desired.Problem) []desired.Problem { return problems }
	for name, test := range map[string]struct {
		first, second record.Host
		want, message string
	}{
		"on both hosts":          {with(list(none), list(none)), with(list(none), list(none)), "False NoEndpoints", none.Message},
		"on the second only":     {synced(), with(list(none), list(none)), "False NoEndpoints", none.Message},
		"as the last try showed": {with(nil, list(none)), synced(), "False NoEndpoints", none.Message},
		"as the next try will":   {with(list(none), nil), synced(), "False NoEndpoints", none.Message},
		"two of them":            {with(list(none, lost), list(none)), with(list(lost), nil), "False NoEndpoints", none.Message + "; " + lost.Message},
		"one after the other":    {with(list(lost), list(none)), synced(), "False ServiceNotFound", lost.Message + "; " + none.Message},
		"one that is unknown yet": {with(list(problem(v1alpha1.ReasonEndpointsPending, "slices are yet to be written"), lost), nil), synced(),
			"False ServiceNotFound", lost.Message},
	} {
		status := summarized(twoHosts(), test.first, test.second)
		requireTargets(t, status, test.want, test.message)
		if name != "" && conditionOf(status, v1alpha1.ConditionAccepted) != "True Accepted" {
			t.Errorf("%s: Accepted is %s", name, conditionOf(status, v1alpha1.ConditionAccepted))
		}
	}
}
