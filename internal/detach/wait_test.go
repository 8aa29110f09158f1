package detach

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
)

func TestADetachmentAwaitsTheReplacementsButNotForLong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before Progress
		object *v1alpha1.EdgeLoadBalancer
		awaits bool
		want   Progress
	}{
		"they do not serve yet":                {Progress{}, web(), true, Progress{Awaited: noon()}},
		"they still do not":                    {Progress{Awaited: ago(9 * time.Second)}, web(), true, Progress{Awaited: ago(9 * time.Second)}},
		"they do not in time":                  {Progress{Awaited: ago(10 * time.Second)}, web(), true, Progress{Since: noon()}},
		"they serve":                           {Progress{Awaited: ago(time.Second)}, web(), false, Progress{Since: noon()}},
		"they serve at once":                   {Progress{}, web(), false, Progress{Since: noon()}},
		"new ones after the removal began":     {Progress{Since: ago(time.Second), Tried: true}, web(), true, Progress{Since: ago(time.Second), Tried: true}},
		"they do not serve while suspended":    {Progress{Awaited: ago(time.Second)}, web(suspended), true, Progress{Delayed: true}},
		"they do not serve after a suspension": {Progress{Delayed: true}, web(), true, Progress{Delayed: true, Awaited: noon()}},
		"the machine was renamed":              {Progress{Awaited: ago(time.Second), Moved: true}, web(), false, Progress{Since: noon(), Moved: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := []Object{{EdgeLoadBalancer: test.object, Served: true, Awaits: test.awaits}}
			if after := (Detachments{uid: test.before}).Next(desired.Host{}, objects, never, noon()); after[uid] != test.want {
				t.Errorf("got %+v, want %+v", after[uid], test.want)
			}
		})
	}
}

func TestAnObjectAwaitsEveryHostOfItsSpec(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		object *v1alpha1.EdgeLoadBalancer
		serves map[string]bool
		want   bool
	}{
		"both serve":                       {web(), map[string]bool{"a": true, "b": true}, false},
		"the first does not":               {web(), map[string]bool{"b": true}, true},
		"the second does not":              {web(), map[string]bool{"a": true}, true},
		"none serves, of a deleted object": {web(deleted(noon())), nil, false},
		"there is none":                    {web(func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Hosts = nil }), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := MustAwait(test.object, func(host model.HostID) bool { return test.serves[host.Address] }); got != test.want {
				t.Errorf("awaits is %t, want %t", got, test.want)
			}
		})
	}
}

func TestAHostIsSyncedSoonWhileItWaits(t *testing.T) {
	t.Parallel()
	waits := Detachments{"1": {Since: noon()}, "2": {Awaited: noon()}}
	for _, test := range []struct {
		detachments Detachments
		wait, want  time.Duration
	}{
		{nil, 0, 0}, {nil, time.Minute, time.Minute}, {Detachments{"1": {Since: noon()}}, time.Minute, time.Minute},
		{waits, 0, ReplacementPoll}, {waits, time.Minute, ReplacementPoll}, {waits, time.Millisecond, time.Millisecond},
	} {
		if got := test.detachments.Await(test.wait); got != test.want {
			t.Errorf("%+v and a wait of %s: %s, want %s", test.detachments, test.wait, got, test.want)
		}
	}
}

func TestAHostKeepsOnlyWhatWaits(t *testing.T) {
	t.Parallel()
	stays, waits, goes := web(named("shop", "stays"), bound(":1")), web(named("shop", "waits"), bound(":2")), web(named("shop", "goes"), bound(":3"))
	build := func(objects ...*v1alpha1.EdgeLoadBalancer) desired.Host {
		return new(desired.Builder).Build(hostA(), desired.Snapshot{Cluster: "c", Objects: objects})
	}
	detachments := Detachments{"waits": {Awaited: noon()}, "goes": {Since: noon()}}

	kept := detachments.Keep(build(stays), build(stays, waits, goes), []Object{{EdgeLoadBalancer: waits}, {EdgeLoadBalancer: goes}})

	var names []string
	for _, frontend := range kept.Config.Frontends {
		names = append(names, frontend.Name)
	}
	if len(names) != 2 || names[0] != "shop_stays_https" || names[1] != "shop_waits_https" {
		t.Errorf("the frontends are %v", names)
	}
}
