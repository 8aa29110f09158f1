package status

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/lab/argocd"
	"github.com/edgelb/edgelb/internal/lab/constants"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rollout"
)

// customization is the folder of the health check, as Argo CD has it.
const customization = "../../config/argocd/resource_customizations/edgelb.io/EdgeLoadBalancer/"

// reported is how programs that wait for an object report it: kstatus, which Flux uses, and Argo CD with its health check.
type reported struct {
	kstatus kstatus.Status
	argocd  string
}

var (
	done      = reported{kstatus.CurrentStatus, "Healthy"}
	onTheWay  = reported{kstatus.InProgressStatus, "Progressing"}
	forPerson = reported{kstatus.FailedStatus, "Degraded"}
	leftAlone = reported{kstatus.InProgressStatus, "Suspended"}
)

// reports are what is reported for each state of a host and each reason.
var reports = map[string]reported{
	"Synced": done, "Accepted": done, "Available": done, "Healthy": done, "VirtualIPsHeld": done,
	// An application that is down is not the edge's failure.
	"ServersDown": done,

	"Pending": onTheWay, "Installing": onTheWay, "Progressing": onTheWay, "Unreachable": onTheWay, "HostsNotSynced": onTheWay, "SecretNotFound": onTheWay,
	"ServiceNotFound": onTheWay, "NoEndpoints": onTheWay, "EndpointsPending": onTheWay, "NoNodePort": onTheWay, "NoNodes": onTheWay,
	"AddressNotFound": onTheWay, "ClusterUnreachable": onTheWay, "NoMaster": onTheWay, "SeveralMasters": onTheWay, "NotifyFailed": onTheWay,

	"Untrusted": forPerson, "Unauthorized": forPerson, "Rejected": forPerson, "Refused": forPerson, "SecretInvalid": forPerson,
	"HostConflict": forPerson, "PolicyViolation": forPerson, "BindConflict": forPerson, "BindInvalid": forPerson,
	"ListenerInvalid": forPerson, "NameConflict": forPerson, "TargetInvalid": forPerson, "NamespaceNotAllowed": forPerson,
	"PortNotFound": forPerson, "ServiceInvalid": forPerson, "ClusterInvalid": forPerson, "ClusterUnauthorized": forPerson,
	"ClusterForbidden": forPerson, "VirtualIPConflict": forPerson, "RolloutStopped": forPerson,

	"Suspended": leftAlone, "Drifted": leftAlone,

	"Deleting": {kstatus.TerminatingStatus, "Progressing"},
}

// advice is what the operator says to do in these tests.
const advice = "this is what to do"

// reasonRecords make what is known of the hosts gw1 and gw2 where that is not the state of gw1 alone, or a problem of the object.
var reasonRecords = map[string]func() (first, second record.Host){
	"Synced":    func() (record.Host, record.Host) { return synced(), synced() },
	"Accepted":  func() (record.Host, record.Host) { return synced(), synced() },
	"Available": func() (record.Host, record.Host) { return synced(), synced() },
	"Healthy":   func() (record.Host, record.Host) { return withServers(1), withServers(1) },
	"Deleting":  func() (record.Host, record.Host) { return synced(), synced() },
	"Progressing": func() (record.Host, record.Host) {
		return record.Host{}, record.Host{}
	},
	"ServersDown": func() (record.Host, record.Host) {
		return withServers(0, model.DownServers{Backend: "shop_web_app", Check: advice, Count: 1}), withServers(1)
	},
	"HostsNotSynced": func() (record.Host, record.Host) {
		return failing(model.Unreachable, advice), failing(model.Drifted, advice)
	},
	"VirtualIPsHeld": func() (record.Host, record.Host) { return withRole(keepalived.Backup), withRole(keepalived.Master) },
	"NoMaster":       func() (record.Host, record.Host) { return withRole(keepalived.Fault), withRole(keepalived.Backup) },
	"SeveralMasters": func() (record.Host, record.Host) { return withRole(keepalived.Master), withRole(keepalived.Master) },
	"NotifyFailed": func() (record.Host, record.Host) {
		first := withRole(keepalived.Master)
		first.Virtual.Outcome.Notices = map[string]keepalived.Notice{"shop.web": {Trouble: advice}}
		return first, withRole(keepalived.Backup)
	},
	"RolloutStopped": func() (record.Host, record.Host) {
		first, second := synced(), synced()
		first.Trial, first.Held = rollout.Trial{Change: "c", Why: advice}, rollout.Wait{Why: "stopped the roll-out: " + advice, Stopped: true}
		second.Held = rollout.Wait{Why: "keeps what it runs: " + advice, Stopped: true}
		return first, second
	},
	"SecretNotFound": func() (record.Host, record.Host) { return withoutSecret("SecretNotFound") },
	"SecretInvalid":  func() (record.Host, record.Host) { return withoutSecret("SecretInvalid") },
	"HostConflict": func() (record.Host, record.Host) {
		known := withProblem("HostConflict")
		known.Wanted.Members, known.Tried = nil, nil
		return known, synced()
	},
}

