package status

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// withServers is the record of a host with this many servers up, and these down.
func withServers(up int, down ...model.DownServers) record.Host {
	known := synced()
	total := up
	for _, d := range down {
		total += d.Count
	}
	known.Servers, known.Down = map[string]model.ServerCount{"shop_web_app": {Up: up, Total: total}}, down
	return known
}

func TestTargetsHealthyReportsWhichServersAreDownAndWhy(t *testing.T) {
	t.Parallel()
	status400 := model.DownServers{Backend: "shop_web_app", Check: "L7STS 400 (Bad Request)", Count: 3}
	refused := model.DownServers{Backend: "shop_web_app", Check: "L4CON", Count: 1}
	unasked := model.DownServers{Backend: "shop_web_app", Count: 2}
	others := model.DownServers{Backend: "shop_other_app", Check: "L4CON", Count: 1}
	for name, test := range map[string]struct {
		first, second record.Host
		want, message string
	}{
		"all are up":        {withServers(3), withServers(3), "True Healthy", "every server passes its health checks"},
		"another object's":  {withServers(3, others), withServers(3), "True Healthy", "every server passes its health checks"},
		"a target has none": {withServers(0), withServers(0), "True Healthy", "every server passes its health checks"},
		"one is down": {withServers(2, refused), withServers(3), "True Healthy",
			"target app: 1 of 3 servers are down, 1 with L4CON (on gw1)"},
		"all are down": {withServers(0, status400), withServers(3), "False ServersDown",
			"target app: 3 of 3 servers are down, 3 with L7STS 400 (Bad Request) (on gw1)"},
		"on both hosts": {withServers(0, status400), withServers(0, status400), "False ServersDown",
			"target app: 3 of 3 servers are down, 3 with L7STS 400 (Bad Request) (on gw1, gw2)"},
		"with two checks": {withServers(0, refused, status400), withServers(1), "False ServersDown",
			"target app: 4 of 4 servers are down, 1 with L4CON, 3 with L7STS 400 (Bad Request) (on gw1)"},
		"HAProxy was not asked": {withServers(0, unasked), withServers(1), "False ServersDown", "target app: 2 of 2 servers are down (on gw1)"},
		"nothing is known": {withServers(3), record.Host{}, "Unknown Progressing",
			"it is not known yet whether every target has a server that is up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := summarized(twoHosts(), test.first, test.second)
			condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionTargetsHealthy)
			if conditionOf(status, v1alpha1.ConditionTargetsHealthy) != test.want || condition.Message != test.message {
				t.Errorf("got %+v", condition)
			}
			if ready := conditionOf(status, v1alpha1.ConditionReady); name != "nothing is known" && ready != "True Synced" {
				t.Errorf("Ready is %s", ready)
			}
		})
	}
}

func TestServersThatGoDownAreReportedOnceAndSoIsTheirReturn(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	step := func(first record.Host, want ...string) {
		t.Helper()
		before := object.Status
		object.Status = summarized(object, first, withServers(3))
		var reported []string
		for _, e := range EventsOf(before, object.Status, nil) {
			reported = append(reported, e.Kind+" "+e.Reason)
		}
		if len(reported) != len(want) || (len(want) == 1 && reported[0] != want[0]) {
			t.Errorf("reported %v, want %v", reported, want)
		}
	}
	object.Status = summarized(object, withServers(3), withServers(3))
	down := model.DownServers{Backend: "shop_web_app", Count: 3}
	asked := down
	asked.Check = "L4CON"
	step(withServers(0, down), "Warning ServersDown")
	step(withServers(0, asked))
	step(record.Host{})
	if got := conditionOf(object.Status, v1alpha1.ConditionTargetsHealthy); got != "False ServersDown" {
		t.Errorf("after a start of the operator it is %s", got)
	}
	step(withServers(0, asked))
	step(withServers(3), "Normal Healthy")
	step(withServers(2, asked))
}

// Each target of an object counts by itself: one without a server that is up is not hidden by another one, nor by another host.
func TestEachTargetsHealthCountsByItself(t *testing.T) {
	t.Parallel()
	with := func(app, mail model.ServerCount, down ...model.DownServers) record.Host {
		known := synced()
		known.Wanted.Members[0].Counts = []string{"shop_web_app", "shop_web_mail"}
		known.Servers, known.Down = map[string]model.ServerCount{"shop_web_app": app, "shop_web_mail": mail}, down
		return known
	}
	appDown := model.DownServers{Backend: "shop_web_app", Check: "L4CON", Count: 1}
	mailDown := model.DownServers{Backend: "shop_web_mail", Check: "L4TOUT", Count: 2}
	good := with(model.ServerCount{Up: 3, Total: 3}, model.ServerCount{Up: 3, Total: 3})
	for name, test := range map[string]struct {
		first, second record.Host
		want, message string
	}{
		"one has lost all": {with(model.ServerCount{Up: 2, Total: 3}, model.ServerCount{Total: 2}, appDown, mailDown), good, "False ServersDown",
			"target mail: 2 of 2 servers are down, 2 with L4TOUT (on gw1)"},
		"both have lost some": {with(model.ServerCount{Up: 2, Total: 3}, model.ServerCount{Up: 1, Total: 3}, appDown, mailDown), good, "True Healthy",
			"target app: 1 of 3 servers are down, 1 with L4CON (on gw1); target mail: 2 of 3 servers are down, 2 with L4TOUT (on gw1)"},
		"both have lost all": {with(model.ServerCount{Total: 1}, model.ServerCount{Total: 2}, appDown, mailDown), good, "False ServersDown",
			"target app: 1 of 1 servers are down, 1 with L4CON (on gw1); target mail: 2 of 2 servers are down, 2 with L4TOUT (on gw1)"},
		"one on each host": {with(model.ServerCount{Total: 1}, model.ServerCount{Up: 2, Total: 2}, appDown),
			with(model.ServerCount{Up: 1, Total: 1}, model.ServerCount{Total: 2}, mailDown), "False ServersDown",
			"target app: 1 of 1 servers are down, 1 with L4CON (on gw1); target mail: 2 of 2 servers are down, 2 with L4TOUT (on gw2)"},
		"in different ways on each host": {with(model.ServerCount{Total: 1}, model.ServerCount{Up: 2, Total: 2}, appDown),
			with(model.ServerCount{Total: 2}, model.ServerCount{Up: 2, Total: 2}, appDown, appDown), "False ServersDown",
			"target app: 1 of 1 servers are down, 1 with L4CON (on gw1); target app: 2 of 2 servers are down, 1 with L4CON, 1 with L4CON (on gw2)"},
		"one is known to be lost, and the other host is unknown": {with(model.ServerCount{Total: 1}, model.ServerCount{Up: 2, Total: 2}, appDown),
			record.Host{}, "False ServersDown", "target app: 1 of 1 servers are down, 1 with L4CON (on gw1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := summarized(twoHosts(), test.first, test.second)
			if got, message := conditionOf(status, v1alpha1.ConditionTargetsHealthy), messageOf(status, v1alpha1.ConditionTargetsHealthy); got != test.want ||
				message != test.message {
				t.Errorf("got %s: %s, want %s: %s", got, message, test.want, test.message)
			}
		})
	}
}
