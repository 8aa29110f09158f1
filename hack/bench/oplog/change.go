package oplog

import (
	"context"
	"strings"
	"time"
)

// Change is one change of endpoints on its way to some hosts.
type Change struct {
	events <-chan Event
	hosts  []string
	began  time.Time
}

// NewChange is a change that begins now, whose events are yet to be read.
func NewChange(events <-chan Event, hosts []string) *Change {
	return &Change{events: events, hosts: hosts, began: time.Now()}
}

// Began is when the change began.
func (c *Change) Began() time.Time { return c.began }

// Proofs waits until all hosts were proved to have the change, and returns the events that say so. A reason for the change
// has those words in it.
func (c *Change) Proofs(ctx context.Context, words string) (map[string]Event, error) {
	return Await(ctx, c.events, c.hosts, func(e Event) bool {
		return !e.At.Before(c.began) && e.Message == HostChanged && strings.Contains(strings.Join(e.Reasons, "\n"), words)
	})
}
