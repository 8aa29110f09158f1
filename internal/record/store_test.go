package record

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/edge"
)

func TestTimeToProofCountsFromTheOldestChangeThatIsNotProved(t *testing.T) {
	t.Parallel()
	key := desired.HostKey{Address: "a", Port: 22}
	at := func(seconds int) time.Time { return noon().Add(time.Duration(seconds) * time.Second) }
	touch := func(seconds int) func(*Store) {
		return func(s *Store) { s.Touch([]desired.HostKey{key}, at(seconds)) }
	}
	look := func(seconds int) func(*Store) {
		return func(s *Store) { s.Look(key, at(seconds)) }
	}
	ends := func(state edge.State) func(*Store) {
		return func(s *Store) {
			s.Update(key, func(r *Host) { r.Apply(Attempt{Job: &Job{}, Outcome: edge.Outcome{State: state}}, noon(), 0) })
		}
	}
	forget := func(s *Store) { s.Forget(key) }
	started, synced, failed, suspended := look(0), ends(edge.Synced), ends(edge.Unreachable), ends(edge.Suspended)
	tests := map[string]struct {
		steps []func(*Store)
		want  time.Time
	}{
		"a change":                          {[]func(*Store){started, touch(1), look(2)}, at(1)},
		"two changes":                       {[]func(*Store){started, touch(1), touch(2), look(3)}, at(1)},
		"a change that is proved":           {[]func(*Store){started, touch(1), look(2), synced, look(3)}, time.Time{}},
		"a change during the attempt":       {[]func(*Store){started, touch(1), look(2), touch(3), synced, look(4)}, at(3)},
		"a change after a failure":          {[]func(*Store){started, touch(1), look(2), failed, touch(3), look(4)}, at(1)},
		"a change during a failing attempt": {[]func(*Store){started, touch(1), look(2), touch(3), failed, look(4)}, at(1)},
		"a change while suspended":          {[]func(*Store){started, touch(1), look(2), suspended, touch(3), look(4)}, at(3)},
		"a change while standing by":        {[]func(*Store){touch(-90), look(0)}, at(0)},
		"a host that went":                  {[]func(*Store){started, touch(1), look(2), forget}, time.Time{}},
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
