package status

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

func TestConditionsSummarizeTheHosts(t *testing.T) {
	t.Parallel()
	withProblem := func(reason string) record.Host {
		known := synced()
		known.Problems = []desired.Problem{problem(reason, "x")}
		known.Wanted.Problems = known.Problems
		return known
	}
	conflict := withProblem(v1alpha1.ReasonHostConflict)
	conflict.Wanted.Members, conflict.Tried = nil, nil
	secretGone := failing(model.Pending, "no Secret")
	secretGone.Reason = v1alpha1.ReasonSecretNotFound
	secretBad := failing(model.Pending, "no key")
	secretBad.Reason = v1alpha1.ReasonSecretInvalid
	older := synced()
	older.Tried = map[types.UID]int64{uid: 1}
	tests := map[string]struct {
		first, second                record.Host
		wantReady, wantHosts         string
		wantTargets, wantAccepted    string
		wantReconciling, wantStalled string
		wantSummary                  string
	}{
		"both are synced": {synced(), synced(), "True Synced", "True Synced", "True Available", "True Accepted",
			"False Synced", "False Synced", "2/2"},
		"nothing is known": {record.Host{}, record.Host{}, "Unknown Progressing", "Unknown Progressing", "Unknown Progressing",
			"Unknown Progressing", "True Progressing", "False Progressing", "0/2"},
		"one is still at the previous generation": {synced(), older, "Unknown Progressing", "Unknown Progressing", "True Available",
			"True Accepted", "True Progressing", "False Progressing", "1/2"},
		"one is unreachable": {synced(), failing(model.Unreachable, "x"), "False Unreachable", "False Unreachable", "True Available",
			"True Accepted", "True Unreachable", "False Progressing", "1/2"},
		"one is untrusted": {failing(model.Untrusted, "x"), synced(), "False Untrusted", "False Untrusted", "True Available",
			"True Accepted", "False Untrusted", "True Untrusted", "1/2"},
		"both fail alike": {failing(model.Rejected, "x"), failing(model.Rejected, "y"), "False Rejected", "False Rejected",
			"True Available", "True Accepted", "False Rejected", "True Rejected", "0/2"},
		"both fail differently": {failing(model.Unreachable, "x"), failing(model.Refused, "y"), "False HostsNotSynced",
			"False HostsNotSynced", "True Available", "True Accepted", "False Refused", "True Refused", "0/2"},
		"the Secret is missing": {secretGone, secretGone, "False SecretNotFound", "False SecretNotFound", "True Available",
			"True Accepted", "True SecretNotFound", "False Progressing", "0/2"},
		"the Secret is unusable": {secretBad, secretBad, "False SecretInvalid", "False SecretInvalid", "True Available",
			"True Accepted", "False SecretInvalid", "True SecretInvalid", "0/2"},
		"a target has no endpoints": {withProblem(v1alpha1.ReasonNoEndpoints), withProblem(v1alpha1.ReasonNoEndpoints),
			"False NoEndpoints", "True Synced", "False NoEndpoints", "True Accepted", "True NoEndpoints", "False Progressing", "2/2"},
		"a target's slices are yet to be written": {withProblem(v1alpha1.ReasonEndpointsPending), withProblem(v1alpha1.ReasonEndpointsPending),
			"Unknown EndpointsPending", "True Synced", "Unknown EndpointsPending", "True Accepted", "True EndpointsPending",
			"False Progressing", "2/2"},
		"another cluster is unreachable": {withProblem(v1alpha1.ReasonClusterUnreachable), synced(), "False ClusterUnreachable", "True Synced",
			"False ClusterUnreachable", "True Accepted", "True ClusterUnreachable", "False Progressing", "2/2"},
		"another cluster refuses": {withProblem(v1alpha1.ReasonClusterForbidden), synced(), "False ClusterForbidden", "True Synced",
			"False ClusterForbidden", "True Accepted", "False ClusterForbidden", "True ClusterForbidden", "2/2"},
		"a bind conflict": {withProblem(v1alpha1.ReasonBindConflict), synced(), "False BindConflict", "True Synced",
			"True Available", "False BindConflict", "False BindConflict", "True BindConflict", "2/2"},
		"a host with another owner": {synced(), conflict, "False HostConflict", "False HostConflict", "True Available",
			"False HostConflict", "False HostConflict", "True HostConflict", "1/2"},
		"one is left drifted": {synced(), failing(model.Drifted, "x"), "False Drifted", "False Drifted", "True Available",
			"True Accepted", "False Drifted", "False Drifted", "1/2"},
		"one is left drifted, and one is unreachable": {failing(model.Unreachable, "x"), failing(model.Drifted, "x"), "False HostsNotSynced",
			"False HostsNotSynced", "True Available", "True Accepted", "True HostsNotSynced", "False Progressing", "0/2"},
		"suspended": {failing(model.Suspended, "would reload"), failing(model.Suspended, ""), "False Suspended", "False Suspended",
			"True Available", "True Accepted", "False Suspended", "False Suspended", "0/2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := summarized(twoHosts(), test.first, test.second)
			for kind, want := range map[string]string{
				v1alpha1.ConditionReady: test.wantReady, v1alpha1.ConditionHostsSynced: test.wantHosts,
				v1alpha1.ConditionTargetsAvailable: test.wantTargets, v1alpha1.ConditionAccepted: test.wantAccepted,
				v1alpha1.ConditionReconciling: test.wantReconciling, v1alpha1.ConditionStalled: test.wantStalled,
			} {
				if got := conditionOf(status, kind); got != want {
					t.Errorf("%s is %s, want %s", kind, got, want)
				}
			}
			if status.Summary.Hosts != test.wantSummary {
				t.Errorf("hosts %s, want %s", status.Summary.Hosts, test.wantSummary)
			}
		})
	}
}

