package controllers

import (
	"context"
	"sync"
	"time"
)

const (
	// laneCount is how many hosts that do well are worked on at the same time. More would not be faster: a turn is a moment's
	// work and one round trip. But a change that concerns a thousand hosts would hold a thousand turns in memory at once.
	laneCount = 128
	// lanePatience is how long a turn may take before its lane is given to another: one that waits for its host takes no
	// memory worth speaking of, and must not keep others waiting: of a thousand hosts that hang together, for less than a second.
	lanePatience = 100 * time.Millisecond
)

// lanes bound how many turns are at work at the same time. Turns that wait for a host that does not answer do not count.
type lanes chan struct{}

// enter waits for a lane, and returns what gives it back. When the context ends there is nothing to wait for.
func (l lanes) enter(ctx context.Context) (leave func()) {
	select {
	case l <- struct{}{}:
	case <-ctx.Done():
		return func() {}
	}
	release := sync.OnceFunc(func() { <-l })
	late := time.AfterFunc(lanePatience, release)
	return func() {
		late.Stop()
		release()
	}
}
