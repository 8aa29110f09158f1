package detach

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
)

func TestTheRemovalTimeoutStartsWhenNothingSuspendsTheHost(t *testing.T) {
	t.Parallel()
	earlier := ago(time.Minute)
	suspendedBy := func(namespace string) desired.Host {
		host := usedBy(namespace)
		host.Suspend = true
		return host
	}
	for name, test := range map[string]struct {
		before Detachments
		object *v1alpha1.EdgeLoadBalancer
		host   desired.Host
		want   Progress
	}{
		"new":                            {nil, web(), desired.Host{}, Progress{Since: noon()}},
		"known":                          {Detachments{uid: {Since: earlier, Tried: true}}, web(), desired.Host{}, Progress{Since: earlier, Tried: true}},
		"new and suspended":              {nil, web(suspended), desired.Host{}, Progress{Delayed: true}},
		"suspended later":                {Detachments{uid: {Since: earlier, Tried: true}}, web(suspended), desired.Host{}, Progress{Delayed: true}},
		"suspended by another":           {Detachments{uid: {Since: earlier}}, web(), suspendedBy("shop"), Progress{Delayed: true}},
		"suspended by another namespace": {Detachments{uid: {Since: earlier}}, web(), suspendedBy("bank"), Progress{Since: earlier}},
		"suspended, of a renamed host":   {Detachments{uid: {Since: earlier, Moved: true}}, web(suspended), desired.Host{}, Progress{Delayed: true, Moved: true}},
		"no longer suspended":            {Detachments{uid: {Delayed: true}}, web(), desired.Host{}, Progress{Since: noon(), Delayed: true}},
		"clean when suspended":           {Detachments{uid: {Since: earlier, Done: true}}, web(suspended), desired.Host{}, Progress{Since: earlier, Done: true}},
		"resumed some time ago":          {Detachments{uid: {Since: earlier, Delayed: true}}, web(), desired.Host{}, Progress{Since: earlier, Delayed: true}},
		"another one has detached":       {Detachments{"x": {Since: earlier}}, web(), desired.Host{}, Progress{Since: noon()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := test.before.Next(test.host, []Object{{EdgeLoadBalancer: test.object, Served: true}}, never, noon())
			if len(after) != 1 || after[uid] != test.want {
				t.Errorf("got %+v, want %+v", after, test.want)
			}
		})
	}
}

func TestASuspensionIsReportedUntilTheRemovalBegins(t *testing.T) {
	t.Parallel()
	for want, all := range map[bool][]Progress{
		true:  {{Delayed: true}, {Delayed: true, Moved: true}},
		false: {{}, {Delayed: true, Since: noon()}, {Delayed: true, Awaited: noon()}, {Since: noon()}},
	} {
		for _, progress := range all {
			if got := progress.IsSuspended(); got != want {
				t.Errorf("%+v: suspended is %t", progress, got)
			}
		}
	}
}

func TestAHostOfAnotherNamespaceIsNotLoggedInToForAnObjectThatWasNeverAMember(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		host            desired.Host
		served, mayHave bool
		wantDone        bool
	}{
		"never a member":                  {host: usedBy("bank"), wantDone: true},
		"member, says the status":         {host: usedBy("bank"), served: true},
		"may be a member":                 {host: usedBy("bank"), mayHave: true},
		"the host is its own namespace's": {host: usedBy("shop")},
		"the host has no owner":           {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mayHave := never
			if test.mayHave {
				mayHave = always
			}
			after := Detachments(nil).Next(test.host, []Object{{EdgeLoadBalancer: web(), Served: test.served}}, mayHave, noon())
			if after[uid].Done != test.wantDone {
				t.Errorf("done is %t, want %t", after[uid].Done, test.wantDone)
			}
		})
	}
}