// After a correction of the spec, the status must not say that it still waits for one.
func TestProblemsOfAPreviousGenerationAreNotThoseOfTheNewOne(t *testing.T) {
	t.Parallel()
	// Both hosts were tried with generation 1, which had the problem, and generation 2 has just been created.
	before := func(reason string) record.Host {
		known := tried(model.Outcome{State: model.Synced}, problem(reason, "it was so"))
		known.Built, known.Tried = map[types.UID]int64{uid: 1}, map[types.UID]int64{uid: 1}
		return known
	}
	rebuilt := func(known record.Host, problems ...desired.Problem) record.Host {
		known.Built, known.Wanted.Problems = map[types.UID]int64{uid: 2}, problems
		known.Problems = append(slices.Clone(known.Problems), problems...)
		return known
	}
	conflict := before(v1alpha1.ReasonHostConflict)
	conflict.Wanted.Members, conflict.Tried = nil, nil
	still := problem(v1alpha1.ReasonBindConflict, "it is still so")
	tests := map[string]struct {
		record                                 record.Host
		wantAccepted, wantTargets, wantStalled string
	}{
		"a bind, not built yet": {before(v1alpha1.ReasonBindConflict), "Unknown Progressing", "Unknown Progressing", "False Progressing"},
		"a bind, corrected":     {rebuilt(before(v1alpha1.ReasonBindConflict)), "True Accepted", "True Available", "False Progressing"},
		"a bind, not corrected": {rebuilt(before(v1alpha1.ReasonBindConflict), still), "False BindConflict", "True Available",
			"True BindConflict"},
		"a host, not built yet":     {conflict, "Unknown Progressing", "Unknown Progressing", "False Progressing"},
		"a port, not built yet":     {before(v1alpha1.ReasonPortNotFound), "Unknown Progressing", "Unknown Progressing", "False Progressing"},
		"a port, corrected":         {rebuilt(before(v1alpha1.ReasonPortNotFound)), "True Accepted", "Unknown Progressing", "False Progressing"},
		"endpoints, not proved yet": {rebuilt(before(v1alpha1.ReasonNoEndpoints)), "True Accepted", "Unknown Progressing", "False Progressing"},
		"a cluster that is being read": {tried(model.Outcome{State: model.Synced}, problem(v1alpha1.ReasonProgressing, "it is being read")),
			"True Accepted", "Unknown Progressing", "False Progressing"},
		"endpoints, of this version": {tried(model.Outcome{State: model.Synced}, problem(v1alpha1.ReasonNoEndpoints, "none")),
			"True Accepted", "False NoEndpoints", "False Progressing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Generation = 1
			object.Status = summarized(object, before(v1alpha1.ReasonBindConflict), before(v1alpha1.ReasonBindConflict))
			object.Generation = 2
			status := summarized(object, test.record, test.record)
			for kind, want := range map[string]string{
				v1alpha1.ConditionAccepted: test.wantAccepted, v1alpha1.ConditionTargetsAvailable: test.wantTargets,
				v1alpha1.ConditionStalled: test.wantStalled,
			} {
				if got := conditionOf(status, kind); got != want {
					t.Errorf("%s is %s, want %s", kind, got, want)
				}
			}
		})
	}
}

