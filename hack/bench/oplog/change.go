package oplog

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Change is one change of endpoints on its way to some hosts.
type Change struct {
	events <-chan Event
	hosts  []string
	began  time.Time
	// words are what a reason for the change has in it.
	words string
	// proofs and files are the events of hosts that were proved, and of those whose files were written after that.
	proofs, files map[string]Event
}

// NewChange is a change that begins now, whose events are yet to be read.
func NewChange(events <-chan Event, hosts []string) *Change {
	return &Change{events: events, hosts: hosts, began: time.Now(), proofs: map[string]Event{}, files: map[string]Event{}}
}

// Began is when the change began.
func (c *Change) Began() time.Time { return c.began }

// Proofs waits until all hosts were proved to have the change, and returns the events that say so. A reason for the change
// has those words in it.
func (c *Change) Proofs(ctx context.Context, words string) (map[string]Event, error) {
	c.words = words
	return c.proofs, c.read(ctx, c.proofs)
}

// Files waits until all files were written after the proofs.
func (c *Change) Files(ctx context.Context) error { return c.read(ctx, c.files) }

// read takes events in until there is one for every host in those.
func (c *Change) read(ctx context.Context, until map[string]Event) error {
	missing := slices.DeleteFunc(slices.Clone(c.hosts), func(host string) bool {
		_, found := until[host]
		return found
	})
	_, err := Await(ctx, c.events, missing, func(e Event) bool {
		_, found := until[e.Host]
		return found
	}, c.take)
	return err
}

func (c *Change) take(e Event) {
	if e.At.Before(c.began) {
		return
	}
	// A file that is written by a host that had a failure in between comes with the news that it is well again.
	switch _, proved := c.proofs[e.Host]; {
	case !proved && e.Message == HostChanged && strings.Contains(strings.Join(e.Reasons, "\n"), c.words):
		c.proofs[e.Host] = e
	case proved && e.Update != "Runtime" && e.State == "Synced":
		c.files[e.Host] = e
	}
}
