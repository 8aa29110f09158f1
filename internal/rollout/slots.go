package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
)

// Slots bound how many hosts of each object are changed at a time. Their methods are safe for concurrent use.
type Slots struct {
	mu sync.Mutex
	// changing are the hosts that are being changed, or whose change has failed, and waiting those that wait, by the objects whose
	// roll-outs hold for them.
	changing, waiting map[types.NamespacedName]map[model.HostID]bool
}

// NewSlots returns free slots.
func NewSlots() *Slots {
	return &Slots{changing: map[types.NamespacedName]map[model.HostID]bool{}, waiting: map[types.NamespacedName]map[model.HostID]bool{}}
}

// Begin takes a slot of each roll-out for the host, or returns why it must wait for one.
func (s *Slots) Begin(host model.HostID, rollouts []spec.Rollout) Wait {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rollout := range rollouts {
		if other, full := s.full(host, rollout); full {
			s.wait(host, rollouts)
			return Wait{Why: fmt.Sprintf("waits: %d of the hosts of EdgeLoadBalancer %s may be changed at a time (spec.rollout.maxUnavailable), "+
				"and %s is being changed, or its change has failed", rollout.MaxUnavailable, rollout.Object.Name, other)}
		}
	}
	s.forget(host)
	for _, rollout := range rollouts {
		put(s.changing, rollout.Object, host)
	}
	return Wait{}
}

// full reports whether other hosts have all slots of the roll-out, and names one of them.
func (s *Slots) full(host model.HostID, rollout spec.Rollout) (other model.HostID, full bool) {
	others := s.sorted(s.changing[rollout.Object])
	others = slices.DeleteFunc(others, func(other model.HostID) bool { return other == host })
	if len(others) < rollout.MaxUnavailable {
		return model.HostID{}, false
	}
	return others[0], true
}

func (s *Slots) sorted(hosts map[model.HostID]bool) []model.HostID {
	all := make([]model.HostID, 0, len(hosts))
	for host := range hosts {
		all = append(all, host)
	}
	slices.SortFunc(all, func(a, b model.HostID) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port))
	})
	return all
}

func put(hosts map[types.NamespacedName]map[model.HostID]bool, object types.NamespacedName, host model.HostID) {
	if hosts[object] == nil {
		hosts[object] = map[model.HostID]bool{}
	}
	hosts[object][host] = true
}

// Wait records that the host waits for its roll-outs.
func (s *Slots) Wait(host model.HostID, rollouts []spec.Rollout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(host, rollouts)
}

func (s *Slots) wait(host model.HostID, rollouts []spec.Rollout) {
	s.forget(host)
	for _, rollout := range rollouts {
		put(s.waiting, rollout.Object, host)
	}
}

// End gives back the slots of a host, which no longer waits either. It returns the hosts that may get them.
func (s *Slots) End(host model.HostID, rollouts []spec.Rollout) []model.HostID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forget(host) {
		return nil
	}
	var next []model.HostID
	for _, rollout := range rollouts {
		waiting := s.sorted(s.waiting[rollout.Object])
		next = append(next, waiting[:min(len(waiting), rollout.MaxUnavailable)]...)
	}
	return next
}

// Waiting returns the hosts that wait for the roll-outs.
func (s *Slots) Waiting(rollouts []spec.Rollout) []model.HostID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hosts []model.HostID
	for _, rollout := range rollouts {
		hosts = append(hosts, s.sorted(s.waiting[rollout.Object])...)
	}
	return hosts
}

// Forget drops a host, and returns those that waited with it.
func (s *Slots) Forget(host model.HostID) []model.HostID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next []model.HostID
	for object, hosts := range s.changing {
		if hosts[host] {
			next = append(next, s.sorted(s.waiting[object])...)
		}
	}
	s.forget(host)
	return slices.DeleteFunc(next, func(other model.HostID) bool { return other == host })
}

// forget drops a host, and reports whether it had a slot.
func (s *Slots) forget(host model.HostID) (had bool) {
	for _, all := range []map[types.NamespacedName]map[model.HostID]bool{s.changing, s.waiting} {
		for object, hosts := range all {
			had = had || hosts[host] && s.changing[object][host]
			delete(hosts, host)
			if len(hosts) == 0 {
				delete(all, object)
			}
		}
	}
	return had
}