// After a restart the operator knows nothing of other clusters for a moment.
func TestTargetsStayAsTheyAreWhileTheirClusterIsReadForTheFirstTime(t *testing.T) {
	t.Parallel()
	pending := tried(model.Outcome{State: model.Synced}, problem(v1alpha1.ReasonProgressing, "it is being read"))
	read := pending
	read.Wanted.Problems = nil
	for name, test := range map[string]struct {
		before, now record.Host
		want        string
	}{
		"they had servers": {synced(), pending, "True Available"},
		"the cluster was unreachable": {tried(model.Outcome{State: model.Synced}, problem(v1alpha1.ReasonClusterUnreachable, "x")),
			pending, "False ClusterUnreachable"},
		"it is read":   {synced(), read, "True Available"},
		"it is proved": {pending, synced(), "True Available"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, test.before, synced())
			if got := conditionOf(summarized(object, test.now, synced()), v1alpha1.ConditionTargetsAvailable); got != test.want {
				t.Errorf("targets are %s, want %s", got, test.want)
			}
		})
	}
}

func TestTheHostStatusContainsTheProof(t *testing.T) {
	t.Parallel()
	status := summarized(twoHosts(), synced(), record.Host{})
	want := v1alpha1.HostStatus{
		Name: "gw1", Address: "a", Port: 22, User: "root", State: v1alpha1.HostSynced, ConfigHash: "f00", ObservedGeneration: 2,
		LastSyncTime: seconds(noon()), LastReloadTime: seconds(noon()), LastUpdate: v1alpha1.UpdateReload,
		HAProxyVersion: "2.6.12", ServersUp: 2, Servers: 3,
	}
	if !reflect.DeepEqual(status.Hosts[0], want) {
		t.Errorf("got  %+v\nwant %+v", status.Hosts[0], want)
	}
	if got := status.Hosts[1]; got.State != v1alpha1.HostPending || got.Message == "" {
		t.Errorf("the host that was not checked is %+v", got)
	}
	if got, want := status.Addresses, []string{"192.0.2.1", "192.0.2.9", "192.0.2.2"}; !slices.Equal(got, want) {
		t.Errorf("addresses %v, want %v", got, want)
	}
}

func TestTheHostStatusContainsTheLastChangeOfWhatRuns(t *testing.T) {
	t.Parallel()
	reloaded := synced()
	runtime := synced()
	runtime.ChangedAt, runtime.Update = noon().Add(time.Minute), model.UpdateRuntime
	restarted := synced()
	restarted.ChangedAt, restarted.ReloadedAt, restarted.Update = time.Time{}, time.Time{}, ""
	object := twoHosts()
	for i, step := range []struct {
		known      record.Host
		wantUpdate v1alpha1.UpdateKind
		wantSync   time.Time
	}{
		{reloaded, v1alpha1.UpdateReload, noon()}, {runtime, v1alpha1.UpdateRuntime, noon().Add(time.Minute)},
		{restarted, v1alpha1.UpdateRuntime, noon().Add(time.Minute)},
	} {
		object.Status = summarized(object, step.known, record.Host{})
		got := object.Status.Hosts[0]
		if got.LastUpdate != step.wantUpdate || !got.LastSyncTime.Time.Equal(step.wantSync) || !got.LastReloadTime.Time.Equal(noon()) {
			t.Errorf("step %d: %s at %s, reloaded at %s", i, got.LastUpdate, got.LastSyncTime, got.LastReloadTime)
		}
	}
}

