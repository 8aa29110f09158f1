package policy

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func TestANamespaceHasItsChangesAndNoMore(t *testing.T) {
	t.Parallel()
	var pace Pace
	const perSecond, objects = 5, 200
	last := time.Duration(0)
	for i := range objects {
		wait := pace.Wait("noisy", types.UID(fmt.Sprint(i)), 1, perSecond, noon())
		if i < perSecond*burst && wait > 0 {
			t.Fatalf("change %d waits for %s, and %d may come at once", i, wait, perSecond*burst)
		}
		if wait < last {
			t.Fatalf("change %d may begin before the one before it", i)
		}
		last = wait
	}
	if want := time.Second * (objects - perSecond*burst) / perSecond; last != want {
		t.Errorf("the last one waits for %s, want %s", last, want)
	}
	if wait := pace.Wait("quiet", "a", 1, perSecond, noon()); wait > 0 {
		t.Errorf("another namespace waits for %s", wait)
	}
	if wait := pace.Wait("noisy", "new", 1, perSecond, noon().Add(time.Hour)); wait > 0 {
		t.Errorf("after an hour a change waits for %s", wait)
	}
}

func TestAChangeReplacesTheOneThatWaits(t *testing.T) {
	t.Parallel()
	var pace Pace
	for i := range burst {
		pace.Wait("shop", types.UID(fmt.Sprint(i)), 1, 1, noon())
	}
	first := pace.Wait("shop", "a", 1, 1, noon())
	if first != time.Second {
		t.Fatalf("it waits for %s", first)
	}
	for generation := range int64(100) {
		if wait := pace.Wait("shop", "a", generation, 1, noon()); wait != first {
			t.Fatalf("generation %d waits for %s, want %s", generation, wait, first)
		}
	}
	if wait := pace.Wait("shop", "a", 99, 1, noon().Add(first)); wait != 0 {
		t.Errorf("when its time has come it waits for %s", wait)
	}
	if wait := pace.Wait("shop", "a", 99, 1, noon().Add(time.Minute)); wait != 0 {
		t.Errorf("the same generation waits again, for %s", wait)
	}
	if wait := pace.Wait("shop", "a", 100, 1, noon().Add(first)); wait != time.Second {
		t.Errorf("the next generation waits for %s, want its own second", wait)
	}
}

func TestTheNumberOfKeptChangesIsLimited(t *testing.T) {
	t.Parallel()
	var pace Pace
	now := noon()
	for i := range 3 * mostSlots {
		now = now.Add(time.Second)
		pace.Wait("shop", types.UID(fmt.Sprint(i)), 1, 1, now)
	}
	if got := len(pace.namespaces["shop"].slots); got > mostSlots+1 {
		t.Errorf("%d changes are kept", got)
	}
	for i := range 3 * mostNamespaces {
		now = now.Add(2 * time.Second)
		pace.Wait(fmt.Sprint(i), "a", 1, 1, now)
	}
	if got := len(pace.namespaces); got > mostNamespaces {
		t.Errorf("%d namespaces are kept", got)
	}
}
