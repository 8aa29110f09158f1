package queue

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgelb/edgelb/internal/model"
)

// entering enters hosts of a namespace, and returns how many got a place.
func entering(p *Places, namespace string, hosts int, synced bool) (entered int) {
	for i := range hosts {
		if _, ok := p.Enter(numbered(namespace, i), namespace, synced); ok {
			entered++
		}
	}
	return entered
}

func numbered(namespace string, i int) model.HostID {
	return model.NewHostID(fmt.Sprintf("%s%d", namespace, i), 22)
}

func TestHostsThatHangDoNotDelayThoseOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(HostsAtOnce, func(model.HostID) {})
		if got := entering(p, "a", 1000, false); got != 128 {
			t.Errorf("%d hosts that are not synced are worked on at first, want as many as may be busy", got)
		}
		// None of them releases its place.
		for _, namespace := range []string{"b", "c", "d", "e", "f"} {
			entering(p, namespace, 1000, false)
			entering(p, namespace, 1000, true)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, synced := range []bool{false, true} {
			if got := entering(p, fmt.Sprintf("other %v", synced), 20, synced); got != 8 {
				t.Errorf("%d hosts of another namespace are worked on (synced: %v), want what is reserved for it", got, synced)
			}
		}
	})
}

func TestAWaitingHostIsQueuedWhenOneOfItsNamespaceIsDone(t *testing.T) {
	t.Parallel()
	var queued []model.HostID
	p := NewPlaces(16, func(key model.HostID) { queued = append(queued, key) })
	release, entered := p.Enter(numbered("a", 0), "a", false)
	if !entered {
		t.Fatal("the first host has to wait")
	}
	if got := entering(p, "a", 3, false); got != 1 {
		t.Errorf("%d hosts are worked on at once, want the one that was", got)
	}
	release()
	if !slices.Equal(queued, []model.HostID{numbered("a", 1)}) {
		t.Errorf("queued were %v", queued)
	}
	if _, entered := p.Enter(numbered("a", 1), "a", false); !entered {
		t.Error("the host that was queued has no place")
	}
}

func TestAForgottenHostNoLongerWaits(t *testing.T) {
	t.Parallel()
	p := NewPlaces(16, func(model.HostID) {})
	release, _ := p.Enter(numbered("a", 0), "a", false)
	if got := entering(p, "a", 3, false); got != 1 {
		t.Fatalf("%d hosts are worked on at once", got)
	}
	release()
	// The first one that waited got the place, and is no longer worked on.
	p.Forget(numbered("a", 1))
	if _, entered := p.Enter(numbered("a", 2), "a", false); !entered {
		t.Error("the next one has no place")
	}
}

func TestALongSyncNoLongerCountsAsBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var queued []model.HostID
		p := NewPlaces(HostsAtOnce, func(key model.HostID) { queued = append(queued, key) })
		if got := entering(p, "a", busyHosts+1, true); got != busyHosts {
			t.Fatalf("%d syncs are busy", got)
		}
		time.Sleep(busyTime + time.Millisecond)
		synctest.Wait()
		if !slices.Equal(queued, []model.HostID{numbered("a", busyHosts)}) {
			t.Errorf("queued were %v, want the one that waited", queued)
		}
	})
}

func TestANamespaceLeavesOthersPlacesToWriteFiles(t *testing.T) {
	t.Parallel()
	p := NewPlaces(HostsAtOnce, func(model.HostID) {})
	started := func(namespace string) (started int) {
		for i := range 1000 {
			if p.StartSave(numbered(namespace, i), namespace) {
				started++
			}
		}
		return started
	}
	if a, b, c := started("a"), started("b"), started("c"); a != savesAtOnce/2 || b != savesAtOnce/2 || c < 1 {
		t.Errorf("%d, %d and %d files are written at once", a, b, c)
	}
	for i := range savesAtOnce / 2 {
		p.EndSave(numbered("a", i))
	}
	if d := started("d"); d != savesAtOnce/2-8 {
		t.Errorf("%d files are written in the places that were given back, want all but those that c has in reserve", d)
	}
}
