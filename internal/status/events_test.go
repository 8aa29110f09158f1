package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/status/fit"
)

// reportedOf returns the events in short form, such as "Warning Unreachable gw2".
func reportedOf(events []Event) []string {
	reported := []string{}
	for _, e := range events {
		reported = append(reported, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.Reason, e.Host)))
	}
	return reported
}

func TestEventsReportTransitionsOnce(t *testing.T) {
	t.Parallel()
	later := synced()
	later.ChangedAt, later.ReloadedAt = noon().Add(time.Minute), noon().Add(time.Minute)
	routine := synced()
	routine.ChangedAt, routine.Update = noon().Add(time.Minute), model.UpdateRuntime
	drifted := failing(model.Drifted, "")
	drifted.DriftedAt = noon()
	repaired := synced()
	repaired.DriftedAt = noon().Add(time.Minute)
	undone := synced()
	undone.DriftedAt = noon()
	secretGone := failing(model.Pending, "no Secret")
	secretGone.Reason = v1alpha1.ReasonSecretNotFound
	unchanged := synced()
	unchanged.ChangedAt, unchanged.ReloadedAt = time.Time{}, time.Time{}
	noEndpoints := synced()
	noEndpoints.Problems = append(noEndpoints.Problems, problem(v1alpha1.ReasonNoEndpoints, "none"))
	noService := synced()
	noService.Problems = append(noService.Problems, problem(v1alpha1.ReasonServiceNotFound, "none"))
	conflict := synced()
	conflict.Problems = append(conflict.Problems, problem(v1alpha1.ReasonBindConflict, "taken"))
	left, forbidden := without(problem(v1alpha1.ReasonHostConflict, "taken")), without(problem(v1alpha1.ReasonPolicyViolation, "no"))
	rejected := failing(model.Rejected, "x")
	rejected.ReloadedAt = noon().Add(time.Minute)
	onceWithout := secretGone
	onceWithout.Failures = 1
	having := func(reason, message string) record.Host {
		known := synced()
		known.Problems = append(known.Problems, problem(reason, message))
		return known
	}
	awaited := having(v1alpha1.ReasonEndpointsPending, "yet to be written")
	noCluster, noClusterAgain := having(v1alpha1.ReasonClusterUnreachable, "timeout"), having(v1alpha1.ReasonClusterUnreachable, "refused")
	tests := map[string]struct {
		before, after record.Host
		want          []string
	}{
		"the first change":          {record.Host{}, synced(), []string{"Normal Synced gw2"}},
		"a reload":                  {synced(), later, []string{"Normal Synced gw2"}},
		"a runtime update":          {synced(), routine, []string{}},
		"a drift":                   {synced(), drifted, []string{"Warning Drifted gw2"}},
		"a drift that stays":        {drifted, drifted, []string{}},
		"a drift undone":            {drifted, undone, []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"a drift, repaired":         {synced(), repaired, []string{"Warning DriftRepaired gw2"}},
		"repaired some time":        {repaired, repaired, []string{}},
		"repaired in the end":       {drifted, repaired, []string{"Warning DriftRepaired gw2", "Normal Recovered gw2", "Normal Synced gw2"}},
		"nothing":                   {synced(), synced(), []string{}},
		"a host fails":              {synced(), failing(model.Unreachable, "x"), []string{"Warning Unreachable gw2"}},
		"a host stays unreachable":  {failing(model.Unreachable, "x"), failing(model.Unreachable, "other text"), []string{}},
		"another failure":           {failing(model.Unreachable, "x"), failing(model.Unauthorized, "x"), []string{"Warning Unauthorized gw2"}},
		"an untrusted host":         {record.Host{}, failing(model.Untrusted, "x"), []string{"Warning Untrusted gw2"}},
		"a rejected file":           {synced(), failing(model.Rejected, "x"), []string{"Warning Rejected gw2"}},
		"another owner's":           {record.Host{}, failing(model.Refused, "x"), []string{"Warning Refused gw2"}},
		"a host returns":            {failing(model.Unreachable, "x"), synced(), []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"no Secret":                 {synced(), secretGone, []string{"Warning SecretNotFound"}},
		"a Secret again":            {secretGone, synced(), []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"a first check":             {record.Host{}, unchanged, []string{}},
		"still no Secret":           {secretGone, secretGone, []string{}},
		"no endpoints":              {synced(), noEndpoints, []string{"Warning NoEndpoints"}},
		"no Service any more":       {noEndpoints, noService, []string{"Warning ServiceNotFound"}},
		"endpoints again":           {noEndpoints, synced(), []string{}},
		"a bind is taken":           {synced(), conflict, []string{"Warning BindConflict"}},
		"the operator starts":       {failing(model.Untrusted, "x"), record.Host{}, []string{}},
		"a host with another owner": {synced(), left, []string{"Warning HostConflict"}},
		"another owner's, still":    {left, left, []string{}},
		"a policy forbids it":       {synced(), forbidden, []string{"Warning Refused gw2", "Warning PolicyViolation"}},
		"a policy allows it again":  {forbidden, synced(), []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"a reload before a failure": {synced(), rejected, []string{"Warning Rejected gw2"}},
		"a Secret after one try":    {onceWithout, synced(), []string{"Normal Recovered gw2", "Normal Synced gw2"}},
		"slices are awaited":        {synced(), awaited, []string{}},
		"a cluster is unreachable":  {synced(), noCluster, []string{"Warning ClusterUnreachable"}},
		"it still is, differently":  {noCluster, noClusterAgain, []string{}},
		"a suspension ends":         {failing(model.Suspended, "would reload"), unchanged, []string{}},
		"a drift ends as a failure": {drifted, failing(model.Unreachable, "x"), []string{"Warning Unreachable gw2"}},
		"a host is suspended":       {synced(), failing(model.Suspended, "would reload"), []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, synced(), test.before)
			after := summarized(object, synced(), test.after)
			if got := reportedOf(EventsOf(object.Status, after, nil)); !slices.Equal(got, test.want) {
				t.Errorf("reported %v, want %v", got, test.want)
			}
		})
	}
}

// Somebody mistypes the address of a host, and corrects it.
func TestAHostThatIsBackAtItsAddressWasNotReloadedForThat(t *testing.T) {
	t.Parallel()
	reloaded, drifted := metav1.NewTime(noon()), metav1.NewTime(noon().Add(time.Minute))
	host := v1alpha1.HostStatus{Name: "gw1", Address: "a", Port: 22, State: v1alpha1.HostSynced, LastReloadTime: &reloaded, LastDriftTime: &drifted}
	leaving, mistyped := host, v1alpha1.HostStatus{Name: "gw1", Address: "typo", Port: 22, State: v1alpha1.HostUnreachable}
	leaving.Name, leaving.State = "gw1@a:22", v1alpha1.HostPending
	before := v1alpha1.EdgeLoadBalancerStatus{Hosts: []v1alpha1.HostStatus{mistyped, leaving}}
	events := EventsOf(before, v1alpha1.EdgeLoadBalancerStatus{Hosts: []v1alpha1.HostStatus{host}}, nil)
	if got, want := reportedOf(events), []string{"Normal Recovered gw1"}; !slices.Equal(got, want) {
		t.Errorf("reported %v, want %v", got, want)
	}
}

func TestAnEventAboutAReloadContainsItsReasons(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	known := synced()
	known.ReloadReasons = []string{"frontend web is new", "backend app is new"}
	events := EventsOf(object.Status, summarized(object, known, record.Host{}), ChangesOf(ViewsOf(object, only("a", known))))
	if want := "gw1: was reloaded and runs what the spec says. What was different: frontend web is new; backend app is new"; len(events) != 1 ||
		events[0].Message != want {
		t.Errorf("reported %+v, want %q", events, want)
	}
}

func TestAnEventAboutADriftContainsTheDifferencesAndIsShort(t *testing.T) {
	t.Parallel()
	drift := []string{"backend app: server x added", strings.Repeat("é", 4000), "3", "4", "5", "6", "7"}
	for state, want := range map[model.State]string{
		model.Synced:  "gw1: was changed by somebody else and brought back: ",
		model.Drifted: "gw1: was changed by somebody else and is left so, as spec.driftPolicy says: ",
	} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			object := twoHosts()
			object.Status = summarized(object, synced(), record.Host{})
			known := synced()
			known.Outcome.State, known.DriftedAt, known.Drift = state, noon().Add(time.Minute), drift
			events := EventsOf(object.Status, summarized(object, known, record.Host{}), ChangesOf(ViewsOf(object, only("a", known))))
			want += "backend app: server x added; " + strings.Repeat("é", 160) + "…; 3; 4; 5; and 2 more"
			if len(events) != 1 || events[0].Message != want {
				t.Errorf("reported %+v, want %q", events, want)
			}
			if len(drift[1]) != len("é")*4000 {
				t.Error("what is known of the host was shortened as well")
			}
		})
	}
}

