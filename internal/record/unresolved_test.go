package record

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/model"
)

// resolving is the task of a host on which the targets app of the objects shop/web, in generation 2, and shop/mail have servers
// with these names.
func resolving(names ...string) *Task {
	backend := func(name string) haproxy.Backend {
		b := haproxy.Backend{Name: name, Servers: []haproxy.Server{{Name: "pod-a"}}}
		for _, dnsName := range names {
			b.Servers = append(b.Servers, haproxy.Server{DNSName: dnsName}, haproxy.Server{DNSName: dnsName})
		}
		return b
	}
	member := func(name string) desired.Member {
		return desired.Member{Object: types.NamespacedName{Namespace: "shop", Name: name}, Backends: []string{"shop_" + name + "_app"}}
	}
	return &Task{
		Objects: map[types.UID]int64{uid: 2},
		Host: desired.Host{
			Members: []desired.Member{member("mail"), member("web")},
			Config:  haproxy.Config{Backends: []haproxy.Backend{backend("shop_mail_app"), backend("shop_web_app")}},
		},
	}
}

func lost(names ...string) []model.UnresolvedName {
	var all []model.UnresolvedName
	for _, name := range names {
		all = append(all, model.UnresolvedName{Backend: "shop_web_app", DNSName: name})
	}
	return all
}

func TestAnUnresolvedNameIsReportedAfterAWhileAndCheckedLessAndLessOften(t *testing.T) {
	t.Parallel()
	well := func(names ...string) model.Outcome {
		return model.Outcome{State: model.Synced, UnresolvedNames: lost(names...)}
	}
	by := func(update model.Update, names ...string) model.Outcome {
		outcome := well(names...)
		outcome.Update = update
		return outcome
	}
	record := Host{Wanted: resolving("A.invalid", "b.invalid").Host}
	for _, step := range []struct {
		second     int
		outcome    model.Outcome
		want       []model.UnresolvedName
		wantKnown  bool
		wantWait   int
		wantUrgent bool
	}{
		{0, by(model.UpdateReload, "a.invalid"), nil, false, 1, true},
		{1, well("a.invalid"), nil, false, 1, false},
		{2, by(model.UpdateRuntime, "a.invalid"), nil, false, 2, false},
		{3, well("a.invalid"), lost("A.invalid"), true, 3, true},
		{6, well("a.invalid"), lost("A.invalid"), true, 6, false},
		{7, by(model.UpdateFile, "a.invalid"), lost("A.invalid"), true, 7, false},
		{8, model.Outcome{State: model.Unreachable}, lost("A.invalid"), true, 1, true},
		{20, by(model.UpdateReload, "a.invalid", "b.invalid"), lost("A.invalid"), false, 1, true},
		{22, by(model.UpdateReload, "a.invalid", "b.invalid"), lost("A.invalid"), false, 1, true},
		{24, well("a.invalid"), lost("A.invalid"), true, 24, true},
		{60, well("a.invalid"), lost("A.invalid"), true, 30, false},
		{90, well(), nil, true, 30, true},
		{91, well("a.invalid"), nil, false, 1, true},
		{92, well(), nil, true, 30, true},
	} {
		now := noon().Add(time.Duration(step.second) * time.Second)
		attempt := Attempt{Task: resolving("A.invalid", "b.invalid"), Outcome: step.outcome}
		attempt.Outcome.Changed = step.outcome.Update != ""
		urgency := record.Apply(attempt, now, 0)
		reported, known := record.UnresolvedNamesOf(twoHosts())
		if !slices.Equal(reported, step.want) || known != step.wantKnown {
			t.Errorf("after %d s: %v is reported, want %v; known: %t", step.second, reported, step.want, known)
		}
		if wait := record.Wait(attempt, now); wait != time.Duration(step.wantWait)*time.Second || (urgency == Urgent) != step.wantUrgent {
			t.Errorf("after %d s: the next check is in %s, want %d s; urgency %v", step.second, wait, step.wantWait, urgency)
		}
	}
}

func TestAnUnresolvedNameIsReportedToItsObjectAndIsKnownAfterACheck(t *testing.T) {
	t.Parallel()
	unresolved := map[model.UnresolvedName]UnresolvedName{lost("a.invalid")[0]: {Since: noon(), Seen: noon().Add(time.Minute)}}
	now, previous := map[types.UID]int64{uid: 2}, map[types.UID]int64{uid: 1}
	for name, test := range map[string]struct {
		record    Host
		object    string
		want      []model.UnresolvedName
		wantKnown bool
	}{
		"its own": {Host{Wanted: resolving("a.invalid").Host, UnresolvedNames: unresolved, Proved: now}, "web",
			lost("a.invalid"), true},
		"another object's":            {Host{Wanted: resolving("a.invalid").Host, UnresolvedNames: unresolved, Proved: now}, "mail", nil, true},
		"an object that is no member": {Host{Wanted: resolving("a.invalid").Host, UnresolvedNames: unresolved}, "gone", nil, true},
		"a name that is no longer wanted": {Host{Wanted: resolving("b.invalid").Host, UnresolvedNames: unresolved, Proved: now}, "web",
			nil, true},
		"no names":    {Host{Wanted: resolving().Host}, "web", nil, true},
		"not checked": {Host{Wanted: resolving("b.invalid").Host, Proved: previous, Tried: previous}, "web", nil, false},
		"unreachable since it was proved": {Host{Wanted: resolving("b.invalid").Host, Proved: now,
			Outcome: model.Outcome{State: model.Unreachable}}, "web", nil, true},
		"unreachable before it was proved": {Host{Wanted: resolving("b.invalid").Host, Tried: now,
			Outcome: model.Outcome{State: model.Unreachable}}, "web", nil, false},
		"suspended": {Host{Wanted: resolving("b.invalid").Host, Tried: now,
			Outcome: model.Outcome{State: model.Suspended}}, "web", nil, true},
	} {
		object := named("shop", test.object, uid)
		if got, known := test.record.UnresolvedNamesOf(object); !slices.Equal(got, test.want) || known != test.wantKnown {
			t.Errorf("%s: got %v, want %v; known: %t", name, got, test.want, known)
		}
	}
}