// withProblem is the record of a host that is synced and has a problem with the object.
func withProblem(reason string) record.Host {
	known := synced()
	known.Problems = []desired.Problem{problem(reason, advice)}
	known.Wanted.Problems = known.Problems
	return known
}

// withRole is the record of a host that is synced, and that was twice seen in the role.
func withRole(role keepalived.Role) record.Host {
	known := synced()
	config := &keepalived.Config{Instances: []keepalived.Instance{{Name: "shop.web", Source: netip.MustParseAddr("192.0.2.1")}}}
	known.Virtual.Order(&desired.Host{Virtual: virtualips.Virtual{Config: config, Instances: map[string]string{"shop/web": "shop.web"}}}, true)
	outcome := keepalived.Outcome{State: model.Synced, Roles: map[string]keepalived.Role{"shop.web": role}}
	if role == keepalived.Fault {
		outcome.Message = advice
	}
	known.Virtual.Sync(config, outcome, noon())
	known.Virtual.Look(outcome, noon())
	return known
}

func withoutSecret(reason string) (first, second record.Host) {
	known := failing(model.Pending, advice)
	known.Reason = reason
	return known, known
}

// withReason is an object that has a state of a host, or a reason.
func withReason(name string) *v1alpha1.EdgeLoadBalancer {
	first, second := withProblem(name), synced()
	if reason.Of(name).State {
		first = failing(model.State(name), advice)
	}
	if special := reasonRecords[name]; special != nil {
		first, second = special()
	}
	object := twoHosts()
	if name == v1alpha1.ReasonDeleting {
		object.DeletionTimestamp = &metav1.Time{Time: noon()}
	}
	if reason.Of(name).Condition == v1alpha1.ConditionVirtualIPsHeld {
		object.Spec.VirtualIPs = &v1alpha1.VirtualIPs{Addresses: []string{"192.0.2.100/24"}, VirtualRouterID: 33}
	}
	object.Status = summarized(object, first, second)
	return object
}

func TestEveryStateAndReasonIsReportedToFluxAndArgoCD(t *testing.T) {
	t.Parallel()
	const api = "../../api/v1alpha1/status_types.go"
	names := slices.Concat(constants.Of(t, api, "Host"), constants.Of(t, api, "Reason"))
	for name := range reports {
		if !slices.Contains(names, name) {
			t.Errorf("%s is no state or reason of the API", name)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := withReason(name)
			if !hasReason(object.Status, name) {
				t.Fatalf("the object does not have it: %+v", object.Status)
			}
			kind := reason.Of(name)
			checkReports(t, object, reports[name], kind.Actor != reason.Nobody && !slices.Contains([]string{"Progressing", "Deleting", "SeveralMasters"}, name))
		})
	}
}

func hasReason(status v1alpha1.EdgeLoadBalancerStatus, name string) bool {
	isIt := func(c metav1.Condition) bool { return c.Reason == name }
	isState := func(h v1alpha1.HostStatus) bool { return string(h.State) == name }
	return slices.ContainsFunc(status.Conditions, isIt) || slices.ContainsFunc(status.Hosts, isState)
}