func TestADriftedHostIsReportedWithTheDifferences(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"the file was edited": "the file was edited", "": "was changed by somebody else: server x added",
	} {
		known := failing(model.Drifted, message)
		known.Outcome.Drift, known.DriftedAt = []string{"server x added"}, noon()
		got := summarized(twoHosts(), known, record.Host{}).Hosts[0]
		if got.State != v1alpha1.HostDrifted || got.Message != want || got.ConsecutiveErrors != 0 || !got.LastDriftTime.Time.Equal(noon()) {
			t.Errorf("got %+v, want the message %q", got, want)
		}
	}
}

func TestADriftThatWasLeftIsNotANewOneAfterARestart(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	drifted := failing(model.Drifted, "")
	drifted.DriftedAt = noon()
	object.Status = summarized(object, drifted, drifted)

	drifted.DriftedAt = noon().Add(time.Hour)
	undone := synced()
	undone.DriftedAt = drifted.DriftedAt
	after := summarized(object, drifted, undone)

	if got := after.Hosts[0].LastDriftTime; !got.Time.Equal(noon()) {
		t.Errorf("the one that was left is of %s", got)
	}
	if got := after.Hosts[1].LastDriftTime; !got.Time.Equal(drifted.DriftedAt) {
		t.Errorf("the one that was repaired is of %s", got)
	}
	if reported := reportedOf(EventsOf(object.Status, after, nil)); slices.Contains(reported, "Warning Drifted gw1") {
		t.Errorf("reported %v", reported)
	}
}

func TestTheProofBeforeARestartIsTheNewestOfTheObjectsThatNameTheHost(t *testing.T) {
	t.Parallel()
	withHash := func(address, hash string, minute int) *v1alpha1.EdgeLoadBalancer {
		object := twoHosts()
		object.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: address, Port: 22, ConfigHash: hash}}
		if minute > 0 {
			object.Status.Hosts[0].LastSyncTime = seconds(noon().Add(time.Duration(minute) * time.Minute))
		}
		return object
	}
	tests := map[string]struct {
		objects []*v1alpha1.EdgeLoadBalancer
		want    string
	}{
		"no object":                {nil, ""},
		"nothing proved":           {[]*v1alpha1.EdgeLoadBalancer{withHash("a", "", 0), withHash("a", "", 3)}, ""},
		"another host":             {[]*v1alpha1.EdgeLoadBalancer{withHash("b", "f1", 1)}, ""},
		"one":                      {[]*v1alpha1.EdgeLoadBalancer{withHash("b", "f1", 1), withHash("A", "f2", 0)}, "f2"},
		"two, the newer one first": {[]*v1alpha1.EdgeLoadBalancer{withHash("a", "f2", 2), withHash("a", "f1", 1)}, "f2"},
		"a newer one not proved":   {[]*v1alpha1.EdgeLoadBalancer{withHash("a", "f1", 1), withHash("a", "", 3)}, "f1"},
		"two, the newer one last":  {[]*v1alpha1.EdgeLoadBalancer{withHash("a", "f1", 0), withHash("a", "f2", 2)}, "f2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ProvedBefore(test.objects, model.NewHostID("a", 22)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAnUnreachableHostKeepsItsProof(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(object, synced(), synced())
	unreachable := failing(model.Unreachable, "nothing answers at a:22")
	status := summarized(object, unreachable, synced())
	got := status.Hosts[0]
	if got.ConfigHash != "f00" || got.ObservedGeneration != 2 || got.ServersUp != 2 || got.LastSyncTime == nil {
		t.Errorf("host %+v", got)
	}
	if want := "nothing answers at a:22; next try within 30s"; got.Message != want || got.ConsecutiveErrors != 4 {
		t.Errorf("message %q after %d errors, want %q after 4", got.Message, got.ConsecutiveErrors, want)
	}
	if status.Summary.Servers != "4/6" {
		t.Errorf("servers %s, want 4/6", status.Summary.Servers)
	}
}

func TestTheSameRecordsGiveTheSameStatus(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]record.Host{
		"synced": synced(), "unreachable": failing(model.Unreachable, "x"), "unknown": {},
		"without endpoints": tried(model.Outcome{State: model.Synced}, problem(v1alpha1.ReasonNoEndpoints, "none")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, synced(), second)
			if got := summarized(object, synced(), second); !reflect.DeepEqual(got, object.Status) {
				t.Errorf("got  %+v\nwant %+v", got, object.Status)
			}
		})
	}
}

