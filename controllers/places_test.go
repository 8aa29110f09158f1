package controllers

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgelb/edgelb/internal/model"
)

// entering enters hosts of a namespace, and returns how many got a place.
func entering(p *places, namespace string, hosts int, synced bool) (entered int) {
	for i := range hosts {
		if _, ok := p.enter(numbered(namespace, i), namespace, synced); ok {
			entered++
		}
	}
	return entered
}

func numbered(namespace string, i int) model.HostID {
	return model.NewHostID(fmt.Sprintf("%s%d", namespace, i), 22)
}

func TestHostsThatHangKeepNoneOfAnotherNamespaceWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(hostsAtOnce, func(model.HostID) {})
		if got := entering(p, "a", 1000, false); got != 128 {
			t.Errorf("%d hosts that are not well are worked on at first, want as many as may be busy", got)
		}
		// None of them leaves.
		for _, namespace := range []string{"b", "c", "d", "e", "f"} {
			entering(p, namespace, 1000, false)
			entering(p, namespace, 1000, true)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, synced := range []bool{false, true} {
			if got := entering(p, fmt.Sprintf("honest %v", synced), 20, synced); got != 8 {
				t.Errorf("%d hosts of another namespace are worked on (well: %v), want what is reserved for it", got, synced)
			}
		}
	})
}

func TestAHostThatWaitsIsWokenWhenOneOfItsNamespaceHasLeft(t *testing.T) {
	t.Parallel()
	var woken []model.HostID
	p := newPlaces(16, func(key model.HostID) { woken = append(woken, key) })
	leave, entered := p.enter(numbered("a", 0), "a", false)
	if !entered {
		t.Fatal("the first host has to wait")
	}
	if got := entering(p, "a", 3, false); got != 1 {
		t.Errorf("%d hosts are worked on at once, want the one that was", got)
	}
	leave()
	if !slices.Equal(woken, []model.HostID{numbered("a", 1)}) {
		t.Errorf("woken were %v", woken)
	}
	if _, entered := p.enter(numbered("a", 1), "a", false); !entered {
		t.Error("the host that was woken has no place")
	}
}

func TestAHostThatIsForgottenWaitsNoMore(t *testing.T) {
	t.Parallel()
	p := newPlaces(16, func(model.HostID) {})
	leave, _ := p.enter(numbered("a", 0), "a", false)
	if got := entering(p, "a", 3, false); got != 1 {
		t.Fatalf("%d hosts are worked on at once", got)
	}
	leave()
	// The first one that waited has been given the place, and is not worked on any more.
	p.forget(numbered("a", 1))
	if _, entered := p.enter(numbered("a", 2), "a", false); !entered {
		t.Error("the next one has no place")
	}
}

func TestASyncThatTakesLongIsBusyNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var woken []model.HostID
		p := newPlaces(hostsAtOnce, func(key model.HostID) { woken = append(woken, key) })
		if got := entering(p, "a", busyHosts+1, true); got != busyHosts {
			t.Fatalf("%d syncs are busy", got)
		}
		time.Sleep(busyTime + time.Millisecond)
		synctest.Wait()
		if !slices.Equal(woken, []model.HostID{numbered("a", busyHosts)}) {
			t.Errorf("woken were %v, want the one that waited", woken)
		}
	})
}
