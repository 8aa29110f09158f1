package status

import (
	"maps"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// seeking is the record of a host with this many servers up that was checked, and that has found no address for these names for the
// given time since noon.
func seeking(up int, lasts time.Duration, names ...string) record.Host {
	known := synced()
	known.Proved = map[types.UID]int64{uid: 2}
	backend := haproxy.Backend{Name: "shop_web_app"}
	known.UnresolvedNames = map[model.UnresolvedName]record.UnresolvedName{}
	for _, name := range names {
		backend.Servers = append(backend.Servers, haproxy.Server{Name: name, DNSName: name})
		known.UnresolvedNames[model.UnresolvedName{Backend: backend.Name, DNSName: name}] = record.UnresolvedName{Since: noon(),
			Seen: noon().Add(lasts)}
	}
	known.Wanted.Config.Backends = []haproxy.Backend{backend}
	known.Outcome.Servers = map[string]model.ServerCount{backend.Name: {Up: up, Total: up + len(names)}}
	known.Servers = known.Outcome.Servers
	return known
}

// found is the record of a host that has found the address of the name.
func found(name string) record.Host {
	known := seeking(1, 0, name)
	known.UnresolvedNames = nil
	return known
}

func requireTargets(t *testing.T, status v1alpha1.EdgeLoadBalancerStatus, want, message string) {
	t.Helper()
	condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionTargetsAvailable)
	if got := conditionOf(status, v1alpha1.ConditionTargetsAvailable); got != want || condition.Message != message {
		t.Errorf("TargetsAvailable is %s: %s, want %s: %s", got, condition.Message, want, message)
	}
}

const gw1FindsNone = "target app: host gw1 finds no address for nope.invalid: correct the name, or check /etc/resolv.conf on the host. " +
	"Everything else is served"

func TestATargetWithAnUnresolvedNameIsNotAvailable(t *testing.T) {
	t.Parallel()
	lost := seeking(0, time.Minute, "nope.invalid")
	status := summarized(twoHosts(), lost, found("nope.invalid"))
	requireTargets(t, status, "False AddressNotFound", gw1FindsNone)
	for kind, want := range map[string]string{
		v1alpha1.ConditionReady: "False AddressNotFound", v1alpha1.ConditionHostsSynced: "True Synced",
		v1alpha1.ConditionAccepted:    "True Accepted",
		v1alpha1.ConditionReconciling: "True AddressNotFound", v1alpha1.ConditionStalled: "False Progressing",
	} {
		if got := conditionOf(status, kind); got != want {
			t.Errorf("%s is %s, want %s", kind, got, want)
		}
	}
	if host := status.Hosts[0]; host.State != v1alpha1.HostSynced ||
		host.Message != "the host finds no address for nope.invalid (target app)" {
		t.Errorf("host is %s: %s", host.State, host.Message)
	}
	if status.Summary.Hosts != "2/2" || status.Summary.Servers != "1/3" || status.Hosts[1].Message != "" {
		t.Errorf("summary %+v; the other host says %q", status.Summary, status.Hosts[1].Message)
	}
	if events := EventsOf(summarized(twoHosts(), found("nope.invalid"), found("nope.invalid")), status, nil); len(events) != 1 ||
		events[0].Reason != v1alpha1.ReasonAddressNotFound {
		t.Errorf("events %+v", events)
	}

	status = summarized(twoHosts(), lost, seeking(0, time.Minute, "nope.invalid"))
	requireTargets(t, status, "False AddressNotFound", strings.ReplaceAll(gw1FindsNone, "host gw1 finds", "hosts gw1, gw2 find"))
}

func TestATargetWithAnotherServerIsAvailableAndTheHostReportsTheUnresolvedName(t *testing.T) {
	t.Parallel()
	status := summarized(twoHosts(), seeking(1, time.Minute, "a.invalid", "b.invalid"), found("a.invalid"))
	requireTargets(t, status, "True Available", "every target has a server")
	if got := conditionOf(status, v1alpha1.ConditionReady); got != "True Synced" {
		t.Errorf("Ready is %s", got)
	}
	if got := status.Hosts[0].Message; got != "the host finds no address for a.invalid (target app), b.invalid (target app)" {
		t.Errorf("the host says %q", got)
	}
}

