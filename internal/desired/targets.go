package desired

import (
	"slices"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// What stands behind a target's name in HAProxy. No target's own name has a ":" in it.
const (
	// httpSuffix is of what HTTP frontends lead to: a backend of HAProxy is for them or for others.
	httpSuffix = ":http"
	// orSuffix is of the way to a target with servers that has a fallback, next to its backend.
	orSuffix = ":or"
)

// backendName is what the backend of a target is called.
func (p part) backendName(target string, http bool) string {
	if http {
		return p.configName(target) + httpSuffix
	}
	return p.configName(target)
}

// entryName is what frontends call a target without a fault: its backend, or its way.
func (p part) entryName(t *v1alpha1.Target, http bool) string {
	if spec.HasServers(t) && spec.IsWay(t) {
		return p.backendName(t.Name+orSuffix, http)
	}
	return p.backendName(t.Name, http)
}

// TargetOf is the target that a backend of Host.Config stands for.
func TargetOf(backend string) string { return elementOf(backend) }

// demand says which of an object's targets a host has, and for which frontends.
type demand struct {
	// tcp and http say that all targets are there for these: an object whose names lead to targets has the others as well, so that
	// to let a name lead elsewhere is no reload.
	tcp, http bool
	// leads are the targets that TCP frontends lead to, and reached those that these connections may pass or end in.
	leads, reached map[string]bool
}

// concerns says that the host has the target in some way.
func (d demand) concerns(target string) bool {
	return d.tcp || d.http || d.reached[target]
}

// addBackends adds what the objects' targets become, and says which are whose.
func (h *Host) addBackends(parts []part, s Snapshot) {
	h.DrainTimeouts = make(map[string]time.Duration, len(parts))
	for _, p := range parts {
		member := Member{
			Object: p.name(), Generation: p.object.Generation, Suspended: p.object.Spec.Suspend, HostName: p.host.Name,
			Frontends: p.served.frontends, Joined: p.served.joined, Redirects: p.served.redirects,
		}
		slices.Sort(member.Frontends)
		slices.Sort(member.Redirects)
		for i := range p.object.Spec.Targets {
			h.addTarget(p, &p.object.Spec.Targets[i], &member, s)
		}
		slices.Sort(member.Backends)
		slices.Sort(member.Counts)
		h.Members = append(h.Members, member)
	}
}

// addTarget adds a target's backends and ways for all frontends that it is there for.
func (h *Host) addTarget(p part, t *v1alpha1.Target, member *Member, s Snapshot) {
	d := p.served.demand
	if !d.concerns(t.Name) {
		return
	}
	if !p.targets.Has(t) {
		h.report(p.targetProblem(t.Name, "two targets have the name %s: the first one counts. Give the other one another name", t.Name))
		return
	}
	if found := p.targets.Fault(t.Name); found != nil {
		h.reportUnused(p, t.Name, found)
		return
	}
	for _, loss := range p.targets.Losses(t.Name) {
		h.report(p.targetProblem(t.Name, "%s", loss.Of(t.Name)))
	}
	t = p.targets.Usable(t.Name)
	if spec.HasServers(t) {
		h.addBackend(p, t, member, s)
	}
	if spec.IsWay(t) && (d.tcp || d.leads[t.Name]) {
		h.Config.Ways = append(h.Config.Ways, p.way(t, false))
	}
	if spec.IsWay(t) && d.http {
		h.Config.Ways = append(h.Config.Ways, p.way(t, true))
	}
}

// addBackend adds the backends of a target with servers. The servers of one of them are to be counted.
func (h *Host) addBackend(p part, t *v1alpha1.Target, member *Member, s Snapshot) {
	d := p.served.demand
	backend := h.withServers(p, t, s)
	tcp := d.tcp || d.reached[t.Name]
	limits := [2]int{backend.MaxConnections, backend.MaxConnections}
	if tcp && d.http {
		limits = h.halves(p, t, backend.MaxConnections)
	}
	var names []string
	for i, mode := range []struct{ wanted, http bool }{{tcp, false}, {d.http, true}} {
		if mode.wanted {
			variant := forMode(backend, p.backendName(t.Name, mode.http), mode.http)
			variant.MaxConnections = limits[i]
			h.Config.Backends = append(h.Config.Backends, variant)
			h.DrainTimeouts[variant.Name] = drainTimeout(t)
			names = append(names, variant.Name)
		}
	}
	member.Backends, member.Counts = append(member.Backends, names...), append(member.Counts, names[0])
}

// halves divides the limit of a target's servers between its two backends: HAProxy counts the connections of each for itself, and
// together they are to open no more than the limit.
func (h *Host) halves(p part, t *v1alpha1.Target, limit int) (halves [2]int) {
	if limit == 1 {
		h.report(p.targetProblem(t.Name, "target %s: maxConnectionsPerServer of 1 cannot be divided between the HTTP listeners and the others: "+
			"each kind has 1. Set at least 2, or make a target of its own for each kind", t.Name))
		return [2]int{1, 1}
	}
	return [2]int{limit - limit/2, limit / 2}
}

// way is what a target with a choice becomes.
func (p part) way(t *v1alpha1.Target, http bool) haproxy.Way {
	w := haproxy.Way{Name: p.entryName(t, http)}
	for _, share := range p.targets.Shares(t.Name) {
		backends := make([]string, len(share.Backends))
		for i, name := range share.Backends {
			backends[i] = p.backendName(name, http)
		}
		w.Shares = append(w.Shares, haproxy.Share{Percent: share.Percent, Backends: backends})
	}
	return w
}

// forMode is the backend for HTTP frontends, or for others. A request has no TLS session by which a client could be known.
func forMode(b haproxy.Backend, name string, http bool) haproxy.Backend {
	b.Name, b.HTTP = name, http
	if http && b.Affinity.By == haproxy.ByTLSSessionID {
		b.Affinity = haproxy.Affinity{}
	}
	return b
}

// withServers is the backend of a target that has servers, without a name. Where the Service does not say who its servers are, the
// traffic that flowed is to go on flowing: the backend keeps those that the host has.
func (h *Host) withServers(p part, t *v1alpha1.Target, s Snapshot) haproxy.Backend {
	// The target has no fault, so there is no error.
	b, _ := spec.Backend(t)
	if t.Service == nil {
		b.Servers = h.allowedServers(p, t, b.Servers, s)
		return b
	}
	var failure *unavailable
	if failure = forbidden(p, t, s); failure == nil {
		b.Servers, b.KeepServers, failure = serversOf(p, t, s)
		b.Servers = h.allowedServers(p, t, b.Servers, s)
	}
	if failure != nil {
		problem := p.problem(failure.reason, "target %s: %s", t.Name, failure.sentence)
		problem.Target = t.Name
		h.Problems = append(h.Problems, problem)
	}
	return b
}

// forbidden says that the target's Service is none that the object may reach. What was never allowed must not serve, so that no
// server is kept.
func forbidden(p part, t *v1alpha1.Target, s Snapshot) *unavailable {
	key, _ := ServiceOf(p.object, t)
	switch {
	case key.Cluster != (ClusterKey{}), key.Namespace == p.object.Namespace:
		return nil
	case s.CrossNamespace && (len(s.Namespaces) == 0 || slices.Contains(s.Namespaces, key.Namespace)):
		return nil
	case s.CrossNamespace:
		return unavailablef(v1alpha1.ReasonNamespaceNotAllowed, "Service %s is in a namespace that the operator does not watch: name one of "+
			"another namespace, or add it to --watch-namespaces. Until then it has no server", key.NamespacedName)
	}
	return unavailablef(v1alpha1.ReasonNamespaceNotAllowed, "Service %s is in another namespace, which the operator does not allow: name one "+
		"of namespace %s, or run the operator with --allow-cross-namespace-services. Until then it has no server",
		key.NamespacedName, p.object.Namespace)
}

func (p part) targetProblem(target, format string, args ...any) Problem {
	problem := p.problem(v1alpha1.ReasonTargetInvalid, format, args...)
	problem.Target = target
	return problem
}

// reportUnused tells of a target that cannot be used, unless a listener that leads there has told of it.
func (h *Host) reportUnused(p part, target string, found *spec.Fault) {
	if !h.reported[withoutMessage(p.targetProblem(target, ""))] {
		h.report(p.targetProblem(target, "target %s is left out: %s", target, found.Of(target)))
	}
}

// report adds a problem, once.
func (h *Host) report(problem Problem) {
	if h.reported[problem] {
		return
	}
	if h.reported == nil {
		h.reported = map[Problem]bool{}
	}
	h.reported[problem], h.reported[withoutMessage(problem)] = true, true
	h.Problems = append(h.Problems, problem)
}

func withoutMessage(p Problem) Problem {
	p.Message = ""
	return p
}
