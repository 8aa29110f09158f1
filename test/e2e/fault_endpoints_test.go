package e2e

import (
	"testing"
	"time"
)

// hundredChanges changes endpoints a hundred times in a second.
func hundredChanges(t *testing.T) {
	const changes, within = 100, time.Second
	s := sharedCluster(t).shake(t, 2)
	took := s.flap(changes, within/changes)
	t.Logf("%d changes were made in %s", changes, took.Round(time.Millisecond))
	s.recovers("after the last change")
}

// flapping changes endpoints several times a second for half a minute.
func flapping(t *testing.T) {
	const changes, interval = 150, 200 * time.Millisecond
	s := sharedCluster(t).shake(t, 2)
	s.flap(changes, interval)
	s.recovers("after the last change")
}

// flap changes the endpoints so many times, one after the other at least the interval apart, and returns how long that took.
// In the end there is one more than in the begin.
func (s *shaken) flap(changes int, interval time.Duration) time.Duration {
	s.t.Helper()
	begin := time.Now()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for left := changes - 1; left >= 0; left-- {
		// From 1 to all of them, never as many as before, and 1 in the end.
		s.setReady(1 + left%maxExtra)
		must(s.t, s.Client.Update(s.t.Context(), s.extra))
		<-ticker.C
	}
	return time.Since(begin)
}
