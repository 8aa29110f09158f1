package queue

import (
	"sync"
	"time"

	"github.com/edgelb/edgelb/internal/fair"
	"github.com/edgelb/edgelb/internal/model"
)

const (
	// HostsAtOnce is the default number of hosts that are worked on at the same time. A host that hangs holds its place until the
	// sync times out, but no worker, and an unused place costs nothing.
	HostsAtOnce = 2048
	// busyHosts is how many syncs may be busy at the same time. More would not be faster: a sync is a moment's work and one round
	// trip. But a change that concerns a thousand hosts would hold a thousand of them in memory at once.
	busyHosts = 128
	// busyTime is how long a sync counts as busy. One that waits for its host takes almost no memory, and must not delay others: a
	// thousand hosts that hang together delay others for less than a second.
	busyTime = 100 * time.Millisecond
	// savesAtOnce is how many files may be written in the background at the same time: each is in memory until its host has it.
	savesAtOnce = 128
)

// Places bound how many hosts are worked on at the same time. Each namespace has a share of its own, so that hosts that hang delay
// no other namespace. A host that waits for a place holds no worker.
type Places struct {
	// synced are for hosts whose last sync succeeded, and others for the rest.
	synced, others *fair.Limiter[model.HostID]
	busy           *fair.Limiter[model.HostID]
	// saves are for hosts whose file is being written in the background.
	saves *fair.Limiter[model.HostID]
}

// NewPlaces divides a number of places. It calls enqueue for a host that waited and gets a place.
func NewPlaces(places int, enqueue func(model.HostID)) *Places {
	reserved := max(1, places/256)
	share := func(total, perOwner int) *fair.Limiter[model.HostID] {
		return fair.New(fair.Limits{Total: max(1, total), PerOwner: max(1, perOwner), Reserved: reserved}, enqueue)
	}
	return &Places{
		synced: share(places/2, places/4),
		others: share(places/4, places/16),
		busy:   share(busyHosts, busyHosts),
		saves:  share(savesAtOnce, savesAtOnce/2),
	}
}

// Forget removes a host from the waiting ones, and returns a place that it got meanwhile.
func (p *Places) Forget(key model.HostID) {
	for _, kind := range []*fair.Limiter[model.HostID]{p.synced, p.others, p.busy} {
		kind.Release(key)
	}
}

// Enter reports whether a host of the namespace may be worked on now, and returns the function that ends that. If it may not, it is
// queued when it gets a place.
func (p *Places) Enter(key model.HostID, namespace string, synced bool) (release func(), entered bool) {
	kind := p.others
	if synced {
		kind = p.synced
	}
	if !kind.Acquire(namespace, key) || !p.busy.Acquire(namespace, key) {
		return nil, false
	}
	idle := sync.OnceFunc(func() { p.busy.Release(key) })
	late := time.AfterFunc(busyTime, idle)
	return func() {
		late.Stop()
		idle()
		kind.Release(key)
	}, true
}

// StartSave reports whether a file of the namespace may be written in the background now. If not, the host does not wait for a place:
// its next sync asks again.
func (p *Places) StartSave(key model.HostID, namespace string) bool {
	started := p.saves.Acquire(namespace, key)
	if !started {
		p.saves.Release(key)
	}
	return started
}

// EndSave gives back the place of a file that was written.
func (p *Places) EndSave(key model.HostID) { p.saves.Release(key) }
