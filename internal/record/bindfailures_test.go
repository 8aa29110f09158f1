package record

import (
	"maps"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

// shared is a host with the listeners of the objects shop/web and shop/mail.
func shared() (host desired.Host, web, mail types.NamespacedName) {
	web, mail = types.NamespacedName{Namespace: "shop", Name: "web"}, types.NamespacedName{Namespace: "shop", Name: "mail"}
	return desired.Host{Members: []desired.Member{
		{Object: web, Frontends: []string{"shop_web_http", "shop_web_https"}}, {Object: mail, Frontends: []string{"shop_mail_smtp"}},
	}}, web, mail
}

func TestABindFailureIsReportedOnlyToItsObject(t *testing.T) {
	t.Parallel()
	host, web, mail := shared()
	taken := model.BindFailure{Frontend: "shop_web_https", Bind: "ipv4@:443", Why: "nginx listens there"}
	for state, want := range map[model.State][]model.BindFailure{model.Synced: {taken}, model.Unreachable: nil, model.Rejected: nil} {
		record := Host{Wanted: host, Outcome: model.Outcome{State: state, BindFailures: []model.BindFailure{taken}}}
		if got := record.BindFailuresOf(web); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: bind failures of its object are %v, want %v", state, got, want)
		}
		if got := record.BindFailuresOf(mail); got != nil {
			t.Errorf("%s: bind failures of the other object are %v", state, got)
		}
		if got := record.BindFailuresOf(types.NamespacedName{Namespace: "shop", Name: "gone"}); got != nil {
			t.Errorf("%s: bind failures of a missing object are %v", state, got)
		}
	}
}

func TestAFailureOfASharedBindIsReportedToAllItsObjects(t *testing.T) {
	t.Parallel()
	host, web, mail := shared()
	host.Members[1].Frontends = []string{"shop_web_https"}
	taken := model.BindFailure{Frontend: "shop_web_https", Bind: "ipv4@:443", Why: "nginx listens there"}
	record := Host{Wanted: host, Outcome: model.Outcome{State: model.Synced, BindFailures: []model.BindFailure{taken}}}
	for _, object := range []types.NamespacedName{web, mail} {
		if got := record.BindFailuresOf(object); len(got) != 1 || got[0] != taken {
			t.Errorf("bind failures of %s are %v", object, got)
		}
	}
}

func TestBindFailuresCountTheChecksSinceTheBindWasServed(t *testing.T) {
	t.Parallel()
	host, web, mail := shared()
	failures := func(frontends ...string) []model.BindFailure {
		var all []model.BindFailure
		for _, frontend := range frontends {
			all = append(all, model.BindFailure{Frontend: frontend})
		}
		return all
	}
	var record Host
	for i, step := range []struct {
		outcome model.Outcome
		want    map[types.NamespacedName]int
	}{
		{model.Outcome{State: model.Synced}, map[types.NamespacedName]int{}},
		{model.Outcome{State: model.Synced, BindFailures: failures("shop_web_http", "shop_web_https")}, map[types.NamespacedName]int{web: 1}},
		{model.Outcome{State: model.Synced, BindFailures: failures("shop_web_http"), Update: model.UpdateRuntime},
			map[types.NamespacedName]int{web: 1}},
		{model.Outcome{State: model.Synced, BindFailures: failures("shop_web_http"), Update: model.UpdateFile},
			map[types.NamespacedName]int{web: 1}},
		{model.Outcome{State: model.Unreachable}, map[types.NamespacedName]int{web: 1}},
		{model.Outcome{State: model.Synced, BindFailures: failures("shop_web_http", "shop_mail_smtp")},
			map[types.NamespacedName]int{web: 2, mail: 1}},
		{model.Outcome{State: model.Synced, BindFailures: failures("shop_mail_smtp"), Update: model.UpdateReload},
			map[types.NamespacedName]int{mail: 2}},
		{model.Outcome{State: model.Synced}, map[types.NamespacedName]int{}},
	} {
		record.Apply(Attempt{Task: &Task{Host: host}, Outcome: step.outcome}, noon(), 0)
		if !maps.Equal(record.BindFailures, step.want) {
			t.Errorf("step %d: %v, want %v", i, record.BindFailures, step.want)
		}
	}
}
