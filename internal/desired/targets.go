package desired

import (
	"slices"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// Suffixes of a target's name in HAProxy. No target's own name contains a ":".
const (
	// httpSuffix marks what HTTP frontends lead to: a HAProxy backend serves either them or other frontends.
	httpSuffix = ":http"
	// orSuffix marks the weighted route to a target that has servers and a fallback, as distinct from its backend.
	orSuffix = ":or"
)

// backendName returns the name of the backend of a target.
func (m membership) backendName(target string, http bool) string {
	if http {
		return m.configName(target) + httpSuffix
	}
	return m.configName(target)
}

// entryName returns the name by which frontends refer to a target without a fault: its backend or its weighted route.
func (m membership) entryName(t *v1alpha1.Target, http bool) string {
	if spec.HasServers(t) && spec.IsRoute(t) {
		return m.backendName(t.Name+orSuffix, http)
	}
	return m.backendName(t.Name, http)
}

// TargetOf returns the target that a backend of Host.Config stands for.
func TargetOf(backend string) string { return elementOf(backend) }

// targetUse says which of an object's targets a host has, and for which frontends.
type targetUse struct {
	// tcp and http report whether all targets are present for this kind of frontend. An object with a route to one target gets
	// all of its targets, so that moving a name to another target needs no reload.
	tcp, http bool
	// leads are the targets that TCP frontends lead to. reached are the targets that these connections may pass or end in.
	leads, reached map[string]bool
}

// concerns reports whether the host has the target.
func (d targetUse) concerns(target string) bool {
	return d.tcp || d.http || d.reached[target]
}

// addBackends adds the backends and weighted routes of the objects' targets, and the Members that own them.
func (h *Host) addBackends(members []membership, s Snapshot) {
	h.DrainTimeouts = make(map[string]time.Duration, len(members))
	for _, m := range members {
		member := Member{
			Object: m.name(), Generation: m.object.Generation, Suspended: m.object.Spec.Suspend, HostName: m.host.Name,
			Frontends: m.served.frontends, Joined: m.served.joined, Redirects: m.served.redirects,
		}
		slices.Sort(member.Frontends)
		slices.Sort(member.Redirects)
		for i := range m.object.Spec.Targets {
			h.addTarget(m, &m.object.Spec.Targets[i], &member, s)
		}
		slices.Sort(member.Backends)
		slices.Sort(member.Counts)
		h.Members = append(h.Members, member)
	}
}

// addTarget adds a target's backends and weighted routes for each kind of frontend that uses it.
func (h *Host) addTarget(m membership, t *v1alpha1.Target, member *Member, s Snapshot) {
	d := m.served.targetUse
	if !d.concerns(t.Name) {
		return
	}
	if !m.targets.Has(t) {
		h.report(m.targetProblem(t.Name, "two targets have the name %s: the first one counts. Give the other one another name", t.Name))
		return
	}
	if found := m.targets.Fault(t.Name); found != nil {
		h.reportUnused(m, t.Name, found)
		return
	}
	for _, loss := range m.targets.Losses(t.Name) {
		h.report(m.targetProblem(t.Name, "%s", loss.Of(t.Name)))
	}
	t = m.targets.Usable(t.Name)
	if spec.HasServers(t) {
		h.addBackend(m, t, member, s)
	}
	if spec.IsRoute(t) && (d.tcp || d.leads[t.Name]) {
		h.Config.WeightedRoutes = append(h.Config.WeightedRoutes, m.route(t, false))
	}
	if spec.IsRoute(t) && d.http {
		h.Config.WeightedRoutes = append(h.Config.WeightedRoutes, m.route(t, true))
	}
}

// addBackend adds the backends of a target with servers. The servers of only one of them are counted.
func (h *Host) addBackend(m membership, t *v1alpha1.Target, member *Member, s Snapshot) {
	d := m.served.targetUse
	backend := h.withServers(m, t, s)
	tcp := d.tcp || d.reached[t.Name]
	limits := [2]int{backend.MaxConnections, backend.MaxConnections}
	if tcp && d.http {
		limits = h.halves(m, t, backend.MaxConnections)
	}
	var names []string
	for i, mode := range []struct{ wanted, http bool }{{tcp, false}, {d.http, true}} {
		if mode.wanted {
			variant := forMode(backend, m.backendName(t.Name, mode.http), mode.http)
			variant.MaxConnections = limits[i]
			h.Config.Backends = append(h.Config.Backends, variant)
			h.DrainTimeouts[variant.Name] = drainTimeout(t)
			names = append(names, variant.Name)
		}
	}
	member.Backends, member.Counts = append(member.Backends, names...), append(member.Counts, names[0])
}

// halves divides the limit of a target's servers between its two backends: HAProxy counts the connections of each backend
// separately, and together they must not open more than the limit.
func (h *Host) halves(m membership, t *v1alpha1.Target, limit int) (halves [2]int) {
	if limit == 1 {
		h.report(m.targetProblem(t.Name, "target %s: maxConnectionsPerServer of 1 cannot be divided between the HTTP listeners and the others: "+
			"each kind has 1. Set at least 2, or make a target of its own for each kind", t.Name))
		return [2]int{1, 1}
	}
	return [2]int{limit - limit/2, limit / 2}
}

// route returns the weighted route of a target with more than one possible destination.
func (m membership) route(t *v1alpha1.Target, http bool) haproxy.WeightedRoute {
	r := haproxy.WeightedRoute{Name: m.entryName(t, http)}
	for _, share := range m.targets.Shares(t.Name) {
		backends := make([]string, len(share.Backends))
		for i, name := range share.Backends {
			backends[i] = m.backendName(name, http)
		}
		r.Shares = append(r.Shares, haproxy.Share{Percent: share.Percent, Backends: backends})
	}
	return r
}

// forMode returns the backend for HTTP frontends or for others. A request has no TLS session that could identify a client.
func forMode(b haproxy.Backend, name string, http bool) haproxy.Backend {
	b.Name, b.HTTP = name, http
	if http && b.Affinity.By == haproxy.ByTLSSessionID {
		b.Affinity = haproxy.Affinity{}
	}
	return b
}

// withServers returns the backend of a target that has servers, without a name. If the servers of the Service are unknown,
// the backend keeps the servers that the host has, so that traffic keeps flowing.
func (h *Host) withServers(m membership, t *v1alpha1.Target, s Snapshot) haproxy.Backend {
	// The target has no fault, so there is no error.
	b, _ := spec.Backend(t)
	if t.Service == nil {
		b.Servers = h.allowedServers(m, t, b.Servers, s)
		return b
	}
	var failure *unavailable
	if failure = forbidden(m, t, s); failure == nil {
		b.Servers, b.KeepServers, failure = serversOf(m, t, s)
		b.Servers = h.allowedServers(m, t, b.Servers, s)
	}
	if failure != nil {
		problem := m.problem(failure.reason, "target %s: %s", t.Name, failure.sentence)
		problem.Target = t.Name
		h.Problems = append(h.Problems, problem)
	}
	return b
}

// forbidden returns a problem if the object may not reach the target's Service. What was never allowed must not serve, so no
// server is kept.
func forbidden(m membership, t *v1alpha1.Target, s Snapshot) *unavailable {
	key, _ := ServiceOf(m.object, t)
	switch {
	case key.Cluster != (ClusterKey{}), key.Namespace == m.object.Namespace:
		return nil
	case s.CrossNamespace && (len(s.Namespaces) == 0 || slices.Contains(s.Namespaces, key.Namespace)):
		return nil
	case s.CrossNamespace:
		return unavailablef(v1alpha1.ReasonNamespaceNotAllowed, "Service %s is in a namespace that the operator does not watch: name one of "+
			"another namespace, or add it to --watch-namespaces. Until then it has no server", key.NamespacedName)
	}
	return unavailablef(v1alpha1.ReasonNamespaceNotAllowed, "Service %s is in another namespace, which the operator does not allow: name one "+
		"of namespace %s, or run the operator with --allow-cross-namespace-services. Until then it has no server",
		key.NamespacedName, m.object.Namespace)
}

func (m membership) targetProblem(target, format string, args ...any) Problem {
	problem := m.problem(v1alpha1.ReasonTargetInvalid, format, args...)
	problem.Target = target
	return problem
}

// reportUnused reports a target that cannot be used, unless a listener that leads there has reported it.
func (h *Host) reportUnused(m membership, target string, found *spec.Fault) {
	if !h.reported[withoutMessage(m.targetProblem(target, ""))] {
		h.report(m.targetProblem(target, "target %s is left out: %s", target, found.Of(target)))
	}
}

// report adds a problem once.
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
