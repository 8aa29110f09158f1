package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/rollout/conduct"
	"github.com/edgelb/edgelb/internal/secrets"
	"github.com/edgelb/edgelb/internal/status"
)

func TestTheRequestContainsTheLastProof(t *testing.T) {
	t.Parallel()
	reported := named("shop", "web", uid)
	reported.Status.Hosts = []v1alpha1.HostStatus{{Name: "gw1", Address: "a", Port: 22, ConfigHash: "reported"}}
	cache := newBenchCache()
	r := &hostReconciler{secrets: secrets.NewReader(cache, cache, nil)}
	for name, test := range map[string]struct {
		known record.Host
		want  string
	}{
		"after a start":          {record.Host{}, "reported"},
		"proved by this one":     {record.Host{ProvedAt: noon(), Fingerprint: "own"}, "own"},
		"freed by this one":      {record.Host{ProvedAt: noon()}, ""},
		"not proved by this one": {record.Host{Outcome: model.Outcome{State: model.Unreachable}}, "reported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := observed{key: model.NewHostID("a", 22), snapshot: desired.Snapshot{Objects: []*v1alpha1.EdgeLoadBalancer{reported}}}
			drains := map[string]time.Duration{"shop_web_app": time.Minute}
			chosen := &record.Task{Host: desired.Host{ReportDrift: true, DrainTimeouts: drains}}
			task, err := r.prepare(t.Context(), seen, test.known, chosen, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := r.requestOf(t.Context(), task, task.Task, conduct.How{})
			if got.Proved != test.want || !got.ReportDrift || !maps.Equal(got.DrainTimeouts, drains) {
				t.Errorf("request %+v, want it to contain that %q was proved", got, test.want)
			}
		})
	}
}

// logged returns what a sync logs, with the level under "level".
func logged(t *testing.T, end syncEnd, after record.Host, now time.Time) map[string]any {
	t.Helper()
	var lines []map[string]any
	sink := funcr.NewJSON(func(line string) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		lines = append(lines, fields)
	}, funcr.Options{Verbosity: 1})
	end.log(log.IntoContext(context.Background(), sink), after, now)
	if len(lines) != 1 {
		t.Fatalf("logged %v, want one line", lines)
	}
	return lines[0]
}

func TestChangesAreLoggedWithTheirDurations(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return noon().Add(time.Duration(ms) * time.Millisecond) }
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	outcome := model.Outcome{
		State: model.Synced, Changed: true, Update: model.UpdateRuntime, Reasons: []string{"1", "2", "3", "4", "5", "6", "7"},
		Phases: model.Phases{Observe: ms(1), Decide: ms(2), Change: ms(3), Prove: 4500 * time.Microsecond},
	}
	end := syncEnd{before: record.Host{UnprovedSince: at(0)}, began: at(20), built: at(25)}
	end.attempt = attempt{Attempt: record.Attempt{Task: &record.Task{}, Outcome: outcome}, connect: ms(6)}
	got := logged(t, end, record.Host{}, at(50))
	want := map[string]any{
		"logger": "", "level": 0.0, "msg": "Host changed", "state": "Synced", "update": "Runtime", "seconds": 0.05,
		"reasons": []any{"1", "2", "3", "4", "5", "and 2 more"},
		"phases": map[string]any{
			"queued": 20.0, "build": 5.0, "connect": 6.0, "observe": 1.0, "decide": 2.0, "change": 3.0, "prove": 4.5,
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	end.before.UnprovedSince = time.Time{}
	got = logged(t, end, record.Host{}, at(50))
	if got["seconds"] != nil || got["phases"].(map[string]any)["queued"] != nil {
		t.Errorf("a change that did not come from the watch took %v s, %v", got["seconds"], got["phases"])
	}
}

func TestRoutineUpdatesAreLoggedOnlyForDebugging(t *testing.T) {
	t.Parallel()
	changed := func(update model.Update) model.Outcome {
		return model.Outcome{State: model.Synced, Changed: true, Update: update}
	}
	edited := changed(model.UpdateFile)
	edited.Drift = []string{"the file was edited"}
	for name, test := range map[string]struct {
		outcome     model.Outcome
		repeats     int
		wantLevel   float64
		want        string
		runtimeOnly bool
	}{
		"a runtime update":                      {changed(model.UpdateRuntime), 2, 0, "Host changed", false},
		"a reload":                              {changed(model.UpdateReload), 2, 0, "Host changed", false},
		"a file write":                          {changed(model.UpdateFile), 2, 1, "Host changed", false},
		"a file write after a failure":          {changed(model.UpdateFile), 1, 0, "Host state changed", false},
		"a file that was edited":                {edited, 2, 0, "Host changed", false},
		"a new state":                           {model.Outcome{State: model.Unreachable}, 1, 0, "Host state changed", false},
		"a check":                               {model.Outcome{State: model.Synced}, 2, 1, "Host checked", false},
		"a drift that is left":                  {model.Outcome{State: model.Drifted, Drift: []string{"x"}}, 2, 1, "Host checked", false},
		"an update of servers on a failed host": {model.Outcome{State: model.Synced}, 1, 1, "Host checked", true},
		"a new drift":                           {model.Outcome{State: model.Drifted, Drift: []string{"x"}}, 1, 0, "Host state changed", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tried := record.Attempt{Task: &record.Task{RuntimeOnly: test.runtimeOnly}, Outcome: test.outcome}
			got := logged(t, syncEnd{attempt: attempt{Attempt: tried}}, record.Host{Repeats: test.repeats}, noon())
			if got["level"] != test.wantLevel || got["msg"] != test.want {
				t.Errorf("got %v, want %q at level %v", got, test.want, test.wantLevel)
			}
		})
	}
}

