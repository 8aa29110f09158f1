package record

import (
	"maps"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
)

// shared is a host with the listeners of the objects shop/web and shop/mail.
func shared() (host desired.Host, web, mail types.NamespacedName) {
	web, mail = types.NamespacedName{Namespace: "shop", Name: "web"}, types.NamespacedName{Namespace: "shop", Name: "mail"}
	return desired.Host{Members: []desired.Member{
		{Object: web, Frontends: []string{"shop_web_http", "shop_web_https"}}, {Object: mail, Frontends: []string{"shop_mail_smtp"}},
	}}, web, mail
}

func TestBindThatAHostCannotTakeIsTheBusinessOfItsObjectAlone(t *testing.T) {
	t.Parallel()
	host, web, mail := shared()
	taken := edge.Unserved{Frontend: "shop_web_https", Bind: "ipv4@:443", Why: "nginx listens there"}
	for state, want := range map[edge.State][]edge.Unserved{edge.Synced: {taken}, edge.Unreachable: nil, edge.Rejected: nil} {
		record := Host{Wanted: host, Outcome: edge.Outcome{State: state, Unserved: []edge.Unserved{taken}}}
		if got := record.Unserved(web); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: unserved of its object are %v, want %v", state, got, want)
		}
		if got := record.Unserved(mail); got != nil {
			t.Errorf("%s: unserved of the other object are %v", state, got)
		}
		if got := record.Unserved(types.NamespacedName{Namespace: "shop", Name: "gone"}); got != nil {
			t.Errorf("%s: unserved of an object that is not there are %v", state, got)
		}
	}
}

func TestBindThatObjectsShareIsTheBusinessOfAllOfThem(t *testing.T) {
	t.Parallel()
	host, web, mail := shared()
	host.Members[1].Frontends = []string{"shop_web_https"}
	taken := edge.Unserved{Frontend: "shop_web_https", Bind: "ipv4@:443", Why: "nginx listens there"}
	record := Host{Wanted: host, Outcome: edge.Outcome{State: edge.Synced, Unserved: []edge.Unserved{taken}}}
	for _, object := range []types.NamespacedName{web, mail} {
		if got := record.Unserved(object); len(got) != 1 || got[0] != taken {
			t.Errorf("unserved of %s are %v", object, got)
		}
	}
}

func TestShortfallsCountTheLooksSinceABindWasServed(t *testing.T) {
	t.Parallel()
	host, web, mail := shared()
	unserved := func(frontends ...string) []edge.Unserved {
		var all []edge.Unserved
		for _, frontend := range frontends {
			all = append(all, edge.Unserved{Frontend: frontend})
		}
		return all
	}
	var record Host
	for i, step := range []struct {
		outcome edge.Outcome
		want    map[types.NamespacedName]int
	}{
		{edge.Outcome{State: edge.Synced}, map[types.NamespacedName]int{}},
		{edge.Outcome{State: edge.Synced, Unserved: unserved("shop_web_http", "shop_web_https")}, map[types.NamespacedName]int{web: 1}},
		{edge.Outcome{State: edge.Synced, Unserved: unserved("shop_web_http"), Update: edge.UpdateRuntime}, map[types.NamespacedName]int{web: 1}},
		{edge.Outcome{State: edge.Synced, Unserved: unserved("shop_web_http"), Update: edge.UpdateFile}, map[types.NamespacedName]int{web: 1}},
		{edge.Outcome{State: edge.Unreachable}, map[types.NamespacedName]int{web: 1}},
		{edge.Outcome{State: edge.Synced, Unserved: unserved("shop_web_http", "shop_mail_smtp")}, map[types.NamespacedName]int{web: 2, mail: 1}},
		{edge.Outcome{State: edge.Synced, Unserved: unserved("shop_mail_smtp"), Update: edge.UpdateReload}, map[types.NamespacedName]int{mail: 2}},
		{edge.Outcome{State: edge.Synced}, map[types.NamespacedName]int{}},
	} {
		record.Apply(Attempt{Job: &Job{Host: host}, Outcome: step.outcome}, noon(), 0)
		if !maps.Equal(record.Shortfalls, step.want) {
			t.Errorf("step %d: %v, want %v", i, record.Shortfalls, step.want)
		}
	}
}
