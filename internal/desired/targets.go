package desired

import (
	"slices"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// addBackends adds a backend for each target that a frontend sends connections to, and says which are whose.
func (h *Host) addBackends(parts []part, s Snapshot) {
	used, served := make(map[string]bool, len(h.Config.Frontends)), make(map[string]bool, len(h.Config.Frontends))
	for _, frontend := range h.Config.Frontends {
		used[frontend.Backend], served[frontend.Name] = true, true
	}
	h.DrainTimeouts = make(map[string]time.Duration, len(used))
	for _, p := range parts {
		member := Member{Object: p.name(), Generation: p.object.Generation, HostName: p.host.Name, Frontends: p.frontends(served)}
		for i := range p.object.Spec.Targets {
			target := &p.object.Spec.Targets[i]
			if name := p.configName(target.Name); used[name] {
				member.Backends = append(member.Backends, name)
				h.Config.Backends = append(h.Config.Backends, h.backend(p, target, s))
				h.DrainTimeouts[name] = drainTimeout(target)
			}
		}
		slices.Sort(member.Backends)
		h.Members = append(h.Members, member)
	}
}

// backend makes the target's backend. Where the Service does not say who its servers are, the traffic that flowed is to go
// on flowing: the backend keeps those that the host has.
func (h *Host) backend(p part, target *v1alpha1.Target, s Snapshot) haproxy.Backend {
	b := haproxy.Backend{
		Name:          p.configName(target.Name),
		Balance:       balance(target.Balance),
		ProxyProtocol: proxyProtocol(target.ProxyProtocol),
		Check:         check(&target.HealthCheck),
	}
	var failure *unavailable
	if b.Servers, b.KeepServers, failure = serversOf(p, target, s); failure != nil {
		problem := p.problem(failure.reason, "target %s: %s", target.Name, failure.sentence)
		problem.Target = target.Name
		h.Problems = append(h.Problems, problem)
	}
	return b
}
