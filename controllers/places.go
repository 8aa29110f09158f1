package controllers

import (
	"sync"
	"time"

	"github.com/edgelb/edgelb/internal/fair"
	"github.com/edgelb/edgelb/internal/model"
)

const (
	// hostsAtOnce is how many hosts are worked on at the same time if nothing else is said. One that hangs holds its place until
	// the sync has timed out, and a place that nobody needs costs next to nothing.
	hostsAtOnce = 2048
	// busyHosts is how many syncs may be busy at the same time. More would not be faster: a sync is a moment's work and one round
	// trip. But a change that concerns a thousand hosts would hold a thousand of them in memory at once.
	busyHosts = 128
	// busyTime is how long a sync counts as busy: one that waits for its host takes no memory worth speaking of, and must not
	// keep others waiting: of a thousand hosts that hang together, for less than a second.
	busyTime = 100 * time.Millisecond
)

// places bound how many hosts are worked on at the same time. Each namespace has a share of its own, so that hosts which hang
// keep none of another namespace waiting. Who waits for a place holds no worker.
type places struct {
	// synced are for hosts that were found to be well at their last sync, and others for those that were not.
	synced, others *fair.Limiter[model.HostID]
	busy           *fair.Limiter[model.HostID]
}

// newPlaces divides up the workers, which are at least as many as places are held unless more than 32 namespaces use up what is
// reserved for them. It calls wake for a host that waited and is to be worked on now.
func newPlaces(workers int, wake func(model.HostID)) *places {
	reserved := max(1, workers/256)
	share := func(total, perOwner int) *fair.Limiter[model.HostID] {
		return fair.New(fair.Limits{Total: max(1, total), PerOwner: max(1, perOwner), Reserved: reserved}, wake)
	}
	return &places{
		synced: share(workers/2, workers/4),
		others: share(workers/4, workers/16),
		busy:   share(busyHosts, busyHosts),
	}
}

// forget has a host wait no more, and gives back what it was given meanwhile.
func (p *places) forget(key model.HostID) {
	for _, kind := range []*fair.Limiter[model.HostID]{p.synced, p.others, p.busy} {
		kind.Release(key)
	}
}

// enter reports whether a host of the namespace may be worked on now, and returns what ends that. If it may not, it is woken when
// its time has come.
func (p *places) enter(key model.HostID, namespace string, synced bool) (leave func(), entered bool) {
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