func TestAnUnresolvedNameOfATargetWithTwoBackendsIsReportedOnce(t *testing.T) {
	t.Parallel()
	known := seeking(0, time.Minute, "nope.invalid")
	duplicate := known.Wanted.Config.Backends[0]
	duplicate.Name, duplicate.HTTP = "shop_web_app:http", true
	known.Wanted.Config.Backends = append(known.Wanted.Config.Backends, duplicate)
	known.Wanted.Members[0].Backends = []string{"shop_web_app", duplicate.Name}
	maps.Copy(known.UnresolvedNames, map[model.UnresolvedName]record.UnresolvedName{
		{Backend: duplicate.Name, DNSName: "nope.invalid"}: {Since: noon(), Seen: noon().Add(time.Minute)},
	})
	status := summarized(twoHosts(), known, found("nope.invalid"))
	requireTargets(t, status, "False AddressNotFound", gw1FindsNone)
	if got := status.Hosts[0].Message; got != "the host finds no address for nope.invalid (target app)" {
		t.Errorf("the host says %q", got)
	}
}

func TestManyUnresolvedNamesMakeAShortMessage(t *testing.T) {
	t.Parallel()
	var names []string
	for _, letter := range strings.Split("abcdefghijkl", "") {
		names = append(names, letter+".invalid")
	}
	status := summarized(twoHosts(), seeking(0, time.Minute, names...), found("a.invalid"))
	for _, message := range []string{status.Hosts[0].Message,
		meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionTargetsAvailable).Message} {
		if strings.Count(message, ".invalid") != 5 || !strings.HasSuffix(message, "7 more") {
			t.Errorf("%q does not name 5 of 12", message)
		}
	}
}

// Right after a reload no name has an address, and after a start of the operator it is unknown which have.
func TestTheConditionOfTargetsStaysUntilItIsKnownWhetherTheirNamesResolve(t *testing.T) {
	t.Parallel()
	before := func(generation int64, hosts ...record.Host) *v1alpha1.EdgeLoadBalancer {
		object := twoHosts()
		if len(hosts) > 0 {
			object.Status = summarized(twoHosts(), hosts[0], found("nope.invalid"))
			meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionTargetsAvailable).ObservedGeneration = generation
		}
		return object
	}
	moment, lost := seeking(0, time.Second, "nope.invalid"), seeking(0, time.Minute, "nope.invalid")
	unknown := found("nope.invalid")
	unknown.Proved, unknown.Tried = nil, nil
	const progressing = "it is not known yet whether every host finds the targets' names"
	for name, test := range map[string]struct {
		object        *v1alpha1.EdgeLoadBalancer
		now           record.Host
		want, message string
	}{
		"new":                       {before(2), moment, "Unknown Progressing", progressing},
		"changed":                   {before(1, found("nope.invalid")), moment, "Unknown Progressing", progressing},
		"available before":          {before(2, found("nope.invalid")), moment, "True Available", "every target has a server"},
		"a start, available before": {before(2, found("nope.invalid")), unknown, "True Available", "every target has a server"},
		"a start, lost before":      {before(2, lost), unknown, "False AddressNotFound", gw1FindsNone},
		"checked, and lost before":  {before(2, lost), moment, "False AddressNotFound", gw1FindsNone},
		"found, and lost before":    {before(2, lost), found("nope.invalid"), "True Available", "every target has a server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireTargets(t, summarized(test.object, test.now, found("nope.invalid")), test.want, test.message)
		})
	}
}

// While it is unknown whether a name resolves, a target that has no endpoints is not available all the same.
func TestAProblemCountsWhileItIsUnknownWhetherNamesResolve(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Status = summarized(twoHosts(), found("nope.invalid"), found("nope.invalid"))
	moment := seeking(0, time.Second, "nope.invalid")
	none := problem(v1alpha1.ReasonNoEndpoints, "Service mail has no endpoint")
	moment.Problems, moment.Wanted.Problems = []desired.Problem{none}, []desired.Problem{none}
	requireTargets(t, summarized(object, moment, found("nope.invalid")), "False NoEndpoints", none.Message)

	lost := seeking(0, time.Minute, "nope.invalid")
	lost.Problems, lost.Wanted.Problems = moment.Problems, moment.Wanted.Problems
	requireTargets(t, summarized(object, lost, found("nope.invalid")), "False NoEndpoints", none.Message+"; "+gw1FindsNone)
}

func TestAnUnresolvedNameIsAddedToWhatTheHostSays(t *testing.T) {
	t.Parallel()
	known := seeking(1, time.Minute, "nope.invalid")
	for message, want := range map[string]string{
		"":                     "the host finds no address for nope.invalid (target app)",
		"IPv6 is switched off": "IPv6 is switched off; the host finds no address for nope.invalid (target app)",
	} {
		known.Outcome.Message = message
		if got := summarized(twoHosts(), known, synced()).Hosts[0].Message; got != want {
			t.Errorf("the host says %q, want %q", got, want)
		}
	}
	known.Outcome.State, known.Outcome.Message = model.Unreachable, "nothing answers"
	if got := summarized(twoHosts(), known, synced()).Hosts[0].Message; strings.Contains(got, "nope.invalid") {
		t.Errorf("a host that is away says %q", got)
	}
}