func TestAnEventSaysWhatHasHappenedToWhichHost(t *testing.T) {
	t.Parallel()
	noEndpoints := synced()
	noEndpoints.Problems = append(noEndpoints.Problems, problem(v1alpha1.ReasonNoEndpoints, "Service app has no endpoint"))
	for name, test := range map[string]struct {
		before, after record.Host
		want          string
	}{
		"a failure":  {synced(), failing(model.Unreachable, "nothing answers"), "gw2: nothing answers; next try within 30s"},
		"its end":    {failing(model.Rejected, "no"), synced(), "gw2: is synced again after it was Rejected"},
		"of a drift": {failing(model.Drifted, "no"), synced(), "gw2: is synced again after it was Drifted"},
		"a target":   {synced(), noEndpoints, "Service app has no endpoint"},
		"its health": {withServers(0, model.DownServers{Backend: "shop_web_app", Count: 1}), withServers(3), "every server passes its health checks"},
	} {
		object := twoHosts()
		first := withServers(3)
		object.Status = summarized(object, first, test.before)
		events := EventsOf(object.Status, summarized(object, first, test.after), nil)
		if len(events) == 0 || events[0].Message != test.want {
			t.Errorf("%s: reported %+v, want %q", name, events, test.want)
		}
	}
}

func TestAnEventShortensNothingButItsOwnText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	reasons := []string{long}
	if got := fit.Phrases(reasons); got != strings.Repeat("x", 160)+"…" || reasons[0] != long {
		t.Errorf("got %q of what is now %q", got, reasons[0])
	}
	if exact := strings.Repeat("x", 160); fit.Phrases([]string{exact}) != exact {
		t.Error("what fits is shortened")
	}
}