func TestARestartedOperatorKnowsTheLastProofOfItsHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	object := w.balancer("web", "a")
	object.Spec.DriftPolicy = v1alpha1.DriftReport
	w.create(object)
	w.becomes("web", "ready", isReady)
	if first := w.hosts.see("a").first; first.Proved != "" || !first.ReportDrift ||
		first.DrainTimeouts[w.namespace+"_web_app"] != 5*time.Minute {
		t.Errorf("the first request is %+v", first)
	}
	w.stop()
	checks := w.hosts.see("a").syncs
	w.start(time.Minute)
	w.eventually("the host is checked again", func() error {
		if w.hosts.see("a").syncs == checks {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if got, want := w.hosts.see("a").last.Proved, w.read("web").Status.Hosts[0].ConfigHash; got != want || want == "" {
		t.Errorf("%q is reported as proved, want %q", got, want)
	}
}

func TestADriftIsReportedOncePerOccurrence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(time.Minute)
	object := w.balancer("web", "a")
	object.Spec.DriftPolicy = v1alpha1.DriftReport
	w.create(object)
	w.becomes("web", "ready", isReady)
	check := func() {
		t.Helper()
		before := w.hosts.see("a").syncs
		w.eventually("the host is checked", func() error {
			w.hosts.signals.Down(model.NewHostID("a", 22))
			if w.hosts.see("a").syncs == before {
				return fmt.Errorf("not yet")
			}
			return nil
		})
	}
	drifted := model.Outcome{State: model.Drifted, Message: "the file was edited by hand", Drift: []string{"the file was edited"}}
	w.hosts.set("a", func(h *fakeHost) { h.outcome = &drifted })
	check()
	object = w.becomes("web", "drifted", notReady("Drifted"))
	if host := object.Status.Hosts[0]; host.State != v1alpha1.HostDrifted || host.Message != drifted.Message || host.LastDriftTime == nil {
		t.Errorf("host %+v", host)
	}
	w.eventReported("web", "gw1", status.EventDrifted)
	check()
	repaired := model.Outcome{
		State: model.Synced, Changed: true, Update: model.UpdateFile, Drift: drifted.Drift, Reasons: drifted.Drift, Fingerprint: "1",
		Servers: map[string]model.ServerCount{},
	}
	w.hosts.set("a", func(h *fakeHost) { h.outcome = &repaired })
	w.passes(time.Second, object.Status.Hosts[0].LastDriftTime.Time)
	check()
	w.hosts.set("a", func(h *fakeHost) { h.outcome = nil })
	w.becomes("web", "ready", isReady)
	w.eventReported("web", "gw1", status.EventDriftRepaired)
	if events := w.events("web", "gw1"); events[status.EventDrifted] != 1 {
		t.Errorf("events are %v", events)
	}
	counted := values(t, w.registry)
	if counted["edgelb_drift_total{reported}"] != 1 || counted["edgelb_drift_total{repaired}"] == 0 {
		t.Errorf("counted are %v", counted)
	}
}