// checkReports lets kstatus and Argo CD's health check judge an object. Their messages have to be the operator's, where kstatus does not
// have its own.
func checkReports(t *testing.T, object *v1alpha1.EdgeLoadBalancer, want reported, withAdvice bool) {
	t.Helper()
	content := contentOf(t, object)
	result, err := kstatus.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		t.Fatal(err)
	}
	health, err := argocd.HealthOf(healthCheck(t), content)
	if err != nil {
		t.Fatal(err)
	}
	if got := (reported{result.Status, health.Status}); got != want {
		t.Errorf("reported as %+v, want %+v", got, want)
	}
	messages := map[string]string{"Argo CD": health.Message}
	if result.Status != kstatus.CurrentStatus && result.Status != kstatus.TerminatingStatus {
		messages["kstatus"] = result.Message
	}
	for reporter, message := range messages {
		if message == "" || withAdvice && !strings.Contains(message, advice) {
			t.Errorf("the message for %s is %q", reporter, message)
		}
	}
}

func TestAnObjectIsReportedAsDoneOnlyWhenItsLastChangeIs(t *testing.T) {
	t.Parallel()
	changed := withReason("Synced")
	changed.Generation++
	restarted := withReason("Synced")
	restarted.Status = summarized(restarted, record.Host{}, record.Host{})
	// What the API server makes of an object at its creation; see api/v1alpha1.
	created := twoHosts()
	created.Status.ObservedGeneration = -1
	removing := withReason("Synced")
	removing.Status.Hosts = append(removing.Status.Hosts, v1alpha1.HostStatus{Name: "gw3", Address: "c", Port: 22, ObservedGeneration: 1})
	records := map[string]record.Host{"a": synced(), "b": synced(),
		"c": {Detachments: detach.Detachments{uid: {Since: noon()}}}}
	removing.Status = Summarize(removing, ViewsOf(removing, func(key model.HostID) record.Host { return records[key.Address] }), noon())
	behind := twoHosts()
	older := synced()
	older.Tried = map[types.UID]int64{uid: 1}
	behind.Status = summarized(behind, synced(), older)
	for name, test := range map[string]struct {
		object *v1alpha1.EdgeLoadBalancer
		want   reported
	}{
		"it was created":                               {created, onTheWay},
		"it was changed":                               {changed, onTheWay},
		"the operator was restarted":                   {restarted, done},
		"a host that it no longer names has it still":  {removing, onTheWay},
		"one of its hosts has the previous generation": {behind, onTheWay},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkReports(t, test.object, test.want, false)
		})
	}
}

func TestWhatSomebodyMustDoIsReportedBeforeTheRest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, second record.Host
		want          reported
	}{
		"beside a host that is away":    {failing(model.Rejected, advice), failing(model.Unreachable, "x"), forPerson},
		"beside a host that is drifted": {failing(model.Unreachable, advice), failing(model.Drifted, advice), onTheWay},
		"only hosts to be left alone":   {failing(model.Drifted, advice), failing(model.Suspended, advice), leftAlone},
		"beside servers that are down": {failing(model.Refused, advice),
			withServers(0, model.DownServers{Backend: "shop_web_app", Count: 1}), forPerson},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, test.first, test.second)
			checkReports(t, object, test.want, true)
		})
	}
}

// A policy takes effect when it exists, and has no status to wait for.
func TestAPolicyIsReportedAsDoneWhenItExists(t *testing.T) {
	t.Parallel()
	policy := &v1alpha1.EdgePolicy{TypeMeta: metav1.TypeMeta{APIVersion: "edgelb.io/v1alpha1", Kind: "EdgePolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: "edge-team", Generation: 3}}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(policy)
	if err != nil {
		t.Fatal(err)
	}
	if result, err := kstatus.Compute(&unstructured.Unstructured{Object: content}); err != nil || result.Status != kstatus.CurrentStatus {
		t.Errorf("reported as %+v, error %v", result, err)
	}
}

// contentOf is an object as programs read it from the API server.
func contentOf(t *testing.T, object *v1alpha1.EdgeLoadBalancer) map[string]any {
	t.Helper()
	object.APIVersion, object.Kind = "edgelb.io/v1alpha1", "EdgeLoadBalancer"
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func healthCheck(t *testing.T) string {
	t.Helper()
	return string(readCustomization(t, "health.lua"))
}
