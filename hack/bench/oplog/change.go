package oplog

import (
	"context"
	"strings"
	"time"
)

// Change is one change that is being applied to some hosts.
type Change struct {
	events <-chan Event
	hosts  []string
	began  time.Time
}

// NewChange returns a change that begins now, whose events are not read yet.
func NewChange(events <-chan Event, hosts []string) *Change {
	return &Change{events: events, hosts: hosts, began: time.Now()}
}

// Began returns the time at which the change began.
func (c *Change) Began() time.Time { return c.began }

// Proofs waits until the operator has proved the change on all hosts, and returns the events that say so. The reason in the log
// contains the text.
func (c *Change) Proofs(ctx context.Context, text string) (map[string]Event, error) {
	return Await(ctx, c.events, c.hosts, func(e Event) bool {
		return !e.At.Before(c.began) && e.Message == HostChanged && strings.Contains(strings.Join(e.Reasons, "\n"), text)
	})
}