func TestTheStatusIsNotWrittenAtEachFurtherFailure(t *testing.T) {
	t.Parallel()
	unreachable := failing(model.Unreachable, "x")
	object := twoHosts()
	object.Status = summarized(object, synced(), unreachable)
	for failures, want := range map[int]bool{5: true, 7: true, 8: false} {
		unreachable.Failures = failures
		if got := reflect.DeepEqual(summarized(object, synced(), unreachable), object.Status); got != want {
			t.Errorf("after %d failures the status is the same: %t, want %t", failures, got, want)
		}
	}
}

func TestARestartedOperatorKeepsTheStatusUntilTheHostsAreChecked(t *testing.T) {
	t.Parallel()
	secretGone := failing(model.Pending, "no Secret")
	secretGone.Reason = v1alpha1.ReasonSecretNotFound
	for name, second := range map[string]record.Host{
		"synced": synced(), "untrusted": failing(model.Untrusted, "x"), "secret": secretGone,
		"endpoints": tried(model.Outcome{State: model.Synced, Fingerprint: "f"}, problem(v1alpha1.ReasonNoEndpoints, "none")),
		"binds":     tried(model.Outcome{State: model.Synced, Fingerprint: "f"}, problem(v1alpha1.ReasonBindConflict, "taken")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, synced(), second)
			if got := summarized(object, record.Host{}, record.Host{}); !reflect.DeepEqual(got, object.Status) {
				t.Errorf("got  %+v\nwant %+v", got, object.Status)
			}
		})
	}
}

func TestTheTransitionTimeIsThatOfTheTransition(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(object, synced(), failing(model.Unreachable, "x"))
	records := record.NewStore()
	records.Update(model.NewHostID("a", 22), func(r *record.Host) { *r = synced() })
	records.Update(model.NewHostID("b", 22), func(r *record.Host) { *r = synced() })
	later := noon().Add(90 * time.Minute)
	status := Summarize(object, ViewsOf(object, records.Get), later)
	for kind, want := range map[string]time.Time{v1alpha1.ConditionReady: later, v1alpha1.ConditionAccepted: noon()} {
		if got := meta.FindStatusCondition(status.Conditions, kind).LastTransitionTime; !got.Time.Equal(want) {
			t.Errorf("%s changed at %s, want %s", kind, got, want)
		}
	}
}

func TestManyFailingHostsMakeAShortMessage(t *testing.T) {
	t.Parallel()
	var findings []finding
	for range 500 {
		findings = append(findings, finding{"Unreachable", "gw is unreachable"})
	}
	if got := merge(findings); got.reason != "Unreachable" || strings.Count(got.message, "gw is unreachable") != 5 ||
		!strings.HasSuffix(got.message, "and 495 more") {
		t.Errorf("got %+v", got)
	}
}

