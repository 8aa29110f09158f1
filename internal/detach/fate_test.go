package detach

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
)

func TestAHostWaitsUntilItIsCleanOrTheTimeoutExpires(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Minute
	had := Knowledge{MayHave: true}
	at := func(since time.Duration) Progress { return Progress{Since: ago(since)} }
	tried := func(since time.Duration) Progress { return Progress{Since: ago(since), Tried: true} }
	for name, test := range map[string]struct {
		progress Progress
		known    Knowledge
		object   *v1alpha1.EdgeLoadBalancer
		wantFate Fate
		wantWait time.Duration
	}{
		"not observed yet":                                           {Progress{}, had, web(), Waiting, 0},
		"detaching for a moment":                                     {at(30 * time.Second), had, web(), Waiting, 90 * time.Second},
		"tried without success":                                      {tried(0), had, web(), Waiting, timeout},
		"tried without success and never reached":                    {tried(0), Knowledge{}, web(), Clean, 0},
		"not tried and never reached":                                {at(0), Knowledge{}, web(), Waiting, timeout},
		"tried, and the machine was renamed":                         {Progress{Since: noon(), Tried: true, Moved: true}, had, web(), Clean, 0},
		"not tried, and the machine was renamed":                     {Progress{Since: noon(), Moved: true}, had, web(), Waiting, timeout},
		"for too long, but HAProxy is not reloaded yet":              {tried(timeout), Knowledge{MayHave: true, ReloadsLater: true}, web(), Waiting, 0},
		"waits for its replacements":                                 {Progress{Awaited: ago(time.Hour)}, had, web(), Waiting, 0},
		"clean":                                                      {Progress{Since: noon(), Tried: true, Done: true}, had, web(), Clean, 0},
		"clean while its object is suspended":                        {Progress{Done: true}, had, web(suspended), Clean, 0},
		"left too long ago":                                          {at(timeout), had, web(), Abandoned, 0},
		"left for almost too long":                                   {at(timeout - 1), had, web(), Waiting, 1},
		"suspended for too long":                                     {tried(time.Hour), had, web(suspended), Waiting, 0},
		"suspended and never reached":                                {tried(time.Hour), Knowledge{}, web(suspended), Waiting, 0},
		"deleted a moment ago and tried":                             {tried(0), had, web(deleted(ago(time.Minute))), Waiting, time.Minute},
		"deleted too long ago, as the object itself says, and tried": {tried(0), had, web(deleted(ago(timeout))), Abandoned, 0},
		"deleted long ago, but suspended by another until a moment ago": {Progress{Since: noon(), Tried: true, Delayed: true}, had,
			web(deleted(ago(time.Hour))), Waiting, timeout},
		"suspended by another": {Progress{Delayed: true}, had, web(deleted(ago(time.Hour))), Waiting, 0},
		"deleted while the operator was down, and not observed yet": {Progress{}, had, web(deleted(ago(timeout))), Waiting, 0},
		"deleted while the operator was down, and not tried yet":    {at(time.Second), had, web(deleted(ago(timeout))), Waiting, timeout - time.Second},
		"deleted long ago and never tried":                          {at(timeout), had, web(deleted(ago(2 * timeout))), Abandoned, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gotFate, gotWait := test.progress.Fate(test.object, test.known, timeout, noon())
			if gotFate != test.wantFate || gotWait != test.wantWait {
				t.Errorf("got %d and %s, want %d and %s", gotFate, gotWait, test.wantFate, test.wantWait)
			}
		})
	}
}

func TestOnlyDeletedObjectsAreRetained(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(*v1alpha1.EdgeLoadBalancer)
		want bool
	}{
		"removed":          {func(o *v1alpha1.EdgeLoadBalancer) { o.DeletionTimestamp = new(metav1.NewTime(noon())) }, false},
		"alive, Retain":    {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.DeletionPolicy = v1alpha1.DeletionRetain }, false},
		"alive, suspended": {func(o *v1alpha1.EdgeLoadBalancer) { o.Spec.Suspend = true }, false},
		"deleted and Retain": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.DeletionTimestamp, o.Spec.DeletionPolicy = new(metav1.NewTime(noon())), v1alpha1.DeletionRetain
		}, true},
		"deleted and suspended": {func(o *v1alpha1.EdgeLoadBalancer) {
			o.DeletionTimestamp, o.Spec.Suspend = new(metav1.NewTime(noon())), true
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := web()
			test.edit(object)
			if got := Retains(object); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}
