package rollout_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/rollout"
)

func TestTheFewestSlotsOfTheObjectsOfAHostCount(t *testing.T) {
	t.Parallel()
	web, mail := of("web", "a"), of("mail", "a")
	web.MaxUnavailable = 2
	both := []spec.Rollout{web, mail}
	s := rollout.NewSlots()
	if wait := s.Begin(id("a"), both); wait.Why != "" {
		t.Fatalf("the first one waits: %s", wait.Why)
	}
	if wait := s.Begin(id("a"), both); wait.Why != "" {
		t.Errorf("the same one waits for itself: %s", wait.Why)
	}
	wait := s.Begin(id("b"), both)
	if want := "waits: 1 of the hosts of EdgeLoadBalancer mail may be changed at a time (spec.rollout.maxUnavailable), and a:22 is"; !strings.HasPrefix(wait.Why, want) {
		t.Errorf("the second one: %q, want %q", wait.Why, want)
	}
	if wait := s.Begin(id("c"), []spec.Rollout{web}); wait.Why != "" {
		t.Errorf("a host of the other object alone waits: %s", wait.Why)
	}
	if wait := s.Begin(id("d"), []spec.Rollout{web}); wait.Why == "" {
		t.Error("a third host of two is changed")
	}
	next := s.End(id("a"), both)
	if !slices.Contains(next, id("b")) || !slices.Contains(next, id("d")) {
		t.Errorf("then come %v", next)
	}
	if wait := s.Begin(id("b"), both); wait.Why != "" {
		t.Errorf("with a free slot, it waits: %s", wait.Why)
	}
	if waiting := s.Waiting(both); slices.Contains(waiting, id("b")) || !slices.Contains(waiting, id("d")) {
		t.Errorf("%v wait", waiting)
	}
}

func TestAHostThatIsForgottenHasNoSlot(t *testing.T) {
	t.Parallel()
	one := []spec.Rollout{of("web", "a")}
	s := rollout.NewSlots()
	s.Begin(id("a"), one)
	s.Begin(id("b"), one)
	if next := s.Forget(id("b")); len(next) != 0 {
		t.Errorf("a host without a slot gives it to %v", next)
	}
	s.Wait(id("c"), one)
	if next := s.Forget(id("a")); !slices.Equal(next, []model.HostID{id("c")}) {
		t.Errorf("its slot goes to %v", next)
	}
	if wait := s.Begin(id("c"), one); wait.Why != "" {
		t.Error(wait.Why)
	}
	if next := s.End(id("x"), one); next != nil {
		t.Errorf("a host that had no slot gives it to %v", next)
	}
}

func TestSlotsHoldForHostsThatBeginTogether(t *testing.T) {
	t.Parallel()
	web := of("web", "a")
	web.MaxUnavailable = 3
	s := rollout.NewSlots()
	var began sync.Map
	var hosts sync.WaitGroup
	for i := range 50 {
		hosts.Go(func() {
			if key := id(fmt.Sprintf("h%d", i)); s.Begin(key, []spec.Rollout{web}).Why == "" {
				began.Store(key, true)
			}
		})
	}
	hosts.Wait()
	count := 0
	began.Range(func(any, any) bool { count++; return true })
	if count != 3 || len(s.Waiting([]spec.Rollout{web})) != 47 {
		t.Errorf("%d began, %d wait", count, len(s.Waiting([]spec.Rollout{web})))
	}
}
