package e2e

import (
	"testing"
	"time"
)

// hundredChanges changes endpoints a hundred times in a second.
func hundredChanges(t *testing.T) {
	const changes, within = 100, time.Second
	s := sharedCluster(t).shake(t, 2)
	before := s.allReloads()
	took := s.flap(changes, within/changes)
	t.Logf("%d changes were made in %s", changes, took.Round(time.Millisecond))
	s.recovers("after the last change")
	s.requireNoReload(before)
}

// flapping changes endpoints several times a second for half a minute.
func flapping(t *testing.T) {
	const changes, interval = 150, 200 * time.Millisecond
	s := sharedCluster(t).shake(t, 2)
	before := s.allReloads()
	s.flap(changes, interval)
	s.recovers("after the last change")
	s.requireNoReload(before)
}

// allReloads returns the number of reloads of each host.
func (s *shaken) allReloads() []int {
	s.t.Helper()
	var counts []int
	for _, host := range s.hosts {
		counts = append(counts, s.reloads(host))
	}
	return counts
}

func (s *shaken) requireNoReload(before []int) {
	s.t.Helper()
	for i, host := range s.hosts {
		s.requireReloads(host, before[i], 0)
	}
}

// flap changes the endpoints that many times, at least the interval apart, and returns how long that took. At the end there
// is one more than at the beginning.
func (s *shaken) flap(changes int, interval time.Duration) time.Duration {
	s.t.Helper()
	begin := time.Now()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for left := changes - 1; left >= 0; left-- {
		// From 1 to all of them, never the same number as before, and 1 at the end.
		s.setReady(1 + left%maxExtra)
		must(s.t, s.Client.Update(s.t.Context(), s.extra))
		<-ticker.C
	}
	return time.Since(begin)
}