// One certificate logs in to all hosts, which are not checked at the same moment.
func TestTheEndOfACertificateIsReportedOnceForAllHosts(t *testing.T) {
	t.Parallel()
	statusOf := func(ends ...time.Time) (s v1alpha1.EdgeLoadBalancerStatus) {
		for i, end := range ends {
			known := synced()
			known.Certificate, known.CertificateEnds = model.Validity{To: end}, !end.IsZero()
			view := summarized(twoHosts(), known, synced()).Hosts[0]
			view.Name = fmt.Sprint(i)
			s.Hosts = append(s.Hosts, view)
		}
		return s
	}
	never, soon, later := time.Time{}, noon().Add(time.Hour), noon().Add(2*time.Hour)
	for name, test := range map[string]struct {
		before, after v1alpha1.EdgeLoadBalancerStatus
		want          int
	}{
		"it does not expire":    {statusOf(never, never), statusOf(never, never), 0},
		"of the first host":     {statusOf(never, never), statusOf(soon, never), 1},
		"of both at once":       {statusOf(never, never), statusOf(soon, soon), 1},
		"of the second as well": {statusOf(soon, never), statusOf(soon, soon), 0},
		"nothing new":           {statusOf(soon, soon), statusOf(soon, soon), 0},
		"another one":           {statusOf(soon, soon), statusOf(later, soon), 1},
		"it is renewed":         {statusOf(soon, soon), statusOf(never, soon), 0},
	} {
		events := slices.DeleteFunc(EventsOf(test.before, test.after, nil), func(e Event) bool { return e.Reason != EventCertificateExpires })
		if len(events) != test.want || test.want == 1 && !strings.Contains(events[0].Message, "ssh-privatekey-cert.pub") {
			t.Errorf("%s: got %+v, want %d", name, events, test.want)
		}
	}
}