func TestADeletedObjectIsReportedAsDeletingAndKeepsTheConditionsOfItsSpec(t *testing.T) {
	t.Parallel()
	noEndpoints := tried(model.Outcome{State: model.Synced}, problem(v1alpha1.ReasonNoEndpoints, "none"))
	tests := map[string]struct {
		before                    record.Host
		wantAccepted, wantTargets string
	}{
		"was synced":       {synced(), "True Accepted", "True Available"},
		"had no endpoints": {noEndpoints, "True Accepted", "False NoEndpoints"},
		"was unknown":      {record.Host{}, "Unknown Progressing", "Unknown Progressing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, test.before, test.before)
			object.DeletionTimestamp, object.Generation = seconds(noon()), 3
			status := summarized(object, failing(model.Unreachable, "x"), failing(model.Unreachable, "x"))
			for kind, want := range map[string]string{
				v1alpha1.ConditionReady: "False Deleting", v1alpha1.ConditionReconciling: "True Deleting",
				v1alpha1.ConditionStalled: "False Progressing", v1alpha1.ConditionHostsSynced: "False Deleting",
				v1alpha1.ConditionAccepted: test.wantAccepted, v1alpha1.ConditionTargetsAvailable: test.wantTargets,
			} {
				if got := conditionOf(status, kind); got != want {
					t.Errorf("%s is %s, want %s", kind, got, want)
				}
			}
			for _, host := range status.Hosts {
				if host.State != v1alpha1.HostPending || host.Message != "is being removed" {
					t.Errorf("host %+v", host)
				}
			}
			if len(status.Addresses) != 3 {
				t.Errorf("addresses %v", status.Addresses)
			}
		})
	}
}

func TestARemovedHostIsReportedBesideItsReplacementOfTheSameName(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(object, synced(), synced())
	object.Spec.Hosts[1].Address = "c"
	status := summarized(object, synced(), synced())
	var names []string
	for _, host := range status.Hosts {
		names = append(names, host.Name+" "+host.Address+" "+string(host.State))
	}
	if want := []string{"gw1 a Synced", "gw2 c Pending", "gw2@b:22 b Pending"}; !slices.Equal(names, want) {
		t.Errorf("hosts %v, want %v", names, want)
	}
}

func TestARemovedHostReportsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		detachment detach.Progress
		want       string
	}{
		"nothing yet": {detach.Progress{Since: noon()}, "is being removed"},
		"the host":    {detach.Progress{Since: noon(), Tried: true}, "is being removed: the disk is full"},
		"the end of a suspension": {detach.Progress{Delayed: true},
			"is being removed as soon as no EdgeLoadBalancer on the host has spec.suspend set"},
		"its replacement since": {detach.Progress{Delayed: true, Awaited: noon()}, "is being removed"},
		"the host since":        {detach.Progress{Delayed: true, Since: noon(), Tried: true}, "is being removed: the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.DeletionTimestamp = seconds(noon())
			known := failing(model.Rejected, "the disk is full")
			known.Detachments = detach.Detachments{uid: test.detachment}
			if got := summarized(object, known, synced()).Hosts[0].Message; got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestAHostThatReturnsToTheSpecIsNotReportedAsBeingRemoved(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(object, synced(), synced())
	both := object.Spec.Hosts
	object.Spec.Hosts = both[:1]
	unreachable := failing(model.Unreachable, "nothing answers")
	unreachable.Tried, unreachable.Detachments = nil, detach.Detachments{uid: {Since: noon(), Tried: true}}
	object.Status = summarized(object, synced(), unreachable)
	if got, want := object.Status.Hosts[1].Message, "is being removed: nothing answers"; got != want {
		t.Fatalf("while it is being removed it says %q, want %q", got, want)
	}
	object.Spec.Hosts, object.Generation = both, 3
	got := summarized(object, synced(), unreachable).Hosts[1]
	if got.State != v1alpha1.HostPending || got.Message != "not checked yet" || got.ConfigHash != "f00" {
		t.Errorf("got %+v", got)
	}
}

func TestErrorsAreRoundedDownToAPowerOfTwo(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]int32{0: 0, 1: 1, 2: 2, 3: 2, 4: 4, 7: 4, 8: 8, 1000: 512} {
		if got := rounded(failures); got != want {
			t.Errorf("%d is reported as %d, want %d", failures, got, want)
		}
	}
}
