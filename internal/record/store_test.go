package record

import (
	"slices"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/model"
)

func TestTheTimeToTheProofCountsFromTheOldestUnprovedChange(t *testing.T) {
	t.Parallel()
	key := model.HostID{Address: "a", Port: 22}
	at := func(seconds int) time.Time { return noon().Add(time.Duration(seconds) * time.Second) }
	touch := func(seconds int) func(*Store) {
		return func(s *Store) { s.Touch([]model.HostID{key}, at(seconds), time.Time{}) }
	}
	check := func(seconds int) func(*Store) {
		return func(s *Store) { s.Look(key, at(seconds)) }
	}
	ends := func(state model.State) func(*Store) {
		return func(s *Store) {
			s.Update(key, func(r *Host) { r.Apply(Attempt{Task: &Task{}, Outcome: model.Outcome{State: state}}, noon(), 0) })
		}
	}
	forget := func(s *Store) { s.Forget(key) }
	started, synced, failed, suspended := check(0), ends(model.Synced), ends(model.Unreachable), ends(model.Suspended)
	tests := map[string]struct {
		steps []func(*Store)
		want  time.Time
	}{
		"a change":                          {[]func(*Store){started, touch(1), check(2)}, at(1)},
		"two changes":                       {[]func(*Store){started, touch(1), touch(2), check(3)}, at(1)},
		"a change that is proved":           {[]func(*Store){started, touch(1), check(2), synced, check(3)}, time.Time{}},
		"a change during the attempt":       {[]func(*Store){started, touch(1), check(2), touch(3), synced, check(4)}, at(3)},
		"a change after a failure":          {[]func(*Store){started, touch(1), check(2), failed, touch(3), check(4)}, at(1)},
		"a change during a failing attempt": {[]func(*Store){started, touch(1), check(2), touch(3), failed, check(4)}, at(1)},
		"a change while suspended":          {[]func(*Store){started, touch(1), check(2), suspended, touch(3), check(4)}, at(3)},
		"a change while standing by":        {[]func(*Store){touch(-90), check(0)}, at(0)},
		"a host that is gone":               {[]func(*Store){started, touch(1), check(2), forget}, time.Time{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := NewStore()
			for _, step := range test.steps {
				step(records)
			}
			if got := records.Get(key).UnprovedSince; !got.Equal(test.want) {
				t.Errorf("counts from %s, want %s", got, test.want)
			}
		})
	}
}

func TestTriggersAreKeptOnceUntilTheyAreProved(t *testing.T) {
	t.Parallel()
	key := model.HostID{Address: "a", Port: 22}
	at := func(seconds int) time.Time { return noon().Add(time.Duration(seconds) * time.Second) }
	touch := func(trigger int) func(*Store) {
		return func(s *Store) { s.Touch([]model.HostID{key}, at(50), at(trigger)) }
	}
	check := func(s *Store) { s.Look(key, at(0)) }
	ends := func(state model.State) func(*Store) {
		return func(s *Store) {
			s.Update(key, func(r *Host) { r.Apply(Attempt{Task: &Task{}, Outcome: model.Outcome{State: state}}, noon(), 0) })
		}
	}
	follows := func(s *Store) {
		s.Update(key, func(r *Host) {
			r.Apply(Attempt{Task: &Task{RuntimeOnly: true}, Outcome: model.Outcome{State: model.Synced}}, noon(), 0)
		})
	}
	unknown := func(s *Store) { s.Touch([]model.HostID{key}, at(50), time.Time{}) }
	tests := map[string]struct {
		steps []func(*Store)
		want  []int
	}{
		"one":                          {[]func(*Store){check, touch(1), check}, []int{1}},
		"two":                          {[]func(*Store){check, touch(2), touch(1), check}, []int{2, 1}},
		"one in two slices":            {[]func(*Store){check, touch(1), touch(1), check}, []int{1}},
		"one in two syncs":             {[]func(*Store){check, touch(1), check, ends(model.Rejected), touch(1), check}, []int{1}},
		"one that is not observed yet": {[]func(*Store){check, touch(1)}, nil},
		"none is known":                {[]func(*Store){check, unknown, check}, nil},
		"before the start":             {[]func(*Store){touch(-1), check, check}, nil},
		"proved":                       {[]func(*Store){check, touch(1), check, ends(model.Synced), check}, nil},
		"proved on a failed host":      {[]func(*Store){check, touch(1), check, follows, check}, nil},
		"the host is unreachable":      {[]func(*Store){check, touch(1), check, ends(model.Unreachable), touch(2), check}, []int{1, 2}},
		"another during the attempt":   {[]func(*Store){check, touch(1), check, touch(2), ends(model.Synced), check}, []int{2}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := NewStore()
			for _, step := range test.steps {
				step(records)
			}
			var want []time.Time
			for _, seconds := range test.want {
				want = append(want, at(seconds))
			}
			if got := records.Get(key).UnprovedTriggers; !slices.Equal(got, want) {
				t.Errorf("kept are %v, want %v", got, want)
			}
		})
	}
}

func TestTriggersOfAnUnreachableHostAreBounded(t *testing.T) {
	t.Parallel()
	key := model.HostID{Address: "a", Port: 22}
	records := NewStore()
	records.Look(key, noon())
	for i := range 1000 {
		records.Touch([]model.HostID{key}, noon(), noon().Add(time.Duration(i)*time.Second))
		records.Look(key, noon())
	}
	if got := records.Get(key).UnprovedTriggers; len(got) != 64 || !got[0].Equal(noon()) {
		t.Errorf("%d are kept, the first is %s", len(got), got[0])
	}
}

func TestAReplicaBeginsWithItsFirstCheck(t *testing.T) {
	t.Parallel()
	key := model.HostID{Address: "a", Port: 22}
	records := NewStore()
	records.Touch([]model.HostID{key}, noon(), noon())
	if records.Began() {
		t.Error("it has begun before")
	}
	if records.Look(key, noon()); !records.Began() {
		t.Error("it has not begun then")
	}
}
